package awstest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// member is the status of a cluster's domain membership, as RDS describes it.
func member(ctx context.Context, t *testing.T, k *rds.Client, cluster string) string {
	t.Helper()
	out := must[*rds.DescribeDBClustersOutput](t)(k.DescribeDBClusters(ctx, &rds.DescribeDBClustersInput{DBClusterIdentifier: &cluster}))
	if m := out.DBClusters[0].DomainMemberships; len(m) == 1 {
		return *m[0].Status
	}
	return ""
}

func TestModifyJoinsAndReadersNeedAReboot(t *testing.T) {
	rebooted := []string{}
	c := world(t, Options{OnReboot: func(id string) { rebooted = append(rebooted, id) }})
	d := seedJoinable(c)
	k := admin(c).rds
	in := &rds.ModifyDBClusterInput{DBClusterIdentifier: ptr("orders"), Domain: &d, DomainIAMRoleName: ptr(roleName)}
	must[*rds.ModifyDBClusterOutput](t)(k.ModifyDBCluster(t.Context(), in))
	c.Advance(time.Hour)
	if s := member(t.Context(), t, k, "orders"); s != memberMaintenance {
		t.Errorf("without ApplyImmediately: %q", s)
	}
	in.ApplyImmediately = ptr(true)
	must[*rds.ModifyDBClusterOutput](t)(k.ModifyDBCluster(t.Context(), in))
	if s := c.Clusters()[0]; s.Status != "available" || s.Member != memberPending {
		t.Errorf("at once: %s, %s", s.Status, s.Member)
	}
	c.Advance(2 * minute)
	if s := c.Clusters()[0]; s.Status != "available" || s.Member != memberEnabling {
		t.Errorf("available is not joined: %s, %s", s.Status, s.Member)
	}
	c.Advance(5 * minute)
	if s := member(t.Context(), t, k, "orders"); s != memberEnabled {
		t.Errorf("in the end: %q", s)
	}
	plugins(t, c, true, false, false)
	must[*rds.RebootDBInstanceOutput](t)(k.RebootDBInstance(t.Context(), &rds.RebootDBInstanceInput{DBInstanceIdentifier: ptr("orders-2")}))
	if _, err := k.RebootDBInstance(t.Context(), &rds.RebootDBInstanceInput{DBInstanceIdentifier: ptr("orders-2")}); code(err) != "InvalidDBInstanceState" {
		t.Errorf("a reboot in a reboot: %v", err)
	}
	c.Advance(2 * minute)
	plugins(t, c, true, true, false)
	if len(rebooted) != 1 || c.Instances()[1].Reboots != 1 {
		t.Errorf("reboots %v, %d", rebooted, c.Instances()[1].Reboots)
	}
}

func plugins(t *testing.T, c *Cloud, want ...bool) {
	t.Helper()
	for n, i := range c.Instances() {
		if i.Plugin != want[n] {
			t.Errorf("%s: plugin active is %t, want %t", i.ID, i.Plugin, want[n])
		}
	}
}

func TestMembershipFails(t *testing.T) {
	for name, spoil := range map[string]func(c *Cloud){
		"no egress":           func(c *Cloud) { c.state.Clusters["orders"].Groups = []string{"sg-0shut"} },
		"role without access": func(c *Cloud) { c.state.Roles[roleName].Attached = nil },
		"as the script says":  func(c *Cloud) { c.Fault(Match{Action: "ModifyDBCluster", Nth: 1}, Fails("a test")) },
		"another VPC":         func(c *Cloud) { c.state.SubnetGroups["dbs"].VPC = "vpc-0b000000" },
	} {
		t.Run(name, func(t *testing.T) {
			c := world(t, Options{})
			d := seedJoinable(c)
			spoil(c)
			k := admin(c).rds
			in := &rds.ModifyDBClusterInput{DBClusterIdentifier: ptr("orders"), Domain: &d, DomainIAMRoleName: ptr(roleName), ApplyImmediately: ptr(true)}
			must[*rds.ModifyDBClusterOutput](t)(k.ModifyDBCluster(t.Context(), in))
			c.Advance(10 * minute)
			if s := member(t.Context(), t, k, "orders"); s != memberFailed {
				t.Errorf("membership %q", s)
			}
			// The documented way on is the same call again.
			c.state.Clusters["orders"].Groups, c.state.SubnetGroups["dbs"].VPC = []string{"sg-0db"}, "vpc-0a000000"
			c.state.Roles[roleName].Attached = []string{managedARN}
			must[*rds.ModifyDBClusterOutput](t)(k.ModifyDBCluster(t.Context(), in))
			c.Advance(10 * minute)
			if s := member(t.Context(), t, k, "orders"); s != memberEnabled {
				t.Errorf("membership after the second try %q", s)
			}
		})
	}
}

