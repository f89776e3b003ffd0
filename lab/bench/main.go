// Command bench measures kerbagent in the lab against what people do without it,
// in one run, and prints ratios. It runs as root outside of the namespaces
// (make bench).
//
//   - wall time of `kerbagent check` against step 7 of the set-up guide by hand,
//     25 ms added each way: 12 dig, 6 nc -z, 6 nc -zu, nc -z to the database,
//     kinit, kvno, mariadb, one after another
//   - CPU of a login in kerbagent's own code against a pair of kinit and mariadb,
//     TLS on both
//   - round trips of `kerbagent check`, from captures, 75 ms added each way
//   - CPU that one request costs a domain controller and MIT's KDC, and what that makes for a fleet
//   - CPU and memory of `kerbagent run` against Debian's blackbox exporter, asked
//     the same DNS questions, and for a TCP connect for each other one
package main

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"log"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/lab/capture"
)

// The delays that are added each way: where time is measured, and where round trips
// are counted, which must be long beside what a busy machine adds, and shorter
// than 125 ms, as a login asks a second KDC after 250.
const (
	oneWay         = 25 * time.Millisecond
	oneWayCounting = 110 * time.Millisecond
)

// bench knows where things are.
type bench struct {
	lab, state, kerbagent string
	blackbox, unit        string
	runs, logins          int
	requests              int
	kind, to, realm       string // of what ask asks
	dir                   string // scratch
}

func main() {
	log.SetFlags(0)
	var b bench
	flag.StringVar(&b.lab, "lab", "lab/lab.sh", "the lab's front door")
	flag.StringVar(&b.state, "state", "/var/tmp/krb-lab", "LAB_STATE")
	flag.StringVar(&b.kerbagent, "kerbagent", "kerbagent", "the binary")
	flag.IntVar(&b.runs, "n", 5, "runs of each; the median counts")
	flag.IntVar(&b.logins, "logins", 100, "logins for the CPU of one")
	flag.StringVar(&b.blackbox, "blackbox", "prometheus-blackbox-exporter", "the exporter to compare with")
	flag.StringVar(&b.unit, "unit", "systemd/kerbagent.service", "the unit that says in what environment the binary runs")
	flag.IntVar(&b.requests, "requests", 2000, "requests of each kind, for what one costs a server")
	flag.StringVar(&b.kind, "kind", "", "for -inside ask: what is asked")
	flag.StringVar(&b.to, "to", "", "for -inside ask: the server's address")
	flag.StringVar(&b.realm, "realm", "", "for -inside ask: the realm")
	inside := flag.String("inside", "", "for bench itself, on the client host: log-in, log-in-keep (the key is kept), beside-blackbox, ask; or probes, servers or round-trips, for that part alone")
	flag.Parse()
	if err := b.part(*inside); err != nil {
		log.Fatal(err)
	}
}

// part is the whole bench, or what it runs itself again for.
func (b bench) part(name string) error {
	switch name {
	case "":
		return b.run()
	case "log-in", "log-in-keep":
		return logIn(b, name == "log-in-keep")
	case "beside-blackbox":
		return besideBlackbox(b)
	case "probes":
		return b.probes()
	case "servers":
		return b.servers()
	case "round-trips":
		return b.trips()
	case "ask":
		return b.ask()
	}
	return fmt.Errorf("no part %q", name)
}

