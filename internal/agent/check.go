// Package agent turns configuration into probes and runs them. It is the only
// code that knows both: what is probed, with which secrets, guarded by which
// records. Check is the whole ladder once.
package agent

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/database"
	"github.com/kerbagent/kerbagent/probe/dns"
)

// Check climbs the whole ladder once: every question at every address, side by
// side, and returns what each one saw in the ladder's order. It ends when all
// have ended, or soon after ctx does. The error is of the configuration: a CA
// bundle that cannot be read, and then nothing has been asked.
func Check(ctx context.Context, cfg *config.Config, env Env) ([]probe.Result, error) {
	tlsConfigs := map[string]*tls.Config{}
	for _, db := range cfg.Databases {
		c, err := tlsConfig(db)
		if err != nil {
			return nil, fmt.Errorf("database %s: %w", db.Name, err)
		}
		tlsConfigs[db.Name] = c
	}
	r := &round{cfg: cfg, env: env, plan: planner{cfg: cfg, env: env}, found: newDiscovery(cfg, env.Dialer, env.Resolver)}
	for _, realm := range cfg.Realms {
		r.wg.Go(func() { r.realm(ctx, realm) })
	}
	for _, db := range cfg.Databases {
		r.wg.Go(func() { r.database(ctx, db, tlsConfigs[db.Name]) })
	}
	if cfg.Krb5Conf != nil {
		r.krb5Conf(ctx)
	}
	r.wg.Wait()
	slices.SortStableFunc(r.results, ladderOrder)
	return r.results, nil
}

// Explain gives the meaning of a round's results, with the limits of its configuration.
func Explain(cfg *config.Config, results []probe.Result, now time.Time) diagnose.Report {
	return diagnose.Explain(diagnose.Snapshot{Results: results, Now: now,
		Limits: diagnose.Limits{PasswordExpiry: cfg.Warn.PasswordExpiry, CertificateExpiry: cfg.Warn.CertificateExpiry}})
}

// round is one run of the ladder.
type round struct {
	cfg   *config.Config
	env   Env
	plan  planner
	found *discovery
	wg    sync.WaitGroup

	mu      sync.Mutex
	results []probe.Result
}

// realm asks about one realm: its DNS at once, its servers as they are found.
func (r *round) realm(ctx context.Context, realm config.Realm) {
	if asksDNS(realm) {
		for _, s := range realm.DNSServers {
			r.run(ctx, r.plan.realmDNS(realm, s, probe.RoleRealm)...)
		}
		for _, s := range r.env.Resolver {
			if !slices.Contains(realm.DNSServers, s) {
				r.run(ctx, r.plan.realmDNS(realm, s, probe.RoleHost)...)
			}
		}
	}
	r.wg.Go(func() { r.kdcs(ctx, realm) })
	r.wg.Go(func() { r.kpasswd(ctx, realm) })
}

func (r *round) kdcs(ctx context.Context, realm config.Realm) {
	servers, err := r.found.kdcsOf(ctx, realm.Name)
	var unheard *dns.Error
	if len(servers) == 0 && isAD(realm.Kind) && errors.As(err, &unheard) {
		// DNS says nothing at all, and a directory's DNS servers are its domain
		// controllers: asking them shows whether it is DNS alone. A login finds
		// no KDC all the same.
		for _, s := range realm.DNSServers {
			servers = append(servers, server{host: s.Addr().String(), port: config.PortKDC, source: probe.SourceDNSServer, addrs: []netip.Addr{s.Addr()}})
		}
	}
	if len(servers) == 0 {
		r.lack(probe.KDC, realm.Domain(), with(realmFacts(realm), probe.FactSource, probe.SourceDomain), err)
	}
	var asked []netip.Addr
	for _, s := range servers {
		if len(s.addrs) == 0 {
			r.lack(probe.KDC, s.host, with(realmFacts(realm), probe.FactSource, s.source), s.err)
		}
		for _, addr := range r.routable(s.addrs) {
			for _, t := range []probe.Transport{probe.UDP, probe.TCP} {
				small, large := r.plan.kdcProbes(realm, s, netip.AddrPortFrom(addr, s.port), t)
				r.wg.Go(func() { r.inTurn(ctx, small, large) })
			}
			asked = append(asked, addr)
		}
	}
	if len(realm.DNSServers) == 0 && isAD(realm.Kind) {
		for _, addr := range asked {
			if at := netip.AddrPortFrom(addr, config.PortDNS); !slices.Contains(r.env.Resolver, at) {
				r.run(ctx, r.plan.realmDNS(realm, at, probe.RoleRealm)...)
			}
		}
	}
}

