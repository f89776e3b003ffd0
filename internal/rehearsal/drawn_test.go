package rehearsal

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/check"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/internal/secrets"
	"github.com/kerbagent/kerbagent/probe"
)

// How many sets are drawn, from which seed on. The default is fixed: a gate
// must not be a lottery.
var (
	sets     = flag.Int("sets", 30, "sets of faults to draw")
	seed     = flag.Uint64("seed", 1, "seed of the first set; each further set has the next one")
	only     = flag.String("only", "", "seeds to try instead, separated by commas")
	about    = flag.String("about", "", "try only sets with a fault whose recipe contains this")
	sideways = flag.Int("sideways", 6, "sets that are tried at the same time")
)

// drawnTimeout is the probes': nothing healthy takes a tenth of it.
const drawnTimeout = 2 * time.Second

// trial is a set of faults, by its seed.
type trial struct {
	seed   uint64
	faults []induced
}

func trialOf(seed uint64) trial {
	r := rand.New(rand.NewPCG(seed, 77))
	tr := trial{seed: seed}
	for range []int{0, 1, 1, 1, 2, 2, 2, 3, 3, 3}[r.IntN(10)] {
		tr.faults = append(tr.faults, draw(r))
	}
	return tr
}

func (tr trial) String() string {
	var recipes []string
	for _, f := range tr.faults {
		recipes = append(recipes, f.recipe)
	}
	return fmt.Sprintf("seed %d: %s", tr.seed, strings.Join(recipes, " + "))
}

// without is the same set less one fault.
func (tr trial) without(i int) trial {
	return trial{tr.seed, slices.Delete(slices.Clone(tr.faults), i, i+1)}
}

// scene makes the world that the faults leave. A fault that cannot be made
// beside the others changes nothing.
func (tr trial) scene(ctx context.Context) (*scene, error) {
	s := &scene{}
	w, err := startWith(ctx, Windows, func(w *World) error {
		s.World, s.rough = w, &rough{path: &w.path, rng: rand.New(rand.NewPCG(tr.seed, 78))}
		for _, f := range tr.faults {
			_ = f.play(s) // for example the account was removed by another one
		}
		w.settings.programs = true
		return errors.Join(s.hostFiles(), w.database.SetFaults(s.db))
	})
	if err != nil {
		return nil, err
	}
	w.config.Probes.Timeout = drawnTimeout
	return s, nil
}

// hostFiles writes what the host's programs read: names in DNS alone, and no krb5.conf.
func (s *scene) hostFiles() error {
	etc := filepath.Join(s.hostRoot(), "etc")
	files := map[string]string{"nsswitch.conf": "hosts: files dns\n", "resolv.conf": "options timeout:1 attempts:2\n", "hosts": "127.0.0.1 localhost\n"}
	for name, addr := range s.hosts {
		files["hosts"] += fmt.Sprintf("%s %s\n", addr, name)
	}
	err := os.MkdirAll(etc, 0o700)
	for name, text := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(etc, name), []byte(text), 0o600))
	}
	return err
}

// Now is this host's clock.
func (s *scene) Now() func() time.Time { return func() time.Time { return time.Now().Add(s.clock) } }

func (s *scene) hostRoot() string { return filepath.Join(s.dir, "host") }

// truth logs every user in with the program, side by side.
func (s *scene) truth(ctx context.Context) []fate {
	kt, err := os.ReadFile(filepath.Join(s.dir, "etl.keytab")) // as it was made before the faults
	if err != nil {
		return []fate{{err: err.Error()}}
	}
	fates := make([]fate, 3)
	p := program{w: s.World, dial: s.rough.DialContext, clock: s.clock, hosts: s.hosts}
	var wg sync.WaitGroup
	wg.Go(func() { fates[0] = p.login(ctx, alice, alicePassword, nil) })
	wg.Go(func() { fates[1] = p.login(ctx, etl, "", kt) })
	wg.Go(func() { fates[2] = p.login(ctx, carol, carolPassword, nil) })
	wg.Wait()
	return fates
}

func (tr trial) truth(ctx context.Context) ([]fate, error) {
	s, err := tr.scene(ctx)
	if err != nil {
		return nil, err
	}
	return s.truth(ctx), s.Close()
}

func (tr trial) flaky() bool {
	return slices.ContainsFunc(tr.faults, func(f induced) bool { return strings.HasPrefix(f.recipe, "lossy") })
}

func allWork(fates []fate) bool {
	return !slices.ContainsFunc(fates, func(f fate) bool { return !f.works })
}

