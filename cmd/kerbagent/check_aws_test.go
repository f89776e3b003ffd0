package main

import (
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kerbagent/kerbagent/internal/awsview"
	"github.com/kerbagent/kerbagent/internal/bootstrap"
	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

// check --aws on a host whose AWS is the fake, with the policy that kerbagent prints.
func TestCheckAWSScript(t *testing.T) {
	c := awstest.New(awstest.Options{})
	c.AddVPC("vpc-00000001", "10.0.0.0/16")
	c.AddSubnet("subnet-0000000a", "vpc-00000001", "10.0.1.0/24", "us-east-1a", "use1-az1")
	c.AddSubnet("subnet-0000000b", "vpc-00000001", "10.0.2.0/24", "us-east-1b", "use1-az2")
	c.AddSecurityGroup("sg-00000001", "vpc-00000001", awstest.AllEgress())
	c.AddSubnetGroup("databases", "subnet-0000000a", "subnet-0000000b")
	d := c.AddDirectory(awstest.Directory{Name: "corp.example.com", VPC: "vpc-00000001", Subnets: []string{"subnet-0000000a", "subnet-0000000b"}})
	c.AddCluster(awstest.Cluster{ID: "orders", SubnetGroup: "databases", Groups: []string{"sg-00000001"}, Domain: d}, "orders-1", "orders-2")
	c.SetController(d, 1, "Impaired")
	whole := bootstrap.ReadPolicy(awsview.Actions())
	if err := c.AddUser("observer", "AKIAOBSERVER", "secret", whole); err != nil {
		t.Fatal(err)
	}
	if err := c.AddSession("gone", "AKIAEXPIRED", "secret", "token", time.Now().Add(-time.Hour), whole); err != nil {
		t.Fatal(err)
	}
	few := bootstrap.ReadPolicy([]string{"rds:DescribeDBClusters", "ds:DescribeDirectories", "ds:DescribeDomainControllers"})
	if err := c.AddUser("few", "AKIAFEW", "secret", few); err != nil {
		t.Fatal(err)
	}
	c.Start(t)
	testscript.Run(t, testscript.Params{Dir: "testdata/aws", Setup: func(e *testscript.Env) error {
		e.Setenv("AWS_ENDPOINT_URL", c.URL())
		e.Setenv("AWS_CONFIG_FILE", "/nonexistent")
		e.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
		e.Setenv("AWS_EC2_METADATA_DISABLED", "true")
		e.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
		return nil
	}})
	if n := len(c.Mutations()); n > 0 {
		t.Errorf("%d changes were made", n)
	}
}
