package bootstrap

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
)

const (
	accessKey = "AKIATEST"
	secretKey = "the operator's secret key"
	// What must never be seen anywhere but at AWS.
	trustPassword   = "Trust-Secret-4711"
	primaryPassword = "Primary-Secret-4711"
	alicePassword   = "Alice-Secret-4711"
)

// The file that a test begins with; %s is the cluster's part.
const setup = `bootstrap:
  account: "123456789012"
  region: us-east-1
  tags: {team: database}
  directory: {name: corp.example.com, short_name: CORP, edition: Standard, vpc: vpc-00000001, subnets: [subnet-0000000a, subnet-0000000b], admin_password: "secretsmanager:kerbagent/corp/admin"}
  users:
    - {name: alice, password: "file:alice.password"}
    - {name: bob, password: "secretsmanager:kerbagent/corp/bob"}
  cluster: CLUSTER
  database_users:
    - {user: alice, grants: ["SELECT ON orders.*"]}
    - {user: bob, host: "10.0.%"}
  client: {krb5_conf: krb5.conf}
`

const (
	modifyMode = `{mode: modify, identifier: orders, primary_password: "file:primary.password"}`
	withTrust  = "  trust: {domain: onprem.local, direction: one-way, dns_servers: [192.0.2.53], password: \"file:trust.password\"}\n"
)

// host is a machine that bootstraps: its files, and a network that can be cut.
type host struct {
	t     *testing.T
	cloud *awstest.Cloud
	dir   string
	file  string
	file0 string // what the file was at first

	people   *people
	database *database
	verdict  diagnose.Report
	results  []probe.Result
	onVerify func() // before a check answers
	checks   int
	verified []string // principals of the last check

	killAt     int // the call before which the process is killed; 0: never
	killAfter  bool
	killEvent  int    // what is told, at which the process is killed; 0: never
	killAction string // killed at the first call of this kind
	cutAt      int    // the call from which on AWS is silent; 0: never
	mu         sync.Mutex
	calls      int
	cutOff     map[string]error // of services, by the name in their signatures
	events     []Event
	takeLock   bool
	daemon     *daemon
	waitLock   time.Duration
	logins     int           // to the directory, with a new password
	unproved   error         // why they fail
	skew       time.Duration // of this host's clock
	onSleep    func()
}

// newCloud is an account with what every test needs.
func newCloud(t *testing.T, o awstest.Options) *awstest.Cloud {
	t.Helper()
	c := awstest.New(o)
	c.AddVPC("vpc-00000001", "10.0.0.0/16")
	c.AddSubnet("subnet-0000000a", "vpc-00000001", "10.0.1.0/24", "us-east-1a", "use1-az1")
	c.AddSubnet("subnet-0000000b", "vpc-00000001", "10.0.2.0/24", "us-east-1b", "use1-az2")
	c.AddSubnet("subnet-0000000c", "vpc-00000001", "10.0.3.0/24", "us-east-1c", "use1-az1")
	c.AddSecurityGroup("sg-00000001", "vpc-00000001", awstest.AllEgress())
	c.AddSubnetGroup("databases", "subnet-0000000a", "subnet-0000000b")
	if err := c.AddUser("operator", accessKey, secretKey, awstest.Everything); err != nil {
		t.Fatal(err)
	}
	c.Start(t)
	return c
}

func addOrders(c *awstest.Cloud) {
	c.AddCluster(awstest.Cluster{ID: "orders", SubnetGroup: "databases", Groups: []string{"sg-00000001"}, Master: "admin"}, "orders-1", "orders-2", "orders-3")
}

