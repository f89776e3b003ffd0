package keeper

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

const (
	testInterval = 15 * time.Second
	testTimeout  = 5 * time.Second
)

// kdcWorld plays the probes of KDCs: each address on its own beat, with the
// latency that it has at that time; a negative one is no answer.
type kdcWorld struct {
	r       *realmHealth
	names   []string
	addrs   int // of each KDC
	phase   func(kdc, addr int) time.Duration
	latency func(kdc, addr int, at time.Duration) time.Duration
	// changed hears of each other order, and when it came.
	changed func(at time.Duration, order []string)
}

func newKDCWorld(kdcs int) *kdcWorld {
	w := &kdcWorld{addrs: 1, changed: func(time.Duration, []string) {}}
	for i := range kdcs {
		w.names = append(w.names, fmt.Sprintf("dc%d.a.test:88", i+1))
	}
	w.phase = func(kdc, addr int) time.Duration { return time.Duration(kdc*5+addr*2) * time.Second }
	w.r = newRealmHealth(w.names, nil, testInterval)
	return w
}

var worldBegin = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// run plays the probes that start before end.
func (w *kdcWorld) run(end time.Duration) {
	type result struct {
		kdc, addr  int
		start, end time.Duration
		failed     bool
	}
	var all []result
	for kdc := range w.names {
		for addr := range w.addrs {
			for at := w.phase(kdc, addr); at < end; at += testInterval {
				l := w.latency(kdc, addr, at)
				res := result{kdc, addr, at, at + l, l < 0}
				if res.failed {
					res.end = at + testTimeout
				}
				all = append(all, res)
			}
		}
	}
	slices.SortFunc(all, func(a, b result) int {
		return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.kdc, b.kdc), cmp.Compare(a.addr, b.addr))
	})
	for _, x := range all {
		host, _, _ := strings.Cut(w.names[x.kdc], ":")
		res := probe.Result{ID: probe.ID{Kind: probe.KDC, Target: host, Transport: probe.TCP,
			Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(x.kdc), byte(x.addr)}), 88)},
			Outcome: probe.OK, Started: worldBegin.Add(x.start), Duration: x.end - x.start}
		if x.failed {
			res.Outcome, res.Reason = probe.Failed, probe.ReasonConnectTimeout
		}
		if w.r.observe(res) {
			w.changed(x.end, w.r.order())
		}
	}
}

// short makes "dc1.a.test:88 dc2.a.test:88" into "1 2".
func short(order []string) string {
	s := strings.Join(order, " ")
	return strings.ReplaceAll(strings.ReplaceAll(s, "dc", ""), ".a.test:88", "")
}

func TestKDCOrder(t *testing.T) {
	const ms = time.Millisecond
	const none = -1
	steady := func(latencies ...time.Duration) func(int, int, time.Duration) time.Duration {
		return func(kdc, _ int, _ time.Duration) time.Duration { return latencies[kdc] }
	}
	minutes := func(m float64) time.Duration { return time.Duration(m * float64(time.Minute)) }
	for _, c := range []struct {
		name    string
		addrs   int
		latency func(kdc, addr int, at time.Duration) time.Duration
		run     time.Duration
		want    string // each order that it changes to
	}{
		{"all well", 1, steady(ms, ms, ms), minutes(60), ""},
		{"one dead", 1, steady(none, ms, ms), minutes(60), "2 3 1"},
		{"the last one dead", 1, steady(ms, ms, none), minutes(60), ""},
		{"two dead", 1, steady(none, none, ms), minutes(60), "3 1 2"},
		{"all dead: there is no better order", 1, steady(none, none, none), minutes(60), ""},
		{"five times slower, but nobody notices", 1, steady(5*ms, ms, 50*ms), minutes(60), ""},
		{"50 ms more, but all are far away", 1, steady(300*ms, 200*ms, 200*ms), minutes(60), ""},
		{"slow", 1, steady(60*ms, ms, ms), minutes(60), "2 3 1"},
		{"dead stands behind slow", 1, steady(none, 60*ms, ms), minutes(60), "2 3 1, 3 2 1"},
		{"dead at one of two addresses", 2, func(kdc, addr int, _ time.Duration) time.Duration {
			if kdc == 0 && addr == 1 {
				return none
			}
			return ms
		}, minutes(60), "2 3 1"},
		{"one address is dead everywhere: no KDC is better", 2, func(_, addr int, _ time.Duration) time.Duration {
			return time.Duration(1-2*addr) * ms
		}, minutes(60), ""},
		{"comes back after ten intervals", 1, func(kdc, _ int, at time.Duration) time.Duration {
			if kdc == 0 && at < minutes(1) {
				return none
			}
			return ms
		}, minutes(60), "2 3 1, 1 2 3"},
		{"one lost answer moves it once", 1, func(kdc, _ int, at time.Duration) time.Duration {
			if kdc == 0 && at >= minutes(10) && at < minutes(10.2) {
				return none
			}
			return ms
		}, minutes(60), "2 3 1, 1 2 3"},
		{"while it is away the others die: it is taken before it is due", 1, func(kdc, _ int, at time.Duration) time.Duration {
			if kdc == 0 && at < minutes(1) || kdc > 0 && at > minutes(2) {
				return none
			}
			return ms
		}, minutes(60), "2 3 1, 1 2 3"},
		{"the network is gone for a while", 1, func(_, _ int, at time.Duration) time.Duration {
			if at > minutes(10) && at < minutes(20) {
				return none
			}
			return ms
		}, minutes(60), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newKDCWorld(3)
			w.addrs, w.latency = c.addrs, c.latency
			var got []string
			w.changed = func(_ time.Duration, order []string) { got = append(got, short(order)) }
			w.run(c.run)
			if s := strings.Join(got, ", "); s != c.want {
				t.Errorf("orders %q, want %q", s, c.want)
			}
		})
	}
}

