package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// report is what of `kerbagent check -o json` is judged.
type report struct {
	Verdict  string    `json:"verdict"`
	Findings []finding `json:"findings"`
	Results  []result  `json:"results"`
}

type finding struct {
	Code     string   `json:"code"`
	Severity string   `json:"severity"`
	Title    string   `json:"title"`
	Cause    string   `json:"cause"`
	Remedy   string   `json:"remedy"`
	Affects  []string `json:"affects"`
	Silences []string `json:"silences"`
}

func (l *lab) config(u user) string {
	secret := func(u user) string {
		if u.keytab != "" {
			return "keytab: " + u.keytab
		}
		return "password_file: " + u.secret
	}
	return fmt.Sprintf(`realms:
  CORP.EXAMPLE.COM: {kind: active-directory, dns_servers: [10.77.0.10, 10.77.1.11]}
  ONPREM.LOCAL: {kind: active-directory, dns_servers: [10.77.2.10], trusted_by: [CORP.EXAMPLE.COM]}
databases:
  orders: {endpoint: "%s:3306", realm: CORP.EXAMPLE.COM, tls: {mode: verify-full, ca_file: %s}}
logins:
  - {user: %s, database: orders, %s}
  - {user: %s, database: orders, %s}
probes: {timeout: 3s}
`, database, filepath.Join(l.state, "db", "tls", "ca.pem"), u.principal, secret(u), l.carol().principal, secret(l.carol()))
}

// check asks kerbagent, with a copy of what it remembers of the healthy lab.
func (l *lab) check(ctx context.Context, s set, state string) (r report, err error) {
	file := filepath.Join(l.dir, "kerbagent.yaml")
	if err := os.WriteFile(file, []byte(l.config(l.user(s))), 0o600); err != nil {
		return r, err
	}
	healthy := filepath.Join(l.dir, "healthy")
	if state != healthy {
		if err := os.RemoveAll(state); err != nil {
			return r, err
		}
		if out, err := exec.CommandContext(ctx, "cp", "-a", healthy, state).CombinedOutput(); err != nil {
			return r, fmt.Errorf("%w: %s", err, out)
		}
	}
	l.unlock(ctx, s)
	out, _, _ := l.onClient(ctx, "", nil, l.agent, "check", "--config", file, "--state-dir", state, "-o", "json", "--timeout", "40s")
	i := strings.Index(out, "{")
	if i < 0 {
		return r, fmt.Errorf("kerbagent: %s", out)
	}
	err = json.NewDecoder(strings.NewReader(out[i:])).Decode(&r)
	return r, err
}

// truth lets both users log in, each as often as n says, side by side.
func (l *lab) truth(ctx context.Context, s set, n int) [2][]fate {
	return l.until(ctx, s, n, [2]int{never, never})
}

const never = -1

// until is truth, which ends for a user once it is known that programs get beyond a step.
func (l *lab) until(ctx context.Context, s set, n int, beyond [2]int) [2][]fate {
	l.unlock(ctx, s)
	var fates [2][]fate
	var wg sync.WaitGroup
	for i, u := range []user{l.user(s), l.carol()} {
		fates[i] = make([]fate, n)
		for j := range n {
			wg.Go(func() { fates[i][j] = l.programs(ctx, u, j, beyond[i]) })
		}
	}
	wg.Wait()
	return fates
}

// score is what is wrong with what kerbagent said of a set, by letter; empty is right.
type score struct {
	set     set
	misses  [6]string
	flaky   bool
	verdict string
	fates   [2][]fate
	report  report
	looks   []look
	took    time.Duration
}

func (l *lab) score(ctx context.Context, s set) (sc score, err error) {
	began := time.Now()
	defer func() { sc.took = time.Since(began) }()
	sc.set = s
	if err := l.make(ctx, s); err != nil {
		return sc, err
	}
	if err := l.ask(ctx, &sc); err != nil {
		return sc, err
	}
	works := sc.fates[0][0].works && sc.fates[1][0].works
	if !sc.flaky && (sc.verdict == "failed") == works {
		sc.misses[0] = fmt.Sprintf("%s, and programs work: %v", sc.verdict, works)
	}
	for _, x := range sc.report.Findings {
		if x.Severity != "info" && !slices.ContainsFunc(s.faults, func(f fault) bool { return f.at(sc.report, x) }) {
			sc.misses[3] += x.Code + " "
		}
		if x.Code == "login-failed" || x.Code == "probe-failed" {
			sc.misses[4] += x.Code + " "
		}
	}
	sc.looks = l.look(ctx, commands(sc.report))
	return sc, l.undo(ctx, &sc)
}

