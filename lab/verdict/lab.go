package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// lab is a running lab, and a folder for what a set leaves.
type lab struct {
	name, state, dir, agent string
	now                     map[string][]string // what is wrong there, by what heals it; nil: not known
}

func newLab(ctx context.Context, name, agent string) (*lab, error) {
	l := &lab{name: name, agent: agent, state: "/var/tmp/krb-" + name}
	if name == os.Getenv("LAB_NAME") {
		l.state = cmp.Or(os.Getenv("LAB_STATE"), l.state)
	}
	dir, err := os.MkdirTemp("", "verdict-")
	if err != nil {
		return nil, err
	}
	l.dir = dir
	if err := l.heal(ctx); err != nil {
		return nil, err
	}
	// The host was healthy before: kerbagent knows the secrets of its logins as accepted.
	if r, err := l.check(ctx, set{}, filepath.Join(dir, "healthy")); err != nil || r.Verdict != "ok" {
		return nil, fmt.Errorf("the healthy lab %s: verdict %q, %v, %w", name, r.Verdict, r.Findings, err)
	}
	return l, nil
}

func (l *lab) close() { _ = os.RemoveAll(l.dir) }

// sh runs lab.sh, which stands above this folder.
func (l *lab) sh(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "lab/lab.sh", args...)
	cmd.Env = append(os.Environ(), "LAB_NAME="+l.name, "LAB_STATE="+l.state)
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("lab.sh %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

func (l *lab) heal(ctx context.Context) error {
	l.now = nil
	if err := l.sh(ctx, "heal"); err != nil {
		return err
	}
	l.now = map[string][]string{}
	return nil
}

// parts are the kinds of faults in the order in which they are made: what is made
// with the network's help comes before what spoils the network.
func parts() []string { return []string{"db", "user", "dc", "dns", "fault"} }

// wanted are the commands that make a set, by their part.
func wanted(s set) map[string][][]string {
	out, bends := map[string][][]string{}, map[string][]string{}
	for _, f := range s.faults {
		for _, c := range f.do {
			out[c[0]] = append(out[c[0]], c)
		}
		for h, rules := range f.bends {
			bends[h] = append(bends[h], rules...)
		}
	}
	for _, h := range slices.Sorted(maps.Keys(bends)) {
		out["dns"] = append(out["dns"], append([]string{"dns", "bend", h}, bends[h]...))
	}
	return out
}

// make puts the lab into the state of a set. A part that is as it should be stays as it is:
// a domain controller takes seconds to start.
func (l *lab) make(ctx context.Context, s set) error {
	if l.now == nil {
		if err := l.heal(ctx); err != nil {
			return err
		}
	}
	want := wanted(s)
	anew := false // what is made later is made again
	for _, part := range parts() {
		var now []string
		for _, c := range want[part] {
			now = append(now, strings.Join(c, "\x00"))
		}
		if slices.Equal(now, l.now[part]) && (!anew || len(now) == 0) {
			continue
		}
		if err := l.part(ctx, part, now, want[part]); err != nil {
			l.now = nil
			return err
		}
		anew = anew || len(now) > 0
	}
	return nil
}

// part heals a part, where something is wrong with it, and then makes what is wanted.
func (l *lab) part(ctx context.Context, part string, now []string, commands [][]string) error {
	if was := l.now[part]; len(was) > 0 {
		if err := l.clear(ctx, part); err != nil {
			return err
		}
	}
	if len(now) > 0 { // what spoils the network would be in the way
		for _, later := range parts()[slices.Index(parts(), part)+1:] {
			if len(l.now[later]) > 0 {
				if err := l.clear(ctx, later); err != nil {
					return err
				}
			}
		}
	}
	for _, c := range commands {
		if err := l.sh(ctx, c...); err != nil {
			return err
		}
	}
	l.now[part] = now
	return nil
}

func (l *lab) clear(ctx context.Context, part string) error {
	verb := "heal"
	if part == "dns" || part == "fault" {
		verb = "clear"
	}
	if err := l.sh(ctx, part, verb); err != nil {
		return err
	}
	l.now[part] = nil
	return nil
}

// user is a login: its principal, and how it proves itself.
type user struct{ principal, secret, keytab string }

// user is the first login of a set; the second is always carol's, over the trust.
func (l *lab) user(s set) user {
	name := "alice"
	for _, f := range s.faults {
		name = cmp.Or(f.login, name)
	}
	u := user{principal: name + "@CORP.EXAMPLE.COM", secret: filepath.Join(l.state, "secrets", "user")}
	switch name {
	case "wrong.pw":
		u.secret = filepath.Join(l.state, "secrets", "wrong")
	case "stale.keytab":
		u.secret, u.keytab = "", filepath.Join(l.state, "keytabs", "stale.keytab")
	}
	return u
}

func (l *lab) carol() user {
	return user{principal: "carol@ONPREM.LOCAL", secret: filepath.Join(l.state, "secrets", "carol")}
}

// unlock undoes what tries with wrong secrets have done to an account.
func (l *lab) unlock(ctx context.Context, s set) {
	switch u, _, _ := strings.Cut(l.user(s).principal, "@"); u {
	case "wrong.pw", "stale.keytab":
		_ = l.sh(ctx, "user", "unlock", u)
	}
}

// onClient runs a program on the client host, 45 seconds at most.
func (l *lab) onClient(ctx context.Context, stdin string, env []string, args ...string) (string, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 45*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", l.name + "-cl"}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin, cmd.WaitDelay = strings.NewReader(stdin), time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	err := cmd.Run()
	if ctx.Err() != nil {
		err = errors.New("takes more than 45 seconds")
	}
	return out.String(), time.Since(began), err
}

// fate is what became of a user's login by programs.
type fate struct {
	works bool
	at    int // kinit, kvno, mariadb; 3: all
	says  string
	took  time.Duration
}

const spn = "mysql/" + database + "@CORP.EXAMPLE.COM"

// programs logs a user in with MIT's and MariaDB's programs, until it is known that they get beyond a step.
func (l *lab) programs(ctx context.Context, u user, n, beyond int) (f fate) {
	env := []string{"KRB5CCNAME=FILE:" + filepath.Join(l.dir, fmt.Sprintf("cc-%s-%d", u.principal, n)), "LC_ALL=C"}
	name, _, _ := strings.Cut(u.principal, "@")
	kinit, password := []string{"kinit", u.principal}, ""
	if u.keytab != "" {
		kinit = []string{"kinit", "-k", "-t", u.keytab, u.principal}
	} else if b, err := os.ReadFile(u.secret); err == nil {
		password = string(b) + "\n"
	}
	steps := [][]string{kinit, {"kvno", spn}, {"mariadb", "--no-defaults", "--connect-timeout=10", "-h", database, "-u", name,
		"--ssl-ca=" + filepath.Join(l.state, "db", "tls", "ca.pem"), "--ssl-verify-server-cert", "-e", "SELECT CURRENT_USER()"}}
	for i, step := range steps {
		stdin := ""
		if i == 0 {
			stdin = password
		}
		out, took, err := l.onClient(ctx, stdin, env, step...)
		f.took += took
		if err != nil {
			f.at, f.says = i, lastLine(out)+" ("+err.Error()+")"
			return f
		}
		if i == beyond {
			f.at = i + 1
			return f
		}
	}
	f.works, f.at = true, len(steps)
	return f
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}