// A KDC that dies at any moment is behind the living ones within two intervals
// of the probes, whatever their phases.
func TestKDCOrderReactsWithinTwoIntervals(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		w := newKDCWorld(3)
		phases := [3]time.Duration{}
		for i := range phases {
			phases[i] = time.Duration(rnd.Int64N(int64(testInterval)))
		}
		w.phase = func(kdc, _ int) time.Duration { return phases[kdc] }
		death := time.Minute + time.Duration(rnd.Int64N(int64(testInterval)))
		w.latency = func(kdc, _ int, at time.Duration) time.Duration {
			if kdc == 0 && at >= death {
				return -1
			}
			return time.Millisecond
		}
		var after time.Duration
		w.changed = func(at time.Duration, _ []string) { after = at - death }
		w.run(5 * time.Minute)
		if got := short(w.r.order()); got != "2 3 1" || after > 2*testInterval+time.Millisecond {
			t.Fatalf("%s after %v, phases %v", got, after, phases)
		}
	}
}

// Whatever the KDCs do, the order is a permutation of them, it seldom changes,
// and once all is well for long it is the host's own again.
func TestKDCOrderDoesNotFlap(t *testing.T) {
	const rounds = 2000 // 8 hours
	for seed := range uint64(25) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		w := newKDCWorld(2 + rnd.IntN(4))
		w.addrs = 1 + rnd.IntN(2)
		// each fails at random with a rate of its own, and is now and then slow or away for long
		rates, away := make([]float64, len(w.names)), make([]time.Duration, len(w.names))
		for i := range rates {
			rates[i] = []float64{0, 0.01, 0.1, 0.5, 0.9, 1}[rnd.IntN(6)]
		}
		const storm = rounds * testInterval
		w.latency = func(kdc, _ int, at time.Duration) time.Duration {
			switch {
			case at > storm:
				return time.Millisecond
			case at > away[kdc] && rnd.Float64() < 0.005:
				away[kdc] = at + time.Duration(rnd.Int64N(int64(time.Hour)))
			}
			if at < away[kdc] || rnd.Float64() < rates[kdc] {
				return -1
			}
			return time.Duration(rnd.IntN(100)) * time.Millisecond
		}
		changes := 0
		w.changed = func(_ time.Duration, order []string) {
			changes++
			if !slices.Equal(slices.Sorted(slices.Values(order)), w.names) {
				t.Fatalf("seed %d: %v", seed, order)
			}
		}
		w.run(storm + backAtMost*testInterval + time.Hour)
		if got := w.r.order(); !slices.Equal(got, w.names) {
			t.Errorf("seed %d: all has been well for long, and the order is %v", seed, got)
		}
		if most := len(w.names) * (10 + 2*rounds/backAtMost); changes > most {
			t.Errorf("seed %d: %d changes for %d KDCs in %d rounds with rates %v, more than %d", seed, changes, len(w.names), rounds, rates, most)
		}
	}
}

