package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// look is a command of a remedy that only looks at something, and what it printed.
type look struct{ command, printed string }

// commands returns those of the first finding's remedy that only look, as they are printed.
func commands(r report) (all []string) {
	if len(r.Findings) == 0 {
		return nil
	}
	for _, line := range strings.Split(r.Findings[0].Remedy, "\n") {
		command, ok := strings.CutPrefix(line, "  ")
		tool, _, _ := strings.Cut(strings.TrimPrefix(command, "KRB5_TRACE=/dev/stderr "), " ")
		looks := slices.Contains(strings.Fields("dig nc ip ping openssl getent grep kinit kvno klist date mariadb mysql ss nft iptables"), tool)
		_, err := exec.LookPath(tool)
		if ok && looks && err == nil && !unfilled.MatchString(command) {
			all = append(all, command)
		}
	}
	return all
}

// unfilled is a placeholder that kerbagent had no value for.
var unfilled = regexp.MustCompile(`<[a-z][^>]*>`)

// look runs commands side by side on the client host, for ten seconds at most.
func (l *lab) look(ctx context.Context, commands []string) []look {
	out := make([]look, len(commands))
	var wg sync.WaitGroup
	for i, c := range commands {
		wg.Go(func() {
			stdin := ""
			if strings.Contains(c, "carol@") {
				stdin = "Carol-Passw0rd1\n"
			} else if strings.Contains(c, "kinit ") {
				stdin = "Alice-Passw0rd1\n"
			}
			env := []string{"KRB5CCNAME=FILE:" + filepath.Join(l.dir, "cc-look"), "LC_ALL=C"}
			printed, _, err := l.onClient(ctx, stdin, env, "timeout", "10", "sh", "-c", c)
			if err != nil {
				printed += " (" + err.Error() + ")"
			}
			out[i] = look{c, printed}
		})
	}
	wg.Wait()
	return out
}

// changes is what no two runs print alike: times, numbers of packets and of questions, ports.
var changes = regexp.MustCompile(`\d+(\.\d+)? ?ms(ec)?|time[ =]\S+|id: \d+|COOKIE: \S+|\d{1,2}:\d\d:\d\d\S*|;; WHEN.*|` +
	`\[\d+\] \d+\.\d+|rtt.*|port \d{5}|uid \d+|cache expires.*`)

// same returns what two runs print alike.
func same(printed string) string {
	return changes.ReplaceAllString(late.ReplaceAllString(printed, "late"), "")
}

// late is a time that is worth a look, which is no accident of a run.
var late = regexp.MustCompile(`Query time: \d{3,} msec`)

// shown reports whether one of them prints something else than in the healthy lab; what it
// returns is what is wrong: "" where one does, or where there is none.
func shown(spoilt, healthy []look) string {
	var wrong []string
	differs := len(spoilt) == 0
	for _, was := range spoilt {
		low := strings.ToLower(was.printed)
		refused := func(word string) bool { return strings.Contains(low, word) }
		if slices.ContainsFunc([]string{"usage:", "invalid option", "syntax error", "command not found"}, refused) {
			wrong = append(wrong, "does not run: "+was.command)
		}
		i := slices.IndexFunc(healthy, func(h look) bool { return h.command == was.command })
		differs = differs || i < 0 || same(was.printed) != same(healthy[i].printed)
	}
	if !differs {
		wrong = append(wrong, "shows nothing: "+spoilt[0].command)
	}
	return strings.Join(wrong, "; ")
}
