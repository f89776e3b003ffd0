package awstest

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

const (
	adminKey    = "AKIAADMIN0000000TEST"
	adminSecret = "a/secret+of=the-admin"
	guideTrust  = `{"Version":"2012-10-17","Statement":[{"Sid":"","Effect":"Allow","Principal":{"Service":["directoryservice.rds.amazonaws.com","rds.amazonaws.com"]},"Action":"sts:AssumeRole"}]}`
	managedARN  = "arn:aws:iam::aws:policy/service-role/AmazonRDSDirectoryServiceAccess"
	roleName    = "rds-directoryservice-kerberos-access-role"
)

// world is a cloud with an administrator and a network, listening.
func world(t *testing.T, o Options) *Cloud {
	t.Helper()
	c := New(o)
	c.Start(t)
	if err := c.AddUser("admin", adminKey, adminSecret, Everything); err != nil {
		t.Fatal(err)
	}
	c.AddVPC("vpc-0a000000", "10.0.0.0/16")
	c.AddSubnet("subnet-0a000001", "vpc-0a000000", "10.0.1.0/24", "us-east-1a", "use1-az1")
	c.AddSubnet("subnet-0a000002", "vpc-0a000000", "10.0.2.0/24", "us-east-1b", "use1-az2")
	c.AddSubnet("subnet-0a000003", "vpc-0a000000", "10.0.3.0/24", "us-east-1c", "use1-az1")
	c.AddSecurityGroup("sg-0db", "vpc-0a000000", AllEgress())
	c.AddSecurityGroup("sg-0shut", "vpc-0a000000")
	c.AddSubnetGroup("dbs", "subnet-0a000001", "subnet-0a000002")
	return c
}

// sdk is Amazon's own clients for the cloud. They do not retry.
type sdk struct {
	ds  *directoryservice.Client
	ec2 *ec2.Client
	iam *iam.Client
	rds *rds.Client
	sm  *secretsmanager.Client
	sts *sts.Client
}

func clients(c *Cloud, key, secret, token string) sdk {
	f := aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(c.URL()), Credentials: credentials.NewStaticCredentialsProvider(key, secret, token),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} }}
	return sdk{directoryservice.NewFromConfig(f), ec2.NewFromConfig(f), iam.NewFromConfig(f), rds.NewFromConfig(f), secretsmanager.NewFromConfig(f), sts.NewFromConfig(f)}
}

func admin(c *Cloud) sdk { return clients(c, adminKey, adminSecret, "") }

// seedJoinable adds an active directory, the role, and a cluster of a writer and
// two readers.
func seedJoinable(c *Cloud) (directory string) {
	directory = c.AddDirectory(Directory{Name: "corp.example.com", ShortName: "CORP", Password: "Secret-1234", VPC: "vpc-0a000000", Subnets: []string{"subnet-0a000001", "subnet-0a000002"}})
	c.AddRole(Role{Name: roleName, Trust: guideTrust, Attached: []string{managedARN}})
	c.AddCluster(Cluster{ID: "orders", SubnetGroup: "dbs", Groups: []string{"sg-0db"}, MasterPassword: "primary-pass"}, "orders-1", "orders-2", "orders-3")
	return directory
}

// must ends the test where a call failed.
func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

const minute = time.Minute
