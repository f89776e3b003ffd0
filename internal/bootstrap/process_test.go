package bootstrap

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
)

// What a process of these tests is told by its environment.
const (
	envFile    = "BOOTSTRAP_TEST_FILE"    // kerbagent.yaml; set: this process is a bootstrap
	envOutside = "BOOTSTRAP_TEST_OUTSIDE" // the file that stands for the directory's and the database's users
	envClock   = "BOOTSTRAP_TEST_CLOCK"   // where the fake clock is
)

func TestMain(m *testing.M) {
	if file := os.Getenv(envFile); file != "" {
		os.Exit(bootstrapProcess(file))
	}
	// The state file is synced some ten thousand times here. On a disk that takes
	// minutes; what a power failure leaves, no test of this package asks.
	if memory, err := os.Stat("/dev/shm"); err == nil && memory.IsDir() && os.Getenv("TMPDIR") == "" {
		os.Setenv("TMPDIR", "/dev/shm")
	}
	os.Exit(m.Run())
}

// A real process is killed with SIGKILL at each call that changes something,
// before its effect and after it, and started again: exactly one of each thing,
// every reader rebooted once, and no secret in any file or output.
// TestProcessKilledAtEveryCall, of make test-aws, has the reads and the other
// ways to a cluster.
func TestProcessKilled(t *testing.T) {
	killProcesses(t, scenarios()[4], false)
}

// killProcesses kills a bootstrap at each of its calls in turn; reads: at those
// that change nothing too.
func killProcesses(t *testing.T, s scenario, reads bool) {
	t.Helper()
	whole := newProcessHost(t, s)
	whole.run(0, false)
	whole.right(s)
	for i, c := range whole.cloud.Calls() {
		for _, after := range []bool{false, true} {
			if !c.Mutating && (after || !reads) {
				continue // a read has no effect: after it is before the next call
			}
			t.Run(fmt.Sprintf("call %d %s after %v", i+1, c.Action, after), func(t *testing.T) {
				t.Parallel()
				p := newProcessHost(t, s)
				p.run(i+1, after)
				p.noSecretsIn(Report{})
				p.run(0, false)
				p.right(s)
				p.noSecretsIn(Report{})
			})
		}
	}
}

// processHost is a host whose bootstraps are processes.
type processHost struct {
	*host
	clock   *httptest.Server
	outside string

	process atomic.Pointer[os.Process]
	calls   atomic.Int64
	killAt  atomic.Int64
	after   atomic.Bool
}

func newProcessHost(t *testing.T, s scenario) *processHost {
	t.Helper()
	p := &processHost{outside: filepath.Join(t.TempDir(), "outside.json")}
	c := newCloud(t, awstest.Options{ReadLag: 20 * time.Second, OnCall: p.onCall})
	s.seed(c)
	c.Advance(time.Minute)
	p.host = newHost(t, c, s.file)
	p.clock = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, err := time.ParseDuration(r.FormValue("sleep"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c.Advance(d)
		fmt.Fprint(w, c.Now().Format(time.RFC3339Nano))
	}))
	t.Cleanup(p.clock.Close)
	return p
}

// onCall kills the process at its call, whose answer then leads nowhere.
func (p *processHost) onCall(_ awstest.Call, after bool) {
	n := p.calls.Load()
	if !after {
		n = p.calls.Add(1)
	}
	if n != p.killAt.Load() || after != p.after.Load() {
		return
	}
	_ = p.process.Load().Kill() // what came of it, Wait tells
	panic(http.ErrAbortHandler) // before: without an effect; after: without an answer
}

