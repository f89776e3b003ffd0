package config

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const goodBootstrap = `# realms and databases are not there yet
bootstrap:
  account: "012345678901"
  region: us-east-1
  tags: {team: database}
  directory: {name: Corp.example.com, edition: Enterprise, vpc: vpc-00000001, subnets: [subnet-0000000a, subnet-0000000b], admin_password: "secretsmanager:kerbagent/corp/admin"}
  trust: {domain: onprem.local, direction: two-way, dns_servers: [192.0.2.53], password: "credential:trust"}
  users: [{name: alice, password: "file:alice"}]
  cluster: {mode: restore-time, identifier: Orders, source: shop, restore_to: 2026-11-22T03:00:00Z, instance_class: db.r6g.large, subnet_group: databases, security_groups: [sg-00000001], primary_password: "secretsmanager:orders#password", wait: 6h}
  database_users:
    - {user: alice, host: "10.0.%", grants: ["SELECT, INSERT ON orders.*"], convert: true}
    - {user: etl@ONPREM.LOCAL, keytab: etl.keytab}
`

func TestParseBootstrap(t *testing.T) {
	got, err := ParseBootstrap("/etc/kerbagent/kerbagent.yaml", []byte(goodBootstrap))
	if err != nil {
		t.Fatal(err)
	}
	want := &Bootstrap{
		File: "/etc/kerbagent/kerbagent.yaml", Account: "012345678901", Region: "us-east-1", Tags: map[string]string{"team": "database"},
		Directory: BootstrapDirectory{Name: "corp.example.com", ShortName: "CORP", Edition: "Enterprise", VPC: "vpc-00000001", Subnets: []string{"subnet-0000000a", "subnet-0000000b"},
			AdminPassword: BootstrapSecret{Manager: "kerbagent/corp/admin"}},
		Trust: &BootstrapTrust{Domain: "onprem.local", ShortName: "ONPREM", TwoWay: true, DNSServers: []netip.Addr{netip.MustParseAddr("192.0.2.53")},
			Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.53/32")}, Password: BootstrapSecret{Local: SecretRef{credential: "trust"}}},
		Role:  BootstrapRole{Name: DefaultRoleName, Path: "/", Manage: true},
		Users: []BootstrapUser{{Name: "alice", Password: BootstrapSecret{Local: SecretRef{path: "/etc/kerbagent/alice"}}}},
		Cluster: BootstrapCluster{Mode: ClusterRestoreTime, Identifier: "orders", Source: "shop", RestoreTo: time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC), InstanceClass: "db.r6g.large",
			Instances: 1, SubnetGroup: "databases", SecurityGroups: []string{"sg-00000001"}, PrimaryUser: "admin", PrimaryPassword: BootstrapSecret{Manager: "orders", Key: "password"}, Wait: 6 * time.Hour},
		DatabaseUsers: []BootstrapDatabaseUser{
			{User: "alice", Realm: "CORP.EXAMPLE.COM", Host: "10.0.%", Grants: []Grant{{Privileges: []string{"SELECT", "INSERT"}, Database: "orders", Table: "*"}}, Convert: true},
			{User: "etl", Realm: "ONPREM.LOCAL", Host: "%", SecretKind: Keytab, Secret: SecretRef{path: "/etc/kerbagent/etl.keytab"}},
		},
		Client: BootstrapClient{Config: "/etc/kerbagent/kerbagent.yaml", Krb5Conf: DefaultKrb5ConfPath},
	}
	opts := cmp.Options{cmp.AllowUnexported(SecretRef{}), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})}
	if diff := cmp.Diff(want, got, opts); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// The schema takes what the reader takes, with the rest of the file too.
func TestSchemaTakesBootstrap(t *testing.T) {
	s := compileSchema(t)
	if err := valid(s, []byte(goodBootstrap+"realms: {CORP.EXAMPLE.COM: {}}\n")); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{strings.Replace(goodBootstrap, "region:", "regin:", 1), strings.Replace(goodBootstrap, "convert:", "convrt:", 1), strings.Replace(goodBootstrap, `"file:alice"`, "alice", 1)} {
		if valid(s, []byte(bad+"realms: {CORP.EXAMPLE.COM: {}}\n")) == nil {
			t.Errorf("the schema takes\n%s", bad)
		}
	}
}

