//go:build hostile

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"github.com/kerbagent/kerbagent/internal/rehearsal"
	"github.com/kerbagent/kerbagent/krb5/krb5test"
	"github.com/kerbagent/kerbagent/mysql"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
)

// attack is one hostile peer or user, played against a real process.
type attack struct {
	who, what, bound string
	play             func(*testing.T) (measured string, held bool)
}

// TestHostile plays every attack and prints what was measured beside what was
// promised. It fails where a bound does not hold.
func TestHostile(t *testing.T) {
	attacks := []attack{
		{"DNS", "40 SRV records with 200 addresses each", "at most 256 addresses asked, 120 MiB, 60 s", amplified},
		{"DNS", "a record of 54 KB in each answer", "at most 120 MiB, 60 s", hugeRecord},
		{"KDC", "an answer that claims 2 GiB and never ends", "at most 120 MiB, 60 s; no ok", func(t *testing.T) (string, bool) { return rogueKDC(t, lengthBomb) }},
		{"KDC", "one byte a second", "at most 120 MiB, 60 s; no ok", func(t *testing.T) (string, bool) { return rogueKDC(t, drip) }},
		{"KDC", "offers RC4 alone to a password", "no request that proves the password", rc4Only},
		{"database", "a greeting that never ends", "at most 120 MiB, 60 s; no ok", func(t *testing.T) (string, bool) { return rogueDatabase(t, flood) }},
		{"database", "one byte a second", "at most 120 MiB, 60 s; no ok", func(t *testing.T) (string, bool) { return rogueDatabase(t, drip) }},
		{"database", "terminal escapes in its error", "no escape character printed", escapes},
		{"local user", "a pipe in place of a password file", "at most 30 s; secret-malformed", pipeSecret},
		{"local user", "a shared lock on the folder of krb5.conf", "apply ends within 30 s", lockedFolder},
		{"local user", "a state folder that cannot be written", "no request that proves the password", noRecord},
		{"local user", "a full disk under the state folder", "no request that proves the password", fullDisk},
		{"web page", "another Host header (DNS rebinding)", "refused", foreignHost},
		{"network", "300 connections to the status page", "probes stay right; the page is served again", portFlood},
	}
	attacks = append(attacks, ldapAttacks()...)
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "hostile\tattack\tbound\tmeasured\theld")
	for _, a := range attacks {
		t.Run(a.who+": "+a.what, func(t *testing.T) {
			measured, held := "it could not be played", false
			defer func() { fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%v\n", a.who, a.what, a.bound, measured, held) }()
			measured, held = a.play(t)
			if !held {
				t.Errorf("the bound %q does not hold: %s", a.bound, measured)
			}
		})
	}
	w.Flush()
	fmt.Print(table.String())
}

// process is one run of kerbagent, with what it cost.
type process struct {
	out  string
	code int
	took time.Duration
	rss  int64 // bytes at most
}

// kerbagent runs a command in a process of its own.
func kerbagent(t *testing.T, args ...string) process {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Args[0] = "kerbagent" // by which the test's binary knows what to be
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	err := cmd.Run()
	p := process{out: out.String(), took: time.Since(began)}
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	p.code = cmd.ProcessState.ExitCode()
	if use, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		p.rss = use.Maxrss << 10 // getrusage(2): kilobytes
	}
	return p
}

func (p process) cost() string {
	return fmt.Sprintf("%.1f s, %d MiB, exit %d", p.took.Seconds(), p.rss>>20, p.code)
}

// cheap reports whether a process stayed within the bounds of time and memory.
func (p process) cheap() bool { return p.took < time.Minute && p.rss < 120<<20 }

// attacked runs the ladder against peers of the test.
func attacked(t *testing.T, args ...string) process {
	t.Helper()
	return kerbagent(t, append([]string{"check", "-o", "json", "--state-dir", t.TempDir(), "--probe-timeout", "1s"}, args...)...)
}

// onOnePort listens over UDP and TCP on one port: one that is free for both.
func onOnePort(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for try := 0; ; try++ {
		conn, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", conn.LocalAddr().String())
		if err == nil {
			return conn, l
		}
		_ = conn.Close()
		if try == 20 {
			t.Fatal(err)
		}
	}
}

// rogueDNS answers everything with what make returns.
func rogueDNS(t *testing.T, make func(dns.Question) []dns.RR) string {
	t.Helper()
	conn, l := onOnePort(t)
	h := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Authoritative, m.Answer = true, make(q.Question[0])
		if _, udp := w.RemoteAddr().(*net.UDPAddr); udp && m.Len() > 4096 {
			m.Truncated, m.Answer = true, nil
		}
		_ = w.WriteMsg(m)
	})
	for _, s := range []*dns.Server{{PacketConn: conn, Handler: h}, {Listener: l, Handler: h}} {
		go func() { _ = s.ActivateAndServe() }()
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	return conn.LocalAddr().String()
}

