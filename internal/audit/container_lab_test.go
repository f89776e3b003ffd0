//go:build lab

package audit

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/lab/labtest"
)

// firstLine is the code of what a report about one program begins with; empty
// where nothing was found.
func firstLine(a Application) string {
	r := diagnose.Explain(diagnose.Snapshot{Results: Results(Report{Applications: []Application{a}}, time.Now)})
	if len(r.Findings) == 0 {
		return ""
	}
	return string(r.Findings[0].Code)
}

// hostAddresses are a host's, as this host finds them.
func hostAddresses(ctx context.Context, host string) ([]netip.Addr, error) {
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, err
}

// contained runs a program with a file system of its own, in which another file
// stands at a path.
func contained(a app, file, at string) app {
	a.wrap = []string{"unshare", "-m", "sh", "-c", `mount --bind "$1" "$2" && shift 2 && exec "$@"`, "sh", file, at}
	return a
}

// Programs with a file system or users of their own, each broken in one way:
// MariaDB's client cannot log in there, the first line says why, and with that
// mended it logs in and nothing is said.
func TestLabBrokenContainers(t *testing.T) {
	t.Parallel()
	p := newPlaces(t)
	cached := func(name string) app { return app{env: []string{p.ccache(name, 0)}} }
	lost := func(a app) app { a.wait = shortly; return a }
	file := func(name, text string) string { return put(t, filepath.Join(p.dir, name), text, 0o644) }
	same := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return file("same-"+filepath.Base(path), string(b))
	}
	users := []string{"unshare", "-U", "-r"}
	for _, c := range []struct {
		name, code     string
		broken, mended app
	}{
		{"a nameserver that knows nothing", "app-container-resolver",
			lost(contained(cached("a"), file("resolv", "nameserver 127.0.0.9\noptions timeout:1 attempts:1\n"), resolvConf)), contained(cached("b"), same(resolvConf), resolvConf)},
		{"no DNS in nsswitch", "app-container-resolver",
			lost(contained(cached("e"), file("nsswitch", "hosts: files\n"), nsswitch)), contained(cached("f"), file("dns", "hosts: files dns\n"), nsswitch)},
		{"another address for the database", "app-container-resolver",
			contained(cached("g"), file("hosts", "127.0.0.1 localhost "+labtest.Endpoint+"\n"), hostsFile), contained(cached("h"), file("local", "127.0.0.1 localhost\n"), hostsFile)},
		{"the image's krb5.conf", "app-container-krb5conf",
			contained(cached("i"), file("image", "[libdefaults]\n default_realm = ATHENA.MIT.EDU\n dns_lookup_kdc = false\n"), "/etc/krb5.conf"),
			contained(cached("j"), same("/etc/krb5.conf"), "/etc/krb5.conf")},
		{"a keyring in a container", "app-ccache-unusable",
			app{env: []string{"KRB5CCNAME=KEYRING:persistent:0"}, wrap: users}, app{env: []string{p.ccache("k", 0)}, wrap: users}},
		{"KCM without its daemon in a container", "app-ccache-unusable",
			contained(app{env: []string{"KRB5CCNAME=KCM:0"}}, file("none", "# nothing\n"), "/etc/gai.conf"), contained(cached("l"), file("none", "# nothing\n"), "/etc/gai.conf")},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := labOptions()
			o.Addresses = hostAddresses
			if out, err := c.broken.login(t); err == nil {
				t.Fatalf("this is not broken: the client logs in: %s", out)
			}
			a := audited(t, o, c.broken.start(t))
			if got := firstLine(a); got != c.code {
				t.Errorf("%q first, want %s: %+v", got, c.code, a.Issues)
			}
			if out, err := c.mended.login(t); err != nil {
				t.Fatalf("this is not mended: %v\n%s", err, out)
			}
			if a := audited(t, o, c.mended.start(t)); len(a.Issues) > 0 {
				t.Errorf("mended, and the audit says %+v", a.Issues)
			}
		})
	}
}
