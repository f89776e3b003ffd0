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
	"net/url"
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
	"github.com/kerbagent/kerbagent/internal/krb5file"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/probe"
)

// What a process of these tests is told by its environment.
const (
	envFile    = "BOOTSTRAP_TEST_FILE"    // kerbagent.yaml; set: this process is a bootstrap
	envOutside = "BOOTSTRAP_TEST_OUTSIDE" // the file that stands for the directory's and the database's users
	envClock   = "BOOTSTRAP_TEST_CLOCK"   // where the fake clock is, and who knows whether a password is right
	envVerb    = "BOOTSTRAP_TEST_VERB"    // apply; client; rotate and its names
)

func TestMain(m *testing.M) {
	if file := os.Getenv(envFile); file != "" {
		beWatched()
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
	sent    atomic.Int64 // passwords, to the directory
	oldBob  string       // bob's password before a rotation; empty: there was none
}

func newProcessHost(t *testing.T, s scenario) *processHost {
	t.Helper()
	p := &processHost{}
	c := newCloud(t, awstest.Options{ReadLag: 20 * time.Second, OnCall: p.onCall})
	s.seed(c)
	c.Advance(time.Minute)
	p.onHost(newHost(t, c, s.file))
	return p
}

// onHost gives a host's processes what is outside of them.
func (p *processHost) onHost(h *host) {
	p.host, p.outside = h, filepath.Join(h.t.TempDir(), "outside.json")
	p.clock = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user := r.FormValue("user"); user != "" {
			p.logIn(w, user, r.FormValue("password"))
			return
		}
		d, err := time.ParseDuration(r.FormValue("sleep"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		h.cloud.Advance(d)
		fmt.Fprint(w, h.cloud.Now().Format(time.RFC3339Nano))
	}))
	h.t.Cleanup(p.clock.Close)
}

// logIn is the directory that is sent a password: it counts, and knows whether it is right.
func (p *processHost) logIn(w http.ResponseWriter, user, password string) {
	p.sent.Add(1)
	var o outside
	if err := o.load(p.outside); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	p.mu.Lock()
	p.logins++
	p.people.passwords = o.Passwords
	p.mu.Unlock()
	p.cloud.Now() // its lock: what the cloud does after this sees it
	want := o.Passwords[user]
	if user == adminName {
		want = p.cloud.Directories()[0].Password
	}
	if password != want {
		http.Error(w, "KDC error 24", http.StatusForbidden)
	}
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
	cmd := p.command("apply")
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
	p.saw(said.String())
}

// command is a process of this host.
func (p *processHost) command(verb string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envFile+"="+p.file, envOutside+"="+p.outside, envClock+"="+p.clock.URL, envVerb+"="+verb,
		"AWS_ENDPOINT_URL="+p.cloud.URL(), "AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey,
		"AWS_CONFIG_FILE=/nonexistent", "AWS_SHARED_CREDENTIALS_FILE=/nonexistent")
	return cmd
}