// Each is one change to the good file, and what is said of it.
func TestBootstrapProblems(t *testing.T) {
	long := strings.Repeat("corp.", 10) + "example.test" // 62 characters
	for _, c := range []struct{ name, from, to, path, words string }{
		{"no bootstrap part", "bootstrap:", "realms:", "bootstrap", "is missing"},
		{"unknown key", "region: us-east-1", "regin: us-east-1", "bootstrap.regin", `did you mean "region"?`},
		{"an account that is none", `"012345678901"`, "12345", "bootstrap.account", "twelve digits"},
		{"a boundary that is none", "users: [", "role: {permissions_boundary: limits}\n  users: [", "bootstrap.role.permissions_boundary", "not the ARN of a policy"},
		{"a change to somebody's role", "users: [", "role: {manage: false, repair: true}\n  users: [", "bootstrap.role.repair", "no use beside manage: false"},
		{"a Region that is none", "us-east-1", "Virginia", "bootstrap.region", "is not a Region"},
		{"a tag of AWS's", "team: database", `"aws:team": x`, `bootstrap.tags."aws:team"`, "is not a tag"},
		{"one subnet", ", subnet-0000000b]", "]", "bootstrap.directory.subnets", "two subnets"},
		{"one subnet twice", "subnet-0000000b", "subnet-0000000a", "bootstrap.directory.subnets[1]", "duplicate"},
		{"a name of 62 characters", "Corp.example.com", long, "bootstrap.directory.name", "62 characters"},
		{"a name of one label", "Corp.example.com", "corp", "bootstrap.directory.name", "one label"},
		{"a long NetBIOS name", "edition: Enterprise", "short_name: SIXTEENCHARACTER", "bootstrap.directory.short_name", "1 to 15"},
		{"a NetBIOS clash", "domain: onprem.local", "domain: corp.local", "bootstrap.trust.domain", "NetBIOS name CORP"},
		{"a trust with itself", "domain: onprem.local", "domain: corp.example.com", "bootstrap.trust.domain", "itself"},
		{"no DNS servers for the trust", "dns_servers: [192.0.2.53], ", "", "bootstrap.trust", "one to four dns_servers"},
		{"an edition that is none", "Enterprise", "Hybrid", "bootstrap.directory.edition", "Standard, Enterprise"},
		{"the password itself", `"file:alice"`, "hunter2", "bootstrap.users[0].password", "the password itself never stands here"},
		{"an id with a VPC", "directory: {", "directory: {id: d-0123456789, ", "bootstrap.directory.vpc", "no use beside id"},
		{"no Admin password", `, admin_password: "secretsmanager:kerbagent/corp/admin"`, "", "bootstrap.directory", "admin_password"},
		{"an id that is none", "vpc-00000001", "vpc-x", "bootstrap.directory.vpc", "is not an id of AWS"},
		{"an ARN for the role", "users:", "role: {name: \"arn:aws:iam::1:role/x\"}\n  users:", "bootstrap.role.name", "not its ARN"},
		{"a user twice", "[{name: alice,", "[{name: Alice, password: \"file:x\"}, {name: alice,", "bootstrap.users[1].name", "duplicate"},
		{"a user that needs quoting", "[{name: alice,", "[{name: \"a=b\",", "bootstrap.users[0].name", "is not the name of a user"},
		{"a mode that is none", "restore-time", "rstore-time", "bootstrap.cluster.mode", "restore-time"},
		{"a key of another mode", "mode: restore-time", "mode: modify", "bootstrap.cluster.source", "no use in mode modify"},
		{"a key that the mode needs", "source: shop, ", "", "bootstrap.cluster", "either source"},
		{"a version without Kerberos", "mode: restore-time, identifier: Orders, source: shop, restore_to: 2026-11-22T03:00:00Z,", "mode: restore-snapshot, identifier: Orders, snapshot: shop, engine_version: 8.0.mysql_aurora.3.02.4,", "bootstrap.cluster.engine_version", "has no Kerberos"},
		{"a version of MySQL", "mode: restore-time, identifier: Orders, source: shop, restore_to: 2026-11-22T03:00:00Z,", "mode: restore-snapshot, identifier: Orders, snapshot: shop, engine_version: 5.7.44,", "bootstrap.cluster.engine_version", "not a version of Aurora MySQL"},
		{"serverless instances without capacity", "db.r6g.large", "db.serverless", "bootstrap.cluster.instance_class", "capacity units"},
		{"a capacity that is none", "db.r6g.large", "db.serverless, capacity: 16-8", "bootstrap.cluster.capacity", "0.5-16"},
		{"an engine version that does nothing", "source: shop,", "source: shop, engine_version: 8.0.mysql_aurora.3.04.0,", "bootstrap.cluster.engine_version", "no use in mode restore-time"},
		{"two sources", "source: shop,", "source: shop, source_resource: cluster-ABC,", "bootstrap.cluster", "either source"},
		{"a deleted source without its parameter group", "source: shop,", "source_resource: cluster-ABC,", "bootstrap.cluster.source_resource", "parameter_group"},
		{"a default parameter group that would have to change", "source: shop,", "source: shop, case_insensitive_users: true, parameter_group: default.aurora-mysql8.0,", "bootstrap.cluster.parameter_group", "nobody can change it"},
		{"a port that is none", "source: shop,", "source: shop, directory_ports: [88],", "bootstrap.cluster.directory_ports[0]", "tcp/88"},
		{"a copy of itself", "source: shop", "source: orders", "bootstrap.cluster.source", "another name"},
		{"a statement in a grant", "SELECT, INSERT ON orders.*", "SELECT ON orders.*; DROP", "bootstrap.database_users[0].grants[0]", "is not a grant"},
		{"a grant on nothing", "INSERT ON orders.*", "INSERT ON orders", "bootstrap.database_users[0].grants[0]", "like SELECT, INSERT ON orders.*"},
		{"a grant of a routine", "SELECT, INSERT ON orders.*", "EXECUTE ON PROCEDURE orders.refill", "bootstrap.database_users[0].grants[0]", "by hand"},
		{"a privilege that is none", "SELECT, INSERT ON", "SELEKT ON", "bootstrap.database_users[0].grants[0]", "SELEKT is no privilege"},
		{"a database's privilege on a table", "SELECT, INSERT ON orders.*", "EXECUTE ON orders.items", "bootstrap.database_users[0].grants[0]", "ON orders.*"},
		{"a server's privilege on a database", "SELECT, INSERT ON orders.*", "PROCESS ON orders.*", "bootstrap.database_users[0].grants[0]", "ON *.*"},
		{"all privileges on everything", "SELECT, INSERT ON orders.*", "ALL ON *.*", "bootstrap.database_users[0].grants[0]", "cannot grant them"},
		{"a realm that is not set up", "etl@ONPREM.LOCAL", "etl@OTHER.LOCAL", "bootstrap.database_users[1].user", "ONPREM.LOCAL"},
		{"no primary user's password", `primary_password: "secretsmanager:orders#password", `, "", "bootstrap.database_users", "cluster.primary_password"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(goodBootstrap, c.from, c.to, 1)
			if text == goodBootstrap {
				t.Fatal("the change changes nothing")
			}
			_, err := ParseBootstrap("/etc/kerbagent/kerbagent.yaml", []byte(text))
			var problems *Errors
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want *Errors", err)
			}
			for _, p := range problems.Problems {
				if p.Path == c.path && strings.Contains(p.Message, c.words) {
					if strings.Contains(err.Error(), "hunter2") {
						t.Error("a password is repeated")
					}
					return
				}
			}
			t.Errorf("no problem at %s with %q in\n%v", c.path, c.words, err)
		})
	}
}

func FuzzParseBootstrap(f *testing.F) {
	f.Add(goodBootstrap)
	f.Add("bootstrap:\n  cluster: {mode: modify}")
	f.Fuzz(func(t *testing.T, text string) {
		b, err := ParseBootstrap("/x/kerbagent.yaml", []byte(text))
		if (err == nil) != (b != nil) {
			t.Errorf("got %v and %v", b, err)
		}
	})
}