func (b bench) run() (err error) {
	if b.dir, err = os.MkdirTemp("", "bench"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	flags, err := exec.Command(b.lab, "break", "none").Output()
	if err != nil {
		return fmt.Errorf("asking the lab for flags: %w", err)
	}
	check := append([]string{b.kerbagent, "check", "--state-dir", filepath.Join(b.dir, "ledger")}, strings.Fields(string(flags))...)

	if err := b.delay(oneWay); err != nil {
		return err
	}
	quick, slow := b.script("nc -zu"), b.script("nc -zuv -w1")
	ours, err := b.median(b.runs, check...)
	if err != nil {
		return err
	}
	byHand, err := b.median(b.runs, "bash", "-c", quick)
	if err != nil {
		return err
	}
	byHandSlow, err := b.median(min(b.runs, 3), "bash", "-c", slow)
	if err != nil {
		return err
	}
	fmt.Printf("\nWall time, %v added each way (medians)\n", oneWay)
	fmt.Printf("  kerbagent check               %6.2f s\n", ours.Seconds())
	fmt.Printf("  by hand, nc -zu               %6.2f s   %5.1f times (at least 9)\n", byHand.Seconds(), float64(byHand)/float64(ours))
	fmt.Printf("  by hand, nc -zuv -w1          %6.2f s   %5.1f times (at least 20)\n", byHandSlow.Seconds(), float64(byHandSlow)/float64(ours))
	if err := b.trips(); err != nil {
		return err
	}
	if err := b.cpu(check); err != nil {
		return err
	}
	if err := b.servers(); err != nil {
		return err
	}
	return b.probes()
}

// delay puts one on all that the client sends and gets, in place of any other.
func (b bench) delay(each time.Duration) error {
	for _, fault := range [][]string{{"clear"}, {"delay", "all", fmt.Sprint(each.Milliseconds())}} {
		if err := exec.Command(b.lab, append([]string{"fault"}, fault...)...).Run(); err != nil {
			return fmt.Errorf("putting the delay: %w", err)
		}
	}
	return nil
}

// script is the guide's step 7, typed by someone who makes no pauses.
func (b bench) script(ncUDP string) string {
	var s strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&s, format+" > /dev/null 2>&1\n", args...) }
	fmt.Fprintf(&s, "export KRB5CCNAME=FILE:%s\n", filepath.Join(b.dir, "byhand"))
	for _, server := range []string{"10.77.0.10", "10.77.1.11", "10.77.4.2"} {
		for _, transport := range []string{"+notcp", "+tcp"} {
			line("dig %s @%s corp.example.com", transport, server)
			line("dig %s @%s _kerberos._tcp.corp.example.com SRV", transport, server)
		}
	}
	for _, dc := range []string{"10.77.0.10", "10.77.1.11"} {
		for _, port := range []int{53, 88, 464} {
			line("nc -z %s %d", dc, port)
			line("%s %s %d", ncUDP, dc, port)
		}
	}
	line("nc -z %s 3306", endpoint)
	s.WriteString(b.byHandLogin())
	line("kvno mysql/%s", endpoint)
	return s.String() + b.byHandQuery()
}

const endpoint = "mycluster.cluster-abc123.us-east-1.rds.amazonaws.com"

func (b bench) byHandLogin() string {
	return fmt.Sprintf("kinit alice < %s > /dev/null || exit 1\n", filepath.Join(b.state, "secrets", "user"))
}

func (b bench) byHandQuery() string {
	return fmt.Sprintf("mariadb --no-defaults -h%s -ualice --ssl-ca=%s --ssl-verify-server-cert -e 'select current_user()' > /dev/null || exit 1\n",
		endpoint, filepath.Join(b.state, "db", "tls", "ca.pem"))
}

// clientHost is the name of the client's namespace, in the lab of LAB_NAME.
func clientHost() string { return cmp.Or(os.Getenv("LAB_NAME"), "lab") + "-cl" }

// onClient runs a program on the client host.
func onClient(args ...string) (*exec.Cmd, error) {
	cmd := exec.Command("ip", append([]string{"netns", "exec", clientHost()}, args...)...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("running %s: %w\n%s", args[0], err, said.Bytes())
	}
	return cmd, nil
}

