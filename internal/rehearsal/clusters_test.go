package rehearsal

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/miekg/dns"

	"github.com/kerbagent/kerbagent/internal/check"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/mysql"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
	"github.com/kerbagent/kerbagent/probe"
)

var (
	clusters    = flag.Int("clusters", 20, "how many clusters TestDrawnClusters draws")
	clusterSeed = flag.Uint64("cluster-seed", 1, "the seed of the first cluster; 0: the time, to look for what no seed has shown")
)

// member is an instance that there is.
type member struct {
	name   string
	broken string // what is wrong with it; empty: nothing
	how    mysqltest.Faults
	server *mysqltest.Server
	addr   netip.Addr
}

// drawnCluster is a cluster drawn by a seed.
type drawnCluster struct {
	seed     uint64
	members  []*member // the first is the writer
	endpoint string    // by which alice logs in
	leads    []*member // where that leads
	rows     []mysqltest.Instance
	odd      string // what is odd about the rows
	hidden   bool
}

func (c *drawnCluster) String() string {
	var all []string
	for _, m := range c.members {
		all = append(all, strings.TrimSpace(m.name+" "+m.broken))
	}
	var leads []string
	for _, m := range c.leads {
		leads = append(leads, m.name)
	}
	return fmt.Sprintf("seed %d: %s; by %s to %s; rows: %s, hidden %t", c.seed, strings.Join(all, ", "), c.endpoint, strings.Join(leads, " "), c.odd, c.hidden)
}

// sicknesses is what may be wrong with an instance, by what an operator would say.
func sicknesses() map[string]mysqltest.Faults {
	refuses := func(number uint16, message string) mysqltest.Faults {
		return mysqltest.Faults{Greeting: &mysql.ServerError{Number: number, Message: message}}
	}
	return map[string]mysqltest.Faults{
		"without the plugin":       {PluginMissing: true},
		"asks for a password":      {Plugin: mysqltest.CachingSHA2},
		"asks for an old password": {Plugin: mysqltest.NativePassword},
		"refuses connections":      {Refuse: true},
		"silent":                   {Silent: true},
		"of another realm":         {Realm: "CORP.EXAMPLE.ORG"},
		"host blocked":             refuses(1129, "Host '10.0.9.100' is blocked because of many connection errors"),
		"host denied":              refuses(1130, "Host '10.0.9.100' is not allowed to connect to this MySQL server"),
		"full":                     refuses(1040, "Too many connections"),
		"cut at the greeting":      {CutAt: mysqltest.AtGreeting},
		"cut at TLS":               {CutAt: mysqltest.AtTLS},
		"cut at the token":         {CutAt: mysqltest.AtToken},
		"hangs at the token":       {StallAt: mysqltest.AtToken},
		"hangs at TLS":             {StallAt: mysqltest.AtTLS},
		"without TLS":              {NoTLS: true},
		"expired certificate":      {Certificate: mysqltest.Expired},
		"old keytab":               {RejectToken: true},
		"another's service":        {SPN: "mysql/billing.example.com@" + corpRealm},
		"denies the account":       {DenyAfterProof: mysqltest.Denied("alice")},
		"not MySQL":                {Banner: "SSH-2.0-OpenSSH_9.2\r\n"},
	}
}

// drawCluster draws a cluster. Half of its instances are well.
func drawCluster(seed uint64) *drawnCluster {
	r := rand.New(rand.NewPCG(seed, 15))
	c := &drawnCluster{seed: seed}
	names := []string{"orders-1", "db7", "q", "application-autoscaling-7f3c0e1d-5b1e-4c53-9a39-2f1f0d7f9a10", "orders", "reader-2b", "zz-last"}
	r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	kinds := sortedKeysOf(sicknesses())
	for i, name := range names[:1+r.IntN(5)] {
		m := &member{name: name}
		if r.IntN(2) == 0 && (i > 0 || r.IntN(4) == 0) {
			m.broken = kinds[r.IntN(len(kinds))]
			m.how = sicknesses()[m.broken]
		}
		c.members = append(c.members, m)
	}
	readers := c.members[1:]
	switch c.endpoint, c.leads = databaseHost, c.members[:1]; r.IntN(3) {
	case 0:
		c.endpoint, c.leads = readerHost, readers
		if len(readers) == 0 { // Aurora's reader endpoint leads to the writer then
			c.leads = c.members
		}
	case 1:
		c.endpoint, c.leads = customHost, slices.Clone(c.members)
		r.Shuffle(len(c.leads), func(i, j int) { c.leads[i], c.leads[j] = c.leads[j], c.leads[i] })
		c.leads = c.leads[:1+r.IntN(len(c.leads))]
	}
	for i, m := range c.members {
		row := mysqltest.Instance{Name: m.name, Writer: i == 0, Age: time.Duration(r.IntN(5)) * time.Second, NoLag: i == 0 || r.IntN(4) == 0}
		if !row.NoLag {
			row.Lag = time.Duration(r.IntN(2000)) * time.Millisecond
		}
		c.rows = append(c.rows, row)
	}
	c.oddities(r)
	r.Shuffle(len(c.rows), func(i, j int) { c.rows[i], c.rows[j] = c.rows[j], c.rows[i] })
	return c
}