// A KDC that dies as soon as it is back is let back ever later.
func TestKDCOrderComesBackLater(t *testing.T) {
	w := newKDCWorld(2)
	front := true
	w.latency = func(kdc, _ int, _ time.Duration) time.Duration {
		if kdc == 0 && front {
			return -1
		}
		return time.Millisecond
	}
	var last time.Duration
	var spells []float64
	w.changed = func(at time.Duration, order []string) {
		front = order[0] == w.names[0]
		if front {
			spells = append(spells, (at - last).Minutes())
		}
		last = at
	}
	// latency is asked for all of a run at once, so it is played in small ones.
	for at := time.Duration(0); at < 24*time.Hour; at += testInterval {
		w.phase = func(kdc, _ int) time.Duration { return at + time.Duration(kdc)*time.Second }
		w.run(at + testInterval)
	}
	if len(spells) < 6 || spells[0] < 2 || spells[0] > 4 || spells[5] < 55 {
		t.Errorf("minutes until it came back: %.1f", spells)
	}
	for i := 1; i < len(spells); i++ {
		if spells[i] < spells[i-1] {
			t.Errorf("spell %d is shorter than the one before: %.1f", i, spells)
		}
	}
}

// What was long ago is forgotten: after a day of peace a KDC is let back as soon
// as one that never fell.
func TestKDCOrderForgivesAfterLong(t *testing.T) {
	w := newKDCWorld(2)
	const day = 24 * time.Hour
	w.latency = func(kdc, _ int, at time.Duration) time.Duration {
		early := at < 6*time.Hour && at%time.Hour < time.Minute
		if kdc == 0 && (early || at > day && at < day+time.Minute) {
			return -1
		}
		return time.Millisecond
	}
	var fell, away time.Duration
	w.changed = func(at time.Duration, order []string) {
		if order[0] == w.names[0] {
			away = at - fell
		}
		fell = at
	}
	w.run(day + 2*time.Hour)
	if fell < day || away > 5*time.Minute {
		t.Errorf("at the end of a day it was away for %v", away)
	}
}

// The order that a file is in tells which KDCs were moved: a new start of the
// daemon does not put a dead one in front.
func TestKDCOrderIsTakenFromTheFile(t *testing.T) {
	for _, c := range []struct{ now, want string }{
		{"1 2 3", "1 2 3"}, {"2 3 1", "2 3 1"}, {"1 3 2", "1 3 2"}, {"3 2 1", "3 2 1"}, {"3 1 2", "3 1 2"}, {"2 1 3", "2 1 3"},
		{"", "1 2 3"}, {"1 2", "1 2 3"}, {"1 2 4", "1 2 3"}, {"1 2 3 4", "1 2 3"},
	} {
		t.Run(c.now, func(t *testing.T) {
			names := func(s string) []string {
				var out []string
				for n := range strings.FieldsSeq(s) {
					out = append(out, "dc"+n+".a.test:88")
				}
				return out
			}
			if got := short(newRealmHealth(names("1 2 3"), names(c.now), testInterval).order()); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
	w := newKDCWorld(2)
	w.r = newRealmHealth(w.names, []string{w.names[1], w.names[0]}, testInterval)
	w.latency = func(int, int, time.Duration) time.Duration { return time.Millisecond }
	back := time.Duration(0)
	w.changed = func(at time.Duration, _ []string) { back = at }
	if w.run(time.Hour); back < backAfter*testInterval || back > (backAfter+4)*testInterval {
		t.Errorf("one that lives again is let back after %v", back)
	}
	if got := short(newRealmHealth([]string{"dc1.a.test:88", "dc2.a.test:88", "dc3.a.test:88", "dc4.a.test:88"},
		[]string{"dc4.a.test:88", "dc3.a.test:88", "dc2.a.test:88", "dc1.a.test:88"}, testInterval).order()); got != "1 2 3 4" {
		t.Errorf("an order that no standing gives: %s", got)
	}
}

// A name that has lost its addresses is dead, until it has one again.
func TestKDCOrderOfANameWithoutAddress(t *testing.T) {
	w := newKDCWorld(2)
	w.latency = func(int, int, time.Duration) time.Duration { return time.Millisecond }
	w.run(time.Minute)
	lack := probe.Result{ID: probe.ID{Kind: probe.KDC, Target: "dc1.a.test"}, Outcome: probe.Failed, Reason: probe.ReasonUnresolvable, Started: worldBegin.Add(time.Minute)}
	w.r.observe(lack)
	w.phase = func(kdc, _ int) time.Duration {
		return time.Minute + time.Duration(kdc+1)*time.Second + time.Duration(1-kdc)*time.Hour
	}
	w.run(2 * time.Minute)
	if got := short(w.r.order()); got != "2 1" {
		t.Fatalf("order %s", got)
	}
	w.phase = func(kdc, _ int) time.Duration { return 2*time.Minute + time.Duration(kdc+1)*time.Second }
	w.run(6 * time.Minute)
	if got := short(w.r.order()); got != "1 2" {
		t.Errorf("order %s once it has had an address for a while", got)
	}
}
