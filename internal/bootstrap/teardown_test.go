package bootstrap

import (
	"slices"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

// What bootstrap made is listed in reverse order, what it did not make is not, and
// nothing is changed.
func TestTeardown(t *testing.T) {
	t.Parallel()
	commands := func(h *host) (out []string) {
		t.Helper()
		before, files := len(h.cloud.Mutations()), h.files()
		lines, err := Teardown(t.Context(), h.options())
		if err != nil || len(h.cloud.Mutations()) != before || !slices.Equal(h.files(), files) {
			t.Fatalf("%v; %d changes", err, len(h.cloud.Mutations())-before)
		}
		for _, l := range lines {
			if !strings.HasPrefix(l, "#") {
				out = append(out, strings.Join(strings.Fields(l)[:min(3, len(strings.Fields(l)))], " "))
			}
		}
		return out
	}
	for name, c := range map[string]struct {
		file string
		seed func(*awstest.Cloud)
		want []string
	}{
		"made by it": {wish(createMode, withTrust), func(c *awstest.Cloud) { c.OtherSide("onprem.local", trustPassword) },
			[]string{"DROP USER 'alice'@'%';", "DROP USER 'bob'@'10.0.%';", "aws rds delete-db-instance", "aws rds delete-db-instance", "aws rds delete-db-cluster", "Remove-ADUser -Identity alice", "Remove-ADUser -Identity bob",
				"aws iam detach-role-policy", "aws iam delete-role", "aws ds delete-trust", "aws ds delete-directory", "aws secretsmanager delete-secret", "aws secretsmanager delete-secret"}},
		"joined by it": {strings.Replace(wish(modifyMode, ""), "edition: Standard", "adopt: true", 1), func(c *awstest.Cloud) {
			addOrders(c)
			c.AddDirectory(awstest.Directory{Name: "corp.example.com", ShortName: "CORP", VPC: "vpc-00000001", Subnets: []string{"subnet-0000000a", "subnet-0000000b"}, Password: "The-Secret-4711"})
			c.AddSecret("kerbagent/corp/admin", "The-Secret-4711")
			c.AddSecret("kerbagent/corp/bob", "Bob-Secret-4711")
			c.AddRole(awstest.Role{Name: roleName, Trust: guideTrust, Inline: map[string]string{"x": guideRole}})
		}, []string{"DROP USER 'alice'@'%';", "DROP USER 'bob'@'10.0.%';", "aws rds modify-db-cluster", "Remove-ADUser -Identity alice", "Remove-ADUser -Identity bob"}},
	} {
		t.Run(name, func(t *testing.T) {
			cloud := newCloud(t, awstest.Options{})
			c.seed(cloud)
			h := newHost(t, cloud, c.file)
			if got := commands(h); len(got) > 0 && name == "made by it" {
				t.Errorf("before: %q", got)
			}
			h.done()
			if got := commands(h); !slices.Equal(got, c.want) {
				t.Errorf("listed %q, want %q", got, c.want)
			}
		})
	}
}