func (b bench) median(runs int, args ...string) (time.Duration, error) {
	var took []time.Duration
	for range runs {
		begun := time.Now()
		if _, err := onClient(args...); err != nil {
			return 0, err
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

// trips counts round trips, and heals the lab of the delay.
func (b bench) trips() (err error) {
	if b.dir == "" {
		if b.dir, err = os.MkdirTemp("", "bench"); err != nil {
			return err
		}
		defer os.RemoveAll(b.dir)
	}
	alone, err := b.withoutInstances()
	if err != nil {
		return err
	}
	if err := b.roundTrips(alone); err != nil {
		return err
	}
	if err := exec.Command(b.lab, "heal").Run(); err != nil {
		return fmt.Errorf("healing: %w", err)
	}
	return nil
}

// roundTrips counts those of checks. A busy machine adds to each count, as every
// packet that it sends late seems to follow what came meanwhile; the least counts.
func (b bench) roundTrips(check []string) error {
	const rtt = 2 * oneWayCounting
	if err := b.delay(oneWayCounting); err != nil {
		return err
	}
	var chains, packets []int
	var spans []time.Duration
	for range max(b.runs, 3) {
		recorded, err := b.record(check)
		if err != nil {
			return err
		}
		chains, packets = append(chains, capture.RoundTrips(recorded, rtt)), append(packets, len(recorded))
		spans = append(spans, capture.Span(recorded))
	}
	span := slices.Min(spans)
	fmt.Printf("\nRound trips of a check, %v each, %d packets (the least of %d)\n", rtt, slices.Min(packets), len(chains))
	fmt.Printf("  longest chain in the capture  %6d     (at most 7; all: %d)\n", slices.Min(chains), chains)
	fmt.Printf("  first to last packet          %6.0f ms  %5.1f round trips\n", span.Seconds()*1000, float64(span)/float64(rtt))
	return nil
}

// withoutInstances returns the check with a configuration that does not ask the database for its
// cluster's instances: that is one more question after the login, and no part of it.
func (b bench) withoutInstances() ([]string, error) {
	text := fmt.Sprintf(`realms:
  CORP.EXAMPLE.COM: {dns_servers: [10.77.0.10, 10.77.1.11]}
databases:
  orders: {endpoint: %s, realm: CORP.EXAMPLE.COM, instances: none, tls: {ca_file: %s}}
logins:
  - {user: alice@CORP.EXAMPLE.COM, database: orders, password_file: "file:%s"}
`, endpoint, filepath.Join(b.state, "db", "tls", "ca.pem"), filepath.Join(b.state, "secrets", "user"))
	file := filepath.Join(b.dir, "kerbagent.yaml")
	return []string{b.kerbagent, "check", "--state-dir", filepath.Join(b.dir, "ledger"), "--config", file}, os.WriteFile(file, []byte(text), 0o600)
}

// record runs a check and returns what the client sent and got.
func (b bench) record(check []string) ([]capture.Packet, error) {
	file := filepath.Join(b.dir, "check.pcap")
	dump := exec.Command("ip", "netns", "exec", clientHost(), "tcpdump", "--immediate-mode", "-U", "-s", "128", "-Z", "root", "-i", "eth0", "-w", file, "udp or tcp")
	ready, err := dump.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := dump.Start(); err != nil {
		return nil, err
	}
	if _, err := ready.Read(make([]byte, 1)); err != nil { // it says that it listens
		return nil, fmt.Errorf("starting tcpdump: %w", err)
	}
	_, runErr := onClient(check...)
	if err := dump.Process.Signal(os.Interrupt); err != nil {
		return nil, err
	}
	if err := dump.Wait(); err != nil {
		return nil, fmt.Errorf("running tcpdump: %w", err)
	}
	if runErr != nil {
		return nil, runErr
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return capture.Read(f, netip.MustParseAddr("10.77.9.100"), netip.MustParseAddr("fd77:0:0:9::100"))
}

// cpu compares user and system time, without any delay.
func (b bench) cpu(check []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	spent := func(times int, args ...string) (time.Duration, error) {
		cmd, err := onClient(args...)
		if err != nil {
			return 0, err
		}
		return (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()) / time.Duration(times), nil
	}
	login := map[string]time.Duration{}
	for _, how := range []string{"log-in", "log-in-keep"} {
		if login[how], err = spent(b.logins, self, "-inside", how, "-state", b.state, "-logins", fmt.Sprint(b.logins)); err != nil {
			return err
		}
	}
	pair := fmt.Sprintf("export KRB5CCNAME=FILE:%s\nfor i in {1..%d}; do\n%s%sdone\n", filepath.Join(b.dir, "pair"), b.logins, b.byHandLogin(), b.byHandQuery())
	other, err := spent(b.logins, "bash", "-c", pair)
	if err != nil {
		return err
	}
	whole, err := spent(1, check...)
	if err != nil {
		return err
	}
	ms := func(d time.Duration) float64 { return d.Seconds() * 1000 }
	fmt.Printf("\nCPU, user and system, mean of %d logins\n", b.logins)
	fmt.Printf("  kinit + mariadb, TLS          %6.1f ms\n", ms(other))
	fmt.Printf("  a login of ours, TLS          %6.1f ms  %5.2f of it (at most 0.15)\n", ms(login["log-in-keep"]), float64(login["log-in-keep"])/float64(other))
	fmt.Printf("  the first of a process        %6.1f ms  %5.2f of it: the password is stretched to a key\n", ms(login["log-in"]), float64(login["log-in"])/float64(other))
	fmt.Printf("  a whole kerbagent check       %6.1f ms  %5.2f of it\n", ms(whole), float64(whole)/float64(other))
	return nil
}
