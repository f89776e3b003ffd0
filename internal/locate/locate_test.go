package locate

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/host"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/login"
)

// elsewhere is what kerbagent knows otherwise.
type elsewhere struct{ kdc, addr string }

func (e elsewhere) KDCs(context.Context, string) ([]netip.AddrPort, error) {
	if e.kdc == "" {
		return nil, errors.New("not known here")
	}
	return []netip.AddrPort{netip.MustParseAddrPort(e.kdc)}, nil
}

func (e elsewhere) Addresses(context.Context, string) ([]netip.Addr, error) {
	if e.addr == "" {
		return nil, errors.New("not known here")
	}
	return []netip.Addr{netip.MustParseAddr(e.addr)}, nil
}

// heard is what a login heard that one KDC answered over TCP, and over UDP where the other is valid.
func heard(kdc, datagram netip.AddrPort, realms ...string) login.Heard {
	h := login.Heard{Realms: realms, KDCs: map[string]netip.AddrPort{}, Datagram: datagram, Largest: map[string]int{}, Told: func(netip.AddrPort) bool { return false }}
	for _, r := range realms {
		h.KDCs[r], h.Largest[r] = kdc, 1600
	}
	return h
}

// programs is a host whose names are in /etc/hosts alone.
func programs(t *testing.T, files map[string]string, other Names) *Programs {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return &Programs{Root: root, Other: other,
		Host: func() (*host.Resolver, error) { return host.Read(root, &net.Dialer{}) },
		Krb5: func() *reader.Reading { return read([]string{filepath.Join(root, "etc/krb5.conf")}) }}
}

func names(more map[string]string) map[string]string {
	files := map[string]string{"etc/nsswitch.conf": "hosts: files\n", "etc/hosts": "127.0.0.10 dc1.corp.test\n127.0.0.11 dc2.corp.test\n127.0.0.20 db.corp.test orders\n",
		"etc/resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n", "etc/host.conf": "multi on\n"}
	for name, text := range more {
		files[name] = text
	}
	return files
}

// A login asks the KDCs of the krb5.conf that programs read, in its order.
func TestKDCsOfTheFile(t *testing.T) {
	p := programs(t, names(map[string]string{"etc/krb5.conf": "[realms]\n CORP.TEST = {\n kdc = dc2.corp.test:8888\n kdc = absent.corp.test\n kdc = dc1.corp.test\n }\n"}), elsewhere{kdc: "10.9.9.9:88"})
	got, err := p.KDCs(t.Context(), "CORP.TEST")
	want := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.11:8888"), netip.MustParseAddrPort("127.0.0.10:88")}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	trail := p.Trail("db.corp.test", heard(want[1], netip.AddrPort{}, "CORP.TEST"))
	if trail.Lack != nil || trail.Wait > time.Second || len(trail.Routes) != 1 || trail.Routes[0].String() != "CORP.TEST 1465 1600 0s 0s "+
		"dc2.corp.test//0s/127.0.0.11:8888 absent.corp.test//0s/ dc1.corp.test//0s/127.0.0.10:88" {
		t.Errorf("%+v", trail)
	}
}

// Where a program finds no KDC, the login goes on with what kerbagent knows, and says so.
func TestALackIsKept(t *testing.T) {
	for file, of := range map[string]probe.Reason{"[libdefaults]\n dns_lookup_kdc = false\n": probe.ReasonNoKDCInFile, "[realms]\n CORP.TEST = {\n kdc = absent.corp.test\n }\n": "",
		"[realms]\n CORP.TEST = {\n kdc = 10.0.0.1\n kdc = fd00::1\n }\n": probe.ReasonNoKDCInFile, "[realms\n": probe.ReasonFileUnparsable} {
		p := programs(t, names(map[string]string{"etc/krb5.conf": file}), elsewhere{kdc: "10.9.9.9:88", addr: "10.9.9.8"})
		got, err := p.KDCs(t.Context(), "CORP.TEST")
		if err != nil || !slices.Equal(got, []netip.AddrPort{netip.MustParseAddrPort("10.9.9.9:88")}) {
			t.Errorf("%q: %v, %v", file, got, err)
		}
		if _, err := p.Addresses(t.Context(), "absent.corp.test"); err != nil {
			t.Error(err)
		}
		if trail := p.Trail("absent.corp.test", heard(got[0], got[0], "CORP.TEST")); trail.Lack == nil || trail.LackRealm != "CORP.TEST" || trail.LackOf != of {
			t.Errorf("%q: %+v", file, trail)
		}
		if trail := p.Trail("absent.corp.test", heard(got[0], got[0])); trail.Lack == nil || trail.LackRealm != "" {
			t.Errorf("%q: %+v", file, trail)
		}
	}
}

// No krb5.conf is libkrb5's defaults and no error; a database may be known to /etc/hosts alone.
func TestWithoutAFile(t *testing.T) {
	p := programs(t, names(nil), elsewhere{})
	if r := p.Krb5(); r.Err != nil || !r.DNSLookupKDC.Value {
		t.Errorf("%v, DNS is asked: %v", r.Err, r.DNSLookupKDC.Value)
	}
	got, err := p.Addresses(t.Context(), "orders")
	if err != nil || !slices.Equal(got, []netip.Addr{netip.MustParseAddr("127.0.0.20")}) {
		t.Errorf("%v, %v", got, err)
	}
	if trail := p.Trail("orders", heard(netip.AddrPort{}, netip.AddrPort{})); trail.Lack != nil || trail.Wait > time.Second {
		t.Errorf("%+v", trail)
	}
}

// A pipe in the place of SSSD's file is not waited for.
func TestSSSDsFileIsNoPipe(t *testing.T) {
	p := programs(t, names(map[string]string{"usr/lib/x86_64-linux-gnu/krb5/plugins/libkrb5/sssd_krb5_locator_plugin.so": "", "var/lib/sss/pubconf/other": ""}), elsewhere{kdc: "10.9.9.9:88"})
	if err := syscall.Mkfifo(filepath.Join(p.Root, "var/lib/sss/pubconf/kdcinfo.CORP.TEST"), 0o600); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { _, err := p.KDCs(t.Context(), "CORP.TEST"); ended <- err }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the pipe is waited for")
	}
}

// SSSD's choice of a KDC comes before the file, where its plugin is installed.
func TestSSSDsChoice(t *testing.T) {
	files := names(map[string]string{"etc/krb5.conf": "[realms]\n CORP.TEST = {\n kdc = dc1.corp.test\n }\n", "var/lib/sss/pubconf/kdcinfo.CORP.TEST": "10.1.1.1\n[fd00::1]:8888\n"})
	const plugin = "usr/lib/x86_64-linux-gnu/krb5/plugins/libkrb5/sssd_krb5_locator_plugin.so"
	for i, want := range []string{"127.0.0.10:88", "10.1.1.1:88"} {
		if i == 1 {
			files[plugin] = ""
		}
		got, err := programs(t, files, elsewhere{}).KDCs(t.Context(), "CORP.TEST")
		if err != nil || got[0] != netip.MustParseAddrPort(want) {
			t.Errorf("%d: %v, %v", i, got, err)
		}
	}
}
