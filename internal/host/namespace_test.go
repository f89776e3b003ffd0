package host

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// The variables by which the test talks to itself inside of its namespaces.
const (
	insideVar = "KERBAGENT_HOST_INSIDE"
	seedVar   = "KERBAGENT_HOST_SEED"  // draws other cases
	countVar  = "KERBAGENT_HOST_COUNT" // of worlds in each of the namespaces
)

// What this package says of a name is what glibc says of it (getent ahosts),
// in drawn worlds: nsswitch.conf, hosts, resolv.conf, gai.conf, host.conf, name
// servers and addresses of this host, each in namespaces that the test makes.
func TestNamesResolveAsInGlibc(t *testing.T) {
	if os.Getenv(insideVar) != "" {
		t.Skip("this is the test inside of its own namespaces: see TestInside")
	}
	if os.Getuid() != 0 {
		t.Skip("needs root: it makes network and mount namespaces")
	}
	const hosts = 8 // side by side: they mostly wait for name servers that are silent
	var out [hosts][]byte
	var err [hosts]error
	var wg sync.WaitGroup
	for i := range hosts {
		wg.Go(func() {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestInside$", "-test.v", "-test.timeout=10m")
			cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", insideVar, i+1))
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS}
			out[i], err[i] = cmd.CombinedOutput()
		})
	}
	wg.Wait()
	if errors.Is(err[0], syscall.EPERM) {
		t.Skip("needs the right to make namespaces")
	}
	for i := range hosts {
		if err[i] != nil {
			t.Errorf("%v\n%s", err[i], out[i])
		}
		t.Logf("%s", out[i])
	}
}

func number(t *testing.T, name string, or int) int {
	t.Helper()
	if os.Getenv(name) == "" {
		return or
	}
	n, err := strconv.Atoi(os.Getenv(name))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestInside(t *testing.T) {
	if os.Getenv(insideVar) == "" {
		t.Skip("run by TestNamesResolveAsInGlibc")
	}
	command(t, "mount", "--make-rprivate", "/")
	command(t, "mount", "-t", "tmpfs", "none", "/etc")
	command(t, "ip", "link", "set", "lo", "up")
	for n := 1; n <= 3; n++ {
		serveDNS(t, n)
	}
	for _, kind := range []string{"prohibit", "unreachable", "blackhole"} {
		command(t, "ip", "route", "add", kind, routed()[kind])
	}
	if _, err := exec.LookPath("nft"); err == nil { // else nobody listens there
		command(t, "nft", "add table inet own; add chain inet own out { type filter hook output priority 0; }; add rule inet own out ip daddr "+notLetOutTo+" drop")
	}
	seed, count, inside := number(t, seedVar, 1), number(t, countVar, 20), number(t, insideVar, 0)
	bad, waited := 0, 0
	for n := range count {
		n += inside * 100_000
		r := rand.New(rand.NewPCG(uint64(seed), uint64(n)))
		w := draw(r)
		w.bar(rand.New(rand.NewPCG(uint64(seed)+1, uint64(n))))
		w.install(t)
		for range 3 {
			name := pick(r, names()...)
			want, took := getent(t, name)
			resolver, err := Read("/", &net.Dialer{})
			if err != nil {
				t.Fatal(err)
			}
			got := resolver.LookUp(t.Context(), name)
			if took > 900*time.Millisecond {
				waited++
			}
			slow := ratio(got.Wait, took) > 1.5
			for again := 0; slow && again < 3; again++ { // the machine may have been busy
				_, took = getent(t, name)
				slow = ratio(resolver.LookUp(t.Context(), name).Wait, took) > 1.5
			}
			temporary := len(want) == 0 && temporary(t, name)
			if !slices.Equal(want, text(got.Addrs)) || slow || got.Temporary != temporary {
				bad++
				t.Errorf("temporary: %v, in glibc %v", got.Temporary, temporary)
				t.Errorf("seed %d case %d, %q: got %v from %q after %v, glibc has %v after %v\n%v\n%s", seed, n, name, text(got.Addrs), got.Source, got.Wait, want, took, got.Passed, w.about(name))
			}
		}
	}
	t.Logf("seed %d: %d of %d look-ups are other than glibc's; %d made programs wait", seed, bad, 3*count, waited)
}

// ratio is how far two times are apart; small ones are alike.
func ratio(a, b time.Duration) float64 {
	const small = 600 * time.Millisecond
	x, y := float64(a+small), float64(b+small)
	return max(x/y, y/x)
}

func text(addrs []netip.Addr) []string {
	var out []string
	for _, a := range addrs {
		out = append(out, a.String())
	}
	return out
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}

func getent(t *testing.T, name string) ([]string, time.Duration) {
	t.Helper()
	begun := time.Now()
	out, err := exec.CommandContext(t.Context(), "getent", "ahosts", name).Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 2) {
		t.Fatalf("getent: %v", err)
	}
	var addrs []string
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); f[1] == "STREAM" {
			a, err := netip.ParseAddr(f[0])
			if err != nil {
				t.Fatal(err)
			}
			addrs = append(addrs, a.Unmap().String())
		}
	}
	return addrs, time.Since(begun)
}