func TestModifyRefused(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(c *Cloud)
		want  string
		text  string
	}{
		"no such role":      {func(c *Cloud) { delete(c.state.Roles, roleName) }, "InvalidParameterCombination", badRole},
		"role is too young": {func(c *Cloud) { c.state.Roles[roleName].Changed = c.Now() }, "InvalidParameterCombination", badRole},
		"role trusts another service": {func(c *Cloud) {
			c.state.Roles[roleName].Trust = strings.ReplaceAll(guideTrust, "directoryservice.rds", "ds")
		}, "InvalidParameterCombination", badRole},
		"old engine":         {func(c *Cloud) { c.state.Clusters["orders"].Version = "8.0.mysql_aurora.3.02.3" }, "InvalidParameterCombination", "Kerberos"},
		"directory is gone":  {func(c *Cloud) { clear(c.state.Directories) }, "DomainNotFoundFault", ""},
		"cluster is busy":    {func(c *Cloud) { c.state.Clusters["orders"].Status = "backing-up" }, "InvalidDBClusterStateFault", ""},
		"cluster is unknown": {func(c *Cloud) { clear(c.state.Clusters) }, "DBClusterNotFoundFault", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := world(t, Options{})
			d := seedJoinable(c)
			test.spoil(c)
			c.remember()
			_, err := admin(c).rds.ModifyDBCluster(t.Context(), &rds.ModifyDBClusterInput{DBClusterIdentifier: ptr("orders"), Domain: &d, DomainIAMRoleName: ptr(roleName), ApplyImmediately: ptr(true)})
			if code(err) != test.want || !strings.Contains(err.Error(), test.text) {
				t.Errorf("error %v, want %s %q", err, test.want, test.text)
			}
		})
	}
}

func TestClusterFromNothing(t *testing.T) {
	c := world(t, Options{})
	d := seedJoinable(c)
	k := admin(c)
	made := must[*rds.CreateDBClusterOutput](t)(k.rds.CreateDBCluster(t.Context(), &rds.CreateDBClusterInput{DBClusterIdentifier: ptr("new"), Engine: ptr("aurora-mysql"),
		DBSubnetGroupName: ptr("dbs"), VpcSecurityGroupIds: []string{"sg-0db"}, MasterUsername: ptr("root"), ManageMasterUserPassword: ptr(true), Domain: &d, DomainIAMRoleName: ptr(roleName),
		Tags: []types.Tag{{Key: ptr("made-by"), Value: ptr("kerbagent")}}})).DBCluster
	if *made.Status != "creating" || *made.MasterUserSecret.SecretStatus != "creating" {
		t.Errorf("cluster %s, secret %s", *made.Status, *made.MasterUserSecret.SecretStatus)
	}
	instance := &rds.CreateDBInstanceInput{DBInstanceIdentifier: ptr("new-1"), DBClusterIdentifier: ptr("new"), DBInstanceClass: ptr("db.r6g.large"), Engine: ptr("aurora-mysql")}
	if _, err := k.rds.CreateDBInstance(t.Context(), instance); code(err) != "InvalidDBClusterStateFault" {
		t.Errorf("an instance too early: %v", err)
	}
	c.Advance(30 * minute)
	if s := member(t.Context(), t, k.rds, "new"); s != memberPending {
		t.Errorf("without an instance: %q", s)
	}
	must[*rds.CreateDBInstanceOutput](t)(k.rds.CreateDBInstance(t.Context(), instance))
	c.Advance(30 * minute)
	if s := member(t.Context(), t, k.rds, "new"); s != memberEnabled {
		t.Errorf("with an instance: %q", s)
	}
	list := must[*rds.DescribeDBInstancesOutput](t)(k.rds.DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{Filters: []types.Filter{{Name: ptr("db-cluster-id"), Values: []string{"new"}}}})).DBInstances
	if len(list) != 1 || *list[0].Endpoint.Address != "new-1.abc123def456.us-east-1.rds.amazonaws.com" {
		t.Errorf("instances %v", list)
	}
	secret := must[*secretsmanager.GetSecretValueOutput](t)(k.sm.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: made.MasterUserSecret.SecretArn}))
	if !strings.Contains(*secret.SecretString, `"username":"root"`) {
		t.Error("the secret has not the primary user")
	}
}