// oddities adds what no good cluster says of itself.
func (c *drawnCluster) oddities(r *rand.Rand) {
	odd := map[string]func(){
		"none": func() {}, "as they should be": func() {}, "good": func() {},
		"hidden": func() { c.hidden = true },
		"empty":  func() { c.rows = nil },
		"upper case": func() {
			for i := range c.rows {
				c.rows[i].Name = strings.ToUpper(c.rows[i].Name)
			}
		},
		"each twice":  func() { c.rows = append(c.rows, c.rows...) },
		"no writer":   func() { c.rows[0].Writer = false },
		"two writers": func() { c.rows[len(c.rows)-1].Writer = true },
		"gone ones": func() {
			c.rows = append(c.rows, mysqltest.Instance{Name: "gone-1", Age: 310 * time.Second}, mysqltest.Instance{Name: "gone-2", Age: 24 * time.Hour})
		},
		"ones without a name in DNS": func() {
			c.rows = append(c.rows, mysqltest.Instance{Name: "ghost-1", Age: 100 * time.Second}, mysqltest.Instance{Name: "ghost-2"})
		},
		"hostile": func() {
			for _, name := range []string{"\x1b[2J\x07", "evil.example.com", "orders-1.evil.example.com.", "a b", "", "../x", "-a", "a-", "1a", "ä", strings.Repeat("x", 64), "a\x00b", "$(reboot)", "a;b", "a\nb"} {
				c.rows = append(c.rows, mysqltest.Instance{Name: name, Writer: r.IntN(8) == 0})
			}
		},
		"in another time zone": func() {
			for i := range c.rows {
				c.rows[i].Age += 9 * time.Hour
			}
		},
	}
	kinds := sortedKeysOf(odd)
	c.odd = kinds[r.IntN(len(kinds))]
	odd[c.odd]()
}

func sortedKeysOf[V any](m map[string]V) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// listed reports whether the cluster's own table has an instance.
func (c *drawnCluster) listed(m *member) bool {
	return !c.hidden && slices.ContainsFunc(c.rows, func(i mysqltest.Instance) bool { return strings.EqualFold(i.Name, m.name) })
}

// start makes the cluster.
func (c *drawnCluster) start(ctx context.Context) (*World, error) {
	return startWith(ctx, Windows, func(w *World) error {
		port := w.database.Addr().Port()
		for _, s := range append(w.readers, w.database) {
			if err := s.Close(); err != nil {
				return err
			}
		}
		w.readers = nil
		for i, m := range c.members {
			m.addr = netip.AddrFrom4([4]byte{127, 77, 3, byte(20 + i)})
			var err error
			if m.server, err = w.startInstance(m.name, netip.AddrPortFrom(m.addr, port)); err != nil {
				return err
			}
			if i == 0 {
				w.database = m.server
			} else {
				w.readers = append(w.readers, m.server)
			}
			m.how.HideTopology = c.hidden
			if err := m.server.SetFaults(m.how); err != nil {
				return err
			}
		}
		w.cluster.Set(c.rows...)
		w.resolver.edit(rdsZone, func(z *zone) {
			z.remove(func(rr dns.RR) bool { return rr.Header().Rrtype != dns.TypeSOA && rr.Header().Rrtype != dns.TypeNS })
			z.add(alias(databaseHost, c.members[0].name+instanceZone))
			for _, m := range c.members {
				z.add(address(m.name+instanceZone, m.addr))
			}
			for _, m := range c.leads {
				if c.endpoint != databaseHost {
					z.add(address(c.endpoint, m.addr))
				}
			}
		})
		_, err := w.keep("ca.pem", w.instanceCAs())
		w.settings.endpoint, w.settings.logins = net.JoinHostPort(c.endpoint, strconv.Itoa(int(port))), w.settings.logins[:1]
		return err
	})
}

// refuses is the truth about an instance: a client that has nothing in common with the
// ladder logs alice in there, by the instance's own name and, where the endpoint leads
// to it, by the endpoint's.
func (c *drawnCluster) refuses(ctx context.Context, w *World, m *member) (err error) {
	_, port, _ := net.SplitHostPort(w.settings.endpoint)
	hosts := []string{m.name + instanceZone}
	if slices.Contains(c.leads, m) {
		hosts = append(hosts, c.endpoint)
	}
	for _, host := range hosts {
		p := program{w: w, dial: w.Dialer().DialContext, at: net.JoinHostPort(host, port), hosts: map[string]netip.Addr{host: m.addr}}
		if f := p.login(ctx, alice, alicePassword, nil); !f.works {
			err = errors.Join(err, fmt.Errorf("%s: %s", host, f.err))
		}
	}
	return err
}