func record(t *testing.T, text string) dns.RR {
	t.Helper()
	rr, err := dns.NewRR(text)
	if err != nil {
		t.Fatal(err)
	}
	return rr
}

func amplified(t *testing.T) (string, bool) {
	at := rogueDNS(t, func(q dns.Question) []dns.RR {
		var out []dns.RR
		switch q.Qtype {
		case dns.TypeSRV:
			for h := range 40 {
				out = append(out, record(t, fmt.Sprintf("%s 60 IN SRV 0 0 %d h%d.evil.test.", q.Name, 2000+h, h)))
			}
		case dns.TypeA:
			var h int
			_, _ = fmt.Sscanf(q.Name, "h%d.", &h)
			for a := range 200 {
				out = append(out, record(t, fmt.Sprintf("%s 60 IN A 127.66.%d.%d", q.Name, h, a+1)))
			}
		case dns.TypeSOA:
			out = append(out, record(t, "evil.test. 60 IN SOA a. b. 1 2 3 4 5"))
		}
		return out
	})
	p := attacked(t, "--realm", "EVIL.TEST", "--dns-server", at, "--timeout", "45s")
	var report struct{ Results []struct{ Address string } }
	if err := json.Unmarshal([]byte(p.out), &report); err != nil {
		return err.Error() + ": " + p.out, false
	}
	asked := map[netip.Addr]bool{}
	for _, r := range report.Results {
		if a, err := netip.ParseAddrPort(r.Address); err == nil {
			asked[a.Addr()] = true
		}
	}
	return fmt.Sprintf("%d addresses, %d probes, %s", len(asked), len(report.Results), p.cost()), len(asked) > 10 && len(asked) <= 256 && p.cheap()
}

func hugeRecord(t *testing.T) (string, bool) {
	large := record(t, "evil.test. 60 IN NULL")
	if n, ok := large.(*dns.NULL); ok {
		n.Data = strings.Repeat("x", 54<<10)
	}
	at := rogueDNS(t, func(q dns.Question) []dns.RR { return []dns.RR{large} })
	p := attacked(t, "--realm", "EVIL.TEST", "--dns-server", at, "--timeout", "45s")
	return p.cost(), p.code != 0 && p.cheap()
}

// rogue serves TCP with talk until the test ends.
func rogue(t *testing.T, talk func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); talk(c) }()
		}
	}()
	return l.Addr().String()
}

func lengthBomb(c net.Conn) {
	_ = binary.Write(c, binary.BigEndian, uint32(1<<31-1))
	flood(c)
}

