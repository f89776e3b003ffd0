package agent

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/keeper"
	"github.com/kerbagent/kerbagent/internal/metrics"
	"github.com/kerbagent/kerbagent/internal/recorder"
	"github.com/kerbagent/kerbagent/internal/report"
	"github.com/kerbagent/kerbagent/internal/results"
	"github.com/kerbagent/kerbagent/internal/schedule"
	"github.com/kerbagent/kerbagent/internal/web"
	"github.com/kerbagent/kerbagent/probe"
)

// firstRound is how long a daemon may take until it says that it is ready,
// whatever does not answer.
const firstRound = 30 * time.Second

// stopWithin is how long jobs have to end when the daemon stops: theirs are
// connections that should be ended well.
const stopWithin = 1500 * time.Millisecond

// RunOptions is the world of the daemon.
type RunOptions struct {
	Load      func() (*config.Config, error)   // reads the configuration, at the start and at every reload
	Resolver  func() ([]netip.AddrPort, error) // this host's DNS servers, where the configuration names none; read every interval
	Dialer    probe.Dialer
	Now       func() time.Time // the wall clock; nil: time.Now
	Host      string           // this host's name: its place among a fleet
	Version   string
	StateDir  string
	OrderFile string // of the krb5.conf's KDCs; empty: DefaultOrderFile
	Log       *slog.Logger
	Hangup    <-chan os.Signal // each is a reload; nil: none
	Manager   Manager
	Web       web.Options
	Serve     func(context.Context, http.Handler) error // serves until its context ends; nil: nothing is served

	// For tests.
	perHour int              // logins an hour and account; 0: config.MaxLoginsAnHour
	clock   func() time.Time // of the record of attempts; nil: Now
}

// Run climbs the ladder for ever: every question on its own beat, until ctx
// ends. An error is of the configuration, or of what serves HTTP.
func Run(ctx context.Context, o RunOptions) error {
	d, err := newDaemon(o)
	if err != nil {
		return err
	}
	return d.run(ctx)
}

// daemon is the ladder for ever.
type daemon struct {
	o         RunOptions
	hideUsers bool                         // from the start to the end: what was shown once cannot be taken back
	hider     atomic.Pointer[report.Hider] // of the log; of nil: nobody is hidden
	started   time.Time
	memory    *memory
	recorder  *recorder.Recorder
	metrics   *metrics.Metrics
	sched     *schedule.Scheduler
	table     *results.Store
	pace      pace
	overload  overload
	ports     newPorts
	dirty     chan struct{}
	seed      maphash.Seed
	reloading sync.Mutex

	// Of the explainer alone.
	follower  follower
	announced bool
	headline  string

	mu         sync.Mutex
	setup      *setup
	users      []string // whose names are hidden, where they are
	plan       *tasks
	names      map[string]*known
	logins     map[string]*loginState // by user@REALM@database
	accounts   map[string]chan struct{}
	issues     map[probe.ID]bool // of the krb5.conf, as they were seen last
	prints     map[probe.ID]uint64
	pulled     map[string]time.Time // what is done seldom, and when it was done last
	unrecorded []probe.Result
	toRun      int // jobs that have not run yet
	ready      bool
	report     diagnose.Report

	// What State has to say beside the results; nil or empty for nothing.
	loadErr, resolverErr, recordErr error
	krb5Note                        string
}

// newDaemon loads the configuration. It starts nothing.
func newDaemon(o RunOptions) (*daemon, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.perHour == 0 {
		o.perHour = config.MaxLoginsAnHour
	}
	if o.clock == nil {
		o.clock = o.Now
	}
	d := &daemon{o: o, started: o.Now(), table: results.New(o.Now), dirty: make(chan struct{}, 1), seed: maphash.MakeSeed(),
		plan: newTasks(), names: map[string]*known{}, logins: map[string]*loginState{}, accounts: map[string]chan struct{}{},
		issues: map[probe.ID]bool{}, prints: map[probe.ID]uint64{}, pulled: map[string]time.Time{}}
	cfg, err := o.Load()
	if err != nil {
		return nil, err
	}
	if d.setup, err = d.newSetup(cfg); err != nil {
		return nil, err
	}
	d.hideUsers = cfg.HideUsers
	d.know(cfg)
	d.o.Log = slog.New(hiding{o.Log.Handler(), &d.hider})
	d.metrics = metrics.New(metrics.Options{Version: o.Version, HideUsers: d.hideUsers})
	d.recorder, d.recordErr = recorder.Open(o.StateDir, recorder.Options{HideUsers: d.hideUsers, Users: d.users, Now: o.Now})
	d.sched = schedule.New(schedule.Options{Host: o.Host, Panicked: func(key string, v any, stack []byte) {
		d.o.Log.Error("a job panicked", "job", key, "panic", v, "stack", string(stack))
	}})
	d.metrics.Reloaded(true, o.Now())
	return d, nil
}

// newSetup makes ready for a configuration. Its error is of the configuration.
func (d *daemon) newSetup(cfg *config.Config) (*setup, error) {
	resolver, err := d.resolver(cfg)
	d.mu.Lock()
	d.resolverErr = err
	d.mu.Unlock()
	s, err := newSetup(cfg, Env{Dialer: d.o.Dialer, Now: d.o.Now, Resolver: resolver}, d.o.perHour)
	if err != nil {
		return nil, err
	}
	s.keeper = keeper.New(cfg, keeper.Options{Host: d.o.Host, OrderFile: d.o.OrderFile, Now: d.o.Now})
	return s, nil
}

