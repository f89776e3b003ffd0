package locate

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/kerbagent/kerbagent/krb5/sendto"
)

var (
	kinitSeed  = flag.Uint64("kinit-seed", 1, "of the drawn records and files that kinit is asked about")
	kinitCases = flag.Int("kinit-cases", 150, "how many of them")
)

const kinitVar = "KERBAGENT_LOCATE_INSIDE"

// Whom a login asks is whom MIT's kinit asks, in its order, of drawn URI and SRV records and lines of krb5.conf. Nobody
// listens anywhere, so that all are asked. kinit tells by KRB5_TRACE; both run in namespaces that the test makes.
func TestKDCsAreThoseOfKinit(t *testing.T) {
	if os.Getenv(kinitVar) == "" {
		if _, err := exec.LookPath("kinit"); err != nil {
			t.Skip("needs kinit")
		}
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKDCsAreThoseOfKinit$", "-test.v", fmt.Sprintf("-kinit-seed=%d", *kinitSeed), fmt.Sprintf("-kinit-cases=%d", *kinitCases))
		cmd.Env = append(os.Environ(), kinitVar+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
		out, err := cmd.CombinedOutput()
		if errors.Is(err, syscall.EPERM) {
			t.Skip("needs root: it makes namespaces")
		}
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	for _, args := range [][]string{{"mount", "--make-rprivate", "/"}, {"mount", "-t", "tmpfs", "none", "/etc"}, {"ip", "link", "set", "lo", "up"}} {
		if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
	}
	asked := 0
	for i := range *kinitCases {
		r := rand.New(rand.NewPCG(*kinitSeed, uint64(i)))
		conf, records := drawKrb5Conf(r), drawRecords(r)
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			want, proxy := byKinit(t, conf, records)
			p := asking(t, map[string]string{"etc/krb5.conf": conf, "etc/nsswitch.conf": "hosts: dns\n", "etc/resolv.conf": "nameserver 127.0.0.1\n"}, "127.0.0.1:53")
			got := bySendto(t, p)
			if f := p.last("realm CORP.TEST"); proxy { // then the others are asked in vain, or not at all
				if !strings.Contains(strings.Join(f.passed, "; "), "KDC proxy") {
					t.Errorf("seed %d case %d: the proxy that kinit asks is not named: %q", *kinitSeed, i, f.passed)
				}
			} else if !slices.Equal(got, want) {
				t.Errorf("seed %d case %d: this asks %v, kinit %v\n%s%s", *kinitSeed, i, got, want, conf, strings.Join(records, "\n"))
			}
			asked += len(want)
		})
	}
	if asked < *kinitCases/2 {
		t.Errorf("kinit asks %d servers in %d cases", asked, *kinitCases)
	}
}

// bySendto is whom the route of a look-up leads to, over which transport.
func bySendto(t *testing.T, p *Programs) []string {
	t.Helper()
	_, _ = p.KDCs(t.Context(), "CORP.TEST")
	f := p.last("realm CORP.TEST")
	f.end()
	var out []string
	f.route.Send(180, false, func(a sendto.Asked) sendto.Does {
		if said := a.Transport + " " + a.Addr.String(); !slices.Contains(out, said) {
			out = append(out, said)
		}
		return sendto.Does{Refuses: true}
	})
	return out
}

var asks = regexp.MustCompile(`(?:Sending initial UDP request to|Initiating TCP connection to|Terminating TCP connection to) (dgram|stream|https) (\S+)|Sending request \(|Retrying AS`)

