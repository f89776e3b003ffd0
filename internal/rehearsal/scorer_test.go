package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
)

// score is what is wrong with what check said of a set; empty fields are right.
type score struct {
	trial
	world                            *World
	verdict, first, named, place, un string // (a) to (e)
	fates, again                     []fate // of the programs, twice where one fails
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

// scoreInPeace scores a set, again where the machine was too busy meanwhile, once it has calmed down.
func (tr trial) scoreInPeace(ctx context.Context) (sc *score, err error) {
	for range 6 {
		done, late := make(chan struct{}), make(chan time.Duration)
		go func() { late <- lateness(done) }()
		sc, err = tr.score(ctx)
		close(done)
		if worst := <-late; worst < tooLate || err == nil && !sc.miss() {
			break
		}
		awaitPeace(ctx)
	}
	return sc, err
}

// awaitPeace returns once this process was woken in time for a while, or the patience for that is over.
func awaitPeace(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		while, end := context.WithTimeout(ctx, time.Second)
		worst := lateness(while.Done())
		if end(); worst < tooLate/2 {
			return
		}
	}
}

func (tr trial) score(ctx context.Context) (sc *score, err error) {
	sc = &score{trial: tr}
	s, err := tr.scene(ctx)
	if err != nil {
		return sc, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	sc.world = s.World
	sc.fates = s.truth(ctx)
	sc.again = sc.fates
	if !allWork(sc.fates) || tr.lossy() {
		sc.again = s.truth(ctx)
	}
	if sc.report, sc.results, err = s.check(ctx); err != nil {
		return sc, err
	}
	if sc.verdict, err = sc.verdictMiss(ctx, s); err != nil {
		return sc, err
	}
	if sc.first, err = sc.firstMiss(ctx); err != nil {
		return sc, err
	}
	sc.place, sc.un = sc.placeMiss(), sc.unexplained()
	sc.named, err = sc.namedMiss(ctx)
	return sc, err
}

// lossy reports whether chance decides of a part of what programs and probes get.
func (tr trial) lossy() bool { return slices.ContainsFunc(tr.faults, induced.byChance) }

func (f induced) byChance() bool { return strings.HasPrefix(f.recipe, "lossy") }

// benign reports whether a fault is none: programs do without a zone's SOA.
func (f induced) benign() bool { return len(f.codes) == 0 || f.kinds != nil && len(f.kinds) == 0 }

func allWork(fates []fate) bool {
	return !slices.ContainsFunc(fates, func(f fate) bool { return !f.works })
}

// portNumber is what differs between two worlds of the same set.
var portNumber = regexp.MustCompile(`:[0-9]+`)

// same reports whether two logins ended at the same step for the same reason. Which of several
// silent KDCs was the last one is chance.
func (f fate) same(g fate) bool {
	why := func(s string) string {
		s, _, _ = strings.Cut(s, "cannot contact any KDC")
		return portNumber.ReplaceAllString(s, "")
	}
	return f.works == g.works && f.at == g.at && why(f.err) == why(g.err)
}

// verdictMiss is (a): failed exactly when a program fails. What chance decides is left
// out: three runs of the programs that do not agree.
func (sc *score) verdictMiss(ctx context.Context, s *scene) (string, error) {
	failed := sc.report.Verdict == diagnose.VerdictFailed
	if failed != allWork(sc.fates) {
		return "", nil
	}
	for _, fates := range [][]fate{sc.again, s.truth(ctx)} {
		if allWork(fates) != failed {
			return "", nil
		}
	}
	for range 2 {
		if !sc.lossy() {
			break
		}
		report, _, err := sc.checkAnew(ctx)
		if err != nil || (report.Verdict == diagnose.VerdictFailed) != failed {
			return "", err
		}
	}
	return fmt.Sprintf("verdict %s", sc.report.Verdict), nil
}

// checkAnew makes the world of a set once more, and checks it.
func (tr trial) checkAnew(ctx context.Context) (diagnose.Report, []probe.Result, error) {
	s, err := tr.scene(ctx)
	if err != nil {
		return diagnose.Report{}, nil, err
	}
	report, results, err := s.check(ctx)
	return report, results, errors.Join(err, s.Close())
}

// placed reports whether a finding points to the place of a fault: a probe that it is about
// goes there. Of what only logins show, and of what has a name and no address,
// the text has to say it: that a login fails is no place.
func (f induced) placed(w *World, x diagnose.Finding) bool {
	spoken := f.words != nil && slices.ContainsFunc(f.words(w), func(word string) bool { return strings.Contains(x.Title+" "+x.Cause, word) })
	logins := false
	for _, id := range x.Affects {
		if id.Kind == probe.Login {
			logins = true
			continue
		}
		if f.touches(w, id) && (!f.said || spoken) {
			return true
		}
	}
	return spoken && (logins || f.said)
}

// shared reports whether a finding points to another fault of the set too: then what both make
// of the place may have a name of its own.
func (sc *score) shared(i int, x diagnose.Finding) bool {
	for j, other := range sc.faults {
		if j != i && !other.benign() && other.placed(sc.world, x) {
			return true
		}
	}
	return false
}

// near reports whether a finding is about the machine of a fault: what is folded under it may be of another port.
func (f induced) near(w *World, x diagnose.Finding) bool {
	return f.placed(w, x) || f.words != nil && slices.ContainsFunc(x.Affects, func(id probe.ID) bool { return slices.Contains(f.words(w), id.Address.Addr().String()) })
}

// names reports whether a finding has the place and the kind of the set's i-th fault.
func (sc *score) names(i int, x diagnose.Finding) bool {
	f := sc.faults[i]
	kinds := f.codes
	if f.kinds != nil && !sc.shared(i, x) {
		kinds = f.kinds
	}
	return slices.Contains(kinds, x.Code) && f.placed(sc.world, x)
}

func (sc *score) namesAny(x diagnose.Finding) bool {
	for i := range sc.faults {
		if sc.names(i, x) {
			return true
		}
	}
	return false
}

// firstMiss is (b): the first finding names a fault and, where programs fail and undoing any
// single fault gets one further, undoing that one alone does.
func (sc *score) firstMiss(ctx context.Context) (string, error) {
	if len(sc.report.Findings) == 0 {
		if !allWork(sc.fates) && !allWork(sc.again) {
			return "no finding", nil
		}
		return "", nil
	}
	first := sc.report.Findings[0]
	if !sc.namesAny(first) {
		return "first " + string(first.Code) + " is no fault's", nil
	}
	if allWork(sc.fates) || sc.lossy() { // what chance does is not told apart by one more try
		return "", nil
	}
	helps := false
	for i := range sc.faults {
		further, err := sc.furtherWithout(ctx, i)
		if err != nil || further && sc.names(i, first) {
			return "", err
		}
		helps = helps || further
	}
	if helps {
		return "undoing what first " + string(first.Code) + " names does not help", nil
	}
	return "", nil
}

// furtherWithout reports whether a program that fails in the same way each time gets
// further, or to another error, where the i-th fault is undone.
func (sc *score) furtherWithout(ctx context.Context, i int) (bool, error) {
	s, err := sc.without(i).scene(ctx)
	if err != nil {
		return false, err
	}
	for j, less := range s.truth(ctx) {
		was := sc.fates[j]
		if !was.works && was.same(sc.again[j]) && !less.same(was) && less.at >= was.at {
			return true, s.Close()
		}
	}
	return false, s.Close()
}

// compares are codes of findings about what several servers say: each of them has a part in it.
var compares = []diagnose.Code{"dns-servers-disagree", "clock-skew"}

// placeMiss is (d): a finding that is of no fault's place and kind, or that is also about a
// server that no fault touches.
func (sc *score) placeMiss() string {
	var wrong []string
	for _, x := range sc.report.Findings {
		if !sc.namesAny(x) {
			wrong = append(wrong, string(x.Code))
			continue
		}
		for _, id := range x.Affects {
			id.Transport = ""
			touched := slices.ContainsFunc(sc.faults, func(f induced) bool { return f.touches(sc.world, id) })
			if id.Kind != probe.Login && !touched && !slices.Contains(compares, x.Code) {
				wrong = append(wrong, fmt.Sprintf("%s also at %s", x.Code, id))
			}
		}
	}
	return strings.Join(wrong, ", ")
}

// unexplained is (e): a finding that leaves it to the reader.
func (sc *score) unexplained() string {
	for _, f := range sc.report.Findings {
		says := strings.ToLower(f.Title + f.Cause + f.Remedy)
		if f.Code == "login-failed" || f.Code == "probe-failed" || strings.Contains(says, "unexplained") || strings.Contains(says, "please report") {
			return string(f.Code)
		}
	}
	return ""
}

// namedMiss is (c): a fault that changes what probes see, or logins get, and
// is neither named nor folded under a finding at its place.
func (sc *score) namedMiss(ctx context.Context) (string, error) {
	var missing []string
	for i, f := range sc.faults {
		if f.benign() || f.byChance() || slices.ContainsFunc(sc.report.Findings, func(x diagnose.Finding) bool {
			return sc.names(i, x) || f.near(sc.world, x) && slices.ContainsFunc(x.Silences, func(c diagnose.Code) bool { return slices.Contains(f.codes, c) })
		}) {
			continue
		}
		changes, err := sc.changedBy(ctx, i)
		if err != nil {
			return "", err
		}
		if changes {
			missing = append(missing, f.recipe)
		}
	}
	return strings.Join(missing, ", "), nil
}

// changedBy reports whether checks with the i-th fault see what checks without it do not:
// twice with it, and not once of twice without. Beside loss only what the fault touches counts.
func (sc *score) changedBy(ctx context.Context, i int) (bool, error) {
	ours := func(id probe.ID) bool { return true }
	if sc.lossy() {
		ours = func(id probe.ID) bool {
			return sc.faults[i].touches(sc.world, id) && !slices.ContainsFunc(sc.faults, func(f induced) bool { return f.byChance() && f.touches(sc.world, id) })
		}
	}
	with := saw(sc.results, ours)
	for n, tr := range []trial{sc.without(i), sc.trial, sc.without(i)} {
		_, results, err := tr.checkAnew(ctx)
		if err != nil {
			return false, err
		}
		has := saw(results, ours)
		with = slices.DeleteFunc(with, func(line string) bool { return slices.Contains(has, line) == (n != 1) })
		if len(with) == 0 {
			return false, nil
		}
	}
	return true, nil
}

// saw is what results say, but for the ports of this world.
func saw(results []probe.Result, of func(probe.ID) bool) (lines []string) {
	for _, r := range results {
		if of(r.ID) {
			lines = append(lines, fmt.Sprint(r.ID.Kind, r.ID.Target, r.ID.Address.Addr(), r.ID.Transport, r.ID.Variant, r.Outcome, r.Reason, r.Facts[probe.FactKRBCode]))
		}
	}
	return lines
}

func (sc *score) miss() bool {
	return sc.verdict+sc.first+sc.named+sc.place+sc.un != ""
}

func (sc *score) String() string {
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
		fmt.Fprintf(&b, "  %s %s: %s | %s | affects %v | silences %v\n", f.Severity, f.Code, f.Title, f.Cause, f.Affects, f.Silences)
	}
	for _, r := range sc.results {
		if *verbose || r.ID.Kind == probe.Login && r.Outcome != probe.OK {
			fmt.Fprintf(&b, "  %s %s %s %v at %s %s\n", r.ID, r.Outcome, r.Reason, r.Err, r.Facts[probe.FactFailedAt], r.Facts[probe.FactKDC])
		}
	}
	return b.String()
}
