package locate

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
		"[realms]\n CORP.TEST = {\n kdc = 10.0.0.1\n kdc = fd00::1\n }\n": probe.ReasonNoKDCInFile, "[realms\n": probe.ReasonFileUnparsable,
		"[libdefaults]\n permitted_enctypes = aes512\n[realms]\n CORP.TEST = {\n kdc = 10.0.0.1\n }\n": probe.ReasonNoETypes} {
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

const pluginsDir = "usr/lib/x86_64-linux-gnu/krb5/plugins/libkrb5/"

// SSSD's choice of KDCs comes before the file, where its plugin is installed. Measured with kinit 1.20.1 and the plugin of
// SSSD 2.8.2, by KRB5_TRACE.
func TestSSSDsChoice(t *testing.T) {
	conf := "[libdefaults]\n dns_lookup_kdc = false\n[realms]\n CORP.TEST = {\n kdc = dc1.corp.test\n }\n"
	const file = "127.0.0.10:88"
	for info, want := range map[string][]string{
		"10.1.1.1\n[fd00::1]:8888\n":                {"10.1.1.1:88", "[fd00::1]:8888"},
		"[10.1.1.1]\n":                              {"10.1.1.1:88"},
		"dc1.corp.test:321\n10.1.1.2":               {"127.0.0.10:321", "10.1.1.2:88"},
		"10.1.1.1:x\n10.1.1.2:0\n\n10.1.1.3\n":      {"10.1.1.1:88", "10.1.1.2:88"},
		"10.1.1.1\nabsent.corp.test\n10.1.1.2\n":    {"10.1.1.1:88", file},
		"absent.corp.test\n10.1.1.2\n":              {file},
		"fd00::1\n":                                 {file}, // taken for a host and a port
		" 10.1.1.1 \n":                              {file},
		"10.1.1.1 10.1.1.2\n":                       {file},
		"":                                          {file},
		"\n10.1.1.1\n":                              {}, // kinit: Cannot find KDC for realm "CORP.TEST"
		"without the plugin\nnothing is read of it": {file},
	} {
		files := names(map[string]string{"etc/krb5.conf": conf, "var/lib/sss/pubconf/kdcinfo.CORP.TEST": info})
		if !strings.HasPrefix(info, "without") {
			files[pluginsDir+"sssd_krb5_locator_plugin.so"] = ""
		}
		p := programs(t, files, elsewhere{kdc: "10.9.9.9:88"})
		got, err := p.KDCs(t.Context(), "CORP.TEST")
		lack := p.Trail("", heard(got[0], got[0], "CORP.TEST")).Lack
		if len(want) == 0 {
			if lack == nil {
				t.Errorf("%q: %v, and nothing is lacking", info, got)
			}
			continue
		}
		var said []string
		for _, a := range got {
			said = append(said, a.String())
		}
		if err != nil || lack != nil || !slices.Equal(said, want) {
			t.Errorf("%q: %v, %v, %v; want %v", info, said, err, lack, want)
		}
	}
}

// What winbindd has chosen is not read, which is said where programs ask it.
func TestWinbindsChoiceIsNamed(t *testing.T) {
	files := names(map[string]string{"etc/krb5.conf": "[realms]\n CORP.TEST = {\n kdc = dc1.corp.test\n }\n"})
	said := func() bool {
		p := programs(t, files, elsewhere{})
		got, err := p.KDCs(t.Context(), "CORP.TEST")
		if err != nil || got[0].String() != "127.0.0.10:88" {
			t.Fatalf("%v, %v", got, err)
		}
		return strings.Contains(strings.Join(p.Trail("", heard(got[0], got[0], "CORP.TEST")).Passed, "; "), "winbindd")
	}
	for _, f := range []string{"etc/other", pluginsDir + "winbind_krb5_locator.so"} {
		files[f] = ""
		if said() {
			t.Errorf("with %s, and no winbindd that runs, it is said", f)
		}
	}
	if files["run/samba/winbindd/pipe"] = ""; !said() {
		t.Error("it is not said")
	}
}

// The encryption types of a login are those that the krb5.conf lets libkrb5 ask for; without such a line it is all.
func TestEncryptionTypesAreTheFiles(t *testing.T) {
	for line, want := range map[string][]int32{
		"":                                nil,
		"permitted_enctypes = aes128-cts": {17},
		"default_tkt_enctypes = aes256-cts rc4-hmac":            {18, 23},
		"permitted_enctypes = aes128-cts-hmac-sha256-128 bogus": {19},
	} {
		p := programs(t, names(map[string]string{"etc/krb5.conf": "[libdefaults]\n " + line + "\n"}), elsewhere{})
		if got := p.ETypes(); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", line, got, want)
		}
	}
}
