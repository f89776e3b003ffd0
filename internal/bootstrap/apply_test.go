package bootstrap

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

const (
	createMode = `{mode: create, identifier: orders, engine_version: 8.0.mysql_aurora.3.04.0, instance_class: db.r6g.large, instances: 2, subnet_group: databases, security_groups: [sg-00000001]}`
	snapMode   = `{mode: restore-snapshot, identifier: orders, snapshot: orders-yesterday, instance_class: db.r6g.large, subnet_group: databases, security_groups: [sg-00000001], primary_password: "file:primary.password"}`
	timeMode   = `{mode: restore-time, identifier: orders, source: shop, restore_to: latest, instance_class: db.r6g.large, instances: 2, subnet_group: databases, security_groups: [sg-00000001], primary_password: "file:primary.password"}`
)

// scenario is a wish and the account that it begins with.
type scenario struct {
	name string
	file string
	seed func(*awstest.Cloud)
}

func scenarios() []scenario {
	return []scenario{
		{"modify", wish(modifyMode, ""), addOrders},
		{"create", wish(createMode, ""), func(*awstest.Cloud) {}},
		{"restore a snapshot", wish(snapMode, ""), func(c *awstest.Cloud) {
			addShop(c)
			c.AddSnapshot(awstest.Snapshot{ID: "orders-yesterday", Cluster: "shop", ParameterGroup: lowercase})
		}},
		{"restore a moment", wish(timeMode, ""), func(c *awstest.Cloud) {
			addShop(c)
		}},
		{"with a trust", wish(modifyMode, withTrust), func(c *awstest.Cloud) {
			addOrders(c)
			c.OtherSide("onprem.local", trustPassword)
		}},
		{"with a two-way trust", wish(modifyMode, strings.Replace(withTrust, "one-way", "two-way", 1)), func(c *awstest.Cloud) {
			addOrders(c)
			c.OtherSide("onprem.local", trustPassword)
		}},
		{"with names in any case", wish(strings.Replace(modifyMode, "mode: modify", "mode: modify, case_insensitive_users: true", 1), ""), addOrders},
		{"with the guide's inline policy", wish(modifyMode, "  role: {name: aurora, policy: inline}\n"), addOrders},
	}
}

// lowercase is a parameter group without which its clusters do not start.
const lowercase = "lowercase-names"

func addShop(c *awstest.Cloud) {
	c.AddCluster(awstest.Cluster{ID: "shop", SubnetGroup: "databases", Groups: []string{"sg-00000001"}, Master: "admin", ParameterGroup: lowercase}, "shop-1")
}

func TestApplyFromNothingToALogin(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			c := newCloud(t, awstest.Options{})
			s.seed(c)
			h := newHost(t, c, s.file)
			rep := h.done()
			last := rep.Steps[len(rep.Steps)-1]
			if want := "logged in: alice@CORP.EXAMPLE.COM, bob@CORP.EXAMPLE.COM"; last.Is != want || rep.Changes() {
				t.Errorf("ended with %q (changes left: %v), want %q", last.Is, rep.Changes(), want)
			}
			h.right(s)
			before := len(c.Mutations())
			h.done()
			for _, call := range c.Mutations()[before:] {
				// The lock is all that a second run makes, and takes away again.
				if !strings.Contains(string(call.Request), lockName) {
					t.Errorf("a second run made %s", call.Action)
				}
			}
			h.noSecretsIn(rep)
		})
	}
}

// right holds an account to what a finished bootstrap leaves, whatever happened on the way.
func (h *host) right(s scenario) {
	h.t.Helper()
	if n := len(h.cloud.Directories()); n != 1 {
		h.t.Errorf("%d directories", n)
	}
	if n := len(h.cloud.Trusts()); n != strings.Count(s.file, "trust: {") {
		h.t.Errorf("%d trusts", n)
	}
	if n := len(h.cloud.Roles()); n != 1 {
		h.t.Errorf("%d roles", n)
	}
	if h.people.created != 2 {
		h.t.Errorf("%d users made", h.people.created)
	}
	clusters := map[string]string{}
	for _, c := range h.cloud.Clusters() {
		clusters[c.ID] = c.Member
	}
	if clusters["orders"] != "kerberos-enabled" {
		h.t.Errorf("clusters: %v", clusters)
	}
	for _, i := range h.cloud.Instances() {
		reader := strings.Contains(s.file, "mode: modify") && i.ID != "orders-1"
		if want := map[bool]int{true: 1}[reader]; i.Reboots != want {
			h.t.Errorf("%s was rebooted %d times, want %d", i.ID, i.Reboots, want)
		}
		if i.Cluster == "orders" && !i.Plugin && i.ID != "orders-1" {
			h.t.Errorf("%s has no plugin", i.ID)
		}
	}
	for _, secret := range h.cloud.Secrets() {
		if secret.Name == lockName && !secret.Deleted {
			h.t.Error("the lock is still there")
		}
	}
	if dir := h.cloud.Directories()[0]; h.people.admin != dir.Password {
		h.t.Error("the stored password is not the directory's")
	}
}