func (s *scene) check(ctx context.Context) (diagnose.Report, []probe.Result, error) {
	l, err := ledger.Open(s.StateDir(), ledger.Options{Now: s.Now()})
	if err != nil {
		return diagnose.Report{}, nil, err
	}
	if err := s.wasHealthy(l); err != nil {
		return diagnose.Report{}, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	results := check.Run(ctx, s.config, check.Env{Root: s.hostRoot(), Dialer: s.rough, Now: s.Now(), Resolver: []netip.AddrPort{s.Resolver()}, Ledger: l})
	return check.Explain(s.config, results, s.Now()()), results, nil
}

// wasHealthy records a login of each user that was accepted before the faults came.
func (s *scene) wasHealthy(l *ledger.Ledger) error {
	for _, login := range s.config.Logins {
		m, err := new(secrets.Store).Material(login)
		if err != nil {
			return err
		}
		attempt, err := l.Account(login.Principal()).Begin(m.Identity)
		if err != nil {
			return err
		}
		if err := attempt.Accepted(); err != nil {
			return err
		}
	}
	return nil
}

// score is what is wrong with what check said of a set; empty fields are right.
type score struct {
	trial                            trial
	verdict, first, named, place, un string // (a) to (e)
	fates                            []fate
	report                           diagnose.Report
	results                          []probe.Result
}

// lateness is how late this process is woken at worst: where the machine is too
// busy for its own loopback, what a check sees is not the set that was drawn.
func lateness(until <-chan struct{}) time.Duration {
	const beat = 20 * time.Millisecond
	var worst time.Duration
	for last := time.Now(); ; {
		select {
		case <-until:
			return max(worst, time.Since(last)-beat)
		case <-time.After(beat):
			worst, last = max(worst, time.Since(last)-beat), time.Now()
		}
	}
}

// tooLate is half of the shortest time in which a set waits for an answer.
const tooLate = programHedge / 2

// scoreInPeace scores a set, again where the machine was too busy meanwhile.
func (tr trial) scoreInPeace(ctx context.Context) (sc score, err error) {
	for range 4 {
		done, late := make(chan struct{}), make(chan time.Duration)
		go func() { late <- lateness(done) }()
		sc, err = tr.score(ctx)
		close(done)
		if worst := <-late; worst < tooLate || err != nil || !sc.miss() {
			break
		}
	}
	return sc, err
}

func (tr trial) score(ctx context.Context) (sc score, err error) {
	sc.trial = tr
	s, err := tr.scene(ctx)
	if err != nil {
		return sc, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	sc.fates = s.truth(ctx)
	if sc.report, sc.results, err = s.check(ctx); err != nil {
		return sc, err
	}
	failed := sc.report.Verdict == diagnose.VerdictFailed
	if failed == allWork(sc.fates) && !tr.flaky() {
		if sc.fates = s.truth(ctx); failed == allWork(sc.fates) {
			sc.verdict = fmt.Sprintf("verdict %s", sc.report.Verdict)
		}
	}
	if !tr.flaky() { // what chance does is not told apart by one more try
		sc.first, err = tr.firstMiss(ctx, s.World, sc)
	}
	sc.place = tr.placeMiss(s.World, sc.report)
	for _, f := range sc.report.Findings {
		if f.Code == "login-failed" || f.Code == "probe-failed" {
			sc.un = string(f.Code)
		}
	}
	if err == nil && !tr.flaky() {
		sc.named, err = tr.namedMiss(ctx, s.World, sc)
	}
	return sc, err
}

// benign reports whether a fault is none: programs do without a zone's SOA.
func (f induced) benign() bool { return len(f.codes) == 0 }

// names reports whether a finding has the place and the kind of a fault.
func (f induced) names(w *World, x diagnose.Finding) bool {
	return slices.Contains(f.codes, x.Code) && slices.ContainsFunc(x.Affects, func(id probe.ID) bool { return f.touches(w, id) || id.Kind == probe.Login })
}

// firstMiss is (b): the first finding names a fault, and undoing that one alone
// gets a program further, where undoing any single one does.
func (tr trial) firstMiss(ctx context.Context, w *World, sc score) (string, error) {
	if len(sc.report.Findings) == 0 {
		if !allWork(sc.fates) {
			return "no finding", nil
		}
		return "", nil
	}
	first := sc.report.Findings[0]
	if allWork(sc.fates) {
		if !slices.ContainsFunc(tr.faults, func(f induced) bool { return f.names(w, first) }) {
			return "first " + string(first.Code) + " is no fault's", nil
		}
		return "", nil
	}
	helps, named := false, false
	for i, f := range tr.faults {
		less, err := tr.without(i).truth(ctx)
		if err != nil {
			return "", err
		}
		further := false
		for j := range less {
			a, b := sc.fates[j], less[j]
			further = further || !a.works && (b.works || b.at > a.at || b.err != a.err)
		}
		helps = helps || further
		named = named || further && f.names(w, first)
	}
	if helps && !named {
		return "undoing what first " + string(first.Code) + " names does not help", nil
	}
	return "", nil
}

// placeMiss is (d): a finding that is of no fault's place and kind.
func (tr trial) placeMiss(w *World, r diagnose.Report) string {
	var wrong []string
	for _, x := range r.Findings {
		if x.Severity != diagnose.Info && !slices.ContainsFunc(tr.faults, func(f induced) bool { return f.names(w, x) }) {
			wrong = append(wrong, string(x.Code))
		}
	}
	return strings.Join(wrong, " ")
}

// namedMiss is (c): a fault that changes what probes see, or logins get, and
// is neither named nor folded under a finding at its place.
func (tr trial) namedMiss(ctx context.Context, w *World, sc score) (string, error) {
	var missing []string
	for i, f := range tr.faults {
		if f.benign() || slices.ContainsFunc(sc.report.Findings, func(x diagnose.Finding) bool {
			return f.names(w, x) || slices.ContainsFunc(x.Silences, func(c diagnose.Code) bool { return slices.Contains(f.codes, c) })
		}) {
			continue
		}
		changes, err := tr.without(i).changed(ctx, sc)
		if err != nil {
			return "", err
		}
		chance, err := tr.changed(ctx, sc) // a race, or the load
		if err != nil {
			return "", err
		}
		if changes && !chance {
			missing = append(missing, f.recipe)
		}
	}
	return strings.Join(missing, ", "), nil
}

// changed reports whether a check of this set sees anything else than the one of sc.
func (tr trial) changed(ctx context.Context, sc score) (bool, error) {
	s, err := tr.scene(ctx)
	if err != nil {
		return false, err
	}
	_, results, err := s.check(ctx)
	return saw(results) != saw(sc.results), errors.Join(err, s.Close())
}

// saw is what results say, but for the ports of this world.
func saw(results []probe.Result) string {
	var lines []string
	for _, r := range results {
		lines = append(lines, fmt.Sprint(r.ID.Kind, r.ID.Target, r.ID.Address.Addr(), r.ID.Transport, r.ID.Variant, r.Outcome, r.Reason, r.Facts[probe.FactKRBCode]))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (sc score) miss() bool {
	return sc.verdict+sc.first+sc.named+sc.place+sc.un != ""
}

func (sc score) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", sc.trial)
	for _, part := range []struct{ letter, miss string }{{"a", sc.verdict}, {"b", sc.first}, {"c", sc.named}, {"d", sc.place}, {"e", sc.un}} {
		if part.miss != "" {
			fmt.Fprintf(&b, "  (%s) %s\n", part.letter, part.miss)
		}
	}
	for i, f := range sc.fates {
		fmt.Fprintf(&b, "  program %d: works %v, at %d, %v %s\n", i, f.works, f.at, f.took.Round(time.Millisecond), f.err)
	}
	fmt.Fprintf(&b, "  verdict %s\n", sc.report.Verdict)
	for _, f := range sc.report.Findings {
		fmt.Fprintf(&b, "  %s %s: %s | %s | silences %v\n", f.Severity, f.Code, f.Title, f.Cause, f.Silences)
	}
	for _, r := range sc.results {
		if r.ID.Kind == probe.Login && r.Outcome != probe.OK {
			fmt.Fprintf(&b, "  %s %s %s %v at %s %s\n", r.ID, r.Outcome, r.Reason, r.Err, r.Facts[probe.FactFailedAt], r.Facts[probe.FactKDC])
		}
	}
	return b.String()
}

// seeds are those of the flags.
func seeds(t *testing.T) []uint64 {
	var out []uint64
	for _, s := range strings.FieldsFunc(*only, func(c rune) bool { return c == ',' }) {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, n)
	}
	for next := *seed; len(out) < *sets && *only == ""; next++ {
		if strings.Contains(trialOf(next).String(), *about) {
			out = append(out, next)
		}
	}
	return out
}

// TestDrawnFaults holds the verdict and the first finding against what a
// program gets, over sets of faults that nobody thought of.
func TestDrawnFaults(t *testing.T) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	count, wrong := map[string]int{}, 0
	slots := make(chan struct{}, *sideways)
	for _, seed := range seeds(t) {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			sc, err := trialOf(seed).scoreInPeace(t.Context())
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Errorf("%s: %v", sc.trial, err)
			}
			for letter, miss := range map[string]string{"a": sc.verdict, "b": sc.first, "c": sc.named, "d": sc.place, "e": sc.un} {
				if miss != "" {
					count[letter]++
				}
			}
			if sc.miss() {
				t.Log(sc)
				wrong++
			}
		})
	}
	wg.Wait()
	t.Logf("%d sets from seed %d, misses: (a) %d (b) %d (c) %d (d) %d (e) %d", *sets, *seed, count["a"], count["b"], count["c"], count["d"], count["e"])
	if wrong > 0 {
		t.Errorf("%d sets are wrong", wrong)
	}
}