// temporary asks glibc by way of Perl, as getent does not tell why it finds nothing: whether that is EAI_AGAIN.
func temporary(t *testing.T, name string) bool {
	t.Helper()
	const ask = "my ($e) = getaddrinfo($ARGV[0], 88, {flags => AI_ADDRCONFIG, socktype => SOCK_STREAM}); exit($e == EAI_AGAIN ? 75 : $e ? 2 : 0)"
	err := exec.CommandContext(t.Context(), "perl", "-MSocket=:all", "-e", ask, name).Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 2 && exit.ExitCode() != 75) {
		t.Fatalf("perl: %v", err)
	}
	return exit != nil && exit.ExitCode() == 75
}

// world is one drawn host.
type world struct {
	files   map[string]string // below /etc; a file that is not here is not there
	host    string
	addrs   []string // of its interface
	route   bool     // to everywhere
	servers map[string]map[question]saying
}

type question struct {
	name  string
	qtype uint16
}

// saying is what a name server answers.
type saying struct {
	how   string
	addrs []netip.Addr
}

// about shows what matters for a name.
func (w world) about(asked string) string {
	var b strings.Builder
	for name, text := range w.files {
		fmt.Fprintf(&b, "--- %s\n%s", name, text)
	}
	fmt.Fprintf(&b, "--- %s %v default route: %v\n", w.host, w.addrs, w.route)
	for s, says := range w.servers {
		for q, a := range says {
			if !strings.HasPrefix(q.name, strings.ToLower(strings.TrimSuffix(asked, "."))) || !strings.Contains(w.files["resolv.conf"], s) {
				continue
			}
			fmt.Fprintf(&b, "%s %s %s: %s %v\n", s, q.name, dns.TypeToString[q.qtype], a.how, a.addrs)
		}
	}
	return b.String()
}

func names() []string {
	return []string{"db", "Orders", "dc1.corp.test", "dc1", "db.example.test", "a.b.corp.test", "absent", "absent.corp.test", "db.", "dc1.corp.test."}
}

func domains() []string { return []string{"corp.test", "example.test", "b.corp.test", "other.test."} }

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

func address4(r *rand.Rand) netip.Addr {
	return netip.MustParseAddr(pick(r, "10.1.0.7", "10.1.0.200", "10.2.0.1", "192.0.2.1", "192.0.2.77", "127.0.0.9", "169.254.1.1", "203.0.113.5", "10.1.128.9"))
}

func address6(r *rand.Rand) netip.Addr {
	return netip.MustParseAddr(pick(r, "fd00:1::7", "fd00:1:0:1::7", "fd77::1", "2001:db8:1::7", "2001:db8:ffff::1", "2002:c000:201::1", "::1", "2001:0:1::1", "fec0::1"))
}

