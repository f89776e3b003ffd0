package bootstrap

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/config"
)

// What the Aurora user guide says of the seven steps, in its order, and the words by
// which docs/bootstrap.md answers it: with what kerbagent does, with what it does
// in another way and why, or with what it leaves to a person.
func TestTheDocsAnswerTheGuide(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "bootstrap.md"))
	if err != nil {
		t.Fatal(err)
	}
	docs := strings.Join(strings.Fields(regexp.MustCompile("[`*]").ReplaceAllString(string(b), "")), " ")
	_, section, found := strings.Cut(docs, "## The guide and kerbagent")
	section, _, ended := strings.Cut(section, " ## ")
	if !found || !ended {
		t.Fatal("there is no section The guide and kerbagent")
	}
	for _, s := range []struct{ guide, answer string }{
		// Step 1
		{"two domain controllers, in different subnets, in different zones", "the two subnets"},
		{"an administrator named Admin, with the password given", "the Admin's password"},
		{"save the password: it cannot be retrieved", "before the directory exists, because it cannot be read back"},
		{"a security group for the directory controllers", "the domain controllers' security group"},
		{"an OU that has the NetBIOS name", "OU=Users,OU=<short name>"},
		{"AWS Managed Microsoft AD is the only option", "Aurora MySQL joins AWS Managed Microsoft AD only"},
		{"it takes several minutes until it is Active", "20 to 45 minutes"},
		{"the directory's id is needed for the cluster", "To use an existing directory, set id"},
		// Step 2
		{"a forest trust, one-way or two-way", "creates AWS's half of the trust"},
		{"DNS suffix routing for the trust", "(name suffix routing)"},
		// Step 3
		{"a role with AmazonRDSDirectoryServiceAccess", "creates the IAM role with the managed policy"},
		{"or the two documents in its place", "(or with the guide's documents: policy: inline)"},
		// Step 5
		{"create, modify, or restore from a snapshot or to a point in time", "create, restore from a snapshot, restore to a moment, or modify"},
		{"the cluster may be in another VPC", "for a cluster in another VPC, the directory's"},
		{"its security group lets it out to the directory", "the security groups' way to the directory"},
		{"reboot the readers after a modify", "reboots the readers that existed before, one at a time"},
		// Step 6
		{"connect as the primary user", "logs in as the primary user over verified TLS"},
		{"CREATE USER ... IDENTIFIED WITH 'authentication_kerberos'", "runs the missing CREATE USER, ALTER USER and GRANT statements"},
		{"ALTER USER of an existing login", "its applications can then no longer log in with the password"},
		// Step 7
		{"a krb5.conf", "writes krb5.conf"},
		{"verify the traffic on 53, 88, 464 and the database's port", "the domain controllers, 53, 88, 389 and 464"},
	} {
		if !strings.Contains(docs, s.answer) {
			t.Errorf("%s: the docs do not say %q", s.guide, s.answer)
		}
	}
	for _, s := range []struct{ guide, answer string }{
		// What is different on purpose, and what kerbagent cannot do for a person.
		{"create users with Active Directory Users and Computers", "LDAP (port 389, Kerberos-sealed) and kpasswd (464), as Admin"},
		{"on a Windows host that is joined to the domain", "no Windows host and no domain join is needed"},
		{"modify-db-cluster as it stands", "the same with ApplyImmediately"},
		{"the two service principals", "opt-in Regions' own principal"},
		{"kdc and admin_server of the domain's name", "no admin_server"},
		{".rds.amazonaws.com and others in [domain_realm]", "the databases' own names"},
		{"the parameter authentication_kerberos_caseins_cmp", "authentication_kerberos_caseins_cmp"},
		{"connect with mysql", "its own code, and gokrb5's messages and cryptography"},
		{"Windows clients: the directory's domain name in the endpoint", "they connect by the domain name of the AWS directory in the endpoint, not rds.amazonaws.com"},
		{"Windows clients: no custom endpoints", "they cannot use Aurora custom endpoints (config check notes a cluster-custom- endpoint)"},
		{"Windows clients, global databases: the primary Region", "they can use the instance endpoints, and the cluster endpoint of the primary Region only"},
		{"Windows clients, global databases: not the secondary Regions", "they cannot use cluster endpoints of secondary Regions"},
		{"the example's user Admin@'%'", "Admin@'%', the guide's example, is not the primary user admin"},
		{"only clusters in a VPC", "Kerberos works only for clusters in a VPC"},
		{"the on-premises domain's suffix routing", "bootstrap prints the command each time"},
	} {
		if !strings.Contains(section, s.answer) {
			t.Errorf("%s: the section does not say %q", s.guide, s.answer)
		}
	}
	cfg, err := config.Parse("kerbagent.yaml", []byte("realms: {A.TEST: {}}\ndatabases: {one: {endpoint: reports.cluster-custom-abc.us-east-1.rds.amazonaws.com}}\n"))
	if err != nil || !strings.Contains(strings.Join(cfg.Notes(), " "), "custom endpoint, which Windows clients") {
		t.Errorf("no note on a custom endpoint: %v", err)
	}
}
