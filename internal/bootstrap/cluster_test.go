package bootstrap

import (
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

func ordersOf(t *testing.T, c *awstest.Cloud) awstest.Cluster {
	t.Helper()
	for _, k := range c.Clusters() {
		if k.ID == "orders" {
			return k
		}
	}
	t.Fatal("there is no cluster orders")
	return awstest.Cluster{}
}

// A restore gets version and parameter group of what it comes from. It used to
// leave both to RDS, which takes the engine's defaults, and a cluster with
// lower_case_table_names does not start with those.
func TestRestoresKeepVersionAndParameterGroup(t *testing.T) {
	t.Parallel()
	const newer = "8.0.mysql_aurora.3.08.0"
	add := func(c *awstest.Cloud) {
		c.AddCluster(awstest.Cluster{ID: "shop", Version: newer, SubnetGroup: "databases", Groups: []string{"sg-00000001"}, Master: "admin", ParameterGroup: lowercase}, "shop-1")
		c.AddSnapshot(awstest.Snapshot{ID: "orders-yesterday", Cluster: "shop", Version: newer, ParameterGroup: lowercase})
	}
	for name, c := range map[string]struct {
		cluster string
		seed    func(*awstest.Cloud) (edit string)
		fails   []string
	}{
		"a snapshot":                    {snapMode, func(c *awstest.Cloud) string { add(c); return "" }, nil},
		"a moment":                      {timeMode, func(c *awstest.Cloud) string { add(c); return "" }, nil},
		"a snapshot, its cluster gone":  {snapMode, func(c *awstest.Cloud) string { add(c); c.DeleteCluster("shop"); return "" }, []string{"which is gone", "cluster.parameter_group"}},
		"the same, the group written":   {strings.Replace(snapMode, "snapshot:", "parameter_group: "+lowercase+", snapshot:", 1), func(c *awstest.Cloud) string { add(c); c.DeleteCluster("shop"); return "" }, nil},
		"a moment of a deleted cluster": {strings.Replace(timeMode, "source: shop,", "source_resource: RESOURCE, parameter_group: "+lowercase+",", 1), func(c *awstest.Cloud) string { add(c); return c.DeleteCluster("shop") }, nil},
		"a moment of a cluster unknown": {timeMode, func(*awstest.Cloud) string { return "" }, []string{"there is no cluster shop", "source_resource"}},
		"a snapshot that is not there":  {snapMode, func(*awstest.Cloud) string { return "" }, []string{"there is no cluster snapshot orders-yesterday"}},
		"another version, to be written": {strings.Replace(snapMode, "snapshot:", "engine_version: "+newer+", snapshot:", 1), func(c *awstest.Cloud) string {
			addShop(c)
			c.AddSnapshot(awstest.Snapshot{ID: "orders-yesterday", Cluster: "shop", ParameterGroup: lowercase})
			return ""
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			cloud := newCloud(t, awstest.Options{})
			resource := c.seed(cloud)
			h := newHost(t, cloud, wish(strings.Replace(c.cluster, "RESOURCE", resource, 1), ""))
			if c.fails != nil {
				h.fails(ExitFailed, c.fails...)
				return
			}
			h.done()
			if k := ordersOf(t, cloud); k.Version != newer || k.ParameterGroup != lowercase {
				t.Errorf("it has %s and %s", k.Version, k.ParameterGroup)
			}
		})
	}
}

// What a new cluster gets that nobody asked for is said, and can be asked for
// otherwise; its instances are not public, whatever the subnets are.
func TestWhatANewClusterGets(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, awstest.Options{})
	cloud.AddParameterGroup(lowercase, "aurora-mysql8.0")
	h := newHost(t, cloud, wish(createMode, ""))
	rep, err := Plan(t.Context(), h.options())
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(rep.Steps[3].Notes, "\n")
	for _, want := range []string{"no deletion protection", "one day", "Extended Support", "cluster.backup_retention"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not said in %q", want, said)
		}
	}
	all := strings.Replace(createMode, "instances: 2", "instances: 2, deletion_protection: true, backup_retention: 14, extended_support: false, capacity: 0.5-16, kms_key: alias/orders, parameter_group: "+lowercase, 1)
	h = newHost(t, cloud, wish(strings.Replace(all, "db.r6g.large", "db.serverless", 1), ""))
	h.done()
	if k := ordersOf(t, cloud); !k.DeletionProtection || k.Backup != 14 || k.ExtendedSupport || k.Capacity != "0.5-16" || k.KMSKey != "alias/orders" || k.ParameterGroup != lowercase {
		t.Errorf("made %+v", k)
	}
	for _, call := range cloud.Mutations() {
		if call.Action == "CreateDBInstance" && !strings.Contains(string(call.Request), "PubliclyAccessible=false") {
			t.Errorf("asked for %s", call.Request)
		}
	}
}

// AWS lists what can be ordered: a version that runs and is not listed used to be
// refused. Whether it can join, AWS decides.
func TestAVersionThatIsNotListedIsTried(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, awstest.Options{})
	cloud.AddEngineVersion(awstest.EngineVersion{Version: "8.0.mysql_aurora.3.03.1", Kerberos: true, Classes: []string{"db.r6g.large"}, Deprecated: true})
	cloud.AddCluster(awstest.Cluster{ID: "orders", Version: "8.0.mysql_aurora.3.03.1", SubnetGroup: "databases", Groups: []string{"sg-00000001"}, Master: "admin"}, "orders-1")
	h := newHost(t, cloud, wish(modifyMode, ""))
	h.done()
	if notes := h.told(EventNote); len(notes) == 0 || !strings.Contains(notes[0].Text, "3.03.1") {
		t.Errorf("noted %v", notes)
	}
}

// A cluster whose password RDS keeps needs no other; it used to be refused
// though the secret was found. That it is one of a global database is said.
func TestModifyOfAClusterWhoseSecretRDSKeeps(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, awstest.Options{})
	arn := cloud.AddSecret("rds!cluster-0001", `{"username":"admin","password":"`+primaryPassword+`"}`)
	cloud.AddCluster(awstest.Cluster{ID: "orders", SubnetGroup: "databases", Groups: []string{"sg-00000001"}, Master: "admin", MasterSecret: arn, MasterSecretStatus: "active"}, "orders-1")
	cloud.AddGlobalCluster("planet", "orders")
	h := newHost(t, cloud, wish(strings.Replace(modifyMode, `, primary_password: "file:primary.password"`, "", 1), ""))
	h.as(h.policy(ForApply))
	rep := h.done()
	if notes := strings.Join(rep.Steps[3].Notes, "\n"); !strings.Contains(notes, "global database planet") {
		t.Errorf("said %q", notes)
	}
}