func draw(r *rand.Rand) world {
	w := world{files: map[string]string{}, host: pick(r, "web", "web.example.test"), route: chance(r, 70), servers: map[string]map[question]saying{}}
	if chance(r, 80) {
		w.addrs = append(w.addrs, pick(r, "10.1.0.2/24", "10.1.0.2/16"))
	}
	if chance(r, 50) {
		w.addrs = append(w.addrs, "fd00:1::2/64")
	}
	if chance(r, 40) {
		w.addrs = append(w.addrs, "2001:db8:1::2/64")
	}
	if chance(r, 90) {
		w.files["nsswitch.conf"] = drawNSSwitch(r)
	}
	if chance(r, 90) {
		w.files["hosts"] = drawHosts(r)
	}
	w.files["host.conf"] = pick(r, "multi on\n", "", "# none\n", "multi off\n")
	if chance(r, 95) {
		w.files["resolv.conf"] = drawResolvConf(r)
	}
	if chance(r, 40) {
		w.files["gai.conf"] = drawGAIConf(r)
	}
	for n := 1; n <= 3; n++ {
		w.servers[fmt.Sprintf("127.0.0.%d", n)] = drawZone(r)
	}
	return w
}

func drawNSSwitch(r *rand.Rand) string {
	services := []string{"files", "dns", "nosuch"}
	r.Shuffle(3, func(i, j int) { services[i], services[j] = services[j], services[i] })
	services = services[:pick(r, 1, 2, 2, 2, 3)]
	line := pick(r, "hosts:", "hosts: ", "hosts:\t\t")
	for _, s := range services {
		line += " " + s
		if chance(r, 35) {
			line += " [" + pick(r, "NOTFOUND=return", "!UNAVAIL=return", "UNAVAIL=return", "notfound=continue", "TRYAGAIN=return", "UNAVAIL=return NOTFOUND=return", "!NOTFOUND=return") + "]"
		}
	}
	if chance(r, 10) {
		line = "passwd: files"
	}
	return "# drawn\n" + line + pick(r, "\n", " # and a comment\n")
}

func drawHosts(r *rand.Rand) string {
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n")
	for range r.IntN(6) {
		a := address4(r).String()
		if chance(r, 40) {
			a = address6(r).String()
		}
		fmt.Fprintf(&b, "%s\t%s %s\n", a, pick(r, "db", "ORDERS", "dc1.corp.test", "DC1", "db.example.test", "host.test"), pick(r, "", "dc1", "absent # old", "#", "db orders"))
	}
	if chance(r, 10) {
		b.WriteString("10.1.0.300 db\nnonsense\n10.1.0.4\n")
	}
	return b.String()
}

// What programs do not reach: a name server that this host's own packet filter drops what is sent to, and those that routes
// of this host's are in the way of.
const notLetOutTo = "127.0.0.5"

func routed() map[string]string {
	return map[string]string{"prohibit": "198.51.100.1", "unreachable": "198.51.100.2", "blackhole": "198.51.100.3"}
}

// bar puts such a name server before the others, now and then.
func (w world) bar(r *rand.Rand) {
	if text, is := w.files["resolv.conf"]; is && chance(r, 40) {
		w.files["resolv.conf"] = "nameserver " + pick(r, notLetOutTo, notLetOutTo, routed()["prohibit"], routed()["unreachable"], routed()["blackhole"]) + "\n" + text
	}
}

func drawResolvConf(r *rand.Rand) string {
	var b strings.Builder
	for range pick(r, 1, 1, 1, 2, 2, 3, 4) {
		fmt.Fprintf(&b, "nameserver 127.0.0.%d\n", pick(r, 1, 2, 3, 1, 2, 3, 4)) // nobody listens on the fourth
	}
	switch r.IntN(4) {
	case 0:
		fmt.Fprintf(&b, "domain %s\n", pick(r, domains()...))
	case 1, 2:
		fmt.Fprintf(&b, "search %s %s\n", pick(r, domains()...), pick(r, append(domains(), ".", "", "b.corp.test corp.test")...))
	}
	fmt.Fprintf(&b, "options timeout:1 attempts:%d", pick(r, 1, 1, 2))
	if chance(r, 40) {
		fmt.Fprintf(&b, " ndots:%d", r.IntN(4))
	}
	for _, o := range []string{"single-request", "single-request-reopen", "edns0", "no-tld-query", "trust-ad", "no-aaaa"} { // not use-vc: over TCP glibc waits without a limit
		if chance(r, 7) {
			b.WriteString(" " + o)
		}
	}
	return b.String() + "\n"
}

