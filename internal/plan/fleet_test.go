package plan

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/internal/guard"
	"github.com/kerbagent/kerbagent/internal/schedule"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/kdc"
)

var fleetHosts = flag.Int("fleet", 500, "number of hosts of TestFleet; make bench-fleet has 2,000 and 10,000")

// usual is the usual set-up: a realm with two controllers and a trusted realm with
// one, a database, three logins, and the controllers as this host's DNS servers.
func usual(t *testing.T, text string, v6 bool) (*Planner, discover.Known) {
	t.Helper()
	cfg, err := config.Parse("kerbagent.yaml", []byte(`realms:
  CORP.TEST: {kind: active-directory, dns_servers: [10.0.0.1, 10.0.0.2]}
  ONPREM.TEST: {kind: active-directory, dns_servers: [10.0.0.9], trusted_by: [CORP.TEST]}
databases: {orders: {endpoint: db.test, realm: CORP.TEST, tls: {mode: off}}}
logins:
  - {user: alice@CORP.TEST, database: orders, keytab: /a}
  - {user: bob@CORP.TEST, database: orders, keytab: /b}
  - {user: carol@ONPREM.TEST, database: orders, keytab: /c}
`+text))
	if err != nil {
		t.Fatal(err)
	}
	known := discover.Known{Servers: map[discover.Search]discover.Servers{}}
	for _, a := range []string{"10.0.0.1:53", "10.0.0.2:53"} {
		known.Resolver = append(known.Resolver, netip.MustParseAddrPort(a))
	}
	servers := func(kind probe.Kind, name string, port uint16, last ...byte) {
		var out []discover.Server
		for _, n := range last {
			s := discover.Server{Host: fmt.Sprintf("dc%d.test", n), Port: port, Source: probe.SourceSRV, Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, n})}}
			if v6 {
				s.Addrs = append(s.Addrs, netip.MustParseAddr(fmt.Sprintf("fd00::%d", n)))
			}
			out = append(out, s)
		}
		known.Servers[discover.Search{Kind: kind, Name: name}] = discover.Servers{Asked: true, Now: out}
	}
	servers(probe.KDC, "CORP.TEST", 88, 1, 2)
	servers(probe.KDC, "ONPREM.TEST", 88, 9)
	servers(probe.Kpasswd, "CORP.TEST", 464, 1, 2)
	servers(probe.Kpasswd, "ONPREM.TEST", 464, 9)
	servers(probe.Database, "orders", 3306, 30)
	return plannerOf(cfg), known
}

func plannerOf(cfg *config.Config) *Planner {
	return New(cfg, World{Routable: func(netip.Addr) bool { return true }, Now: time.Now, Guard: guard.New(guard.Opened(nil, nil), guard.Options{})})
}

// In any set-up no address gets more than 5.5 exchanges an interval of one host, logins
// apart; config.Fleet counts on it.
func TestNoAddressGetsMoreThanItsShare(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for n := range 300 {
		cfg, known := drawnSetup(rnd)
		p := plannerOf(cfg)
		all, _ := p.Load(known)
		for _, l := range all {
			share := config.RequestsAnInterval / 2. / cfg.Probes.Interval.Seconds()
			if got := l.Probes + l.Names; got > share*1.0001 {
				t.Fatalf("set-up %d: %s gets %.4f a second, of %.4f (probes %.4f, names %.4f)\n%+v", n, l.Addr, got, share, l.Probes, l.Names, cfg)
			}
		}
	}
}

// A fault at a KDC or at DNS over UDP is found within an interval and two timeouts: each
// of these ways has a question every interval, and the same port is asked at once over the
// other transport when one fails.
func TestEachWayIsAskedEveryInterval(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for n := range 300 {
		cfg, known := drawnSetup(rnd)
		p := plannerOf(cfg)
		jobs := p.Jobs(known)
		often := map[way]bool{}
		for _, j := range jobs {
			id := j.Targets[0].ID
			if j.Leads && j.Beat == cfg.Probes.Interval {
				often[wayOf(id)] = true
			}
		}
		for _, j := range jobs {
			id := j.Targets[0].ID
			if must := id.Kind == probe.KDC && id.Address.IsValid() || id.Kind == probe.DNS && id.Transport == probe.UDP; must && !often[wayOf(id)] {
				t.Fatalf("set-up %d: %s is not asked every interval\n%+v", n, id, cfg)
			}
			if id.Kind != probe.KDC || !id.Address.IsValid() {
				continue
			}
			atOnce := 0
			for _, pull := range p.Sooner().After(jobs, probe.Result{ID: id, Outcome: probe.Failed, Reason: probe.ReasonUDPSilent, Facts: j.Targets[0].Facts}) {
				if pull.Within == 0 {
					atOnce++
				}
			}
			if known := slices.ContainsFunc(cfg.Logins, func(l config.Login) bool { return l.Realm == j.Targets[0].Facts[probe.FactRealm] }); known && atOnce != 1 {
				t.Fatalf("set-up %d: after a failure of %s %d jobs run at once", n, id, atOnce)
			}
		}
	}
}

