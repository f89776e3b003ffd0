// Package daemon runs a plan on beats: each job on its own, until it is told to
// stop. It reloads, answers the service manager, and logs users in one after
// another. What jobs see it hands to internal/results, and what that means is
// internal/explain's business.
package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/internal/explain"
	"github.com/kerbagent/kerbagent/internal/guard"
	"github.com/kerbagent/kerbagent/internal/metrics"
	"github.com/kerbagent/kerbagent/internal/recorder"
	"github.com/kerbagent/kerbagent/internal/results"
	"github.com/kerbagent/kerbagent/internal/schedule"
	"github.com/kerbagent/kerbagent/internal/secrets"
	"github.com/kerbagent/kerbagent/internal/web"
	"github.com/kerbagent/kerbagent/probe"
)

// firstRound is how long a daemon may take until it says that it is ready,
// whatever does not answer.
const firstRound = 30 * time.Second

// stopWithin is how long jobs and readers have to end when the daemon stops:
// theirs are connections that should be ended well.
const stopWithin = 1500 * time.Millisecond

// Options is the world of the daemon.
type Options struct {
	Load        func() (*config.Config, error)   // reads the configuration, at the start and at every reload
	Resolver    func() ([]netip.AddrPort, error) // this host's DNS servers, where the configuration names none; read every interval
	Dialer      probe.Dialer
	Now         func() time.Time // the wall clock; nil: time.Now
	HostClock   func() string    // says whether something keeps that clock; nil: it is not known
	Host        string           // this host's name: its place among a fleet
	Version     string
	StateDir    string
	OrderFile   string // the file for the order of the krb5.conf's KDCs; empty: keeper.DefaultOrderFile
	AuditReport string // of the applications; empty: audit.DefaultReport
	FullMetrics bool   // every series of a target, a reason and a stage; else the level for a fleet
	// ClassicMetrics: the histograms of the level for a fleet have classic buckets too.
	ClassicMetrics bool
	Log            *slog.Logger
	Hangup         <-chan os.Signal // each is a reload; nil: none
	Manager        Manager
	Web            web.Options
	Serve          func(context.Context, http.Handler) error // serves until its context ends; nil: nothing is served

	// For tests.
	perHour int              // logins an hour and account; 0: config.MaxLoginsAnHour
	clock   func() time.Time // of the record of attempts, and of what is kept apart by minutes; nil: Now, and time.Now
}

// Run asks every question on its own beat, until ctx ends. An error is of the
// configuration, or of what serves HTTP.
func Run(ctx context.Context, o Options) error {
	d, err := newDaemon(o)
	if err != nil {
		return err
	}
	return d.run(ctx)
}

// Daemon is a plan on beats. Whatever changes in it belongs to one of its parts,
// each of which has its own lock.
type Daemon struct {
	o         Options
	started   time.Time
	planning  *planning
	names     discover.Memory
	guard     *guard.Guard
	record    *guard.Record
	secrets   secrets.Store
	logins    logins
	results   *results.Store
	explainer *explain.Explainer
	metrics   *metrics.Metrics
	recorder  *recorder.Recorder
	sched     *schedule.Scheduler
	users     *users
	notes     notes
	turns     *turns
	status    status
	reloading sync.Mutex // one reload at a time
}