func drawGAIConf(r *rand.Rand) string {
	var b strings.Builder
	for range 1 + r.IntN(3) {
		b.WriteString(pick(r, "precedence ::ffff:0:0/96 100\n", "precedence fc00::/7 3\n", "precedence ::/0 40\n", "label fc00::/7 1\n", "label ::/0 1\n", "label 2002::/16 2\n",
			"scopev4 ::ffff:10.0.0.0/104 5\n", "scopev4 ::ffff:169.254.0.0/112 2\n", "# precedence ::/0 1\n", "reload no\n", "precedence 2001:db8::/32 60\n"))
	}
	return b.String()
}

// drawZone is what one server says. Some servers answer nothing at all, some
// are silent to one type; but none cuts one answer short and is silent about the
// other, since glibc then waits over TCP, without a limit.
func drawZone(r *rand.Rand) map[question]saying {
	zone := map[question]saying{}
	mood := pick(r, "", "", "", "", "", "", "silent", "servfail", "refused")
	for _, name := range names() {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		for _, domain := range append(domains(), "") {
			full := strings.Trim(name+"."+strings.Trim(domain, "."), ".")
			here := chance(r, 35)
			for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
				s := saying{how: mood}
				switch {
				case mood != "":
				case chance(r, 3):
					s.how = pick(r, "silent", "servfail", "refused", "lame", "notimp", "slow", "formerr")
				case here && chance(r, 70):
					s.how = pick(r, "address", "address", "address", "alias", "cut")
					for range 1 + r.IntN(3) {
						if qtype == dns.TypeA {
							s.addrs = append(s.addrs, address4(r))
						} else {
							s.addrs = append(s.addrs, address6(r))
						}
					}
				case here:
					s.how = "nodata"
				}
				if other := zone[question{full, dns.TypeA}]; s.how == "cut" && other.how == "silent" {
					s.how = "address"
				} else if s.how == "silent" && other.how == "cut" {
					s.how = "nodata"
				}
				if s.how != "" {
					zone[question{full, qtype}] = s
				}
			}
		}
	}
	return zone
}

// current is the world that the name servers answer from.
var current struct {
	sync.Mutex
	world
}

func (w world) install(t *testing.T) {
	t.Helper()
	old, err := filepath.Glob("/etc/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range old {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range w.files {
		if err := os.WriteFile("/etc/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Sethostname([]byte(w.host)); err != nil {
		t.Fatal(err)
	}
	if exec.CommandContext(t.Context(), "ip", "link", "del", "veth-a").Run(); true {
		command(t, "ip", "link", "add", "veth-a", "type", "veth", "peer", "name", "veth-b")
		for _, end := range []string{"veth-a", "veth-b"} { // no address comes later by itself
			command(t, "ip", "link", "set", "dev", end, "addrgenmode", "none")
		}
		command(t, "ip", "link", "set", "veth-a", "up")
		command(t, "ip", "link", "set", "veth-b", "up")
	}
	for _, a := range w.addrs {
		args := []string{"addr", "add", a, "dev", "veth-a"}
		if strings.Contains(a, ":") {
			args = append(args, "nodad")
		}
		command(t, "ip", args...)
	}
	if w.route {
		for _, a := range w.addrs {
			if strings.Contains(a, ":") {
				command(t, "ip", "-6", "route", "replace", "default", "dev", "veth-a")
			} else {
				command(t, "ip", "route", "replace", "default", "dev", "veth-a")
			}
		}
	}
	current.Lock()
	defer current.Unlock()
	current.world = w
}

func serveDNS(t *testing.T, n int) {
	t.Helper()
	at := fmt.Sprintf("127.0.0.%d", n)
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) { answer(w, q, at) })
	for _, network := range []string{"udp", "tcp"} {
		started := make(chan struct{})
		s := &dns.Server{Addr: at + ":53", Net: network, Handler: handler, NotifyStartedFunc: func() { close(started) }}
		ended := make(chan error, 1)
		go func() { ended <- s.ListenAndServe() }()
		select {
		case <-started:
		case err := <-ended:
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Shutdown() })
	}
}