// What is asked every five or ten minutes and fails is asked once more within an interval,
// unless the machine is dead: a lost answer once showed for as long as the beat is.
func TestWhatIsAskedSeldomIsAskedOnceMore(t *testing.T) {
	p, known := usual(t, "", false)
	jobs := p.Jobs(known)
	works := func(yes bool) func(probe.ID) bool { return func(probe.ID) bool { return yes } }
	seldom := 0
	for _, j := range jobs {
		res := probe.Result{ID: j.Targets[0].ID, Outcome: probe.Failed, Reason: probe.ReasonUDPSilent}
		kind := res.ID.Kind
		if kind != probe.DNS && kind != probe.KDC && kind != probe.Kpasswd {
			continue
		}
		pull, is := p.Sooner().OnceMore(jobs, res, works(true))
		if long := j.Beat > p.cfg.Probes.Interval; is != long || is && (pull.Key != j.Key || pull.Within != p.cfg.Probes.Interval) {
			t.Errorf("%s, every %s: once more %v: %+v", j.Key, j.Beat, is, pull)
		} else if long {
			seldom++
		}
		if _, is := p.Sooner().OnceMore(jobs, res, works(false)); is {
			t.Errorf("%s is asked once more of a machine that is dead", j.Key)
		}
		res.Outcome = probe.OK
		if _, is := p.Sooner().OnceMore(jobs, res, works(true)); is {
			t.Errorf("%s is asked once more although it works", j.Key)
		}
	}
	if seldom < 30 {
		t.Errorf("%d jobs that are asked seldom", seldom)
	}
}

// requests_per_second holds at every server, with both its addresses and the logins.
func TestAFleetStaysBelowItsLimit(t *testing.T) {
	for _, text := range []string{"fleet: {hosts: 2000, requests_per_second: 100}", "fleet: {hosts: 10000, requests_per_second: 150}\nprobes: {interval: 15s, timeout: 1s}",
		"fleet: {hosts: 10, requests_per_second: 100}"} {
		p, known := usual(t, text, true)
		machines := map[string]float64{}
		all, _ := p.Load(known)
		for _, l := range all {
			a := l.Addr.As16()
			machines[fmt.Sprint(a[15])] += l.Sum() * float64(p.cfg.Fleet.Hosts)
		}
		for machine, got := range machines {
			if got > p.cfg.Fleet.Requests {
				t.Errorf("%s: machine %s gets %.1f a second", text, machine, got)
			}
		}
		most := 50 * time.Second
		if p.cfg.Fleet.Hosts == 10 && p.cfg.Probes.Interval != most {
			t.Errorf("a small fleet is asked every %s", p.cfg.Probes.Interval)
		}
	}
}

