package bootstrap

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

// daemon is what systemd would have of it.
type daemon struct {
	since     time.Time // zero: it does not run
	started   int
	has       map[string]string // credentials that it was started with
	dropIn    string
	now       func() time.Time
	onStart   func() // before it
	onStarted func() // when it has started
	unstarts  error
}

func (d *daemon) Since(context.Context) (time.Time, bool, error) {
	return d.since, !d.since.IsZero(), nil
}

func (d *daemon) Restart(context.Context) error {
	if d.onStart != nil {
		d.onStart()
	}
	if d.unstarts != nil {
		return d.unstarts
	}
	b, err := os.ReadFile(d.dropIn)
	if err != nil {
		return err
	}
	d.has = map[string]string{}
	for _, line := range strings.Split(string(b), "\n") {
		if name, path, ok := strings.Cut(strings.TrimPrefix(line, "LoadCredential="), ":"); ok {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			d.has[name] = string(text)
		}
	}
	d.started++
	d.since = d.now()
	if d.onStarted != nil {
		d.onStarted()
	}
	return nil
}

// serves adds a daemon to a host.
func (h *host) serves() *daemon {
	d := &daemon{now: time.Now, dropIn: filepath.Join(h.dir, "unit.d", "bootstrap.conf")}
	h.daemon = d
	return d
}

func (h *host) client() (Report, error, bool) {
	return h.runs(func(o Options) (Report, error) { return Client(context.Background(), o) })
}

// A further host reads what the first one made, with rights to read alone, and
// without the passwords of Admin and the primary user. It used to take the lock and
// to walk every step.
func TestClient(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, awstest.Options{})
	addOrders(cloud)
	first := newHost(t, cloud, wish(modifyMode, ""))
	other := newHost(t, cloud, wish(modifyMode, ""))
	other.people, other.database = first.people, first.database
	d := other.serves()

	_, err, _ := other.client()
	if p := problem("", err); p.Exit != ExitWaiting || !strings.Contains(p.Text, "not there yet") {
		t.Errorf("before the first host: %v", err)
	}
	first.done()
	opened, before := first.people.opened, len(cloud.Mutations())
	other.as(other.policy(ForClient))
	rep, err, _ := other.client()
	if err != nil {
		t.Fatal(err)
	}
	if is := rep.Steps[1].Is; !strings.HasPrefix(is, "logged in: alice@CORP.EXAMPLE.COM, bob@") {
		t.Errorf("ended with %q", is)
	}
	if d.started != 1 || d.has["bob"] != first.people.passwords["bob"] || len(d.has) != 1 {
		t.Errorf("started %d times, with %d credentials", d.started, len(d.has))
	}
	info, err := os.Stat(filepath.Join(other.dir, "credentials", "bob"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the credential: %v, %v", info, err)
	}
	if len(cloud.Mutations()) != before || first.people.opened != opened {
		t.Errorf("%d changes at AWS, the directory was opened %d times", len(cloud.Mutations())-before, first.people.opened-opened)
	}
	for _, call := range cloud.Calls()[before:] {
		if strings.Contains(string(call.Request), "kerbagent/corp/admin") && call.AccessKey != accessKey {
			t.Error("it read the Admin's password")
		}
	}
	var doc policy
	if err := json.Unmarshal([]byte(other.policy(ForClient)), &doc); err != nil {
		t.Fatal(err)
	}
	for _, st := range doc.Statement {
		for _, a := range st.Action {
			if !slices.Contains([]string{"ds:DescribeDirectories", "ds:ListTagsForResource", "rds:DescribeDBClusters", "secretsmanager:GetSecretValue"}, a) || strings.Contains(strings.Join(st.Resource, ""), "admin") {
				t.Errorf("it wants %s on %s", a, st.Resource)
			}
		}
	}
	// Again: nothing is to be done. With a new password, the daemon gets it.
	if _, err, _ := other.client(); err != nil || d.started != 1 {
		t.Errorf("again: %v, started %d times", err, d.started)
	}
	first.as(awstest.Everything)
	if _, err, _ := first.rotate("bob"); err != nil {
		t.Fatal(err)
	}
	if _, err, _ := other.client(); err != nil || d.started != 2 || d.has["bob"] != first.people.passwords["bob"] {
		t.Errorf("after a rotation: %v, started %d times", err, d.started)
	}
}

// A credential that others may read, as another tool has left it, is written again for
// root alone. The mode of the file that was there was kept, and the daemon never started.
func TestACredentialThatOthersCanReadIsReplaced(t *testing.T) {
	t.Parallel()
	c := newClients(t)
	h, d := c.further(t, false)
	file := filepath.Join(h.dir, "credentials", "bob")
	if err := errors.Join(os.Mkdir(filepath.Dir(file), 0o755), os.WriteFile(file, []byte("another"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if _, err, _ := h.client(); err != nil {
		t.Fatal(err)
	}
	h.secretIsRoots("by another tool")
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 || d.has["bob"] != h.people.passwords["bob"] {
		t.Errorf("%v, %v; the daemon has it: %v", info.Mode(), err, d.has["bob"] == h.people.passwords["bob"])
	}
}

// The first apply ends the same way; without a daemon it leaves that out. A daemon
// that does not start is said.
func TestApplyStartsTheDaemon(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, awstest.Options{})
	addOrders(cloud)
	h := newHost(t, cloud, wish(modifyMode, ""))
	d := h.serves()
	d.unstarts = errors.New("systemctl restart kerbagent.service: no")
	h.fails(ExitFailed, "systemctl restart")
	d.unstarts = nil
	rep := h.done()
	if d.started != 1 || d.has["bob"] == "" || !strings.Contains(rep.Steps[len(rep.Steps)-1].Is, "the daemon runs since") {
		t.Errorf("started %d times: %+v", d.started, rep.Steps[len(rep.Steps)-1])
	}
}

// A host that comes while another one is at it waits where it is told to, and then
// finds everything done.
func TestWaitForTheLock(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, awstest.Options{})
	s := scenarios()[0]
	s.seed(cloud)
	first, second := newHost(t, cloud, s.file), newHost(t, cloud, s.file)
	second.people, second.database = first.people, first.database
	second.waitLock = 2 * time.Hour
	first.killAt, first.killAfter = 12, true
	if _, _, killed := first.apply(); !killed {
		t.Fatal("it was not killed")
	}
	first.killAt = 0
	waited := false
	second.onSleep = func() {
		if !waited {
			waited = true
			first.done()
		}
	}
	second.done()
	if !waited || len(second.waits("the bootstrap on host1 to end")) == 0 {
		t.Error("it did not wait")
	}
	first.right(s)
	third := newHost(t, cloud, s.file)
	first.killAt = 12
	first.apply()
	third.waitLock = time.Minute
	third.fails(ExitLocked, "host1")
}