// saw holds what a process has printed to have no secret, and learns what it did outside.
func (p *processHost) saw(said string) {
	p.t.Helper()
	for _, secret := range p.secrets() {
		if strings.Contains(said, secret) {
			p.t.Error("a secret was printed")
		}
	}
	var o outside
	if err := o.load(p.outside); err != nil {
		p.t.Fatal(err)
	}
	p.people.created, p.people.admin, p.people.passwords = o.Created, o.Admin, o.Passwords
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
	Since         time.Time // of the daemon
	Has           map[string]string
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

// bootstrapProcess is a bootstrap with the real clients of AWS, the real krb5.conf and the
// real record of logins; it prints all that it is told.
func bootstrapProcess(file string) (exit int) {
	fail := func(err error) int {
		fmt.Fprintf(os.Stderr, "%v %+v\n", err, err)
		return 1
	}
	ctx := context.Background()
	cfg, err := config.LoadBootstrap(file)
	if err != nil {
		return fail(err)
	}
	clients, err := Connect(ctx, "us-east-1", "", nil)
	if err != nil {
		return fail(err)
	}
	path, dir := os.Getenv(envOutside), filepath.Dir(file)
	var o outside
	if err := o.load(path); err != nil {
		return fail(err)
	}
	users := &people{accounts: o.Accounts, passwords: o.Passwords, admin: o.Admin, created: o.Created}
	db := &database{users: o.DatabaseUsers, ran: o.Ran}
	d := &daemon{since: o.Since, has: o.Has, dropIn: filepath.Join(dir, "unit.d", "bootstrap.conf"), now: time.Now}
	keep := func() error {
		b, err := json.Marshal(outside{users.accounts, users.passwords, users.admin, users.created, db.users, db.ran, d.since, d.has})
		if err != nil {
			return err
		}
		return os.WriteFile(path, b, 0o600)
	}
	d.onStarted = func() { _ = keep() }
	var now time.Time
	sleep := func(_ context.Context, d time.Duration) error {
		if err := keep(); err != nil {
			return err
		}
		b, err := asked(url.Values{"sleep": {d.String()}})
		if err == nil {
			now, err = time.Parse(time.RFC3339Nano, string(b))
		}
		return err
	}
	if err := sleep(ctx, 0); err != nil {
		return fail(err)
	}
	said := json.NewEncoder(os.Stdout)
	login := recorded(filepath.Join(dir, "state"))
	opts := Options{
		Config: cfg, AWS: clients, StateDir: filepath.Join(dir, "state"), Host: "host1",
		Service: d, ServiceFiles: ServiceFiles{Credentials: filepath.Join(dir, "credentials"), DropIn: d.dropIn},
		Now: func() time.Time { return now }, Sleep: sleep,
		Progress: func(e Event) { _ = said.Encode(e); _ = keep() },
		Accounts: func(_ context.Context, at AccountsAt) (Accounts, error) {
			users.admin = string(at.Password.Reveal())
			return kept{users, keep}, nil
		},
		Login:    func(_ context.Context, as LoginAs) error { return login(as.User+"@"+as.Realm, as.Password.Reveal()) },
		SQL:      func(context.Context, Server) (SQL, error) { return db, nil },
		Krb5Conf: krb5ConfOf(ctx),
		Verify: func(_ context.Context, cfg *config.Config, prompted func(config.Login) ([]byte, error)) ([]probe.Result, diagnose.Report, error) {
			for _, l := range cfg.Logins {
				if l.SecretKind != config.Prompt {
					continue
				}
				password, err := prompted(l)
				if err = errors.Join(err, login(l.Principal(), password)); err != nil {
					return nil, diagnose.Report{}, err
				}
			}
			return nil, diagnose.Report{Verdict: diagnose.VerdictOK}, nil
		},
	}
	var rep Report
	switch verb := strings.Fields(os.Getenv(envVerb)); verb[0] {
	case "apply":
		opts.Service = nil
		rep, err = Apply(ctx, opts)
	case "client":
		rep, err = Client(ctx, opts)
	case "rotate":
		rep, err = Rotate(ctx, opts, verb[1:])
	}
	if kept := errors.Join(said.Encode(rep), keep()); err == nil {
		err = kept
	}
	if err != nil {
		return fail(err)
	}
	return 0
}

// kept are people of whom the directory knows at once what was done.
type kept struct {
	*people
	keep func() error
}

func (k kept) Create(ctx context.Context, name string) error {
	return errors.Join(k.people.Create(ctx, name), k.keep())
}

func (k kept) Enable(ctx context.Context, name string, neverExpires bool) error {
	return errors.Join(k.people.Enable(ctx, name, neverExpires), k.keep())
}

func (k kept) SetPassword(ctx context.Context, name string, password Secret) error {
	return errors.Join(k.people.SetPassword(ctx, name, password), k.keep())
}

// asked asks what is outside of this process.
func asked(what url.Values) ([]byte, error) {
	resp, err := http.PostForm(os.Getenv(envClock), what)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(string(b))
	}
	return b, err
}

// recorded logs in as cmd/kerbagent does: what is sent stands in the record before it.
func recorded(dir string) func(principal string, password []byte) error {
	return func(principal string, password []byte) error {
		l, err := ledger.Open(dir, ledger.Options{})
		if err != nil {
			return err
		}
		attempt, err := l.Account(principal).Begin(password)
		if err != nil {
			return err
		}
		user, _, _ := strings.Cut(principal, "@")
		if _, err := asked(url.Values{"user": {user}, "password": {string(password)}}); err != nil {
			return errors.Join(err, attempt.Unanswered())
		}
		return attempt.Accepted()
	}
}

// krb5ConfOf is the krb5.conf as cmd/kerbagent has it.
func krb5ConfOf(ctx context.Context) Krb5Conf {
	return func(cfg *config.Config, path string) (bool, func() error, error) {
		f, err := krb5file.Find(krb5file.Wish{Config: cfg, Path: path})
		if err != nil {
			return false, nil, err
		}
		change, err := f.Change()
		return err == nil && change.Needed(), func() error { _, err := f.Apply(ctx); return err }, err
	}
}
