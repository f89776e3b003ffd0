package web_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/check"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/internal/recorder"
	"github.com/kerbagent/kerbagent/internal/rehearsal"
	"github.com/kerbagent/kerbagent/internal/results"
	"github.com/kerbagent/kerbagent/internal/web"
	"github.com/kerbagent/kerbagent/probe"
)

// source is an agent that says what a test tells it to.
type source struct {
	mu                         sync.Mutex
	state                      web.State
	failures                   []recorder.Record
	unhealthy, unready, reload error
	reloads, states            int
}

func (s *source) State() web.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states++
	return s.state
}
func (s *source) Failures() []recorder.Record { return s.failures }
func (s *source) Healthy() error              { return s.unhealthy }
func (s *source) Ready() error                { return s.unready }
func (s *source) Reload() error {
	s.reloads++
	return s.reload
}

// count is how often the state was asked for.
func (s *source) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.states
}

func (s *source) set(state web.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = state
}

// rehearse is what the agent knows after a quarter of an hour in a rehearsal's
// world with a fault; empty: none. The ladder really runs, once; what came
// before is made up.
func rehearse(t testing.TB, fault diagnose.Code) web.State {
	t.Helper()
	w, err := rehearsal.Start(t.Context(), rehearsal.Options{Fault: fault})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	l, err := ledger.Open(w.StateDir(), ledger.Options{Now: w.Now()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	all := check.Run(ctx, w.Config(), check.Env{Dialer: w.Dialer(), Now: w.Now(), Resolver: []netip.AddrPort{w.Resolver()}, Ledger: l})
	return after(all)
}

// after is the state once these results have come.
func after(all []probe.Result) web.State {
	now := time.Now()
	s := web.State{Host: "app1.corp.example.com", Version: "1.2.3", Now: now, Started: now.Add(-26 * time.Hour), Ready: true}
	random := rand.New(rand.NewPCG(1, 2))
	table := results.New(func() time.Time { return now })
	expected := results.Job{Key: "all", Beat: time.Hour, Limit: time.Hour}
	for _, r := range all {
		expected.Asks = append(expected.Asks, r.ID)
	}
	table.Expect([]results.Job{expected})
	for _, r := range all {
		interval := time.Minute
		if r.ID.Kind == probe.Login {
			interval = 5 * time.Minute
		}
		last := now.Add(-time.Duration(random.Int64N(int64(10 * time.Second))))
		for i := 59; i >= 0; i-- {
			run := r
			run.Started = last.Add(-time.Duration(i) * interval)
			run.Duration = time.Duration(float64(r.Duration) * (0.8 + 0.5*random.Float64()))
			if now.Sub(run.Started) > 47*time.Minute && r.Outcome == probe.Failed { // it worked until then
				run.Outcome, run.Reason, run.Duration = probe.OK, "", time.Duration(1+random.IntN(4))*time.Millisecond
			}
			if i == 0 {
				run.Duration = r.Duration
			}
			table.Put(run, interval)
		}
	}
	s.Entries = table.Entries()
	s.Report = diagnose.Explain(table.Snapshot(diagnose.Limits{}))
	return s
}

// fleet is a large site: n results of controllers, databases and users, one in
// so many of them broken.
func fleet(n, oneBroken int) web.State {
	var results []probe.Result
	add := func(kind probe.Kind, target string, port uint16, tr probe.Transport, i int, facts probe.Facts) {
		r := probe.Result{
			ID:      probe.ID{Kind: kind, Target: target, Transport: tr, Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 77, byte(i >> 8), byte(i)}), port)},
			Outcome: probe.OK, Duration: time.Duration(1+i%9) * time.Millisecond, Facts: facts, Samples: probe.Samples{},
		}
		if kind == probe.KDC {
			r.Samples[probe.SampleSkew] = float64(i%7)/10 - 0.3
		}
		if kind == probe.Login {
			for j, name := range []string{"connect", "as", "as-preauth", "tgs", "db-connect", "db-greeting", "db-tls", "db-switch", "db-token", "query"} {
				r.Stages = append(r.Stages, probe.Stage{Name: name, Offset: time.Duration(j) * time.Millisecond, Duration: time.Millisecond})
			}
		}
		if oneBroken > 0 && i%oneBroken == oneBroken-1 {
			r.Outcome, r.Reason, r.Err, r.Duration = probe.Failed, probe.ReasonUDPSilent, errors.New("reading answer: i/o timeout"), 5*time.Second
		}
		results = append(results, r)
	}
	for i := 0; len(results) < n; i++ {
		realm := fmt.Sprintf("SITE%02d.EXAMPLE.COM", i/20)
		dc := fmt.Sprintf("dc%d.site%02d.example.com", i%20, i/20)
		for _, tr := range []probe.Transport{probe.UDP, probe.TCP} {
			add(probe.DNS, "SOA site.example.com", 53, tr, i, probe.Facts{probe.FactRealm: realm, probe.FactRole: probe.RoleRealm})
			add(probe.KDC, dc, 88, tr, i, probe.Facts{probe.FactRealm: realm})
			add(probe.Kpasswd, dc, 464, tr, i, probe.Facts{probe.FactRealm: realm})
		}
		add(probe.Database, fmt.Sprintf("orders%d.cluster-abc123.us-east-1.rds.amazonaws.com", i), 3306, probe.TCP, i, probe.Facts{probe.FactDatabase: fmt.Sprintf("orders%d", i)})
		user, db := fmt.Sprintf("app%d@%s", i, realm), fmt.Sprintf("orders%d", i)
		add(probe.Login, user+"@"+db, 3306, "", i, probe.Facts{probe.FactUser: user, probe.FactDatabase: db, probe.FactCurrentUser: "app@%"})
	}
	return after(results)
}