func TestRestores(t *testing.T) {
	c := world(t, Options{})
	d := seedJoinable(c)
	c.AddSnapshot(Snapshot{ID: "nightly", Cluster: "orders"})
	k := admin(c).rds
	must[*rds.RestoreDBClusterFromSnapshotOutput](t)(k.RestoreDBClusterFromSnapshot(t.Context(), &rds.RestoreDBClusterFromSnapshotInput{DBClusterIdentifier: ptr("copy"), SnapshotIdentifier: ptr("nightly"),
		Engine: ptr("aurora-mysql"), DBSubnetGroupName: ptr("dbs"), Domain: &d, DomainIAMRoleName: ptr(roleName)}))
	must[*rds.RestoreDBClusterToPointInTimeOutput](t)(k.RestoreDBClusterToPointInTime(t.Context(), &rds.RestoreDBClusterToPointInTimeInput{DBClusterIdentifier: ptr("past"),
		SourceDBClusterIdentifier: ptr("orders"), UseLatestRestorableTime: ptr(true), DBSubnetGroupName: ptr("dbs"), Domain: &d, DomainIAMRoleName: ptr(roleName)}))
	_, err := k.RestoreDBClusterToPointInTime(t.Context(), &rds.RestoreDBClusterToPointInTimeInput{DBClusterIdentifier: ptr("future"), SourceDBClusterIdentifier: ptr("orders"),
		RestoreToTime: ptr(c.Now().Add(time.Hour)), DBSubnetGroupName: ptr("dbs")})
	if code(err) != "InvalidParameterValue" {
		t.Errorf("a time to come: %v", err)
	}
	c.Advance(time.Hour)
	for _, s := range c.Clusters() {
		if s.Status != "available" || s.ID != "orders" && s.Groups[0] == "sg-0db" {
			t.Errorf("%s: %s, groups %v", s.ID, s.Status, s.Groups)
		}
	}
}

func TestRoleFromNothing(t *testing.T) {
	c := world(t, Options{})
	k := admin(c).iam
	if _, err := k.GetRole(t.Context(), &iam.GetRoleInput{RoleName: ptr(roleName)}); code(err) != "NoSuchEntity" {
		t.Errorf("before: %v", err)
	}
	must[*iam.CreateRoleOutput](t)(k.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: ptr(roleName), AssumeRolePolicyDocument: ptr(guideTrust)}))
	_, err := k.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: ptr(roleName), PolicyArn: ptr("arn:aws:iam::aws:policy/AmazonRDSDirectoryServiceAccess")})
	if code(err) != "NoSuchEntity" {
		t.Errorf("a policy without its path: %v", err)
	}
	must[*iam.AttachRolePolicyOutput](t)(k.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: ptr(roleName), PolicyArn: ptr(managedARN)}))
	list := must[*iam.ListAttachedRolePoliciesOutput](t)(k.ListAttachedRolePolicies(t.Context(), &iam.ListAttachedRolePoliciesInput{RoleName: ptr(roleName)}))
	if len(list.AttachedPolicies) != 1 || *list.AttachedPolicies[0].PolicyArn != managedARN {
		t.Errorf("policies %v", list.AttachedPolicies)
	}
}