func flood(c net.Conn) {
	for b := bytes.Repeat([]byte{'\xff'}, 1<<16); ; {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

func drip(c net.Conn) {
	for range time.Tick(time.Second) {
		if _, err := c.Write([]byte{0}); err != nil {
			return
		}
	}
}

func rogueKDC(t *testing.T, talk func(net.Conn)) (string, bool) {
	p := attacked(t, "--realm", "EVIL.TEST", "--kdc", rogue(t, talk), "--timeout", "45s")
	return p.cost(), p.code != 0 && p.cheap()
}

func rogueDatabase(t *testing.T, talk func(net.Conn)) (string, bool) {
	p := attacked(t, "--realm", "EVIL.TEST", "--kdc", rogue(t, drip), "--database", rogue(t, talk), "--timeout", "45s")
	return p.cost(), p.code != 0 && p.cheap()
}

// realm is one with a user, and a KDC that counts what it is asked.
func realm(t *testing.T, o krb5test.Options) (*krb5test.Realm, *krb5test.KDC) {
	t.Helper()
	r := krb5test.NewRealm("EVIL.TEST", o)
	r.AddUser("alice", "secret")
	k, err := r.ServeKDC("127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return r, k
}

// password writes a file with the user's password.
func password(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(name, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func rc4Only(t *testing.T) (string, bool) {
	r, k := realm(t, krb5test.Options{ETypes: []int32{23}})
	r.AddUser("alice", "secret", krb5test.ETypes{23})
	p := attacked(t, "--realm", "EVIL.TEST", "--kdc", k.Addr().String(), "--user", "alice", "--password-file", password(t), "--database", rogue(t, drip), "--timeout", "30s")
	proofs := k.Requests().Preauth["alice"]
	return fmt.Sprintf("%d requests with the password's key, %s", proofs, p.cost()), proofs == 0 && p.code != 0
}

func noRecord(t *testing.T) (string, bool) {
	_, k := realm(t, krb5test.Options{})
	p := kerbagent(t, "check", "-o", "json", "--state-dir", "/proc/none", "--probe-timeout", "1s", "--realm", "EVIL.TEST", "--kdc", k.Addr().String(),
		"--user", "alice", "--password-file", password(t), "--database", rogue(t, drip), "--timeout", "30s")
	proofs := k.Requests().Preauth["alice"]
	return fmt.Sprintf("%d requests with the password's key, %s", proofs, p.cost()), proofs == 0 && p.code != 0
}

// fullDisk puts the state folder on a file system that has no byte left.
func fullDisk(t *testing.T) (string, bool) {
	if out, err := exec.Command("unshare", "-m", "true").CombinedOutput(); err != nil {
		return "LEFT OUT: no right to mount: " + strings.TrimSpace(string(out)), true
	}
	_, k := realm(t, krb5test.Options{})
	dir := t.TempDir()
	const full = `mount -t tmpfs -o size=4k none "$1" && { head -c 1M /dev/zero > "$1/fill" 2> /dev/null || :; } && shift && exec "$@"`
	cmd := exec.CommandContext(t.Context(), "unshare", "-m", "sh", "-c", full, "sh", dir, "bash", "-c", `exec -a kerbagent "$@"`, "sh", os.Args[0],
		"check", "-o", "json", "--state-dir", dir, "--probe-timeout", "1s", "--realm", "EVIL.TEST", "--kdc", k.Addr().String(),
		"--user", "alice", "--password-file", password(t), "--database", rogue(t, drip), "--timeout", "30s")
	out, err := cmd.CombinedOutput()
	proofs := k.Requests().Preauth["alice"]
	said := strings.Contains(string(out), "login-record-impossible")
	return fmt.Sprintf("%d requests with the password's key, %v, login-record-impossible: %v", proofs, err, said), proofs == 0 && err != nil && said
}

func escapes(t *testing.T) (string, bool) {
	db, err := mysqltest.New(mysqltest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.SetFaults(mysqltest.Faults{Greeting: &mysql.ServerError{Number: 1130, Message: "\x1b]0;owned\x07\x1b[2J\u202eHost"}}); err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, format := range []string{"human", "json", "nagios"} {
		p := kerbagent(t, "check", "-o", format, "--state-dir", t.TempDir(), "--probe-timeout", "1s", "--realm", "EVIL.TEST", "--kdc", rogue(t, drip),
			"--database", db.Addr().String(), "--database-tls", "off", "--timeout", "30s")
		shown += strings.Count(p.out, "\x1b") + strings.Count(p.out, "\x07") + strings.Count(p.out, "\u202e")
		if !strings.Contains(p.out, "1130") {
			t.Errorf("%s does not show the error at all: %s", format, p.out)
		}
	}
	return fmt.Sprintf("%d in three formats", shown), shown == 0
}

func pipeSecret(t *testing.T) (string, bool) {
	name := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	_, k := realm(t, krb5test.Options{})
	p := attacked(t, "--realm", "EVIL.TEST", "--kdc", k.Addr().String(), "--user", "alice", "--password-file", name, "--database", rogue(t, drip), "--timeout", "45s")
	return p.cost(), p.took < 30*time.Second && strings.Contains(p.out, "secret-malformed")
}

func lockedFolder(t *testing.T) (string, bool) {
	dir := t.TempDir()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH); err != nil {
		t.Fatal(err)
	}
	yaml := filepath.Join(dir, "kerbagent.yaml")
	text := fmt.Sprintf("realms: {EVIL.TEST: {kind: mit, kdcs: [127.0.0.1]}}\nkrb5_conf: {path: %s, mode: maintain}\n", filepath.Join(dir, "krb5.conf"))
	if err := os.WriteFile(yaml, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := kerbagent(t, "krb5conf", "apply", "--config", yaml)
	return p.cost(), p.took < 30*time.Second
}

// rehearsedDaemon is `kerbagent run` on a healthy rehearsal.
func rehearsedDaemon(t *testing.T) *daemonProcess {
	t.Helper()
	w, err := rehearsal.Start(t.Context(), rehearsal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	files, err := w.WriteClientFiles(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return startDaemon(t, files.Config, t.TempDir())
}

func foreignHost(t *testing.T) (string, bool) {
	d := rehearsedDaemon(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.at+"/api/v1/report", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "evil.test"
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.Status, answer.StatusCode/100 == 4
}

func portFlood(t *testing.T) (string, bool) {
	d := rehearsedDaemon(t)
	var flood []net.Conn
	for range 300 {
		c, err := net.DialTimeout("tcp", strings.TrimPrefix(d.at, "http://"), time.Second)
		if err != nil {
			break
		}
		flood = append(flood, c)
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", d.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range flood {
		c.Close()
	}
	answer, err := http.Get(d.at + "/api/v1/report")
	if err != nil {
		return err.Error(), false
	}
	defer answer.Body.Close()
	var report struct{ Verdict string }
	if err := json.NewDecoder(answer.Body).Decode(&report); err != nil {
		return err.Error(), false
	}
	return fmt.Sprintf("%d connections, %d descriptors, verdict %s", len(flood), len(files), report.Verdict), len(flood) > 100 && len(files) < 150 && report.Verdict == "ok"
}
