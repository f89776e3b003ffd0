package bootstrap

import (
	"errors"
	"slices"
	"strings"
	"testing"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

const kerberosRole = "rds-directoryservice-kerberos-access-role"

// What other tools and people have left in an account.
func TestWhatOthersHaveLeft(t *testing.T) {
	t.Parallel()
	selective := strings.Replace(withTrust, "direction:", "selective_auth: true, direction:", 1)
	for name, c := range map[string]struct {
		file  string
		seed  func(*host)
		exit  Exit
		words []string
		notes string // of a run that is done
	}{
		// It was taken as it is, and the file's restriction was nowhere.
		"a trust without the selective authentication of the file": {wish(modifyMode, selective), func(h *host) { h.trusted("") }, ExitFailed,
			[]string{"selective_auth: true is configured", "aws ds update-trust --region us-east-1 --trust-id t-", "--selective-auth Enabled"}, ""},
		// Its users needed a right that nobody told them of.
		"a trust with selective authentication": {wish(modifyMode, withTrust), func(h *host) { h.trusted("selective_auth: true, ") }, ExitDone, nil,
			"Allowed to authenticate"},
		// It was said to be good, as the managed policy is there.
		"a role whose other policy denies it": {wish(modifyMode, ""), func(h *host) {
			h.cloud.AddRole(awstest.Role{Name: kerberosRole, Trust: hardenedFor("123456789012", "directoryservice.rds.amazonaws.com", "rds.amazonaws.com"),
				Attached: []string{"arn:aws:iam::aws:policy/service-role/AmazonRDSDirectoryServiceAccess"},
				Inline:   map[string]string{"no": `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"ds:*","Resource":"*"}]}`}})
		}, ExitFailed, []string{"a policy of the role " + kerberosRole + " denies"}, ""},
		// StringEquals takes * for a character; it was read as StringLike.
		"a role with a pattern under StringEquals": {wish(modifyMode, ""), func(h *host) {
			h.cloud.AddRole(awstest.Role{Name: kerberosRole, Attached: []string{"arn:aws:iam::aws:policy/service-role/AmazonRDSDirectoryServiceAccess"},
				Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["directoryservice.rds.amazonaws.com","rds.amazonaws.com"]},"Action":"sts:AssumeRole",` +
					`"Condition":{"StringEquals":{"aws:SourceArn":"arn:aws:rds:us-east-1:123456789012:cluster:*"}}}]}`})
		}, ExitFailed, []string{"its conditions or a Deny statement keep it out"}, ""},
		// It was waited for, and nothing said what to do.
		"a lock that was deleted with a time for its recovery": {wish(modifyMode, ""), func(h *host) {
			h.cloud.AddSecret(lockName, "x")
			h.cloud.DeleteSecretLater(lockName)
		}, ExitFailed, []string{"deleted with a time for its recovery", "aws secretsmanager delete-secret --region us-east-1 --secret-id " + lockName}, ""},
		// A second one was planned without a word.
		"a directory of the name in another VPC": {wish(modifyMode, ""), func(h *host) {
			h.cloud.AddVPC("vpc-00000009", "10.9.0.0/16")
			h.cloud.AddSubnet("subnet-00000009", "vpc-00000009", "10.9.1.0/24", "us-east-1a", "use1-az1")
			h.cloud.AddSubnet("subnet-00000008", "vpc-00000009", "10.9.2.0/24", "us-east-1b", "use1-az2")
			h.cloud.AddDirectory(awstest.Directory{Name: "corp.example.com", ShortName: "CORP", VPC: "vpc-00000009", Subnets: []string{"subnet-00000009", "subnet-00000008"}})
		}, ExitDone, nil, "in vpc-00000009: if that one is meant, write directory.id"},
		// "There is no such secret: write its name to have it made."
		"a secret of another Region": {strings.Replace(wish(modifyMode, ""), "kerbagent/corp/bob", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:bob-AbCdEf", 1), nil,
			ExitUsage, []string{"secret:bob-AbCdEf is in the Region eu-west-1, and bootstrap works in us-east-1"}, ""},
		"a key of another Region": {wish(modifyMode, "  secrets_kms_key: \"arn:aws:kms:eu-west-1:123456789012:key/0c000000-0000-4000-8000-00000000d0f4\"\n"), nil,
			ExitUsage, []string{"is in the Region eu-west-1"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud := newCloud(t, awstest.Options{})
			addOrders(cloud)
			cloud.OtherSide("onprem.local", trustPassword)
			h := newHost(t, cloud, c.file)
			if c.seed != nil {
				c.seed(h)
			}
			before := len(cloud.Mutations())
			if c.exit == ExitDone {
				h.done()
				if !slices.ContainsFunc(h.told(EventNote), func(e Event) bool { return strings.Contains(e.Text, c.notes) }) {
					t.Errorf("not said: %s", c.notes)
				}
				return
			}
			h.noSecretsIn(Report{Error: h.fails(c.exit, c.words...)})
			if n := len(cloud.Mutations()); c.exit == ExitUsage && n != before {
				t.Errorf("%d changes", n-before)
			}
		})
	}
}

// trusted sets everything up with a trust, and leaves another host's file to be tried.
func (h *host) trusted(more string) {
	h.t.Helper()
	other := newHost(h.t, h.cloud, wish(modifyMode, strings.Replace(withTrust, "direction:", more+"direction:", 1)))
	other.people, other.database = h.people, h.database
	other.done()
}

// A profile whose role does not let one in is not "log in again".
func TestARoleThatCannotBeAssumed(t *testing.T) {
	cloud := newCloud(t, awstest.Options{})
	h := newHost(t, cloud, wish(modifyMode, ""))
	newcomer(t, h, strings.ReplaceAll(withMFA, "mfa_serial", "role_session_name = me\n# mfa_serial"))
	cloud.Fault(awstest.Match{Action: "AssumeRole"}, awstest.Refuse("AccessDenied", "User: arn:aws:iam::123456789012:user/operator is not "+
		"authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/operator"))
	o := h.options()
	var e *Error
	clients, err := Connect(t.Context(), "us-east-1", "mfa", nil, awsconfig.WithHTTPClient(toCloud(cloud.URL())))
	if o.AWS = clients; err == nil {
		_, err = Plan(t.Context(), o)
	}
	if !errors.As(err, &e) || e.Exit != ExitCredentials || !strings.Contains(e.Text, "the role of the AWS profile cannot be assumed") || strings.Contains(e.Next, "log in") {
		t.Errorf("%v", err)
	}
}

// A tag that AWS refuses was found out after a password had been stored.
func TestTagsThatAWSRefuses(t *testing.T) {
	for tag, good := range map[string]bool{`"te*am": "x"`: false, `"team": "a#b"`: false, `"tëam +-=._:/@": "a b"`: true, `"team": ""`: true} {
		h := newHost(t, newCloud(t, awstest.Options{}), strings.Replace(wish(modifyMode, ""), "team: database", tag, 1))
		if _, err := config.LoadBootstrap(h.file); (err == nil) != good {
			t.Errorf("%s: %v", tag, err)
		}
	}
}
