package bootstrap

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

// anyCased is a mode with the parameter.
func anyCased(mode string) string {
	return strings.Replace(mode, "identifier: orders", "identifier: orders, case_insensitive_users: true", 1)
}

func (h *host) cluster() awstest.Cluster {
	for _, c := range h.cloud.Clusters() {
		if c.ID == "orders" {
			return c
		}
	}
	return awstest.Cluster{}
}

func (h *host) noted(words string) bool {
	return slices.ContainsFunc(h.told(EventNote), func(e Event) bool { return strings.Contains(e.Text, words) })
}

// A cluster with AWS's default group gets one of its own before it joins, so that the
// readers' one reboot serves both. The writer is left to a person, with the command.
func TestNamesInAnyCase(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, awstest.Options{})
	addOrders(cloud)
	h := newHost(t, cloud, wish(anyCased(modifyMode), ""))
	rep := h.done()
	groups := cloud.ParameterGroups()
	if len(groups) != 1 || groups[0].Name != "kerbagent-orders" || groups[0].Family != "aurora-mysql8.0" || groups[0].Values[anyCase] != "true" ||
		groups[0].Tags["team"] != "database" || groups[0].Tags[ourTag] != "corp.example.com" || h.cluster().ParameterGroup != "kerbagent-orders" {
		t.Errorf("made %+v, the cluster has %s", groups, h.cluster().ParameterGroup)
	}
	for _, i := range cloud.Instances() {
		if writer := i.ID == "orders-1"; i.ClusterPendingReboot != writer || i.Reboots != map[bool]int{false: 1}[writer] {
			t.Errorf("%s: waits for a reboot: %v; %d reboots", i.ID, i.ClusterPendingReboot, i.Reboots)
		}
	}
	if notes := strings.Join(rep.Steps[2].Notes, "\n"); rep.Steps[2].Step != "parameters" || !strings.Contains(notes, "the writer orders-1 has "+anyCase+" after its next reboot: aws rds reboot-db-instance --region us-east-1 --db-instance-identifier orders-1") {
		t.Errorf("said %q at %s", notes, rep.Steps[2].Step)
	}
	before := len(cloud.Mutations())
	h.done()
	for _, c := range cloud.Mutations()[before:] {
		if !strings.Contains(string(c.Request), lockName) {
			t.Errorf("a second run made %s", c.Action)
		}
	}
	lines, err := Teardown(t.Context(), h.options())
	if err != nil || !strings.Contains(strings.Join(lines, "\n"), "--db-cluster-parameter-group-name default.aurora-mysql8.0") || !strings.Contains(strings.Join(lines, "\n"), "delete-db-cluster-parameter-group --region us-east-1 --db-cluster-parameter-group-name kerbagent-orders") {
		t.Errorf("%v: %s", err, strings.Join(lines, "\n"))
	}
}

// A group of the cluster's own is not replaced: the parameter is set in it, and whom else
// that concerns is said.
func TestNamesInAnyCaseInAGroupThatIsThere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file string
		seed func(*awstest.Cloud)
	}{
		"modify": {anyCased(modifyMode), func(c *awstest.Cloud) {
			c.AddCluster(awstest.Cluster{ID: "orders", SubnetGroup: "databases", Groups: []string{"sg-00000001"}, Master: "admin", ParameterGroup: "tuned"}, "orders-1", "orders-2")
		}},
		"create": {strings.Replace(anyCased(createMode), "instances: 2", "instances: 2, parameter_group: tuned", 1), func(c *awstest.Cloud) { c.AddParameterGroup("tuned", "aurora-mysql8.0") }},
		"restore": {strings.Replace(anyCased(snapMode), "snapshot:", "parameter_group: tuned, snapshot:", 1), func(c *awstest.Cloud) {
			addShop(c)
			c.AddParameterGroup("tuned", "aurora-mysql8.0")
			c.AddSnapshot(awstest.Snapshot{ID: "orders-yesterday", Cluster: "shop"})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud := newCloud(t, awstest.Options{})
			c.seed(cloud)
			h := newHost(t, cloud, wish(c.file, ""))
			h.as(h.policy(ForApply))
			h.done()
			if h.effects("CreateDBClusterParameterGroup") > 0 || h.cluster().ParameterGroup != "tuned" || !slices.ContainsFunc(cloud.ParameterGroups(), func(g awstest.ParameterGroup) bool {
				return g.Name == "tuned" && g.Values[anyCase] == "true"
			}) {
				t.Errorf("the cluster has %s of %+v", h.cluster().ParameterGroup, cloud.ParameterGroups())
			}
			if !h.noted("every cluster with the parameter group tuned") {
				t.Error("it does not say who else has the group")
			}
		})
	}
}

