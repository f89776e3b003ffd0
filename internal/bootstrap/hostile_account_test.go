package bootstrap

import (
	"errors"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/internal/awsapi"
	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

// What an account refuses for a reason of its own, in the words of its services: what is to be done depends on who refuses,
// and "ask for this permission" or "fix that" is no answer to most of it.
func TestWhatAnAccountRefuses(t *testing.T) {
	t.Parallel()
	who := "User: arn:aws:sts::123456789012:assumed-role/operator/me is not authorized to perform: "
	create := wish(createMode, "")
	for _, c := range []struct {
		name, file    string
		action        string
		code, message string
		exit          Exit
		words         []string
		without       string // what is no remedy
	}{
		// IAM User Guide, "Troubleshoot access denied error messages".
		{"an organization's policy denies", "", "CreateMicrosoftAD", "AccessDeniedException", who + "ds:CreateMicrosoftAD on resource: * with an explicit deny in a service control policy",
			ExitPermission, []string{"ds:CreateMicrosoftAD", "service control policy", "AWS Organization"}, "ask for this permission"},
		{"an organization's policy does not allow", "", "CreateRole", "AccessDenied", who + "iam:CreateRole on resource: arn:aws:iam::123456789012:role/x because no service control policy allows the iam:CreateRole action",
			ExitPermission, []string{"iam:CreateRole", "service control policy", "AWS Organization"}, "ask for this permission"},
		{"a permissions boundary", "", "CreateMicrosoftAD", "AccessDeniedException", who + "ds:CreateMicrosoftAD on resource: * because no permissions boundary allows the ds:CreateMicrosoftAD action",
			ExitPermission, []string{"ds:CreateMicrosoftAD", "permissions boundary"}, "ask for this permission"},
		{"the policy of a VPC endpoint", "", "CreateSecret", "AccessDeniedException", who + "secretsmanager:CreateSecret on resource: kerbagent because no VPC endpoint policy allows the secretsmanager:CreateSecret action",
			ExitPermission, []string{"secretsmanager:CreateSecret", "VPC endpoint"}, "ask for this permission"},
		{"a session policy", "", "ModifyDBCluster", "AccessDenied", who + "rds:ModifyDBCluster on resource: arn:aws:rds:us-east-1:123456789012:cluster:orders because no session policy allows the rds:ModifyDBCluster action",
			ExitPermission, []string{"rds:ModifyDBCluster", "session policy"}, "ask for this permission"},
		{"an explicit deny of its own", "", "CreateMicrosoftAD", "AccessDeniedException", who + "ds:CreateMicrosoftAD on resource: * with an explicit deny in an identity-based policy: arn:aws:iam::123456789012:policy/no",
			ExitPermission, []string{"ds:CreateMicrosoftAD", "Deny"}, "ask for this permission"},
		{"nothing allows it", "", "CreateMicrosoftAD", "AccessDeniedException", who + "ds:CreateMicrosoftAD on resource: * because no identity-based policy allows the ds:CreateMicrosoftAD action",
			ExitPermission, []string{"ask for this permission", `"ds:CreateMicrosoftAD"`}, "AWS Organization"},
		// The errors of each operation in its service's API reference.
		{"too many directories", "", "CreateMicrosoftAD", "DirectoryLimitExceededException", "Domain Controllers limit exceeded.", ExitFailed, []string{"DirectoryLimitExceeded", "quota", "service-quotas"}, ""},
		{"too many secrets", "", "CreateSecret", "LimitExceededException", "The request failed because it would exceed one of the Secrets Manager quotas.", ExitFailed, []string{"LimitExceeded", "quota"}, ""},
		{"too many roles", "", "CreateRole", "LimitExceeded", "Cannot exceed quota for RolesPerAccount: 1000", ExitFailed, []string{"RolesPerAccount", "quota"}, ""},
		{"too many clusters", create, "CreateDBCluster", "DBClusterQuotaExceededFault", "DB cluster quota exceeded.", ExitFailed, []string{"DBClusterQuotaExceeded", "quota"}, ""},
		{"too many instances", create, "CreateDBInstance", "InstanceQuotaExceeded", "DB instance quota exceeded.", ExitFailed, []string{"InstanceQuotaExceeded", "quota"}, ""},
		{"no capacity for the class", create, "CreateDBInstance", "InsufficientDBInstanceCapacity", "The requested DB instance class isn't available in the specified Availability Zone.",
			ExitFailed, []string{"capacity", "later"}, ""},
		// Amazon EC2 API Reference, "Error codes".
		{"an account that is not verified yet", "", "DescribeSubnets", "PendingVerification", "Your account is currently being verified.", ExitFailed, []string{"PendingVerification", "account", "AWS Support"}, ""},
		{"a service that the account has not", "", "DescribeDirectories", "OptInRequired", "The AWS Access Key Id needs a subscription for the service", ExitFailed, []string{"OptInRequired", "account", "AWS Support"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cloud := newCloud(t, awstest.Options{})
			file := c.file
			if file == "" {
				file = wish(modifyMode, "")
				addOrders(cloud)
			}
			h := newHost(t, cloud, file)
			cloud.Fault(awstest.Match{Action: c.action}, awstest.Refuse(c.code, c.message))
			e := h.fails(c.exit, c.words...)
			for _, again := range h.told(EventAgain) {
				if strings.Contains(again.Text, c.code) {
					t.Errorf("it waited for what does not pass: %s", again.Text)
				}
			}
			if c.without != "" && strings.Contains(e.Next, c.without) {
				t.Errorf("no remedy: %s", e.Next)
			}
			h.noSecretsIn(Report{Error: e})
		})
	}
}

// A role that is seconds old is not known to all of IAM yet ("Changes that I make are not always immediately visible", IAM User Guide).
// It used to end the run.
func TestARoleThatIsSecondsOld(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"AttachRolePolicy", "ListAttachedRolePolicies"} {
		cloud := newCloud(t, awstest.Options{})
		addOrders(cloud)
		h := newHost(t, cloud, wish(modifyMode, ""))
		cloud.Fault(awstest.Match{Action: action, Nth: 1}, awstest.Refuse("NoSuchEntity", "The role with name rds-directoryservice-kerberos-access-role cannot be found."))
		h.done()
		h.right(scenarios()[0])
	}
}

// The role that is made has the path and the boundary that the file names.
func TestARoleWithPathAndBoundary(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, awstest.Options{})
	addOrders(cloud)
	boundary := cloud.AddPolicy("limit", guideRole)
	h := newHost(t, cloud, wish(modifyMode, "  role: {path: /service/, permissions_boundary: \""+boundary+"\"}\n"))
	h.done()
	role := cloud.Roles()[0]
	if role.Path != "/service/" || role.Boundary != boundary {
		t.Errorf("path %q, boundary %q", role.Path, role.Boundary)
	}
}

// A person whom the administrator of IAM Identity Center has taken the permission set has a session, and logging in again does not help.
func TestSSOWithoutAccess(t *testing.T) {
	said := awsapi.CredentialTrouble(errors.New("operation error SSO: GetRoleCredentials, https response error StatusCode: 403, RequestID: x, ForbiddenException: No access"), newCloud(t, awstest.Options{}).Now(), "us-east-1")
	if strings.Contains(said.Text, "expired") || !strings.Contains(said.Text, "no access") || !strings.Contains(said.Next, "administrator of IAM Identity Center") {
		t.Errorf("%q, %q", said.Text, said.Next)
	}
}
