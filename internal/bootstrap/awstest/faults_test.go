package awstest

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

func TestFaults(t *testing.T) {
	for name, test := range map[string]struct {
		fault  Fault
		code   string
		effect bool
	}{
		"throttled":                   {Throttle(), "ThrottlingException", false},
		"cut before":                  {DropBefore(), "", false},
		"cut after":                   {DropAfter(), "", true},
		"internal error":              {InternalBefore(), "InternalFailure", false},
		"internal error, done though": {InternalAfter(), "InternalFailure", true},
		"unavailable":                 {Unavailable(), "ServiceUnavailable", false},
		"denied":                      {Denied(), "AccessDeniedException", false},
		"expired":                     {Expired(), "ExpiredTokenException", false},
		"a code of the service's own": {Refuse("ClientException", "no"), "ClientException", false},
	} {
		t.Run(name, func(t *testing.T) {
			c := world(t, Options{})
			c.Fault(Match{Service: "ds", Action: "CreateMicrosoftAD", Nth: 2}, test.fault)
			k := admin(c).ds
			must[*directoryservice.CreateMicrosoftADOutput](t)(k.CreateMicrosoftAD(t.Context(), directoryInput()))
			_, err := k.CreateMicrosoftAD(t.Context(), directoryInput())
			if err == nil || code(err) != test.code {
				t.Errorf("error %v, want code %q", err, test.code)
			}
			must[*directoryservice.CreateMicrosoftADOutput](t)(k.CreateMicrosoftAD(t.Context(), directoryInput()))
			want := 2
			if test.effect {
				want = 3
			}
			if n := len(c.Directories()); n != want || len(c.Mutations()) != want {
				t.Errorf("%d directories and %d mutations, want %d", n, len(c.Mutations()), want)
			}
		})
	}
}

func TestReadsLag(t *testing.T) {
	c := world(t, Options{ReadLag: 20 * time.Second})
	c.Advance(time.Minute)
	k := admin(c).ds
	in := &directoryservice.DescribeDirectoriesInput{DirectoryIds: []string{*must[*directoryservice.CreateMicrosoftADOutput](t)(k.CreateMicrosoftAD(t.Context(), directoryInput())).DirectoryId}}
	if _, err := k.DescribeDirectories(t.Context(), in); code(err) != "EntityDoesNotExistException" {
		t.Errorf("at once: %v", err)
	}
	c.Advance(20 * time.Second)
	out := must[*directoryservice.DescribeDirectoriesOutput](t)(k.DescribeDirectories(t.Context(), in))
	if s := out.DirectoryDescriptions[0].Stage; s != types.DirectoryStageRequested || c.Directories()[0].Stage != "Creating" {
		t.Errorf("seen %s, is %s", s, c.Directories()[0].Stage)
	}
}

func TestStaleRead(t *testing.T) {
	c := world(t, Options{})
	c.Fault(Match{Action: "DescribeSecret", Nth: 1}, Stale())
	k := admin(c).sm
	must[*secretsmanager.CreateSecretOutput](t)(k.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: ptr("kerbagent/x"), SecretString: ptr("1")}))
	in := &secretsmanager.DescribeSecretInput{SecretId: ptr("kerbagent/x")}
	if _, err := k.DescribeSecret(t.Context(), in); code(err) != "ResourceNotFoundException" {
		t.Errorf("the stale read: %v", err)
	}
	must[*secretsmanager.DescribeSecretOutput](t)(k.DescribeSecret(t.Context(), in))
}

func TestDirectoryFails(t *testing.T) {
	c := world(t, Options{})
	c.Fault(Match{Action: "CreateMicrosoftAD"}, Fails("no capacity"))
	must[*directoryservice.CreateMicrosoftADOutput](t)(admin(c).ds.CreateMicrosoftAD(t.Context(), directoryInput()))
	c.Advance(time.Hour)
	if d := c.Directories()[0]; d.Stage != "Failed" || d.StageReason != "no capacity" {
		t.Errorf("%s %q", d.Stage, d.StageReason)
	}
}

