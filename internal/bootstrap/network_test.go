package bootstrap

import (
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

// What Directory Service wants of a VPC is looked at before a directory is asked
// for, which fails only after a while.
func TestVPCsThatADirectoryCannotBeIn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		seed  func(*awstest.Cloud)
		more  string
		words []string
	}{
		"dedicated tenancy":          {func(c *awstest.Cloud) { c.SetTenancy("vpc-00000001", "dedicated") }, "", []string{"dedicated tenancy"}},
		"the service's addresses":    {func(c *awstest.Cloud) { c.AddVPC("vpc-00000001", "198.19.0.0/16") }, "", []string{"198.18.0.0/15"}},
		"the other forest's network": {func(*awstest.Cloud) {}, strings.Replace(withTrust, "dns_servers:", "networks: [10.0.0.0/8], dns_servers:", 1), []string{"10.0.0.0/8", "10.0.0.0/16"}},
	} {
		t.Run(name, func(t *testing.T) {
			cloud := newCloud(t, awstest.Options{})
			addOrders(cloud)
			c.seed(cloud)
			h := newHost(t, cloud, wish(modifyMode, c.more))
			h.fails(ExitFailed, c.words...)
			if len(cloud.Directories()) > 0 {
				t.Error("a directory was asked for")
			}
		})
	}
}

// A directory's security group admits its own VPC only. The rules for a cluster in
// another one are printed; the join used to be tried, and failed.
func TestAClusterInAnotherVPC(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, awstest.Options{})
	cloud.AddVPC("vpc-00000002", "10.1.0.0/16")
	cloud.AddSubnet("subnet-0000000d", "vpc-00000002", "10.1.1.0/24", "us-east-1a", "use1-az1")
	cloud.AddSubnet("subnet-0000000e", "vpc-00000002", "10.1.2.0/24", "us-east-1b", "use1-az2")
	cloud.AddSubnetGroup("elsewhere", "subnet-0000000d", "subnet-0000000e")
	cloud.AddSecurityGroup("sg-00000002", "vpc-00000002", awstest.AllEgress())
	cloud.AddPeering("pcx-1", "vpc-00000002", "vpc-00000001", true)
	id := cloud.AddDirectory(awstest.Directory{Name: "corp.example.com", ShortName: "CORP", VPC: "vpc-00000001", Subnets: []string{"subnet-0000000a", "subnet-0000000b"}, Password: "The-Secret-4711"})
	cloud.AddSecret("kerbagent/corp/admin", "The-Secret-4711")
	cloud.AddCluster(awstest.Cluster{ID: "orders", SubnetGroup: "elsewhere", Groups: []string{"sg-00000002"}, Master: "admin"}, "orders-1")
	h := newHost(t, cloud, strings.Replace(wish(modifyMode, ""), "edition: Standard, vpc: vpc-00000001, subnets: [subnet-0000000a, subnet-0000000b]", "id: "+id, 1))
	h.as(h.policy(ForApply))
	e := h.fails(ExitWaiting, "does not let the cluster's VPC vpc-00000002 in", "aws ec2 authorize-security-group-ingress --region us-east-1 --group-id sg-", "--protocol tcp --port 88 --cidr 10.1.0.0/16")
	if n := strings.Count(e.Text, "authorize-security-group-ingress"); n != len((&clusterStep{world: &world{Options: h.options()}}).ways()) {
		t.Errorf("%d rules", n)
	}
	group := ""
	for _, d := range cloud.Directories() {
		group = d.SecurityGroup
	}
	cloud.AddSecurityGroup(group, "vpc-00000001", awstest.Rule{Protocol: "-1", From: -1, To: -1, CIDR: "10.0.0.0/15"})
	h.done()
}

// The ports of a join are a guess; cluster.directory_ports replaces the whole list.
func TestDirectoryPortsReplaceTheList(t *testing.T) {
	t.Parallel()
	for ports, blocked := range map[string]bool{"": true, ", directory_ports: [tcp/88]": false, ", directory_ports: [tcp/88, tcp/636]": true} {
		cloud := newCloud(t, awstest.Options{})
		addOrders(cloud)
		cloud.AddSecurityGroup("sg-00000001", "vpc-00000001", awstest.Rule{Egress: true, Protocol: "tcp", From: 88, To: 88, CIDR: "10.0.0.0/16"})
		h := newHost(t, cloud, wish(strings.Replace(modifyMode, "}", ports+"}", 1), ""))
		cloud.Fault(awstest.Match{Action: "ModifyDBCluster"}, awstest.Refuse("TheJoinIsAskedFor", "no more is looked at here"))
		if blocked {
			h.fails(ExitWaiting, "do not let it out to the directory")
			continue
		}
		h.fails(ExitFailed, "TheJoinIsAskedFor")
	}
}