func answer(w dns.ResponseWriter, q *dns.Msg, at string) {
	current.Lock()
	zone := current.servers[at]
	current.Unlock()
	asked := q.Question[0]
	s, known := zone[question{strings.ToLower(strings.TrimSuffix(asked.Name, ".")), asked.Qtype}]
	other, exists := zone[question{strings.ToLower(strings.TrimSuffix(asked.Name, ".")), dns.TypeA + dns.TypeAAAA - asked.Qtype}]
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable = true
	header := func(rrtype uint16) dns.RR_Header {
		return dns.RR_Header{Name: asked.Name, Rrtype: rrtype, Class: dns.ClassINET, Ttl: 77}
	}
	if asked.Qtype == dns.TypeAAAA { // of addresses that are alike, glibc takes those that come first
		<-time.After(5 * time.Millisecond)
	}
	switch s.how {
	case "silent":
		return
	case "servfail":
		m.Rcode = dns.RcodeServerFailure
	case "refused":
		m.Rcode = dns.RcodeRefused
	case "notimp":
		m.Rcode = dns.RcodeNotImplemented
	case "formerr":
		m.Rcode = dns.RcodeFormatError
	case "lame":
		m.RecursionAvailable = false
	case "slow":
		<-time.After(400 * time.Millisecond)
		m.Rcode = dns.RcodeNameError
	case "cut":
		if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
			m.Truncated, s.addrs = true, nil
		}
	case "alias":
		h := header(dns.TypeCNAME)
		m.Answer = append(m.Answer, &dns.CNAME{Hdr: h, Target: "target.test."})
		asked.Name = "target.test."
	case "":
		if !known && !(exists && len(other.addrs) > 0) {
			m.Rcode = dns.RcodeNameError
		}
	}
	for _, a := range s.addrs {
		if a.Is4() {
			m.Answer = append(m.Answer, &dns.A{Hdr: header(dns.TypeA), A: a.AsSlice()})
		} else {
			m.Answer = append(m.Answer, &dns.AAAA{Hdr: header(dns.TypeAAAA), AAAA: a.AsSlice()})
		}
	}
	_ = w.WriteMsg(m)
}

// A name server that is silent is not waited for as long as a program does.
func TestASilentServerIsNotWaitedFor(t *testing.T) {
	live := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.RecursionAvailable = true
		if q.Question[0].Qtype == dns.TypeA {
			m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 5}, A: net.IPv4(10, 0, 0, 1)})
		}
		_ = w.WriteMsg(m)
	})
	var at []netip.AddrPort
	for _, h := range []dns.Handler{dns.HandlerFunc(func(dns.ResponseWriter, *dns.Msg) {}), live} {
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		started := make(chan struct{})
		s := &dns.Server{PacketConn: pc, Handler: h, NotifyStartedFunc: func() { close(started) }}
		go s.ActivateAndServe()
		<-started
		t.Cleanup(func() { s.Shutdown() })
		at = append(at, pc.LocalAddr().(*net.UDPAddr).AddrPort())
	}
	r := &Resolver{Dialer: &net.Dialer{}, Patience: time.Minute, services: parseServices("dns"),
		dns: resolvConf{servers: at, ndots: 1, timeout: 5 * time.Second, attempts: 2}, order: defaultOrder()}
	begun := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	got := r.LookUp(ctx, "db.example.com")
	if len(got.Addrs) != 1 || got.Wait < 5*time.Second || got.Wait > 6*time.Second || time.Since(begun) > 4*time.Second {
		t.Errorf("%v after %v, a program after %v: %v", got.Addrs, time.Since(begun), got.Wait, got.Err)
	}
	if len(got.Passed) != 1 || got.Passed[0].Server != at[0] || got.Passed[0].Wait != 5*time.Second {
		t.Errorf("passed over: %v", got.Passed)
	}
}
