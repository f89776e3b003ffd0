package bootstrap

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

// Whoever reads these at night has nothing but them: what happened, last of
// all, and what to type next. They used to say less, or something else.
func TestWhatToDoIsSaid(t *testing.T) {
	for _, c := range []struct {
		name  string
		seed  func(*awstest.Cloud, *host)
		opens int // how often the directory was tried, as its Admin
		words []string
	}{
		// Silence is a context.DeadlineExceeded too, and was reported as "ended early", exit 1, forever.
		{"AWS is silent", func(_ *awstest.Cloud, h *host) { h.cutAt = 40 }, 0, []string{"failed, ", "dial tcp", "run it again"}},
		{"the directory is silent", func(_ *awstest.Cloud, h *host) {
			h.people.unopened = &net.OpError{Op: "dial", Net: "tcp", Err: context.DeadlineExceeded}
		}, int(outageBudget/outageEvery) + 1, []string{"users: talking to the directory at 10.0.", "dial tcp", "53, 88, 389 and 464"}},
		{"the Admin's password is another one", func(_ *awstest.Cloud, h *host) { h.people.unopened = errors.New("KDC error 24") }, 1,
			[]string{"KDC error 24", "secretsmanager:kerbagent/corp/admin", "aws ds reset-user-password --region us-east-1 --directory-id d-", "--user-name Admin --cli-input-json file://"}},
		{"the directory's policy refuses a password", func(_ *awstest.Cloud, h *host) { h.people.refused = errors.New("it needs 16 characters") }, 1,
			[]string{"it needs 16 characters", "store another password in file:", "alice.password"}},
		{"the database does not let us in", func(_ *awstest.Cloud, h *host) { h.database.unopened = errors.New("x509: unknown authority") }, 1,
			[]string{"as admin: x509: unknown authority", "cluster.ca_file", "us-east-1"}},
		{"AWS fails each time", func(c *awstest.Cloud, _ *host) {
			c.Fault(awstest.Match{Action: "CreateRole"}, awstest.InternalBefore())
		}, 0, []string{"tried 3 times to create the role", "the last time: CreateRole: ", "run it again"}},
		{"AWS takes it each time", func(c *awstest.Cloud, _ *host) {
			c.Fault(awstest.Match{Action: "ModifyDBCluster"}, awstest.Fails("network"))
		}, 1, []string{"tried 3 times to try again to join", "was taken each time"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cloud := newCloud(t, awstest.Options{})
			addOrders(cloud)
			h := newHost(t, cloud, wish(modifyMode, ""))
			c.seed(cloud, h)
			h.fails(ExitFailed, c.words...)
			if h.people.opened != c.opens {
				t.Errorf("the directory was tried %d times, want %d", h.people.opened, c.opens)
			}
		})
	}
}

// A command without --region is for the Region of the reader's shell.
func TestCommandsNameTheRegion(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`aws (ds|rds|ec2|secretsmanager) [a-z-]+ .*`).FindAllString(string(b), -1) {
			if n++; !strings.HasPrefix(strings.Join(strings.Fields(m)[3:], " "), "--region ") {
				t.Errorf("%s: %s", file, m)
			}
		}
	}
	if n < 8 {
		t.Errorf("%d commands found", n)
	}
}

// The lock of the run before is deleted in the background; that this is waited
// for was not said.
func TestWaitForTheLockIsSaid(t *testing.T) {
	cloud := newCloud(t, awstest.Options{})
	addOrders(cloud)
	h := newHost(t, cloud, wish(modifyMode, ""))
	h.done()
	h.done()
	if w := h.waits("the lock " + lockName + " to be free"); len(w) == 0 || w[0].Step != "lock" || w[0].Wait.Usual == "" {
		t.Errorf("said %+v", w)
	}
}

// kerbagent.yaml stays whose it was, and where it was. It became root's, which
// the daemon could not read; and a file in place of a link to one.
func TestConfigKeepsItsOwnerAndPlace(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real.yaml"), filepath.Join(dir, "kerbagent.yaml")
	if err := os.WriteFile(real, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real.yaml", link); err != nil {
		t.Fatal(err)
	}
	group := os.Getegid()
	if groups, err := os.Getgroups(); err == nil && len(groups) > 0 {
		group = groups[len(groups)-1]
	}
	if os.Geteuid() == 0 {
		group = 4711
	}
	if err := os.Chown(real, -1, group); err != nil {
		t.Fatal(err)
	}
	if err := writeConfig(link, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(link); err != nil || to != "real.yaml" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	b, err := os.ReadFile(real)
	st, statErr := os.Stat(real)
	if err != nil || statErr != nil || string(b) != "new" {
		t.Fatalf("%q, %v, %v", b, err, statErr)
	}
	if sys := st.Sys().(*syscall.Stat_t); int(sys.Gid) != group || st.Mode().Perm() != 0o640 {
		t.Errorf("it is of group %d, %s; was of %d", sys.Gid, st.Mode(), group)
	}
	fresh := filepath.Join(dir, "fresh.yaml")
	if err := writeConfig(fresh, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(fresh); err != nil || string(b) != "new" {
		t.Errorf("%q, %v", b, err)
	}
}

// Passwords on this host are held to their rules before anything is asked of AWS
// but who we are: one that will not do was found out after the directory was made.
func TestLocalPasswordsAreCheckedFirst(t *testing.T) {
	for name, c := range map[string]struct{ password, words string }{
		"too short in characters":        {"Äö1äüß", "6 characters"},
		"one that the guide lists not":   {"Pass word-4711", "does not list"},
		"short in characters, not bytes": {"Aa1öüßÖ", ""}, // 7 characters, 11 bytes
	} {
		t.Run(name, func(t *testing.T) {
			cloud := newCloud(t, awstest.Options{})
			addOrders(cloud)
			file := wish(modifyMode, "")
			if strings.Contains(c.words, "list") {
				file = strings.Replace(file, "secretsmanager:kerbagent/corp/admin", "file:alice.password", 1)
			}
			h := newHost(t, cloud, file)
			if err := os.WriteFile(filepath.Join(h.dir, "alice.password"), []byte(c.password), 0o600); err != nil {
				t.Fatal(err)
			}
			if c.words == "" {
				h.done()
				return
			}
			e := h.fails(ExitUsage, c.words, "file:", "alice.password")
			if strings.Contains(e.Text, c.password) || len(cloud.Calls()) != 1 {
				t.Errorf("said %q after %d calls", e.Text, len(cloud.Calls()))
			}
		})
	}
}

// What AWS's verification does not show is said of a trust that works, too.
func TestNameSuffixRoutingIsSaidAlways(t *testing.T) {
	cloud := newCloud(t, awstest.Options{})
	addOrders(cloud)
	cloud.OtherSide("onprem.local", trustPassword)
	h := newHost(t, cloud, wish(modifyMode, strings.Replace(withTrust, "direction:", "selective_auth: true, direction:", 1)))
	rep := h.done()
	if notes := strings.Join(rep.Steps[1].Notes, "\n"); !strings.Contains(notes, "netdom trust onprem.local /namesuffixes:corp.example.com") || !strings.Contains(notes, "Allowed to authenticate") {
		t.Errorf("said %q", notes)
	}
}
