package bootstrap

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
	"github.com/kerbagent/kerbagent/internal/diagnose"
)

// What can be wrong with an account, each with its own clear end.
func TestWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		edit  func(string) string
		seed  func(*awstest.Cloud, *host)
		exit  Exit
		words []string
	}{
		{"subnets in one zone", func(s string) string { return strings.Replace(s, "subnet-0000000b", "subnet-0000000c", 1) }, nil, ExitFailed,
			[]string{"subnet-0000000a", "use1-az1", "different Availability Zones"}},
		{"a subnet of another VPC", nil, func(c *awstest.Cloud, _ *host) {
			c.AddVPC("vpc-00000002", "10.1.0.0/16")
			c.AddSubnet("subnet-0000000b", "vpc-00000002", "10.1.2.0/24", "us-east-1b", "use1-az2")
		}, ExitFailed, []string{"subnet-0000000b is in vpc-00000002"}},
		{"a subnet that is not there", func(s string) string { return strings.Replace(s, "subnet-0000000b", "subnet-000000ff", 1) }, nil, ExitFailed, []string{"subnet-000000ff"}},
		{"a password with admin in it", nil, func(c *awstest.Cloud, _ *host) { c.AddSecret("kerbagent/corp/admin", "MyAdmin4711!") }, ExitFailed, []string{`"admin"`, "kerbagent/corp/admin"}},
		{"a password of two classes", nil, func(c *awstest.Cloud, _ *host) { c.AddSecret("kerbagent/corp/admin", "onlyletters99") }, ExitFailed, []string{"three of"}},
		{"a directory of somebody's", nil, func(c *awstest.Cloud, _ *host) {
			c.AddDirectory(awstest.Directory{Name: "corp.example.com", ShortName: "CORP", VPC: "vpc-00000001", Subnets: []string{"subnet-0000000a", "subnet-0000000b"}})
		}, ExitFailed, []string{"adopt: true", "did not make it"}},
		{"a directory of another type", func(s string) string { return s }, func(c *awstest.Cloud, _ *host) {
			c.AddDirectory(awstest.Directory{Name: "corp.example.com", Type: "SimpleAD", VPC: "vpc-00000001", Subnets: []string{"subnet-0000000a", "subnet-0000000b"}})
		}, ExitFailed, []string{"SimpleAD", "AWS Managed Microsoft AD only"}},
		{"two directories of the name", nil, func(c *awstest.Cloud, _ *host) {
			for range 2 {
				c.AddDirectory(awstest.Directory{Name: "corp.example.com", VPC: "vpc-00000001", Subnets: []string{"subnet-0000000a", "subnet-0000000b"}})
			}
		}, ExitFailed, []string{"2 directories", "directory.id"}},
		{"the directory fails", nil, func(c *awstest.Cloud, _ *host) {
			c.Fault(awstest.Match{Action: "CreateMicrosoftAD"}, awstest.Fails("no addresses left in subnet-0000000a"))
		}, ExitFailed, []string{"could not be made", "no addresses left", "delete-directory"}},
		{"no such cluster", func(s string) string { return strings.Replace(s, "identifier: orders", "identifier: other", 1) }, nil, ExitFailed, []string{"there is no cluster other in us-east-1"}},
		{"an engine without Kerberos", nil, func(c *awstest.Cloud, _ *host) {
			c.AddEngineVersion(awstest.EngineVersion{Version: "8.0.mysql_aurora.3.02.0", Kerberos: false, Classes: []string{"db.r6g.large"}})
			c.AddCluster(awstest.Cluster{ID: "orders", Version: "8.0.mysql_aurora.3.02.0", SubnetGroup: "databases", Groups: []string{"sg-00000001"}}, "orders-1")
		}, ExitFailed, []string{"3.02.0", "has no Kerberos", "3.03.0"}},
		{"another engine", nil, func(c *awstest.Cloud, _ *host) {
			c.AddCluster(awstest.Cluster{ID: "orders", Engine: "aurora-postgresql", Version: "16.4", SubnetGroup: "databases", Groups: []string{"sg-00000001"}}, "orders-1")
		}, ExitFailed, []string{"aurora-postgresql"}},
		{"no way out to the directory", nil, func(c *awstest.Cloud, _ *host) {
			c.AddSecurityGroup("sg-00000001", "vpc-00000001", awstest.Rule{Egress: true, Protocol: "tcp", From: 443, To: 443, CIDR: "0.0.0.0/0"})
		}, ExitWaiting, []string{"aws ec2 authorize-security-group-egress --region us-east-1 --group-id sg-00000001 --protocol tcp --port 88 --cidr 10.0."}},
		{"the join fails for good", nil, func(c *awstest.Cloud, _ *host) {
			c.Fault(awstest.Match{Action: "ModifyDBCluster"}, awstest.Fails("network"))
		}, ExitFailed, []string{"join the cluster orders", "3 times"}},
		{"a role of somebody's that does not let Aurora in", nil, func(c *awstest.Cloud, _ *host) {
			c.AddRole(awstest.Role{Name: "rds-directoryservice-kerberos-access-role", Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`})
		}, ExitFailed, []string{"directoryservice.rds.amazonaws.com", "role.repair_trust"}},
		{"a permission is missing", nil, func(_ *awstest.Cloud, h *host) {
			h.as(awstest.Everything, `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"ds:CreateMicrosoftAD","Resource":"*"}]}`)
		}, ExitPermission, []string{"ds:CreateMicrosoftAD", `"Action": [`}},
		{"the session ends in the middle of a wait", nil, func(c *awstest.Cloud, _ *host) {
			c.Fault(awstest.Match{Action: "DescribeDirectories", Nth: 7}, awstest.Expired())
		}, ExitCredentials, []string{"directory", "run it again"}},
		{"the other side of the trust is not made", func(s string) string { return s + withTrust }, nil, ExitWaiting,
			[]string{"CreateLocalSideOfTrustRelationship", "samba-tool domain trust create corp.example.com", "netdom trust onprem.local /namesuffixes:corp.example.com"}},
		{"a login does not work", nil, func(_ *awstest.Cloud, h *host) {
			h.verdict = diagnose.Report{Verdict: diagnose.VerdictFailed, Findings: []diagnose.Finding{{Code: "kdc-tcp-blocked", Title: "TCP to a KDC is blocked"}}}
		}, ExitFailed, []string{"kdc-tcp-blocked", "kerbagent explain"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cloud := newCloud(t, awstest.Options{})
			addOrders(cloud)
			file := wish(modifyMode, "")
			if c.edit != nil {
				file = c.edit(file)
			}
			h := newHost(t, cloud, file)
			if c.seed != nil {
				c.seed(cloud, h)
			}
			e := h.fails(c.exit, c.words...)
			h.noSecretsIn(Report{Error: e})
			for _, s := range cloud.Secrets() {
				if s.Name == lockName && !s.Deleted {
					t.Error("the lock was kept")
				}
			}
		})
	}
}

// After new credentials, the next run goes on where the last one stopped.
func TestGoesOnWithNewCredentials(t *testing.T) {
	t.Parallel()
	c := newCloud(t, awstest.Options{})
	s := scenarios()[4]
	s.seed(c)
	h := newHost(t, c, s.file)
	for _, action := range []string{"DescribeDirectories", "DescribeTrusts", "DescribeDBClusters", "RebootDBInstance"} {
		c.Fault(awstest.Match{Action: action, Nth: 3}, awstest.Expired())
	}
	for n := 0; ; n++ {
		_, err, _ := h.apply()
		if err == nil {
			break
		}
		if e := problem("", err); e.Exit != ExitCredentials || n > 4 {
			t.Fatalf("run %d: exit %d: %v", n, e.Exit, err)
		}
	}
	h.right(s)
}

// A refresh of credentials that cannot get through is tried again; one that is
// refused ends the run. It used to end at the first dropped packet, hours in.
func TestRefreshOfCredentials(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		exit Exit
	}{
		"silence": {&net.OpError{Op: "dial", Net: "tcp", Err: context.DeadlineExceeded}, ExitDone},
		"refused": {&smithy.GenericAPIError{Code: "InvalidGrantException", Message: "the session has ended"}, ExitCredentials},
	} {
		t.Run(name, func(t *testing.T) {
			cloud := newCloud(t, awstest.Options{})
			s := scenarios()[0]
			s.seed(cloud)
			h := newHost(t, cloud, s.file)
			o := h.options()
			asked := 0
			o.AWS = NewClients(aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(cloud.URL()), HTTPClient: h,
				Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
					if asked++; asked > 40 && asked < 45 {
						return aws.Credentials{}, c.err
					}
					// Always about to end: asked for at every call.
					return aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey, CanExpire: true, Expires: time.Now()}, nil
				})})
			_, err := Apply(t.Context(), o)
			if e := new(Error); err != nil && (!errors.As(err, &e) || e.Exit != c.exit) || err == nil && c.exit != ExitDone {
				t.Errorf("ended with %v, want exit %d", err, c.exit)
			}
			if asked < 41 {
				t.Errorf("credentials were asked for %d times", asked)
			}
		})
	}
}

// The membership fails twice and then works: the same request, again.
func TestJoinFailsTwice(t *testing.T) {
	t.Parallel()
	c := newCloud(t, awstest.Options{})
	s := scenarios()[0]
	s.seed(c)
	// The first one is refused, as RDS does not see the role yet.
	c.Fault(awstest.Match{Action: "ModifyDBCluster", Nth: 2}, awstest.Fails("network"))
	c.Fault(awstest.Match{Action: "ModifyDBCluster", Nth: 3}, awstest.Fails("network"))
	h := newHost(t, c, s.file)
	h.done()
	h.right(s)
}

// A failover between two reboots: who writes is never rebooted, and nobody twice. The
// new writer, which was to be rebooted as a reader, has no plugin: it is named.
func TestFailoverBetweenReboots(t *testing.T) {
	t.Parallel()
	c := newCloud(t, awstest.Options{})
	addOrders(c)
	h := newHost(t, c, wish(modifyMode, ""))
	swapped := false
	h.onSleep = func() {
		for _, i := range c.Instances() {
			if i.ID == "orders-2" && i.Reboots == 1 && i.Status == "available" && !swapped {
				swapped = true
				c.Failover("orders", "orders-3")
			}
		}
	}
	h.fails(ExitFailed, "is not loaded on orders-3", "--db-instance-identifier orders-3")
	for _, i := range c.Instances() {
		if want := map[string]int{"orders-1": 1, "orders-2": 1, "orders-3": 0}[i.ID]; i.Reboots != want {
			t.Errorf("%s was rebooted %d times, want %d", i.ID, i.Reboots, want)
		}
	}
}

// Two hosts: the second one is told who is at it, and finds everything done later.
func TestTwoHosts(t *testing.T) {
	t.Parallel()
	c := newCloud(t, awstest.Options{})
	s := scenarios()[0]
	s.seed(c)
	first, second := newHost(t, c, s.file), newHost(t, c, s.file)
	first.onSleep = func() {
		first.onSleep = nil
		second.fails(ExitLocked, "host1", "--take-lock")
	}
	first.done()
	second.people, second.database = first.people, first.database
	c.Advance(time.Minute)
	before := len(c.Directories())
	second.done()
	if n := len(c.Directories()); n != before {
		t.Errorf("%d directories", n)
	}
	first.right(s)
}

// A bootstrap that died keeps its lock, until somebody takes it.
func TestTakeLock(t *testing.T) {
	t.Parallel()
	c := newCloud(t, awstest.Options{})
	s := scenarios()[0]
	s.seed(c)
	dead, other := newHost(t, c, s.file), newHost(t, c, s.file)
	dead.killAt = 12
	dead.apply()
	other.fails(ExitLocked, "host1")
	other.takeLock = true
	other.done()
	other.right(s)
}

// Ended by the operator while it waits, it says so, gives the lock back and goes on later.
func TestEndedEarly(t *testing.T) {
	t.Parallel()
	c := newCloud(t, awstest.Options{})
	s := scenarios()[0]
	s.seed(c)
	h := newHost(t, c, s.file)
	o := h.options()
	ctx, cancel := context.WithCancel(t.Context())
	sleep := o.Sleep
	o.Sleep = func(ctx context.Context, d time.Duration) error {
		if len(c.Directories()) == 1 {
			cancel()
		}
		return sleep(ctx, d)
	}
	_, err := Apply(ctx, o)
	if e := problem("", err); e.Exit != ExitWaiting || !strings.Contains(e.Next, "run it again") {
		t.Errorf("exit %d, %s", e.Exit, e.Next)
	}
	h.done()
	h.right(s)
}

// A directory that is there is taken where that is said, and nothing is made.
func TestAdopt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, from, to, kind string }{
		{"by its name", "edition: Standard", "adopt: true", "MicrosoftAD"},
		{"by its id", "edition: Standard, vpc: vpc-00000001, subnets: [subnet-0000000a, subnet-0000000b]", "id: d-0123456789", "MicrosoftAD"},
		{"shared by another account", "edition: Standard, vpc: vpc-00000001, subnets: [subnet-0000000a, subnet-0000000b]", "id: d-0123456789", "SharedMicrosoftAD"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cloud := newCloud(t, awstest.Options{})
			addOrders(cloud)
			d := awstest.Directory{ID: "d-0123456789", Name: "corp.example.com", ShortName: "CORP", VPC: "vpc-00000001", Subnets: []string{"subnet-0000000a", "subnet-0000000b"}, Type: c.kind, Password: "The-Secret-4711"}
			if c.kind == "SharedMicrosoftAD" {
				d.OwnerAccount, d.OwnerDirectory = "210987654321", "d-9876543210"
			}
			cloud.AddDirectory(d)
			cloud.AddSecret("kerbagent/corp/admin", d.Password)
			h := newHost(t, cloud, strings.Replace(wish(modifyMode, ""), c.from, c.to, 1))
			h.done()
			h.right(scenarios()[0])
			for _, call := range cloud.Mutations() {
				if call.Service == "ds" {
					t.Errorf("made %s", call.Action)
				}
			}
			h.as(h.policy(ForApply))
			h.done()
		})
	}
}
