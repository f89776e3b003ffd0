package apply

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/kerbagent/kerbagent/krb5/conf/site"
)

// The environment that makes this test binary a child that applies or rolls
// back, and kills itself before its n-th change to the file system.
const (
	childVerb  = "KERBAGENT_TEST_VERB"
	childPath  = "KERBAGENT_TEST_PATH"
	childStyle = "KERBAGENT_TEST_STYLE"
	childN     = "KERBAGENT_TEST_N"
)

func TestMain(m *testing.M) {
	if verb := os.Getenv(childVerb); verb != "" {
		child(verb)
		return
	}
	os.Exit(m.Run())
}

func child(verb string) {
	n, _ := strconv.Atoi(os.Getenv(childN))
	req := killRequest(os.Getenv(childPath), site.Style(os.Getenv(childStyle)))
	req.step = func(string) error {
		if n--; n < 0 {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // the signal is on its way
		}
		return nil
	}
	act := Apply
	if verb == "rollback" {
		act = Rollback
	}
	if _, err := act(context.Background(), req); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func killRequest(path string, style site.Style) Request {
	return Request{Path: path, Style: style, Text: text(&testing.T{}, 7), Site: wanted()}
}

// TestKilledAnywhere kills the process before every change that it makes, one
// after the other: each time the file is the old one or the new one, whole,
// and a next run brings it to its end.
func TestKilledAnywhere(t *testing.T) {
	for _, c := range []struct {
		name, verb string
		style      site.Style
		current    string
	}{
		{"apply, file", "apply", site.WholeFile, theirs},
		{"apply, no file before", "apply", site.WholeFile, ""},
		{"apply, block", "apply", site.Block, theirs},
		{"rollback, file", "rollback", site.WholeFile, theirs},
		{"rollback, block", "rollback", site.Block, theirs},
	} {
		t.Run(c.name, func(t *testing.T) {
			kills := 0
			for n := 0; ; n++ {
				if !killOnce(t, c.verb, c.style, c.current, n) {
					break
				}
				kills++
			}
			t.Logf("killed at %d places", kills)
			if kills < 5 {
				t.Errorf("killed at %d places only: the hook is not called", kills)
			}
		})
	}
}

// killOnce reports whether the child was killed; it was not where it has fewer
// than n changes to make.
func killOnce(t *testing.T, verb string, style site.Style, current string, n int) bool {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "krb5.conf")
	if current != "" {
		write(t, path, current)
		must(t, os.Chmod(path, 0o640))
	}
	req := killRequest(path, style)
	if verb == "rollback" {
		req.Text = text(t, 1)
		mustApply(t, req)
		req.Text = text(t, 2)
		mustApply(t, req)
	}
	var old string
	if current != "" || verb == "rollback" {
		old = read(t, path)
	}
	want, err := site.Compose(style, current, killRequest(path, style).Text)
	if verb == "rollback" {
		want, err = site.Compose(style, current, text(t, 1))
	}
	must(t, err)

	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVerb+"="+verb, childPath+"="+path, childStyle+"="+string(style), childN+"="+strconv.Itoa(n))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	killed := errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
	if err != nil && !killed {
		t.Fatalf("child: %v\n%s", err, out)
	}

	b, err := os.ReadFile(path)
	switch got := string(b); {
	case err != nil && old == "" && errors.Is(err, os.ErrNotExist) && killed:
	case err != nil:
		t.Fatalf("killed before change %d: %v", n, err)
	case got != old && got != want:
		t.Fatalf("killed before change %d: neither old nor new, but:\n%s", n, got)
	case !killed && got != want:
		t.Fatalf("not killed, and not the new file:\n%s", got)
	}
	if st, err := os.Stat(path); err == nil && current != "" && st.Mode().Perm() != 0o640 {
		t.Fatalf("killed before change %d: mode %v", n, st.Mode())
	}

	// A next run ends the work and leaves nothing behind but backups.
	req.Text = text(t, 3)
	mustApply(t, req)
	if got := read(t, path); !strings.Contains(got, req.Text) {
		t.Fatalf("the next apply left:\n%s", got)
	}
	if _, err := os.Lstat(filepath.Join(dir, ".krb5.conf.kerbagent-new")); err == nil {
		t.Fatal("a candidate was left behind")
	}
	return killed
}

// TestAppliesAtOnce lets many apply in turn while others read: every read sees
// one of the versions, whole, and the last one stays.
func TestAppliesAtOnce(t *testing.T) {
	const writers, rounds = 8, 10
	path := filepath.Join(t.TempDir(), "krb5.conf")
	write(t, path, theirs)
	valid := map[string]bool{theirs: true}
	var texts []string
	for n := range writers {
		s := text(t, n)
		texts = append(texts, s)
		valid[s] = true
	}
	var writing sync.WaitGroup
	stop := make(chan struct{})
	var reads int
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			b, err := os.ReadFile(path)
			if err != nil || !valid[string(b)] {
				t.Errorf("read %q, %v", b, err)
				return
			}
			reads++
		}
	})
	for n := range writers {
		writing.Go(func() {
			for range rounds {
				if _, err := Apply(t.Context(), Request{Path: path, Style: site.WholeFile, Text: texts[n], Site: wanted()}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writing.Wait()
	close(stop)
	reading.Wait()
	if got := read(t, path); !valid[got] || got == theirs {
		t.Errorf("in the end:\n%s", got)
	}
	t.Logf("%d reads", reads)
}

// TestProcessesAtOnce does so with processes, whose locks are what counts.
func TestProcessesAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "krb5.conf")
	write(t, path, theirs)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), childVerb+"=apply", childPath+"="+path, childStyle+"=block", childN+"=1000")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	all.Wait()
	want, err := site.Compose(site.Block, theirs, killRequest(path, site.Block).Text)
	must(t, err)
	if got := read(t, path); got != want {
		t.Errorf("in the end:\n%s", got)
	}
}