// newDaemon loads the configuration. It starts nothing.
func newDaemon(o Options) (*Daemon, error) {
	recordClock := o.clock
	if recordClock == nil {
		recordClock = o.Now // nil: this host's, with the time since its boot
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.perHour == 0 {
		o.perHour = config.MaxLoginsAnHour
	}
	d := &Daemon{o: o, started: o.Now(), results: results.New(o.Now), record: guard.OnDisk(o.StateDir, recordClock, o.perHour)}
	d.guard = guard.New(d.record, guard.Options{Repeats: true, Host: o.Host, Now: o.Now, Clock: o.clock,
		Delayed: func(user string, wait time.Duration) { d.turns.ofUser(user, wait) }})
	cfg, err := o.Load()
	if err != nil {
		return nil, err
	}
	first, err := d.newSetup(cfg)
	d.notes.set(noteResolver, err)
	d.users = newUsers(cfg)
	d.o.Log = slog.New(hiding{Handler: o.Log.Handler(), users: d.users})
	d.metrics = metrics.New(metrics.Options{Version: o.Version, Lean: !o.FullMetrics, Classic: o.ClassicMetrics, HideUsers: d.users.hide})
	d.recorder, err = recorder.Open(o.StateDir, recorder.Options{HideUsers: d.users.hide, Users: d.users.all(), Now: o.Now})
	d.notes.set(noteRecord, err)
	d.sched = schedule.New(schedule.Options{Host: o.Host, Panicked: func(key string, v any, stack []byte) {
		d.o.Log.Error("a job panicked", "job", key, "panic", v, "stack", string(stack))
	}})
	d.status = status{manager: o.Manager, log: d.o.Log}
	d.explainer = explain.New(explain.Options{Log: d.o.Log, Results: d.results, Metrics: d.metrics, Recorder: d.recorder,
		Settings: d.settings, Headline: d.status.show, Recorded: func(err error) { d.notes.set(noteRecord, err) }})
	d.planning = &planning{setup: first, known: d.names.Known, apply: d.apply}
	d.turns = &turns{host: o.Host, planning: d.planning, names: &d.names, results: d.results, sched: d.sched}
	d.metrics.Reloaded(true, o.Now())
	return d, nil
}

// settings returns what the configuration says about findings.
func (d *Daemon) settings() explain.Settings {
	cfg := d.planning.current().cfg
	return explain.Settings{Interval: cfg.Probes.Interval, Patience: cfg.Probes.Timeout + time.Second,
		Limits:    diagnose.Limits{PasswordExpiry: cfg.Warn.PasswordExpiry, CertificateExpiry: cfg.Warn.CertificateExpiry},
		HideUsers: d.users.hide, Users: d.users.all()}
}

func (d *Daemon) run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	for _, n := range d.planning.current().cfg.Notes() {
		d.o.Log.Warn(n)
	}
	if _, err := d.record.Ledger(); err != nil {
		d.o.Log.Error("no login is tried, and no database asked, until attempts can be recorded", "error", err)
	}
	d.planning.again()
	ready := time.AfterFunc(firstRound, d.explainer.FirstRoundOver)
	defer ready.Stop()
	var wg sync.WaitGroup
	jobs := make(chan struct{})
	go func() {
		defer close(jobs)
		d.sched.Run(ctx)
	}()
	wg.Go(func() { d.explainer.Run(ctx) })
	wg.Go(func() { d.watch(ctx) })
	wg.Go(func() { d.hangups(ctx) })
	if d.o.Serve != nil {
		o := d.o.Web
		o.Metrics, o.Panicked = d.metrics.Handler(), panicked(d.o.Log)
		wg.Go(func() {
			if err := d.o.Serve(ctx, web.Handler(d, o)); err != nil {
				stop(err)
			}
		})
	}
	d.o.Log.Info("kerbagent runs", "version", d.o.Version, "host", d.o.Host, "state", d.o.StateDir)
	<-ctx.Done()
	d.status.notify(systemd.SdNotifyStopping)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-jobs
		wg.Wait()
	}()
	select {
	case <-ended:
	case <-time.After(stopWithin): // a job that does not end, or an explanation of very many results
		d.o.Log.Warn("not everything ended in time; handshakes that were left unfinished are recorded")
	}
	d.o.Log.Info("kerbagent has stopped")
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// panicked logs that the answer to a request was a bug.
func panicked(log *slog.Logger) func(string, any, []byte) {
	return func(path string, v any, stack []byte) {
		log.Error("answering a request panicked", "path", path, "panic", v, "stack", string(stack))
	}
}

// hangups reloads when the process is told to.
func (d *Daemon) hangups(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.o.Hangup:
			_ = d.Reload() // which has logged it
		}
	}
}