func byKinit(t *testing.T, conf string, records []string) (out []string, proxy bool) {
	t.Helper()
	serveRecords(t, "127.0.0.1:53", records...)
	file := filepath.Join(t.TempDir(), "krb5.conf")
	for name, text := range map[string]string{file: conf, "/etc/nsswitch.conf": "hosts: dns\n", "/etc/resolv.conf": "nameserver 127.0.0.1\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "kinit", "u@CORP.TEST")
	cmd.Env = append(os.Environ(), "KRB5_CONFIG="+file, "KRB5_TRACE=/dev/stderr", "KRB5CCNAME=MEMORY:")
	trace, _ := cmd.CombinedOutput() // it finds nobody, and fails
	requests := 0
	for _, m := range asks.FindAllStringSubmatch(string(trace), -1) {
		if m[1] == "" {
			if requests++; requests > 1 {
				break // the primary is asked, if there is one
			}
			continue
		}
		proxy = proxy || m[1] == "https"
		said := map[string]string{"dgram": "udp", "stream": "tcp"}[m[1]] + " " + netip.MustParseAddrPort(m[2]).String()
		if !slices.Contains(out, said) {
			out = append(out, said)
		}
	}
	return out, proxy
}

func one[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func drawKrb5Conf(r *rand.Rand) string {
	conf := "[libdefaults]\n dns_canonicalize_hostname = false\n"
	for _, key := range []string{"dns_lookup_kdc", "dns_uri_lookup"} {
		if value := one(r, "", "", "true", "false", "yes", "0", "never"); value != "" {
			conf += " " + key + " = " + value + "\n"
		}
	}
	conf += one(r, "", "", " udp_preference_limit = 1\n", " dns_fallback = false\n")
	conf += "[realms]\n " + one(r, "CORP.TEST", "CORP.TEST", "CORP.TEST", "OTHER.TEST") + " = {\n"
	for range one(r, 0, 0, 0, 1, 2) {
		conf += "  kdc = " + one(r, "dc1.corp.test", "dc2.corp.test:8888", "127.0.0.94", "127.0.0.95:99", "absent.corp.test", "tcp/dc3.corp.test", "udp/dc4.corp.test:89", "dc1.corp.test:x", "https://dc1.corp.test/KdcProxy") + "\n"
	}
	conf += one(r, "", "  admin_server = dc3.corp.test\n", "  kpasswd_server = dc2.corp.test\n", "  primary_kdc = dc3.corp.test\n", "  master_kdc = dc4.corp.test\n")
	return conf + " }\n"
}

func drawRecords(r *rand.Rand) []string {
	out := []string{"dc1.corp.test. 60 IN A 127.0.0.91", "dc2.corp.test. 60 IN A 127.0.0.92", "dc3.corp.test. 60 IN A 127.0.0.93", "dc4.corp.test. 60 IN A 127.0.0.94", "dc4.corp.test. 60 IN A 127.0.0.96"}
	dc := func() string { return one(r, "dc1", "dc2", "dc3", "dc4", "absent") + ".corp.test" }
	for i := range one(r, 0, 0, 1, 1, 2, 3) {
		target := one(r, "krb5srv:m:udp:", "krb5srv::udp:", "krb5srv:m:tcp:", "krb5srv::tcp:", "KRB5SRV:M:UDP:", "krb5srv:m:kkdcp:https://", "krb5srv:m:sctp:", "krb5srv:mx:tcp:", "krb5:m:udp:", "krb5srv:udp:") + dc() + one(r, "", "", ":8888", ".", ":x")
		out = append(out, fmt.Sprintf("_kerberos.corp.test. 60 IN URI %d 1 \"%s\"", i, target))
	}
	for _, proto := range []string{"_udp", "_tcp"} {
		for i := range one(r, 0, 1, 1, 2, 3) {
			target := dc()
			if r.IntN(12) == 0 {
				target = ""
			}
			out = append(out, fmt.Sprintf("_kerberos.%s.corp.test. 60 IN SRV %d 1 %d %s.", proto, i, one(r, 88, 88, 8888), target))
		}
		if r.IntN(10) == 0 {
			out = append(out, one(r, "servfail", "refuse")+" _kerberos."+proto+".corp.test.")
		}
	}
	if r.IntN(10) == 0 {
		out = append(out, one(r, "servfail", "refuse")+" _kerberos.corp.test.")
	}
	return out
}
