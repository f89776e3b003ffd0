// Command verdict holds what `kerbagent check` says against what programs get,
// in the lab: it draws sets of up to three faults by a seed, makes them, lets
// kinit, kvno and mariadb log in, and then asks kerbagent.
//
//	make verdict [N=100] [SEED=n] [LABS="lab lab2"]
//
// A set is scored by
//
//	(a) "failed" exactly when programs fail; sets in which they now fail and now work are left out
//	(b) the first finding names the place and kind of a fault, and undoing that fault alone gets programs further
//	(c) every fault that changes what programs get or how long they take is named, or folded under a finding that is
//	(d) no finding is of a place that no fault touches
//	(e) no "unexplained", no "please report"
//	(f) the commands of the first remedy that only look at something run as they are printed, and one of them prints
//	    something else than in the healthy lab
//
// Each set that is wrong is printed with its seed, its recipe in the lab's own commands, and what was seen. The
// last line is the score; the exit code is 0 where the wanted figures hold: (a) all, (b) 98 %, (d) and (e) none.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"time"
)

func main() {
	n := flag.Int("n", 100, "how many sets")
	seed := flag.Uint64("seed", uint64(time.Now().Unix()), "seed of the first set; each further set has the next one")
	agent := flag.String("kerbagent", "kerbagent", "the program that is judged")
	files := flag.Int("files", 5, "one of so many sets has a drawn krb5.conf, resolv.conf or nsswitch.conf; 0: none")
	names := flag.String("labs", cmp.Or(os.Getenv("LAB_NAME"), "lab"), "labs that share the sets, separated by blanks; all are up")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, strings.Fields(*names), *agent, *seed, *n, *files); err != nil {
		log.Fatal(err)
	}
}

// run scores n sets, and returns an error where the wanted figures do not hold.
func run(ctx context.Context, names []string, agent string, seed uint64, n, files int) error {
	var labs []*lab
	for _, name := range names {
		l, err := newLab(ctx, name, agent)
		if err != nil {
			return err
		}
		defer l.close()
		labs = append(labs, l)
	}
	began := time.Now()
	seeds, scores := make(chan uint64), make(chan score)
	go func() {
		defer close(seeds)
		for i := range uint64(n) {
			select {
			case seeds <- seed + i:
			case <-ctx.Done():
				return
			}
		}
	}()
	var wg sync.WaitGroup
	for _, l := range labs {
		wg.Go(func() { l.work(ctx, seeds, scores, files) })
	}
	go func() { wg.Wait(); close(scores) }()
	t := tally{}
	for sc := range scores {
		t.count(&sc)
	}
	t.commands(ctx, labs[0])
	for _, l := range labs {
		if err := l.heal(context.WithoutCancel(ctx)); err != nil {
			log.Print(err)
		}
	}
	fmt.Printf("%d sets from seed %d in %s: %s\n", t.sets, seed, time.Since(began).Round(time.Second), t)
	return t.holds()
}

// work scores sets one after the other.
func (l *lab) work(ctx context.Context, seeds <-chan uint64, scores chan<- score, files int) {
	for seed := range seeds {
		sc, err := l.score(ctx, withFile(drawSet(seed), files))
		if err != nil {
			log.Printf("%s, seed %d: %v", l.name, seed, err)
			l.now = nil
			continue
		}
		scores <- sc
	}
}

// tally adds the scores up.
type tally struct {
	sets, decided int
	misses        [6]int
	looks         []score // those whose first remedy has commands
}

func (t *tally) count(sc *score) {
	t.sets++
	wrong := ""
	for j, m := range sc.misses {
		if m != "" {
			t.misses[j]++
			wrong += string(rune('a'+j)) + " "
		}
	}
	if !sc.flaky {
		t.decided++
	}
	if len(sc.looks) > 0 {
		t.looks = append(t.looks, *sc)
	}
	fmt.Printf("%-12d %-12s %5.0fs  %-10s %s\n", sc.set.seed, orRight(wrong), sc.took.Seconds(), sc.verdict, sc.set)
	if wrong != "" {
		fmt.Print(sc)
	}
}

// commands is (f): each command of the first remedies is run in the healthy lab too.
func (t *tally) commands(ctx context.Context, l *lab) {
	if err := l.heal(ctx); err != nil {
		log.Print(err)
		return
	}
	var all []string
	for _, sc := range t.looks {
		for _, k := range sc.looks {
			if !slices.Contains(all, k.command) {
				all = append(all, k.command)
			}
		}
	}
	var healthy []look
	for some := range slices.Chunk(all, 4) {
		healthy = append(healthy, l.look(ctx, some)...)
	}
	for _, sc := range t.looks {
		// what is wrong with a login is in what is asked, and in the healthy lab too
		ofLogin := slices.ContainsFunc(sc.set.faults, func(f fault) bool { return f.login != "" && f.names(sc.report, sc.report.Findings[0]) })
		if wrong := shown(sc.looks, healthy); wrong != "" && !(ofLogin && strings.HasPrefix(wrong, "shows nothing")) {
			t.misses[5]++
			fmt.Printf("%-12d WRONG f      %s: %s\n", sc.set.seed, sc.report.Findings[0].Code, wrong)
		}
	}
}

func (t tally) String() string {
	m := t.misses
	return fmt.Sprintf("(a) %d wrong of %d, (b) %d, (c) %d, (d) %d, (e) %d, (f) %d wrong", m[0], t.decided, m[1], m[2], m[3], m[4], m[5])
}

// holds returns an error where the wanted figures do not.
func (t tally) holds() error {
	if t.sets > 0 && t.misses[0] == 0 && t.misses[1]*50 <= t.sets && t.misses[3] == 0 && t.misses[4] == 0 {
		return nil
	}
	return errors.New("the figures that are wanted do not hold")
}

func orRight(wrong string) string {
	if wrong == "" {
		return "right"
	}
	return "WRONG " + strings.TrimSpace(wrong)
}