func newHost(t *testing.T, c *awstest.Cloud, yaml string) *host {
	t.Helper()
	h := &host{t: t, cloud: c, file0: yaml, dir: t.TempDir(), people: &people{accounts: map[string]*Account{}}, database: &database{users: map[string]bool{}}}
	h.verdict.Verdict = diagnose.VerdictOK
	h.database.plugin = func(host string) bool {
		return slices.ContainsFunc(c.Instances(), func(i awstest.Instance) bool { return i.Host == host && i.Plugin })
	}
	h.file = filepath.Join(h.dir, "kerbagent.yaml")
	for name, text := range map[string]string{"kerbagent.yaml": yaml, "alice.password": alicePassword, "trust.password": trustPassword, "primary.password": primaryPassword} {
		if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// wish is a file whose cluster part is given.
func wish(cluster, more string) string {
	return strings.Replace(setup, "CLUSTER", cluster, 1) + more
}

func (h *host) options() Options {
	h.t.Helper()
	cfg, err := config.LoadBootstrap(h.file)
	if err != nil {
		h.t.Fatal(err)
	}
	var service Service
	if h.daemon != nil {
		service = h.daemon
	}
	return Options{
		Service: service, ServiceFiles: ServiceFiles{Credentials: filepath.Join(h.dir, "credentials"), DropIn: filepath.Join(h.dir, "unit.d", "bootstrap.conf")}, WaitLock: h.waitLock,
		Config: cfg,
		AWS: NewClients(aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(h.cloud.URL()),
			Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""), HTTPClient: h}),
		StateDir: filepath.Join(h.dir, "state"), Host: "host1", TakeLock: h.takeLock,
		Now: func() time.Time { return h.cloud.Now().Add(h.skew) },
		Sleep: func(ctx context.Context, d time.Duration) error {
			h.cloud.Advance(d)
			if h.onSleep != nil {
				h.onSleep()
			}
			return ctx.Err()
		},
		Progress: func(e Event) {
			if h.events = append(h.events, e); len(h.events) == h.killEvent {
				runtime.Goexit()
			}
		},
		Accounts: func(_ context.Context, at AccountsAt) (Accounts, error) {
			if h.people.admin = string(at.Password.Reveal()); len(at.Controllers) < 2 || at.Realm != "CORP.EXAMPLE.COM" {
				return nil, errors.New("not the directory")
			}
			h.people.opened++
			for _, h.people.at = range at.Controllers {
				if !h.people.dead[h.people.at] {
					break
				}
			}
			return h.people, h.people.unopened
		},
		Login: func(_ context.Context, as LoginAs) error {
			h.logins++
			want := h.people.passwords[as.User]
			if as.User == "Admin" {
				want = h.cloud.Directories()[0].Password
			}
			if h.unproved != nil || string(as.Password.Reveal()) != want {
				return errors.Join(h.unproved, errors.New("KDC error 24"))
			}
			return nil
		},
		SQL: func(_ context.Context, s Server) (SQL, error) {
			if got := string(s.Password.Reveal()); got == "" || s.User != "admin" {
				return nil, errors.New("not the primary user")
			}
			h.database.host = s.Host
			return h.database, h.database.unopened
		},
		Krb5Conf: func(cfg *config.Config, path string) (bool, func() error, error) {
			want := cfg.Realms[0].Name + "\n"
			have, _ := os.ReadFile(path)
			return string(have) != want, func() error { return os.WriteFile(path, []byte(want), 0o644) }, nil
		},
		Verify: func(_ context.Context, cfg *config.Config, prompted func(config.Login) ([]byte, error)) ([]probe.Result, diagnose.Report, error) {
			h.checks++
			if h.onVerify != nil {
				h.onVerify()
			}
			h.verified = nil
			for _, l := range cfg.Logins {
				read := l.Secret.Password
				if l.SecretKind == config.Prompt {
					read = func() ([]byte, error) { return prompted(l) }
				}
				if password, err := read(); err != nil || h.people.passwords[l.User] != string(password) {
					return nil, diagnose.Report{}, errors.Join(err, errors.New("another password than the directory has: "+l.User))
				}
				h.verified = append(h.verified, l.Principal())
			}
			return h.results, h.verdict, nil
		},
	}
}

// Do is the host's network. A kill ends the goroutine at this call: what comes
// after it in the program never happens, and files stay as they are.
func (h *host) Do(r *http.Request) (*http.Response, error) {
	h.mu.Lock() // a plan asks several services side by side
	h.calls++
	call := h.calls
	h.mu.Unlock()
	for service, err := range h.cutOff {
		if strings.Contains(r.Header.Get("Authorization"), "/"+service+"/aws4_request") {
			return nil, err
		}
	}
	if h.killAction != "" && does(r, h.killAction) {
		h.killAt = call
		defer func() { h.killAt = 0 }()
	}
	if call == h.killAt && !h.killAfter {
		runtime.Goexit()
	}
	if h.cutAt > 0 && call >= h.cutAt {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: context.DeadlineExceeded}
	}
	resp, err := inProcess(h.cloud.Handler(), r)
	if call == h.killAt {
		runtime.Goexit()
	}
	return resp, err
}

// inProcess asks a handler without a network, which takes a third of the time.
// TestProcessKilled and the tests of package awstest go over the network.
func inProcess(handler http.Handler, r *http.Request) (resp *http.Response, err error) {
	defer func() {
		switch cut := recover(); cut {
		case nil:
		case http.ErrAbortHandler:
			resp, err = nil, io.EOF // as a connection ends that the server has cut
		default:
			panic(cut)
		}
	}()
	r = r.Clone(r.Context())
	if r.Body == nil {
		r.Body = http.NoBody
	}
	// Both are signed, and net/http's client sends them.
	r.Host = cmp.Or(r.Host, r.URL.Host)
	r.Header.Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w.Result(), nil
}

// does reports whether a request is for an action.
func does(r *http.Request, action string) bool {
	if strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+action) {
		return true
	}
	b, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(b))
	return err == nil && strings.Contains(string(b), "Action="+action+"&")
}

// apply runs a bootstrap as a process of its own. killed: it did not end by itself.
func (h *host) apply() (rep Report, err error, killed bool) {
	return h.runs(func(o Options) (Report, error) { return Apply(context.Background(), o) })
}

// rotate changes passwords, as a process of its own.
func (h *host) rotate(names ...string) (rep Report, err error, killed bool) {
	return h.runs(func(o Options) (Report, error) { return Rotate(context.Background(), o, names) })
}