// drawnSetup draws realms, each with servers of its own, and this host's DNS servers,
// which may be those of the realms.
func drawnSetup(rnd *rand.Rand) (*config.Config, discover.Known) {
	cfg := &config.Config{Probes: config.Probes{Interval: time.Duration(1+rnd.IntN(300)) * time.Second, Timeout: time.Second / 2}}
	known := discover.Known{Servers: map[discover.Search]discover.Servers{}}
	var all []netip.Addr
	for r := range 1 + rnd.IntN(4) {
		realm := config.Realm{Name: fmt.Sprintf("R%d.TEST", r), Kind: []config.Kind{config.ActiveDirectory, config.MIT, config.Heimdal}[rnd.IntN(3)]}
		var out, change []discover.Server
		for s := range 1 + rnd.IntN(3) {
			srv := discover.Server{Host: fmt.Sprintf("dc%d-%d.test", r, s), Port: 88, Source: probe.SourceSRV}
			for f := range 1 + rnd.IntN(2) {
				addr := netip.AddrFrom4([4]byte{10, byte(r), byte(s), byte(f + 1)})
				srv.Addrs, all = append(srv.Addrs, addr), append(all, addr)
				if rnd.IntN(2) == 0 {
					realm.DNSServers = append(realm.DNSServers, netip.AddrPortFrom(addr, 53))
				}
			}
			out = append(out, srv)
			srv.Port = 464
			change = append(change, srv)
		}
		cfg.Realms = append(cfg.Realms, realm)
		known.Servers[discover.Search{Kind: probe.KDC, Name: realm.Name}] = discover.Servers{Asked: true, Now: out}
		known.Servers[discover.Search{Kind: probe.Kpasswd, Name: realm.Name}] = discover.Servers{Asked: true, Now: change}
	}
	for range 1 + rnd.IntN(2) {
		at := netip.MustParseAddrPort("10.99.0.1:53")
		if rnd.IntN(2) == 0 {
			at = netip.AddrPortFrom(all[rnd.IntN(len(all))], 53)
		}
		if !slices.Contains(known.Resolver, at) {
			known.Resolver = append(known.Resolver, at)
		}
	}
	for d := range rnd.IntN(4) {
		db := config.Database{Name: fmt.Sprintf("db%d", d), Host: fmt.Sprintf("db%d.test", d), Port: 3306, Realm: cfg.Realms[0].Name, TLS: config.TLS{Mode: config.TLSOff}}
		cfg.Databases = append(cfg.Databases, db)
		cfg.Logins = append(cfg.Logins, config.Login{User: "u", Realm: db.Realm, Database: db.Name, Interval: 5 * time.Minute})
	}
	return cfg, known
}

// fleet is many hosts with one plan, on a clock of its own.
type fleet struct {
	p      *Planner
	jobs   []Job
	costs  []discover.Cost
	counts map[netip.Addr][]int // requests in each second, by address
}

func newFleet(p *Planner, known discover.Known, seconds int) *fleet {
	f := &fleet{p: p, jobs: p.Jobs(known), costs: discover.Costs(p.cfg, known.Resolver), counts: map[netip.Addr][]int{}}
	servers, _ := p.Load(known)
	for _, l := range servers {
		f.counts[l.Addr] = make([]int, seconds)
	}
	return f
}

func (f *fleet) asks(a netip.Addr, at time.Duration) {
	if s := f.counts[a]; at >= 0 && int(at/time.Second) < len(s) {
		s[int(at/time.Second)]++
	}
}

// life is a part of a host's time with one plan.
type life struct {
	from, to time.Duration
	// anew: nothing is known at first, as after a start, or a reload that changes every
	// realm. Otherwise the names are known, and each job waits for its beat.
	anew bool
	dead netip.Addr // a machine that is dead from a moment on, where valid
	dies time.Duration
}

// run counts what one host asks in a part of its time.
func (f *fleet) run(host string, l life) {
	after := map[string]time.Duration{} // when each key was last pulled, as the daemon's seldom
	failed := map[probe.ID]bool{}
	var ask func(j Job, at time.Duration, n int)
	ask = func(j Job, at time.Duration, n int) {
		for i, one := range j.Probes {
			if k, is := one.(kdc.Probe); is && k.Large && (at >= l.dies && k.Address.Addr() == l.dead || n%int(j.EveryOf(i)/j.Beat) != 0) {
				continue
			}
			id := j.Targets[i].ID
			f.asks(id.Address.Addr(), at)
			if id.Address.Addr() != l.dead || at < l.dies || failed[id] {
				continue
			}
			failed[id] = true
			heard := at + f.p.cfg.Probes.Timeout
			for _, pull := range f.p.Sooner().After(f.jobs, probe.Result{ID: id, Outcome: probe.Failed, Reason: probe.ReasonUDPSilent, Facts: j.Targets[i].Facts}) {
				if last, was := after[pull.Key]; was && heard-last < f.p.cfg.Probes.Interval {
					continue
				}
				after[pull.Key] = heard
				for _, other := range f.jobs {
					if other.Key == pull.Key {
						ask(other, heard+pull.At(host), 1)
					}
				}
			}
		}
	}
	first := map[string]time.Duration{}
	for _, pull := range f.p.Sooner().First(f.jobs) {
		first[pull.Key] = pull.At(host)
	}
	lookUp := func(s discover.Search) time.Duration {
		return Pull{Key: s.Key(), Within: f.p.Sooner().FirstNames()}.At(host)
	}
	known := l.from // since when it is known who is to be asked
	if l.anew {
		known += lookUp(f.costs[0].Search)
	}
	for _, j := range f.jobs {
		if j.Every != j.Beat || !j.Targets[0].ID.Address.IsValid() {
			continue // logins and databases
		}
		at := beat(host, j.Key, j.Beat, known)
		if pulled := known + first[j.Key]; l.anew && pulled < at && pulled < l.to {
			ask(j, pulled, 0)
		}
		for ; at < l.to; at += j.Beat {
			ask(j, at, int(at/j.Beat)+int(schedule.Place(host, "large"+j.Key, 1000)))
		}
	}
	for _, c := range f.costs {
		at := beat(host, c.Search.Key(), c.Every, l.from)
		if l.anew { // what is found is used for as long
			at = l.from + lookUp(c.Search)
		}
		for ; at < l.to; at += c.Every {
			for _, server := range c.At {
				for range c.Requests {
					f.asks(server.Addr(), at)
				}
			}
		}
	}
}