func (r *round) kpasswd(ctx context.Context, realm config.Realm) {
	servers, _ := r.found.kpasswdOf(ctx, realm.Name) // that there is none, the DNS probes say
	for _, s := range servers {
		for _, addr := range r.routable(s.addrs) {
			r.run(ctx, r.plan.kpasswdProbes(realm, s, netip.AddrPortFrom(addr, s.port))...)
		}
	}
}

// database asks one database at each of its addresses, the first one by way of
// the logins.
func (r *round) database(ctx context.Context, db config.Database, tlsConfig *tls.Config) {
	if _, err := netip.ParseAddr(db.Host); err != nil {
		for _, s := range r.env.Resolver {
			r.run(ctx, r.plan.endpointDNS(db, s)...)
		}
	}
	endpoint := r.endpoint(db, tlsConfig)
	logins := 0
	for _, l := range r.cfg.Logins {
		if l.Database != db.Name {
			continue
		}
		p := r.plan.loginProbe(l, db, endpoint, r.found)
		if logins == 0 { // one connection is enough to tell of the database
			p.OnDatabase = r.add
		}
		logins++
		r.run(ctx, p)
	}
	addrs, err := r.found.addresses(ctx, r.env.Resolver, db.Host)
	if err != nil {
		r.lack(probe.Database, db.Host, databaseFacts(db), err)
		return
	}
	covered := min(logins, 1)
	for _, addr := range r.routable(addrs)[covered:] {
		r.run(ctx, r.plan.databaseProbe(db, netip.AddrPortFrom(addr, db.Port), tlsConfig))
	}
}

// endpoint is where a database's logins go: the first of its addresses.
func (r *round) endpoint(db config.Database, tlsConfig *tls.Config) func(context.Context) (database.Server, error) {
	return func(ctx context.Context) (database.Server, error) {
		addrs, err := r.found.addresses(ctx, r.env.Resolver, db.Host)
		if err != nil {
			return database.Server{}, err
		}
		return database.Server{Address: netip.AddrPortFrom(addrs[0], db.Port), TLS: tlsConfig}, nil
	}
}

// run starts probes side by side.
func (r *round) run(ctx context.Context, probes ...probe.Probe) {
	for _, p := range probes {
		r.wg.Go(func() { r.ask(ctx, p) })
	}
}

// ask runs one probe and keeps its result.
func (r *round) ask(ctx context.Context, p probe.Probe) probe.Result {
	if r.env.Progress != nil {
		r.env.Progress.Started(p.ID())
	}
	res := probe.Safely(ctx, p)
	r.add(res)
	if r.env.Progress != nil {
		r.env.Progress.Finished(res.ID)
	}
	return res
}

// inTurn asks the second question once the first one is answered. A large
// message that is lost means something only then; and Samba's KDC, whose
// processes share a socket, now and then cuts a large datagram short that comes
// together with a small one, so that the two side by side would show a fault
// that is none.
func (r *round) inTurn(ctx context.Context, first, second probe.Probe) {
	res := r.ask(ctx, first)
	if res.Outcome == probe.OK {
		r.ask(ctx, second)
		return
	}
	rec := probe.Begin(second.ID(), r.env.Now)
	rec.Fact(probe.FactRealm, res.Facts[probe.FactRealm])
	r.add(rec.Skip(probe.ReasonNotAsked, errors.New("the small exchange before it was not answered")))
}

func (r *round) add(res probe.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results = append(r.results, res)
}

// lack reports a name that nobody could be asked at.
func (r *round) lack(kind probe.Kind, target string, facts probe.Facts, err error) {
	rec := probe.Begin(probe.ID{Kind: kind, Target: target}, r.env.Now)
	rec.Facts(facts)
	r.add(rec.Fail(probe.ReasonUnresolvable, err))
}

// routable leaves out IPv6 addresses where this host has no IPv6 at all: no
// program on it would try them. Connecting a UDP socket asks the kernel for
// the route and sends nothing.
func (r *round) routable(addrs []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(addrs), func(a netip.Addr) bool {
		if a.Unmap().Is4() {
			return false
		}
		c, err := r.env.Dialer.DialContext(context.Background(), "udp", netip.AddrPortFrom(a, config.PortKDC).String())
		if err == nil {
			c.Close()
		}
		return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EADDRNOTAVAIL)
	})
}

// ladderOrder sorts by rung, then by what is asked and where.
func ladderOrder(a, b probe.Result) int {
	rungs := []probe.Kind{probe.DNS, probe.KDC, probe.Kpasswd, probe.Database, probe.Login, probe.Krb5Conf}
	return cmp.Or(
		cmp.Compare(slices.Index(rungs, a.ID.Kind), slices.Index(rungs, b.ID.Kind)),
		strings.Compare(a.Facts[probe.FactRealm], b.Facts[probe.FactRealm]),
		a.ID.Address.Compare(b.ID.Address),
		strings.Compare(a.ID.String(), b.ID.String()),
	)
}
