package daemon

import (
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/audit"
	"github.com/kerbagent/kerbagent/internal/awsview"
	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/internal/keeper"
	"github.com/kerbagent/kerbagent/internal/krb5file"
	"github.com/kerbagent/kerbagent/internal/locate"
	"github.com/kerbagent/kerbagent/internal/plan"
	"github.com/kerbagent/kerbagent/probe"
)

// setup is one configuration, with what was made of it. Nothing changes it.
type setup struct {
	cfg      *config.Config
	read     time.Time        // since when this is the configuration
	resolver []netip.AddrPort // this host's DNS servers
	finder   *discover.Finder
	planner  *plan.Planner
	keeper   *keeper.Keeper
}

// planning owns what is configured and planned now.
type planning struct {
	known func(resolver []netip.AddrPort) discover.Known
	apply func(s *setup, before, now []plan.Job) // hands a new plan to whom it concerns; must not plan again itself

	waiting  atomic.Bool // somebody is about to plan with all that is known by then
	changing sync.Mutex  // one change after another; those who only read do not wait for it

	mu    sync.Mutex // held for a moment: never while somebody else's code runs
	setup *setup
	jobs  []plan.Job
}

// current returns the configuration of now.
func (p *planning) current() *setup {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.setup
}

// plan returns the jobs of now, with their configuration.
func (p *planning) plan() (*setup, []plan.Job) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.setup, p.jobs
}

// again plans anew, as something else is known of the names. Where somebody waits
// to do so already, again returns at once: that plan has what is known now, and
// hundreds of searches that end together need one plan, not hundreds.
func (p *planning) again() {
	if !p.waiting.CompareAndSwap(false, true) {
		return
	}
	p.change(func(s *setup) *setup {
		p.waiting.Store(false) // what is learnt from here on needs the next plan
		return s
	})
}

// change puts another setup in the place of this one and plans anew; nil changes
// nothing.
func (p *planning) change(next func(*setup) *setup) {
	p.changing.Lock()
	defer p.changing.Unlock()
	old, before := p.plan()
	s := next(old)
	if s == nil {
		return
	}
	jobs := s.planner.Jobs(p.known(s.resolver))
	p.put(s, jobs)
	p.apply(s, before, jobs)
}

func (p *planning) put(s *setup, jobs []plan.Job) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.setup, p.jobs = s, jobs
}

// newSetup reads what a configuration refers to. The error says why this host's
// DNS servers are not known.
func (d *Daemon) newSetup(cfg *config.Config) (*setup, error) {
	resolver, err := d.resolver(cfg)
	s := &setup{cfg: cfg, read: d.o.Now(), resolver: resolver, finder: discover.New(cfg, d.o.Dialer, resolver, true)}
	s.planner = plan.New(cfg, d.world(s))
	s.keeper = keeper.New(cfg, keeper.Options{Host: d.o.Host, OrderFile: d.o.OrderFile, Now: d.o.Now})
	return s, err
}

// moved returns the same setup on a host with other DNS servers.
func (d *Daemon) moved(s *setup, resolver []netip.AddrPort) *setup {
	next := *s
	next.resolver, next.finder = resolver, discover.New(s.cfg, d.o.Dialer, resolver, true)
	next.planner = s.planner.In(d.world(&next))
	return &next
}

func (d *Daemon) world(s *setup) plan.World {
	host := locate.Host{Dialer: d.o.Dialer, Resolver: s.resolver}
	s.finder.Else = host.Addresses
	routable := discover.Routable(d.o.Dialer)
	w := plan.World{Programs: host.Programs(s.cfg, s.finder, routable), Dialer: d.o.Dialer, Now: d.o.Now, HostClock: d.o.HostClock,
		Routable: routable,
		Names:    s.finder, Guard: d.guard,
		Material: d.secrets.Material, Tickets: &d.secrets, Turn: d.logins.turn, PerHour: d.o.perHour}
	if s.cfg.Krb5Conf != nil {
		w.Krb5Conf = krb5file.Probe{Config: s.cfg, Now: d.o.Now}
	}
	if len(s.cfg.Applications) > 0 {
		w.Applications = audit.Probe{Path: d.o.AuditReport, Now: d.o.Now}
	}
	if s.cfg.AWS.Observe {
		w.AWS = awsview.Probe{Reader: awsview.Reader{Config: s.cfg, Now: d.o.Now, Addresses: awsview.HostAddresses},
			Cache: awsview.CacheIn(d.o.StateDir, d.o.Now)}
	}
	return w
}

// resolver returns the DNS servers that programs on this host use.
func (d *Daemon) resolver(cfg *config.Config) ([]netip.AddrPort, error) {
	if len(cfg.Resolver) > 0 {
		return cfg.Resolver, nil
	}
	return d.o.Resolver()
}

// Reload reads the configuration again. A bad one changes nothing; jobs that
// are the same in both keep their beat and their history.
func (d *Daemon) Reload() error {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	if d.Ready() == nil { // before that, it would hear that we are
		d.status.notify(systemd.SdNotifyReloading, systemd.SdNotifyMonotonicUsec())
		defer d.status.notify(systemd.SdNotifyReady)
	}
	cfg, err := d.o.Load()
	d.metrics.Reloaded(err == nil, d.o.Now())
	d.notes.set(noteConfig, err)
	if err != nil {
		d.o.Log.Error("the configuration cannot be used, the old one stays", "error", err)
		return err
	}
	next, err := d.newSetup(cfg)
	d.notes.set(noteResolver, err)
	d.planning.change(func(old *setup) *setup {
		if sameKrb5(old.cfg, next.cfg) {
			next.keeper = old.keeper // and what it has seen of the KDCs
		}
		if reflect.DeepEqual(old.cfg, next.cfg) {
			next.read = old.read
		}
		d.names.Forget(func(s discover.Search) bool { return differs(s, old.cfg, next.cfg) })
		next.finder.Take(old.finder, func(s discover.Search) bool {
			return !differs(s, old.cfg, next.cfg) && slices.Equal(old.resolver, next.resolver)
		})
		d.logins.keep(next.cfg.Logins)
		d.secrets.Keep(next.cfg.Logins)
		d.recorder.SetUsers(d.users.learn(next.cfg))
		return next
	})
	if next.cfg.HideUsers != d.users.hide {
		d.o.Log.Warn("hide_users was changed: that takes a restart")
	}
	for _, n := range next.cfg.Notes() {
		d.o.Log.Warn(n)
	}
	d.o.Log.Info("the configuration was read again")
	return nil
}

// differs reports whether what a search has found under the old configuration is
// not what it looks for in the new one.
func differs(s discover.Search, old, now *config.Config) bool {
	if db, was := old.Database(s.Name); was && s.Kind == probe.Database {
		same, ok := now.Database(s.Name)
		return !ok || same.Endpoint() != db.Endpoint() || same.Instances != db.Instances || same.InstancePattern != db.InstancePattern
	}
	realm, _ := old.Realm(s.Name)
	same, ok := now.Realm(s.Name)
	return !ok || !reflect.DeepEqual(realm, same)
}

// sameKrb5 says that two configurations want the same of the krb5.conf.
func sameKrb5(a, b *config.Config) bool {
	return reflect.DeepEqual(a.Krb5Conf, b.Krb5Conf) && reflect.DeepEqual(krb5file.SiteOf(a), krb5file.SiteOf(b)) && a.Probes == b.Probes
}