// A new cluster gets its group at once, and not before AWS has completed the group.
func TestNamesInAnyCaseOfANewCluster(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, awstest.Options{Slowest: time.Second})
	h := newHost(t, cloud, wish(anyCased(createMode), ""))
	h.as(h.policy(ForApply))
	h.done()
	var made, used time.Time
	for _, c := range cloud.Mutations() {
		switch c.Action {
		case "CreateDBClusterParameterGroup":
			made = c.At
		case "CreateDBCluster":
			used = c.At
		}
	}
	if used.Sub(made) < groupSettles || used.Sub(made) > groupSettles+2*time.Minute {
		t.Errorf("the group was used after %s", used.Sub(made))
	}
	if h.cluster().ParameterGroup != "kerbagent-orders" || slices.ContainsFunc(cloud.Instances(), func(i awstest.Instance) bool { return i.ClusterPendingReboot || i.Reboots > 0 }) {
		t.Errorf("%s, %+v", h.cluster().ParameterGroup, cloud.Instances())
	}
	// A source's own group is not changed unless the file names it.
	cloud = newCloud(t, awstest.Options{})
	addShop(cloud)
	cloud.AddSnapshot(awstest.Snapshot{ID: "orders-yesterday", Cluster: "shop", ParameterGroup: lowercase})
	h = newHost(t, cloud, wish(anyCased(snapMode), ""))
	h.fails(ExitFailed, "source's parameter group "+lowercase, "cluster.parameter_group")
	if h.effects("ModifyDBClusterParameterGroup") > 0 {
		t.Error("the source's group was changed")
	}
	h = newHost(t, cloud, wish(strings.Replace(anyCased(snapMode), "snapshot:", "parameter_group: none-such, snapshot:", 1), ""))
	h.fails(ExitFailed, "there is no DB cluster parameter group none-such")
}

// Killed at each change to the group, or where its answer is lost: one group, set once
// and attached once.
func TestNamesInAnyCaseKilled(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"CreateDBClusterParameterGroup", "ModifyDBClusterParameterGroup", "ModifyDBCluster"} {
		for _, how := range []string{"killed before", "killed after", "answer lost"} {
			t.Run(action+"/"+how, func(t *testing.T) {
				t.Parallel()
				cloud := newCloud(t, awstest.Options{ReadLag: 20 * time.Second, Slowest: 45 * time.Second})
				addOrders(cloud)
				cloud.Advance(time.Minute)
				h := newHost(t, cloud, wish(anyCased(modifyMode), ""))
				if how == "answer lost" {
					cloud.Fault(awstest.Match{Action: action, Nth: 1}, awstest.DropAfter())
				} else {
					h.killAction, h.killAfter = action, how == "killed after"
					if _, err, killed := h.apply(); !killed {
						t.Fatalf("ended by itself: %v", err)
					}
					h.killAction = ""
				}
				h.done()
				h.right(scenarios()[0])
				if g := cloud.ParameterGroups(); len(g) != 1 || g[0].Values[anyCase] != "true" || h.cluster().ParameterGroup != g[0].Name || h.effects("CreateDBClusterParameterGroup") != 1 {
					t.Errorf("%+v, the cluster has %s", g, h.cluster().ParameterGroup)
				}
			})
		}
	}
}
