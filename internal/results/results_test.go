package results

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
)

var start = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

func at(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }

func id(kind probe.Kind, target string) probe.ID {
	return probe.ID{Kind: kind, Target: target, Address: netip.MustParseAddrPort("10.0.0.1:88"), Transport: probe.TCP}
}

func run(minute int, outcome probe.Outcome, reason probe.Reason) probe.Result {
	return probe.Result{ID: id(probe.KDC, "dc1"), Outcome: outcome, Reason: reason, Started: at(minute), Duration: time.Second}
}

// table expects these probes.
func table(ids ...probe.ID) *Store {
	s := New(func() time.Time { return at(1000) })
	s.Expect([]Job{{Key: "all", Asks: ids, Beat: time.Hour, Limit: time.Hour}})
	return s
}

func TestSinceWhenItFails(t *testing.T) {
	for _, c := range []struct {
		name         string
		runs         []probe.Result
		changed      bool // of the last
		failingSince time.Time
		lastSuccess  time.Time
	}{
		{"first run is news", []probe.Result{run(1, probe.OK, "")}, true, time.Time{}, at(1)},
		{"the same again is none", []probe.Result{run(1, probe.OK, ""), run(2, probe.OK, "")}, false, time.Time{}, at(2)},
		{"began to fail", []probe.Result{run(1, probe.OK, ""), run(2, probe.Failed, "refused"), run(3, probe.Failed, "refused")}, false, at(2), at(1)},
		{"fails otherwise", []probe.Result{run(2, probe.Failed, "refused"), run(3, probe.Failed, "udp-silent")}, true, at(2), time.Time{}},
		{"held back after a failure is not well", []probe.Result{run(2, probe.Failed, "refused"), run(3, probe.Skipped, "paused")}, true, at(2), time.Time{}},
		{"well again", []probe.Result{run(2, probe.Failed, "refused"), run(3, probe.OK, "")}, true, time.Time{}, at(3)},
		{"clock set back", []probe.Result{run(60, probe.Failed, "refused"), run(1, probe.Failed, "refused")}, false, at(1), time.Time{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tab := table(id(probe.KDC, "dc1"))
			var changed bool
			for _, r := range c.runs {
				c, _ := tab.Put(r, time.Minute)
				changed = c.Turned
			}
			e := tab.Entries()[0]
			if changed != c.changed || !e.FailingSince.Equal(c.failingSince) || !e.LastSuccess.Equal(c.lastSuccess) {
				t.Errorf("changed %v, failing since %v, last success %v", changed, e.FailingSince, e.LastSuccess)
			}
			since, failing := tab.Snapshot(diagnose.Limits{}).FailingSince[e.Result.ID]
			if failing == c.failingSince.IsZero() || !since.Equal(c.failingSince) {
				t.Errorf("snapshot: failing since %v (%v)", since, failing)
			}
		})
	}
}

func TestHistoryIsTheLastRunsOldestFirst(t *testing.T) {
	tab := table(id(probe.KDC, "dc1"))
	for i := range historyLength + 7 {
		tab.Put(run(i, probe.OK, ""), time.Minute)
	}
	h := tab.Entries()[0].History
	if len(h) != historyLength {
		t.Fatalf("%d points", len(h))
	}
	for i, p := range h {
		if !p.At.Equal(at(i+7)) || p.Seconds != 1 || p.Outcome != probe.OK {
			t.Fatalf("point %d: %+v", i, p)
		}
	}
}

func TestOrderAndForgetting(t *testing.T) {
	ids := []probe.ID{id(probe.Login, "a"), id(probe.KDC, "b"), id(probe.DNS, "c"), id(probe.KDC, "a")}
	tab := table(ids...)
	for _, i := range ids {
		tab.Put(probe.Result{ID: i, Outcome: probe.OK}, time.Minute)
	}
	tab.Expect([]Job{{Key: "some", Asks: slices.DeleteFunc(ids, func(i probe.ID) bool { return i.Target == "b" }), Beat: time.Hour, Limit: time.Hour}})
	var got []probe.ID
	for _, r := range tab.Snapshot(diagnose.Limits{}).Results {
		got = append(got, r.ID)
	}
	want := []probe.ID{id(probe.DNS, "c"), id(probe.KDC, "a"), id(probe.Login, "a")}
	if len(got) != len(want) {
		t.Fatalf("%v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%v", got)
		}
	}
}

// A login that has not had its turn is shown, is not ok, and goes with its first result.
func TestPending(t *testing.T) {
	s := New(time.Now)
	kdc, login := probe.ID{Kind: probe.KDC, Target: "dc1", Transport: probe.TCP}, probe.ID{Kind: probe.Login, Target: "u@R.TEST@db"}
	s.Expect([]Job{{Key: "kdc", Asks: []probe.ID{kdc}, Beat: time.Hour}, {Key: "login", Asks: []probe.ID{login}, Beat: time.Hour}})
	s.Put(probe.Result{ID: kdc, Outcome: probe.OK, Started: time.Now()}, time.Hour)
	s.Pend([]probe.Result{{ID: login, Outcome: probe.Skipped, Reason: probe.ReasonNotAsked, Started: time.Now()}})
	if got := diagnose.Explain(s.Snapshot(diagnose.Limits{})); got.Verdict != diagnose.VerdictUnknown {
		t.Errorf("with a login that has not had its turn: %s", got.Verdict)
	}
	if got := s.Entries(); len(got) != 2 || s.Has(login) {
		t.Errorf("entries %v", got)
	}
	s.Put(probe.Result{ID: login, Outcome: probe.OK, Started: time.Now()}, time.Hour)
	if got := s.Entries(); len(got) != 2 || diagnose.Explain(s.Snapshot(diagnose.Limits{})).Verdict != diagnose.VerdictOK {
		t.Errorf("after its first turn: %v", got)
	}
}

// A record of a failure begins at the last success, however long the same success
// had lasted: only its first run was news.
func TestNewsKnowTheLastSuccess(t *testing.T) {
	tab := table(id(probe.KDC, "dc1"))
	for minute := range 10 {
		tab.Put(run(minute, probe.OK, ""), time.Minute)
	}
	tab.Put(run(10, probe.Failed, "refused"), time.Minute)
	news := tab.Unrecorded()
	if last := news[len(news)-1]; last.Outcome != probe.Failed || !last.LastGood.Equal(at(9)) {
		t.Errorf("%v, last good %v", last.Outcome, last.LastGood)
	}
}

// A server that comes back while it is asked answers a later try: that is no loss of packets,
// which it would be if it had answered before.
func TestAServerThatComesBackLostNothing(t *testing.T) {
	resent := run(3, probe.OK, "")
	resent.Samples = probe.Samples{probe.SampleResends: 2}
	for before, lost := range map[probe.Outcome]float64{probe.Failed: 0, probe.OK: 2} {
		tab := table(id(probe.KDC, "dc1"))
		reason := probe.Reason("")
		if before == probe.Failed {
			reason = probe.ReasonTCPSilent
		}
		tab.Put(run(2, before, reason), time.Minute)
		tab.Put(resent, time.Minute)
		if got := tab.Entries()[0].Result.Samples[probe.SampleResends]; got != lost {
			t.Errorf("%s before: %v packets are lost, want %v", before, got, lost)
		}
	}
	if resent.Samples[probe.SampleResends] != 2 {
		t.Error("the result that was put is changed")
	}
}