// resolver gives the DNS servers that programs on this host use.
func (d *daemon) resolver(cfg *config.Config) ([]netip.AddrPort, error) {
	if len(cfg.Resolver) > 0 {
		return cfg.Resolver, nil
	}
	return d.o.Resolver()
}

func (d *daemon) run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	for _, n := range d.setup.cfg.Notes() {
		d.o.Log.Warn(n)
	}
	d.memory = &memory{dir: d.o.StateDir, now: d.o.clock, perHour: d.o.perHour}
	if _, err := d.memory.ledger(); err != nil {
		d.o.Log.Error("no login is tried, and no database asked, until attempts can be recorded", "error", err)
	}
	d.replan()
	ready := time.AfterFunc(firstRound, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.becomeReady()
	})
	defer ready.Stop()
	var wg sync.WaitGroup
	jobs := make(chan struct{})
	go func() {
		defer close(jobs)
		d.sched.Run(ctx)
	}()
	wg.Go(func() { d.explainer(ctx) })
	wg.Go(func() { d.watch(ctx) })
	wg.Go(func() { d.hangups(ctx) })
	if d.o.Serve != nil {
		o := d.o.Web
		o.Metrics = d.metrics.Handler()
		wg.Go(func() {
			if err := d.o.Serve(ctx, web.Handler(d, o)); err != nil {
				stop(err)
			}
		})
	}
	d.o.Log.Info("kerbagent runs", "version", d.o.Version, "host", d.o.Host, "state", d.o.StateDir)
	<-ctx.Done()
	d.notify(systemd.SdNotifyStopping)
	select {
	case <-jobs:
	case <-time.After(stopWithin):
		d.o.Log.Warn("a job did not end; what it left unfinished is recorded")
	}
	wg.Wait()
	d.o.Log.Info("kerbagent has stopped")
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// becomeReady ends the first round; under d.mu.
func (d *daemon) becomeReady() {
	if !d.ready {
		d.ready = true
		d.explainSoon()
	}
}

// hangups reloads when the process is told to.
func (d *daemon) hangups(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.o.Hangup:
			_ = d.Reload() // which has logged it
		}
	}
}

// Reload reads the configuration again. A bad one changes nothing; jobs that
// are the same in both keep their beat and their history.
func (d *daemon) Reload() error {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	if d.Ready() == nil { // before that, it would hear that we are
		d.notify(systemd.SdNotifyReloading, systemd.SdNotifyMonotonicUsec())
		defer d.notify(systemd.SdNotifyReady)
	}
	s, err := d.load()
	d.metrics.Reloaded(err == nil, d.o.Now())
	d.mu.Lock()
	d.loadErr = err
	d.mu.Unlock()
	if err != nil {
		d.o.Log.Error("the configuration cannot be used, the old one stays", "error", err)
		return err
	}
	d.mu.Lock()
	if sameKrb5(d.setup.cfg, s.cfg) {
		s.keeper = d.setup.keeper // and what it has seen of the KDCs
	}
	d.forgetChanged(d.setup.cfg, s.cfg)
	d.setup = s
	d.know(s.cfg)
	d.recorder.SetUsers(d.users)
	d.replanLocked()
	d.mu.Unlock()
	if s.cfg.HideUsers != d.hideUsers {
		d.o.Log.Warn("hide_users was changed: that takes a restart")
	}
	for _, n := range s.cfg.Notes() {
		d.o.Log.Warn(n)
	}
	d.o.Log.Info("the configuration was read again")
	return nil
}

func (d *daemon) load() (*setup, error) {
	cfg, err := d.o.Load()
	if err != nil {
		return nil, err
	}
	return d.newSetup(cfg)
}

// forgetChanged forgets the addresses of realms and databases that are others
// in the new configuration, and the logins that it has not; under d.mu.
func (d *daemon) forgetChanged(old, now *config.Config) {
	for _, r := range old.Realms {
		if same, ok := now.Realm(r.Name); !ok || !reflect.DeepEqual(r, same) {
			delete(d.names, "kdc "+r.Name)
			delete(d.names, "kpasswd "+r.Name)
		}
	}
	for _, db := range old.Databases {
		if same, ok := now.Database(db.Name); !ok || same.Endpoint() != db.Endpoint() {
			delete(d.names, "database "+db.Name)
		}
	}
	for key, st := range d.logins {
		if !slices.Contains(now.Logins, st.login) {
			delete(d.logins, key)
		}
	}
}

// hostTask looks at what the daemon needs of this host: its DNS servers, which
// may be others now, or there for the first time.
func (d *daemon) hostTask(s *setup) *task {
	return &task{key: "host", every: s.cfg.Probes.Interval, limit: s.cfg.Probes.Timeout, run: func(context.Context, *task) {
		d.pace.forget()
		resolver, err := d.resolver(s.cfg)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.resolverErr = err
		if err != nil || d.setup != s || slices.Equal(resolver, s.plan.env.Resolver) {
			return
		}
		moved := *s
		env := s.plan.env
		env.Resolver = resolver
		moved.resolveWith(env)
		d.setup = &moved
		d.replanLocked()
	}}
}

func (d *daemon) current() *setup {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.setup
}

// has says whether there is a result of a probe.
func (d *daemon) has(id probe.ID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.prints[id]
	return ok
}
