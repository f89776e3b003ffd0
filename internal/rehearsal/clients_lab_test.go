//go:build lab

package rehearsal

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// others is a shell's view of a world: MIT's and ISC's programs, pointed at it
// by the files that --serve writes.
type others struct {
	t     *testing.T
	w     *World
	files Files
	env   []string
}

func serve(t *testing.T, d Dialect) *others {
	t.Helper()
	w := start(t, Options{Dialect: d})
	dir := t.TempDir()
	f, err := w.WriteClientFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	return &others{t: t, w: w, files: f, env: append(os.Environ(), "KRB5_CONFIG="+f.Krb5Conf, "KRB5CCNAME=FILE:"+filepath.Join(dir, "ccache"), "LC_ALL=C")}
}

// udpFirst lets libkrb5 try datagrams first, as it does unless told otherwise.
func (o *others) udpFirst() {
	o.t.Helper()
	b, err := os.ReadFile(o.files.Krb5Conf)
	if err != nil {
		o.t.Fatal(err)
	}
	changed := strings.ReplaceAll(string(b), "udp_preference_limit = 1\n", "udp_preference_limit = 1465\n")
	if changed == string(b) {
		o.t.Fatal("krb5.conf says nothing of UDP")
	}
	if err := os.WriteFile(o.files.Krb5Conf, []byte(changed), 0o600); err != nil {
		o.t.Fatal(err)
	}
}

// try runs a program, with lines on its standard input.
func (o *others) try(lines, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env, cmd.Stdin = o.env, strings.NewReader(lines)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// run is try for what has to work.
func (o *others) run(lines, name string, args ...string) string {
	o.t.Helper()
	out, err := o.try(lines, name, args...)
	if err != nil {
		o.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return out
}

func dialects() []Dialect { return []Dialect{Windows, Samba, MIT} }

func TestLabKinit(t *testing.T) {
	for _, d := range dialects() {
		t.Run(string(d)+"/password", func(t *testing.T) {
			o := serve(t, d)
			o.run(alicePassword+"\n", "kinit", alice)
			if out := o.run("", "klist"); !strings.Contains(out, "krbtgt/"+corpRealm+"@"+corpRealm) {
				t.Errorf("no TGT:\n%s", out)
			}
		})
		t.Run(string(d)+"/keytab", func(t *testing.T) {
			o := serve(t, d)
			o.run("", "kinit", "-k", "-t", o.files.Keytab, etl)
			o.run("", "kinit", "-k", "-t", o.files.Keytab, alice)
		})
		t.Run(string(d)+"/wrong password", func(t *testing.T) {
			o := serve(t, d)
			if out, err := o.try("nonsense\n", "kinit", alice); err == nil {
				t.Errorf("kinit took a wrong password:\n%s", out)
			}
		})
	}
}

// The trace says over which transport an answer came.
func TestLabKinitOverBothTransports(t *testing.T) {
	for name, udp := range map[string]bool{"udp": true, "tcp": false} {
		t.Run(name, func(t *testing.T) {
			o := serve(t, MIT) // without a PAC everything fits into a datagram
			if udp {
				o.udpFirst()
			}
			o.env = append(o.env, "KRB5_TRACE=/dev/stdout")
			out := o.run(alicePassword+"\n", "kinit", alice)
			if got := strings.Contains(out, "Received answer") && strings.Contains(out, "from dgram"); got != udp {
				t.Errorf("answered over UDP: %v\n%s", got, out)
			}
			if got := strings.Contains(out, "from stream"); got == udp {
				t.Errorf("answered over TCP: %v\n%s", got, out)
			}
		})
	}
}

func TestLabKvno(t *testing.T) {
	for _, d := range dialects() {
		t.Run(string(d)+"/own realm", func(t *testing.T) {
			o := serve(t, d)
			o.run(alicePassword+"\n", "kinit", alice)
			o.run("", "kvno", databaseSPN+"@"+corpRealm)
			if out := o.run("", "klist", "-e"); strings.Contains(out, "arcfour") || strings.Contains(out, "rc4") {
				t.Errorf("RC4 in a healthy world:\n%s", out)
			}
		})
		t.Run(string(d)+"/over the trust", func(t *testing.T) {
			o := serve(t, d)
			o.run(carolPassword+"\n", "kinit", carol)
			o.run("", "kvno", databaseSPN+"@"+corpRealm)
			out := o.run("", "klist")
			for _, want := range []string{"krbtgt/" + corpRealm + "@" + onpremRealm, databaseSPN + "@" + corpRealm} {
				if !strings.Contains(out, want) {
					t.Errorf("no %s:\n%s", want, out)
				}
			}
		})
		t.Run(string(d)+"/unknown service", func(t *testing.T) {
			o := serve(t, d)
			o.run(alicePassword+"\n", "kinit", alice)
			if out, err := o.try("", "kvno", "mysql/nowhere.corp.example.com@"+corpRealm); err == nil || !strings.Contains(out, "not found") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func TestLabKpasswd(t *testing.T) {
	for _, d := range dialects() {
		t.Run(string(d), func(t *testing.T) {
			o := serve(t, d)
			const changed = "Rehearsal-Alice-2"
			o.run(strings.Join([]string{alicePassword, changed, changed, ""}, "\n"), "kpasswd", alice)
			if out, err := o.try(alicePassword+"\n", "kinit", alice); err == nil {
				t.Errorf("the old password still works:\n%s", out)
			}
			o.run(changed+"\n", "kinit", alice)
		})
	}
}

func TestLabDig(t *testing.T) {
	o := serve(t, Windows)
	dig := func(s netip.AddrPort, args ...string) string {
		return o.run("", "dig", append([]string{"@" + s.Addr().String(), "-p", strconv.Itoa(int(s.Port())), "+tries=1", "+time=5"}, args...)...)
	}
	for _, transport := range []string{"+notcp", "+tcp"} {
		out := dig(o.w.dc1.dns.addr, transport, "_kerberos._tcp.corp.example.com", "SRV")
		if !strings.Contains(out, "flags: qr aa rd;") || !strings.Contains(out, strconv.Itoa(int(o.w.dc1.kdcPort))+" dc1.corp.example.com.") {
			t.Errorf("domain controller, %s:\n%s", transport, out)
		}
		out = dig(o.w.Resolver(), transport, "+short", databaseHost, "A")
		if out != instanceHost+".\n"+o.w.database.Addr().Addr().String()+"\n" {
			t.Errorf("resolver, %s:\n%s", transport, out)
		}
	}
	if out := dig(o.w.dc1.dns.addr, "onprem.local", "SOA"); !strings.Contains(out, "NOERROR") || strings.Contains(out, " aa ") || !strings.Contains(out, "ANSWER: 0") {
		t.Errorf("foreign zone:\n%s", out)
	}
}

// What is printed is what works.
func TestLabText(t *testing.T) {
	o := serve(t, Windows)
	for _, line := range strings.Split(o.files.Text, "\n") {
		input := ""
		switch {
		case line == "kinit "+alice:
			input = alicePassword + "\n"
		case strings.HasPrefix(line, "kinit "+carol):
			input = carolPassword + "\n"
		case strings.HasPrefix(line, "kpasswd"):
			input = strings.Join([]string{alicePassword, "Rehearsal-Alice-3", "Rehearsal-Alice-3", ""}, "\n")
		case strings.HasPrefix(line, "mysql"), strings.HasPrefix(line, "xdg-open"), strings.HasPrefix(line, "kerbagent"):
			continue // not on this machine, and not this package's
		}
		o.run(input, "sh", "-ec", line)
	}
}