// noSecretsIn looks for every secret in all that a bootstrap leaves and says.
func (h *host) noSecretsIn(rep Report) {
	h.t.Helper()
	said, err := json.Marshal([]any{rep, h.events})
	if err != nil {
		h.t.Fatal(err)
	}
	texts := map[string]string{"the report": string(said)}
	err = filepath.WalkDir(h.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".password") {
			return err
		}
		b, err := os.ReadFile(path)
		texts[path] = string(b)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	for where, text := range texts {
		for _, secret := range h.secrets() {
			if strings.Contains(text, secret) {
				h.t.Errorf("%s has a secret in it", where)
			}
		}
	}
}

// A plan says what apply would do, and does nothing.
func TestPlanChangesNothing(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			c := newCloud(t, awstest.Options{})
			s.seed(c)
			h := newHost(t, c, s.file)
			rep, err := Plan(t.Context(), h.options())
			if err != nil {
				t.Fatal(err)
			}
			if n := len(c.Mutations()); n != 0 {
				t.Errorf("a plan made %d changes", n)
			}
			if _, err := os.Stat(filepath.Join(h.dir, "state")); err == nil {
				t.Error("a plan wrote a state file")
			}
			var planned []string
			for _, step := range rep.Steps {
				planned = append(planned, step.Missing...)
			}
			h.done()
			for _, e := range h.events {
				if e.Kind == EventDoing && !slices.Contains(planned, e.Text) && !strings.Contains(e.Text, "reboot the reader") && !strings.Contains(e.Text, "password") &&
					!strings.Contains(e.Text, "run CREATE") && !strings.Contains(e.Text, "let the domain controllers") {
					t.Errorf("apply did %q, which no plan said:\n%s", e.Text, strings.Join(planned, "\n"))
				}
			}
			rep, err = Plan(t.Context(), h.options())
			if err != nil {
				t.Fatal(err)
			}
			for _, step := range rep.Steps[:len(rep.Steps)-1] {
				if !step.Done {
					t.Errorf("after apply, %s is planned again: %v %s", step.Step, step.Missing, step.Waiting)
				}
			}
		})
	}
}

// The process dies at any call, before it is sent or before its answer is read,
// and is started again: exactly one of each thing.
func TestKilledAtEveryCall(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios()[1:5] {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, awstest.Options{ReadLag: 20 * time.Second, Slowest: 45 * time.Second})
			s.seed(c)
			c.Advance(time.Minute)
			h := newHost(t, c, s.file)
			h.done()
			calls := c.Calls()
			for _, at := range drawnBoundaries(t, calls, s.name == "with a trust") {
				for _, after := range []bool{false, true} {
					if after && !calls[at-1].Mutating {
						continue // a read has no effect: before is as after
					}
					// Reads lag, so that who forgot a request makes it again.
					c := newCloud(t, awstest.Options{ReadLag: 20 * time.Second, Slowest: 45 * time.Second})
					s.seed(c)
					c.Advance(time.Minute)
					h := newHost(t, c, s.file)
					h.killAt, h.killAfter = at, after
					if _, err, killed := h.apply(); !killed {
						t.Fatalf("call %d: ended by itself: %v", at, err)
					}
					sent := c.Calls()
					h.killAt = 0
					h.done()
					h.right(s)
					h.noSecretsIn(Report{})
					if t.Failed() {
						t.Fatalf("killed at call %d (after its effect: %v), the last one sent: %s", at, after, sent[len(sent)-1].Action)
					}
					c.Close()
				}
			}
		})
	}
}

// boundaries are the calls to be killed at: each that changes something, and
// with reads, the first of each kind after it: later rounds of a wait find the same.
func boundaries(calls []awstest.Call, reads bool) (out []int) {
	seen := map[string]int{}
	for i, c := range calls {
		key := c.Action
		if c.Mutating {
			seen = map[string]int{}
		}
		if seen[key]++; c.Mutating || reads && seen[key] == 1 {
			out = append(out, i+1)
		}
	}
	return out
}

