//go:build linux

package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
)

// perProcess bounds the look at one process: a file system of the process's
// own (FUSE) may never answer.
const perProcess = 2 * time.Second

// maxProcesses bounds one audit.
const maxProcesses = 200

// Options say what is looked at.
type Options struct {
	Targets
	Config    *config.Config                                                    // nil where there is no kerbagent.yaml
	Addresses func(ctx context.Context, host string) ([]netip.Addr, error)      // of a database, as this host resolves it
	Systemd   func(ctx context.Context, unit string) (map[string]string, error) // the unit's properties; nil where systemd is not asked
	Now       func() time.Time
}

// Targets select processes. With none of them, the applications of the
// configuration are looked at, and every process with a connection to one of
// its databases.
type Targets struct {
	Units      []string // systemd units, "orders.service" or "orders"
	PIDs       []int
	Users      []string // names or numbers
	Containers []string // beginnings of container ids
	All        bool     // also every process that has a Kerberos library loaded
	Network    bool     // connections to the servers are tried from each process's network
}

// Named reports whether a process was named in any way.
func (t Targets) Named() bool {
	return len(t.Units)+len(t.PIDs)+len(t.Users)+len(t.Containers) > 0
}

// ErrNoProcess reports that nothing was found to look at.
var ErrNoProcess = errors.New("no process found")

// Run looks at the processes that o selects.
func Run(ctx context.Context, o Options) (Report, error) {
	var r Report
	s := newSurvey(ctx, o)
	var reading *reader.Reading // of the latest that was looked at
	if o.Network {
		s.saw = func(c *inspection) { reading = c.reading }
	}
	processes, absent, err := s.selected(ctx)
	r.Absent = absent
	if err != nil {
		return r, err
	}
	defer func() {
		for _, p := range processes {
			p.close()
		}
	}()
	if len(processes) > maxProcesses {
		r.Unread = append(r.Unread, fmt.Sprintf("%d of %d processes were not looked at: an audit stops at %d", len(processes)-maxProcesses,
			len(processes), maxProcesses))
		processes = processes[:maxProcesses]
	}
	for i, p := range processes {
		app, err := s.within(ctx, p)
		if err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				processes[i] = &Process{} // somebody still looks at it: it is not closed under them
			}
			r.Unread = append(r.Unread, fmt.Sprintf("process %d: %v", p.PID, err))
			continue
		}
		if o.Network {
			s.judgeNetwork(ctx, p, &app, reading)
		}
		r.Applications = append(r.Applications, app)
	}
	r.Applications = together(r.Applications)
	return r, nil
}

// within looks at one process for a bounded time.
func (s *survey) within(ctx context.Context, p *Process) (Application, error) {
	ctx, cancel := context.WithTimeout(ctx, perProcess)
	defer cancel()
	type seen struct {
		app Application
		err error
	}
	done := make(chan seen, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				done <- seen{err: fmt.Errorf("internal error: %v", r)}
			}
		}()
		app, err := s.look(ctx, p)
		done <- seen{app, err}
	}()
	select {
	case d := <-done:
		return d.app, d.err
	case <-ctx.Done():
		return Application{}, fmt.Errorf("a file of it did not answer in %s: %w", perProcess, ctx.Err())
	}
}

// look judges one process.
func (s *survey) look(ctx context.Context, p *Process) (Application, error) {
	app := Application{Name: p.Name(), PIDs: []int{p.PID}}
	c, err := newInspection(ctx, s, p)
	if err != nil {
		return app, err
	}
	c.judge()
	if s.saw != nil {
		s.saw(c)
	}
	app.Facts, app.Database, app.Issues, app.Unread = c.facts, c.database.Name, c.issues, c.unread
	if err := p.alive(); err != nil {
		return app, err // what was read may be another process's
	}
	return app, nil
}

// together joins processes that would do the same: a server that forks has
// many.
func together(apps []Application) []Application {
	var out []Application
	for _, a := range apps {
		i := slices.IndexFunc(out, func(b Application) bool { return a.same(b) })
		if i < 0 {
			out = append(out, a)
			continue
		}
		out[i].PIDs = append(out[i].PIDs, a.PIDs...)
	}
	slices.SortStableFunc(out, func(a, b Application) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.Name, b.Name), cmp.Compare(a.PIDs[0], b.PIDs[0]))
	})
	return out
}

func (a Application) same(b Application) bool {
	return a.Name == b.Name && a.Database == b.Database && a.Facts == b.Facts && slices.Equal(a.Issues, b.Issues) && slices.Equal(a.Unread,
		b.Unread)
}

// rank puts the worst application first.
func (a Application) rank() int {
	worst := len(severities())
	for _, i := range a.Issues {
		worst = min(worst, slices.Index(severities(), i.Severity))
	}
	return worst
}