// ask asks programs, which decide, and kerbagent: at once where neither is in the other's way.
func (l *lab) ask(ctx context.Context, sc *score) (err error) {
	var wg sync.WaitGroup
	ask := func() { sc.report, err = l.check(ctx, sc.set, filepath.Join(l.dir, "state")) }
	together := !slices.ContainsFunc(sc.set.faults, fault.shared)
	if together {
		wg.Go(ask)
	}
	sc.fates = l.truth(ctx, sc.set, 2)
	if differ(sc.fates) {
		more := l.truth(ctx, sc.set, 1)
		for i := range sc.fates {
			sc.fates[i] = append(sc.fates[i], more[i]...)
		}
	}
	sc.flaky = differ(sc.fates)
	wg.Wait()
	if !together {
		ask()
	}
	sc.verdict = sc.report.Verdict
	return err
}

// shared reports that what one program does changes what the next one gets: wrong secrets are
// counted, and so are packets and connections where there is a limit.
func (f fault) shared() bool {
	return f.login != "" || slices.ContainsFunc(f.do, func(c []string) bool {
		return slices.Contains([]string{"rate", "loss", "lossreply"}, c[1]) || c[0] == "db" && slices.Contains([]string{"full", "block"}, c[1])
	})
}

// differ reports whether a login now works and now does not.
func differ(fates [2][]fate) bool {
	return slices.ContainsFunc(fates[:], func(of []fate) bool {
		return slices.ContainsFunc(of, func(f fate) bool { return f.works != of[0].works })
	})
}

// undo is (b) and (c): each fault is undone alone, and programs try again.
func (l *lab) undo(ctx context.Context, sc *score) error {
	works := sc.fates[0][0].works && sc.fates[1][0].works && !sc.flaky
	if len(sc.report.Findings) == 0 {
		if !works {
			sc.misses[1] = "no finding"
		}
		return nil
	}
	first := sc.report.Findings[0]
	helps, named := false, false
	for i, f := range sc.set.faults {
		covered := slices.ContainsFunc(sc.report.Findings, func(x finding) bool {
			return f.names(sc.report, x) || slices.ContainsFunc(x.Silences, func(c string) bool { return slices.Contains(f.codes, c) })
		})
		if works && covered {
			named = named || f.names(sc.report, first)
			continue
		}
		further := len(sc.set.faults) == 1 && !works // nothing else is wrong
		if !further {
			less := sc.set.without(i)
			if err := l.make(ctx, less); err != nil {
				return err
			}
			var beyond [2]int
			for i, of := range sc.fates {
				if beyond[i] = never; slices.ContainsFunc(of, func(f fate) bool { return !f.works }) {
					beyond[i] = slices.MinFunc(of, func(a, b fate) int { return a.at - b.at }).at
				}
			}
			further = gets(sc.fates, l.until(ctx, less, 1, beyond))
		}
		helps, named = helps || further, named || further && f.names(sc.report, first)
		if further && !covered {
			sc.misses[2] += f.String() + "; "
		}
	}
	if !named && (helps || works && first.Severity != "info") && len(sc.set.faults) > 0 {
		sc.misses[1] = "first " + first.Code + " names nothing that helps"
	}
	return nil
}

// gets reports whether programs got further: a login works that did not or was flaky, ends
// later or otherwise, or takes half the time, two seconds less at least.
func gets(before, after [2][]fate) bool {
	for i := range before {
		b, a := before[i], after[i][0]
		failed := slices.IndexFunc(b, func(f fate) bool { return !f.works })
		switch {
		case failed >= 0 && (a.works || a.at > b[failed].at || a.at == b[failed].at && a.says != b[failed].says):
			return true
		case failed < 0 && a.works && a.took*2 < b[0].took && b[0].took-a.took > 2*time.Second:
			return true
		}
	}
	return false
}

func (sc score) String() string {
	var b strings.Builder
	for i, m := range sc.misses {
		if m != "" {
			fmt.Fprintf(&b, "    (%c) %s\n", 'a'+i, m)
		}
	}
	for i, who := range []string{"first", "carol"} {
		for _, f := range sc.fates[i] {
			fmt.Fprintf(&b, "    %s: works %v, step %d, %.1f s %s\n", who, f.works, f.at, f.took.Seconds(), f.says)
		}
	}
	for _, x := range sc.report.Findings {
		fmt.Fprintf(&b, "    %s %s: %s | %.300s | %v\n", x.Severity, x.Code, x.Title, x.Cause, x.Silences)
	}
	return b.String()
}