// run is one process, from its start to its end or its death. What it says is
// searched for secrets.
func (p *processHost) run(killAt int, after bool) {
	p.t.Helper()
	p.calls.Store(0)
	p.killAt.Store(int64(killAt))
	p.after.Store(after)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envFile+"="+p.file, envOutside+"="+p.outside, envClock+"="+p.clock.URL,
		"AWS_ENDPOINT_URL="+p.cloud.URL(), "AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey,
		"AWS_CONFIG_FILE=/nonexistent", "AWS_SHARED_CREDENTIALS_FILE=/nonexistent")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.process.Store(cmd.Process)
	err := cmd.Wait()
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if killed := status.Signaled() && status.Signal() == syscall.SIGKILL; killed != (killAt > 0) || !killed && err != nil {
		p.t.Fatalf("ended with %v:\n%s", err, said.String())
	}
	for _, secret := range p.secrets() {
		if strings.Contains(said.String(), secret) {
			p.t.Error("a secret was printed")
		}
	}
	var o outside
	if err := o.load(p.outside); err != nil {
		p.t.Fatal(err)
	}
	p.people.created, p.people.admin = o.Created, o.Admin
}

// outside is what a process sees of the directory's users and the database's:
// they are there for the next one too.
type outside struct {
	Accounts      map[string]*Account
	Passwords     map[string]string
	Admin         string
	Created       int
	DatabaseUsers map[string]bool
	Ran           []string
}

func (o *outside) load(path string) error {
	*o = outside{Accounts: map[string]*Account{}, Passwords: map[string]string{}, DatabaseUsers: map[string]bool{}}
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(b, o)
	}
	return err
}

// bootstrapProcess is a bootstrap with the real clients of AWS; it prints all
// that it is told.
func bootstrapProcess(file string) (exit int) {
	ctx := context.Background()
	cfg, err := config.LoadBootstrap(file)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	clients, err := Connect(ctx, "us-east-1", "", nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	path := os.Getenv(envOutside)
	var o outside
	if err := o.load(path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	users := &people{accounts: o.Accounts, passwords: o.Passwords, admin: o.Admin, created: o.Created}
	db := &database{users: o.DatabaseUsers, ran: o.Ran}
	keep := func() error {
		b, err := json.Marshal(outside{users.accounts, users.passwords, users.admin, users.created, db.users, db.ran})
		if err != nil {
			return err
		}
		return os.WriteFile(path, b, 0o600)
	}
	var now time.Time
	sleep := func(_ context.Context, d time.Duration) error {
		if err := keep(); err != nil {
			return err
		}
		resp, err := http.Get(os.Getenv(envClock) + "?sleep=" + d.String())
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err == nil {
			now, err = time.Parse(time.RFC3339Nano, string(b))
		}
		return err
	}
	if err := sleep(ctx, 0); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	said := json.NewEncoder(os.Stdout)
	rep, err := Apply(ctx, Options{
		Config: cfg, AWS: clients, StateDir: filepath.Join(filepath.Dir(file), "state"), Host: "host1",
		Now: func() time.Time { return now }, Sleep: sleep,
		Progress: func(e Event) { _ = said.Encode(e); _ = keep() },
		Accounts: func(_ context.Context, at AccountsAt) (Accounts, error) {
			users.admin = string(at.Password.Reveal())
			return users, nil
		},
		SQL: func(context.Context, Server) (SQL, error) { return db, nil },
		Krb5Conf: func(_ *config.Config, path string) (bool, func() error, error) {
			_, err := os.Stat(path)
			return err != nil, func() error { return os.WriteFile(path, nil, 0o644) }, nil
		},
		Verify: func(_ context.Context, cfg *config.Config, prompted func(config.Login) ([]byte, error)) ([]probe.Result, diagnose.Report, error) {
			for _, l := range cfg.Logins {
				if l.SecretKind != config.Prompt {
					continue
				}
				if password, err := prompted(l); err != nil || users.passwords[l.User] != string(password) {
					return nil, diagnose.Report{}, errors.Join(err, errors.New("another password than the directory has: "+l.User))
				}
			}
			return nil, diagnose.Report{Verdict: diagnose.VerdictOK}, nil
		},
	})
	if kept := errors.Join(said.Encode(rep), keep()); err == nil {
		err = kept
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%v %+v\n", err, err)
		return 1
	}
	return 0
}
