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

// lab is the running lab, and a folder for what a set leaves.
type lab struct {
	name, state, dir, agent string
	restarted               bool // a controller was, or is to be by healing
}

func newLab(ctx context.Context, agent string) (*lab, error) {
	l := &lab{name: cmp.Or(os.Getenv("LAB_NAME"), "lab"), agent: agent}
	l.state = cmp.Or(os.Getenv("LAB_STATE"), "/var/tmp/krb-"+l.name)
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
		return nil, fmt.Errorf("the healthy lab: verdict %q, %v, %w", r.Verdict, r.Findings, err)
	}
	return l, nil
}

func (l *lab) close() { _ = os.RemoveAll(l.dir) }

// sh runs lab.sh, which stands above this folder.
func (l *lab) sh(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "lab/lab.sh", args...)
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("lab.sh %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

func (l *lab) heal(ctx context.Context) error { return l.sh(ctx, "heal") }

// make puts the lab into the state of a set. Only what is dirty takes time to undo.
func (l *lab) make(ctx context.Context, s set) error {
	if err := l.heal(ctx); err != nil {
		return err
	}
	if l.restarted { // its KDC may take connections before it answers
		l.restarted = false
		for range 10 {
			if r, err := l.check(ctx, set{}, filepath.Join(l.dir, "state")); err == nil && r.Verdict == "ok" {
				break
			}
		}
	}
	bends := map[string][]string{}
	for _, f := range s.faults {
		for _, c := range f.do {
			l.restarted = l.restarted || c[0] == "dc"
			if err := l.sh(ctx, c...); err != nil {
				return err
			}
		}
		for h, rules := range f.bends {
			bends[h] = append(bends[h], rules...)
		}
	}
	for _, h := range slices.Sorted(maps.Keys(bends)) {
		if err := l.sh(ctx, append([]string{"dns", "bend", h}, bends[h]...)...); err != nil {
			return err
		}
	}
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

// programs logs a user in with MIT's and MariaDB's programs.
func (l *lab) programs(ctx context.Context, u user, n int) (f fate) {
	env := []string{"KRB5CCNAME=FILE:" + filepath.Join(l.dir, fmt.Sprintf("cc-%s-%d", strings.ReplaceAll(u.principal, "/", "_"), n)), "LC_ALL=C"}
	name, _, _ := strings.Cut(u.principal, "@")
	kinit, password := []string{"kinit", u.principal}, ""
	if u.keytab != "" {
		kinit = []string{"kinit", "-k", "-t", u.keytab, u.principal}
	} else if b, err := os.ReadFile(u.secret); err == nil {
		password = string(b) + "\n"
	}
	steps := [][]string{kinit, {"kvno", spn},
		{"mariadb", "--no-defaults", "--connect-timeout=10", "-h", database, "-u", name, "--ssl-ca=" + filepath.Join(l.state, "db", "tls", "ca.pem"), "--ssl-verify-server-cert",
			"-e", "SELECT CURRENT_USER()"}}
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
	}
	f.works, f.at = true, len(steps)
	return f
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}