// watchedDialer notes whom a check dials.
type watchedDialer struct {
	probe.Dialer
	mu sync.Mutex
	to map[netip.Addr]bool
}

func (d *watchedDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if at, err := netip.ParseAddrPort(address); err == nil {
		d.mu.Lock()
		d.to[at.Addr()] = true
		d.mu.Unlock()
	}
	return d.Dialer.DialContext(ctx, network, address)
}

// TestDrawnClusters holds what check says of clusters that nobody thought of against what
// an independent client gets at each instance: every instance that refuses it and that kerbagent can
// know is named in a finding, no other is; and the verdict fails exactly where the name
// by which alice comes can lead to one that refuses.
func TestDrawnClusters(t *testing.T) {
	first := *clusterSeed
	if first == 0 {
		first = uint64(time.Now().UnixNano())
	}
	for n := range uint64(*clusters) {
		c := drawCluster(first + n)
		t.Run(fmt.Sprint("seed ", c.seed), func(t *testing.T) {
			t.Parallel()
			var wrong []string
			var rep diagnose.Report
			for range 4 { // no chance is drawn: what is wrong is wrong each time, unless the machine was too busy
				w, err := c.start(t.Context())
				if err != nil {
					t.Fatal(c, err)
				}
				wrong, rep = c.judged(t, w)
				w.Close()
				if len(wrong) == 0 {
					return
				}
			}
			t.Errorf("%s\n%s: %s", c, rep.Verdict, strings.Join(wrong, "; "))
			for _, f := range rep.Findings {
				t.Errorf("%s %s: %s", f.Severity, f.Code, f.Title)
			}
		})
	}
}

// names reports whether a finding's title has an instance, as a user would read it.
func names(f diagnose.Finding, m *member) bool {
	_, instances, _ := strings.Cut(f.Title, ", instance ")
	return slices.Contains(strings.FieldsFunc(instances, func(c rune) bool { return c != '-' && !unicode.IsLetter(c) && !unicode.IsDigit(c) }), m.name)
}

// judged returns what is wrong with a check of the cluster.
func (c *drawnCluster) judged(t *testing.T, w *World) (wrong []string, rep diagnose.Report) {
	t.Helper()
	truth := map[*member]error{}
	for _, m := range c.members {
		truth[m] = c.refuses(t.Context(), w, m)
	}
	l, err := ledger.Open(w.StateDir(), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.config.Probes.Timeout = drawnTimeout
	dialer := &watchedDialer{Dialer: w.Dialer(), to: map[netip.Addr]bool{}}
	results := check.Run(t.Context(), w.config, check.Env{Instances: true, Dialer: dialer, Now: time.Now, Resolver: []netip.AddrPort{w.Resolver()}, Ledger: l})
	rep = check.Explain(w.config, results, time.Now())
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }

	told := slices.ContainsFunc(results, func(r probe.Result) bool { // a login that fails is told of nobody
		return r.ID.Kind == probe.Login && r.ID.Variant == "" && r.Outcome == probe.OK
	})
	want := diagnose.VerdictOK
	for _, m := range c.members {
		leads, refused := slices.Contains(c.leads, m), truth[m] != nil
		known := told && c.listed(m)
		named := slices.ContainsFunc(rep.Findings, func(f diagnose.Finding) bool { return f.Severity != diagnose.Info && names(f, m) })
		if named && !refused || known && refused && !named {
			say("%s is named: %t; it refuses: %v", m.name, named, truth[m])
		}
		switch {
		case refused && leads:
			want = diagnose.VerdictFailed
		case refused && known && want == diagnose.VerdictOK:
			want = diagnose.VerdictDegraded
		}
		if n := m.server.Stats().Connections; n > 12 {
			say("%d connections with %s", n, m.name)
		}
	}
	// Of an endpoint that leads to instances which nobody lists, one login sees one of them.
	unknown := slices.ContainsFunc(c.leads, func(m *member) bool { return !c.listed(m) }) && len(c.leads) > 1
	if rep.Verdict != want && (!unknown || want == diagnose.VerdictOK) {
		say("want %s", want)
	}
	for at := range dialer.to {
		if at.Is4() && at.As4()[2] == 3 && !slices.ContainsFunc(c.members, func(m *member) bool { return m.addr == at }) {
			say("dialled %s", at)
		}
	}
	for _, f := range rep.Findings {
		if f.Severity != diagnose.Info && strings.Contains(f.Title, "ghost-") {
			say("%s of who is not there", f.Code)
		}
		if text := f.Title + f.Cause + f.Remedy; strings.Contains(text, "gone-") || strings.Contains(text, "reboot)") || strings.Contains(text, "evil") {
			say("%s speaks of who is not there", f.Code)
		}
	}
	return wrong, rep
}