// drawnBoundaries are, of the boundaries, those that one way to a cluster has to itself,
// and a draw of the others: the whole is make test-aws's. The way with a trust
// has everything but a cluster's making, and its changes are all taken.
func drawnBoundaries(t *testing.T, calls []awstest.Call, trust bool) []int {
	t.Helper()
	draw := drawn(t)
	return slices.DeleteFunc(boundaries(calls, trust), func(at int) bool {
		c := calls[at-1]
		own := c.Mutating && (trust || strings.Contains(c.Action, "DBCluster") || strings.Contains(c.Action, "DBInstance"))
		return !wholeMatrix && !own && draw.IntN(4) > 0
	})
}

// drawn returns what a test draws its cases with: the same each time, or by the seed in
// BOOTSTRAP_TEST_SEED, or by the time with "time" there.
func drawn(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(1)
	switch given := os.Getenv("BOOTSTRAP_TEST_SEED"); given {
	case "":
	case "time":
		seed = uint64(time.Now().UnixNano())
	default:
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("BOOTSTRAP_TEST_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// Reads that lag behind by half a minute make no second thing.
func TestStaleReads(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			c := newCloud(t, awstest.Options{ReadLag: 30 * time.Second})
			s.seed(c)
			c.Advance(time.Minute)
			h := newHost(t, c, s.file)
			h.done()
			h.right(s)
		})
	}
}

// Every call that changes something loses its answer, or is answered with 500
// after its effect: nothing is made twice.
func TestAnswersLost(t *testing.T) {
	t.Parallel()
	base := newCloud(t, awstest.Options{})
	s := scenarios()[4]
	s.seed(base)
	newHost(t, base, s.file).done()
	var actions []string
	for _, c := range base.Mutations() {
		if !slices.Contains(actions, c.Action) {
			actions = append(actions, c.Action)
		}
	}
	type lost struct {
		name  string
		fault awstest.Fault
	}
	after := []lost{{"dropped after the effect", awstest.DropAfter()}, {"500 after the effect", awstest.InternalAfter()}}
	before := []lost{{"dropped before", awstest.DropBefore()}, {"500 before", awstest.InternalBefore()}, {"503", awstest.Unavailable()},
		{"throttled", awstest.Throttle()}}
	draw := drawn(t).IntN(4)
	for n, action := range actions {
		faults := append(slices.Clone(after), before...)
		if !wholeMatrix { // each action has one of both kinds, and each fault its actions
			faults = []lost{after[(n+draw)%len(after)], before[(n+draw)%len(before)]}
		}
		for _, f := range faults {
			t.Run(f.name+"/"+action, func(t *testing.T) {
				t.Parallel()
				c := newCloud(t, awstest.Options{})
				s.seed(c)
				c.Fault(awstest.Match{Action: action, Nth: 1}, f.fault)
				h := newHost(t, c, s.file)
				h.done()
				h.right(s)
			})
		}
	}
}

func TestGeneratedConfigIsLastingAndItsOwn(t *testing.T) {
	t.Parallel()
	c := newCloud(t, awstest.Options{})
	addOrders(c)
	h := newHost(t, c, wish(modifyMode, ""))
	h.done()
	b, err := os.ReadFile(h.file)
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(b), beginMark+"\n")
	host := ""
	for _, line := range strings.Split(block, "\n") {
		if _, after, ok := strings.Cut(line, "endpoint: "); ok {
			host = strings.Trim(after, `"`)
		}
	}
	d := c.Directories()[0]
	want := `realms:
  CORP.EXAMPLE.COM:
    kind: aws-managed-ad
    dns_servers: ["` + strings.Join(d.DNS, `", "`) + `"]
databases:
  orders:
    endpoint: "` + host + `"
    realm: CORP.EXAMPLE.COM
logins:
  - {user: "alice@CORP.EXAMPLE.COM", database: orders, password_file: "file:` + h.dir + `/alice.password"}
  - {user: "bob@CORP.EXAMPLE.COM", database: orders, password_file: "credential:bob"} # its password is in Secrets Manager: kerbagent/corp/bob
krb5_conf: {path: "` + h.dir + `/krb5.conf"}
` + endMark + "\n"
	if diff := cmp.Diff(want, block); diff != "" {
		t.Errorf("kerbagent.yaml (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(string(b), wish(modifyMode, "")) {
		t.Error("the bootstrap part was changed")
	}
}