// beat returns when a job's next beat is, from a moment on.
func beat(host, key string, every, from time.Duration) time.Duration {
	wait := (schedule.Place(host, key, every) - from) % every
	if wait < 0 {
		wait += every
	}
	return from + wait
}

// figures returns the mean of a server's requests a second, the 99th percentile and
// the most of any second.
func figures(s []int) (mean float64, p99, most int) {
	sum := 0
	for _, n := range s {
		sum += n
	}
	sorted := slices.Sorted(slices.Values(s))
	return float64(sum) / float64(len(s)), sorted[len(sorted)*99/100], sorted[len(sorted)-1]
}

// A fleet's beats are spread over each second; and where all hosts begin or reload at
// once, or a controller dies under all of them, no server gets more than twice the mean in
// any second.
func TestFleet(t *testing.T) {
	const long, change = 20 * time.Minute, 5 * time.Minute
	hosts := *fleetHosts
	setUp := func(text string) *fleet {
		p, known := usual(t, fmt.Sprintf("fleet: {hosts: %d}\n%s", hosts, text), false)
		return newFleet(p, known, int(long/time.Second))
	}
	steady, begins, reloads, dies := setUp(""), setUp(""), setUp(""), setUp("")
	before, faster := setUp("probes: {interval: 100s}\n"), setUp("")
	faster.counts = before.counts
	const hour = time.Hour // since when they run
	for n := range hosts {
		host := fmt.Sprintf("host-%d.fleet.test", n)
		steady.run(host, life{from: -hour, to: long})
		begins.run(host, life{to: long, anew: true})
		reloads.run(host, life{from: -hour, to: change})
		reloads.run(host, life{from: change, to: long, anew: true})
		before.run(host, life{from: -hour, to: change})
		faster.run(host, life{from: change, to: long})
		dies.run(host, life{from: -hour, to: long, dead: netip.MustParseAddr("10.0.0.1"), dies: change})
	}
	for _, a := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.9"} {
		addr := netip.MustParseAddr(a)
		mean, p99, most := figures(steady.counts[addr])
		t.Logf("%d hosts, %s: %.1f requests a second, p99 %d, most %d", hosts, a, mean, p99, most)
		if share := 0.11 * float64(hosts); mean > 1.005*share {
			t.Errorf("%s gets %.1f a second, more than %.1f", a, mean, share)
		}
		for what, f := range map[string]*fleet{"all start at once": begins, "all reload at once, and each realm is another": reloads,
			"all reload at once, to half the interval": faster, "10.0.0.1 dies": dies} {
			_, p99, most := figures(f.counts[addr])
			t.Logf("%d hosts, %s, %s: p99 %d, most %d (%.2f of the mean)", hosts, a, what, p99, most, float64(most)/mean)
			if float64(most) > 2*mean+4*noise(mean, hosts) {
				t.Errorf("%s: %s gets %d in one second, of a mean of %.1f", what, a, most, mean)
			}
		}
	}
}

// noise is what chance adds in a second of a small fleet: of 2,000 hosts and more it is none that the limit must bear.
func noise(mean float64, hosts int) float64 {
	if hosts >= 2000 {
		return 0
	}
	return mean / 4
}