func TestDeniedNamesThePermission(t *testing.T) {
	c := world(t, Options{})
	d := seedJoinable(c)
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["rds:*","ec2:DescribeVpcs"],"Resource":"*"},` +
		`{"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"StringEquals":{"iam:PassedToService":"ds.amazonaws.com"}}}]}`
	if err := c.AddUser("operator", "AKIAOP", "op", policy); err != nil {
		t.Fatal(err)
	}
	k := clients(c, "AKIAOP", "op", "")
	must[*ec2.DescribeVpcsOutput](t)(k.ec2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{}))
	_, err := k.rds.ModifyDBCluster(t.Context(), &rds.ModifyDBClusterInput{DBClusterIdentifier: ptr("orders"), Domain: &d, DomainIAMRoleName: ptr(roleName)})
	if code(err) != "AccessDenied" || !strings.Contains(err.Error(), "not authorized to perform: iam:PassRole on resource: arn:aws:iam::123456789012:role/"+roleName) {
		t.Errorf("PassRole to another service: %v", err)
	}
	if _, err := k.ec2.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{}); code(err) != "UnauthorizedOperation" {
		t.Errorf("EC2: %v", err)
	}
	if err := c.SetPolicies("AKIAOP", Everything); err != nil {
		t.Fatal(err)
	}
	must[*ec2.DescribeSubnetsOutput](t)(k.ec2.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{}))
	calls := c.Calls()
	if last := calls[1].Permissions; len(last) != 2 || last[0].Action != "rds:ModifyDBCluster" || last[1].Action != "iam:PassRole" {
		t.Errorf("permissions of the second call: %v", last)
	}
}

func TestSecretIsALock(t *testing.T) {
	c := world(t, Options{})
	k := admin(c).sm
	// The SDK writes its token into the input: the same input again is the same call again.
	in := func() *secretsmanager.CreateSecretInput {
		return &secretsmanager.CreateSecretInput{Name: ptr("kerbagent/lock"), SecretString: ptr("me")}
	}
	first := in()
	must[*secretsmanager.CreateSecretOutput](t)(k.CreateSecret(t.Context(), first))
	must[*secretsmanager.CreateSecretOutput](t)(k.CreateSecret(t.Context(), first))
	if _, err := k.CreateSecret(t.Context(), in()); code(err) != "ResourceExistsException" {
		t.Errorf("somebody else's: %v", err)
	}
	must[*secretsmanager.DeleteSecretOutput](t)(k.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: first.Name, ForceDeleteWithoutRecovery: ptr(true)}))
	if _, err := k.CreateSecret(t.Context(), in()); code(err) != "InvalidRequestException" {
		t.Errorf("while it is being deleted: %v", err)
	}
	c.Advance(deletionTime)
	must[*secretsmanager.CreateSecretOutput](t)(k.CreateSecret(t.Context(), in()))
}

func TestMissingSecretIsDenied(t *testing.T) {
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["secretsmanager:GetSecretValue","secretsmanager:CreateSecret"],` +
		`"Resource":"arn:aws:secretsmanager:us-east-1:123456789012:secret:kerbagent/x-??????"}]}`
	for name, test := range map[string]struct {
		lenient bool
		want    string
	}{"as AWS": {false, "AccessDeniedException"}, "lenient": {true, "ResourceNotFoundException"}} {
		t.Run(name, func(t *testing.T) {
			c := world(t, Options{LenientSecrets: test.lenient})
			if err := c.AddUser("operator", "AKIAOP", "op", policy); err != nil {
				t.Fatal(err)
			}
			k := clients(c, "AKIAOP", "op", "").sm
			in := &secretsmanager.GetSecretValueInput{SecretId: ptr("kerbagent/x")}
			if _, err := k.GetSecretValue(t.Context(), in); code(err) != test.want {
				t.Errorf("before it is there: %v, want %s", err, test.want)
			}
			must[*secretsmanager.CreateSecretOutput](t)(k.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: in.SecretId, SecretString: ptr("1")}))
			must[*secretsmanager.GetSecretValueOutput](t)(k.GetSecretValue(t.Context(), in))
		})
	}
}
