// Command verdict holds what `kerbagent check` says against what programs get,
// in the lab: it draws sets of up to three faults by a seed, makes them, lets
// kinit, kvno and mariadb log in, and then asks kerbagent.
//
//	make verdict [N=100] [SEED=n]
//
// A set is scored by
//
//	(a) "failed" exactly when programs fail; sets in which they now fail and now work are left out
//	(b) the first finding names the place and kind of a fault, and undoing that fault alone gets programs further
//	(c) every fault that changes what programs get or how long they take is named, or folded under a finding that is
//	(d) no finding is of a place that no fault touches
//	(e) no "unexplained", no "please report"
//	(f) the commands of the first remedy that only look at something run as they are printed
//
// Each set that is wrong is printed with its seed, its recipe in the lab's own commands, and what was seen. The
// last line is the score; the exit code is 0 where the wanted figures hold: (a) all, (b) 98 %, (d) and (e) none.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"time"
)

func main() {
	n := flag.Int("n", 100, "how many sets")
	seed := flag.Uint64("seed", uint64(time.Now().Unix()), "seed of the first set; each further set has the next one")
	agent := flag.String("kerbagent", "kerbagent", "the program that is judged")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	l, err := newLab(ctx, *agent)
	if err != nil {
		log.Fatal(err)
	}
	defer l.close()
	if ok := run(ctx, l, *seed, *n); !ok {
		l.close()
		os.Exit(1)
	}
}

// run scores n sets and says whether the wanted figures hold.
func run(ctx context.Context, l *lab, seed uint64, n int) bool {
	var done, decided, misses [7]int
	sets, began := 0, time.Now()
	for i := range uint64(n) {
		if ctx.Err() != nil {
			break
		}
		set := drawSet(seed + i)
		sc, err := l.score(ctx, set)
		if err != nil {
			log.Printf("seed %d: %v", set.seed, err)
			continue
		}
		sets++
		wrong := ""
		for j, m := range sc.misses {
			done[j]++
			if m != "" {
				misses[j]++
				wrong += string(rune('a'+j)) + " "
			}
		}
		if !sc.flaky {
			decided[0]++
		}
		fmt.Printf("%-12d %-12s %5.0fs  %-10s %s\n", set.seed, orRight(wrong), sc.took.Seconds(), sc.verdict, set)
		if wrong != "" {
			fmt.Print(sc)
		}
	}
	if err := l.heal(context.WithoutCancel(ctx)); err != nil {
		log.Print(err)
	}
	ok := sets > 0 && misses[0] == 0 && misses[1]*50 <= sets && misses[3] == 0 && misses[4] == 0
	fmt.Printf("%d sets from seed %d in %s: (a) %d wrong of %d, (b) %d, (c) %d, (d) %d, (e) %d, (f) %d wrong\n", sets, seed, time.Since(began).Round(time.Second),
		misses[0], decided[0], misses[1], misses[2], misses[3], misses[4], misses[5])
	return ok
}

func orRight(wrong string) string {
	if wrong == "" {
		return "right"
	}
	return "WRONG " + strings.TrimSpace(wrong)
}