func (h *host) runs(verb func(Options) (Report, error)) (rep Report, err error, killed bool) {
	h.calls, h.events, killed = 0, nil, true
	o := h.options()
	var wg sync.WaitGroup
	wg.Go(func() {
		rep, err = verb(o)
		killed = false
	})
	wg.Wait()
	return rep, err, killed
}

// done runs a bootstrap that has to succeed.
func (h *host) done() Report {
	h.t.Helper()
	rep, err, killed := h.apply()
	if err != nil || killed {
		for i, e := range h.events {
			if i > 0 && e.Text == h.events[i-1].Text {
				continue
			}
			h.t.Logf("%s %s: %s", e.Step, e.Kind, e.Text)
		}
		h.t.Fatalf("apply: %v (killed: %v)", err, killed)
	}
	return rep
}

// fails runs a bootstrap that has to end with an exit code and these words.
func (h *host) fails(want Exit, words ...string) *Error {
	h.t.Helper()
	_, err, _ := h.apply()
	var e *Error
	if !errors.As(err, &e) {
		h.t.Fatalf("ended with %v, want an *Error", err)
	}
	all := e.Error() + "\n" + e.Next + "\n" + e.Policy
	for _, w := range words {
		if !strings.Contains(all, w) {
			h.t.Errorf("said %q, without %q", all, w)
		}
	}
	if e.Exit != want {
		h.t.Errorf("exit %d, want %d: %s", e.Exit, want, all)
	}
	return e
}

// secrets are texts that must be nowhere but at AWS and in the files they came from.
func (h *host) secrets() []string {
	out := []string{trustPassword, primaryPassword, alicePassword, secretKey}
	for _, s := range h.cloud.Secrets() {
		if s.Name != lockName {
			out = append(out, s.Values[s.Current])
		}
	}
	return out
}

// people is the directory's users.
type people struct {
	accounts  map[string]*Account
	passwords map[string]string
	admin     string
	created   int
	onCreate  func() // before it
	onEnable  func() // before it
	opened    int
	unopened  error // why nobody is let in
	refused   error // why no password is taken
	uncreated error // why no user is made
	unsure    bool  // a password is taken, and its owner not told so

	at   netip.Addr                            // who is asked
	dead map[netip.Addr]bool                   // who does not answer
	told func(at netip.Addr, name string) bool // whether a domain controller has heard of a user; nil: all have
}

func (p *people) At() netip.Addr { return p.at }

func (p *people) Find(_ context.Context, name string) (Account, bool, error) {
	for _, a := range p.accounts {
		if strings.EqualFold(a.Name, name) && (p.told == nil || p.told(p.at, name)) {
			return *a, true, nil
		}
	}
	return Account{}, false, nil
}

func (p *people) Create(_ context.Context, name string) error {
	if p.onCreate != nil {
		p.onCreate()
	}
	if p.accounts[name] != nil {
		return errors.New("made twice: " + name)
	}
	if p.uncreated != nil {
		return p.uncreated
	}
	p.created++
	p.accounts[name] = &Account{Name: name, Disabled: true}
	return nil
}

func (p *people) SetPassword(_ context.Context, name string, password Secret) error {
	if p.refused != nil {
		return p.refused
	}
	if p.passwords == nil {
		p.passwords = map[string]string{}
	}
	p.passwords[name] = string(password.Reveal())
	p.accounts[name].HasPassword = true
	if p.unsure {
		return fmt.Errorf("%w: KRB-ERROR 0", ErrUnconfirmed)
	}
	return nil
}

func (p *people) Enable(_ context.Context, name string, neverExpires bool) error {
	if p.onEnable != nil {
		p.onEnable()
	}
	p.accounts[name].Disabled, p.accounts[name].NeverExpires = false, neverExpires
	return nil
}

func (p *people) Close() error { return nil }

// database is the database's users.
type database struct {
	users    map[string]bool
	ran      []string
	unopened error
	unrun    error             // why no statement is taken
	beyond   bool              // each user may do more than the file grants
	deaf     bool              // statements are taken, and have no effect
	host     string            // of the server that is talked to
	plugin   func(string) bool // whether a host has loaded it; nil: each has
}

func (d *database) Missing(_ context.Context, u config.BootstrapDatabaseUser) ([]string, error) {
	statement := "CREATE USER '" + u.User + "'@'" + u.Host + "' IDENTIFIED WITH 'authentication_kerberos' BY '" + u.Realm + "'"
	switch more := "REVOKE INSERT ON `orders`.* FROM '" + u.User + "'@'" + u.Host + "'"; {
	case !d.users[statement]:
		return []string{statement}, nil
	case u.Revoke && d.beyond && !d.users[more]:
		return []string{more}, nil
	}
	return nil, nil
}

func (d *database) Run(_ context.Context, statement string) error {
	if d.unrun != nil {
		return d.unrun
	}
	d.users[statement] = !d.deaf
	d.ran = append(d.ran, statement)
	return nil
}

func (d *database) PluginActive(context.Context) (bool, error) {
	return d.plugin == nil || d.plugin(d.host), nil
}

func (d *database) Close() error { return nil }
