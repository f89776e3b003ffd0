package config

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Each invalid file has one thing wrong, and its golden file what is said of it.
func TestInvalidFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/invalid-*.yaml")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse("kerbagent.yaml", b)
			var all *Errors
			if !errors.As(err, &all) {
				t.Fatalf("got %v", err)
			}
			if len(all.Problems) != 1 {
				t.Errorf("%d problems in a file with one", len(all.Problems))
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			got := err.Error() + "\n"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func parseFile(t *testing.T, name string) *Config {
	t.Helper()
	c, err := Load("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func addrs(list ...string) []netip.AddrPort {
	var out []netip.AddrPort
	for _, s := range list {
		out = append(out, netip.MustParseAddrPort(s))
	}
	return out
}

func diffConfig(want, got *Config) string {
	return cmp.Diff(want, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }), cmp.AllowUnexported(SecretRef{}))
}

func TestExample(t *testing.T) {
	got := parseFile(t, "example.yaml")
	if !strings.Contains(string(got.Bootstrap), "bootstrap:") || !strings.HasPrefix(string(got.Bootstrap), "realms:") {
		t.Errorf("bootstrap is %q", got.Bootstrap)
	}
	got.Bootstrap = nil
	want := &Config{
		Realms: []Realm{
			{Name: "CORP.EXAMPLE.COM", Kind: AWSManagedAD, DNSServers: addrs("10.0.1.10:53", "10.0.2.10:53")},
			{Name: "ONPREM.LOCAL", Kind: ActiveDirectory, DNSServers: addrs("192.0.2.53:53"), TrustedBy: []string{"CORP.EXAMPLE.COM"}},
		},
		Databases: []Database{{
			Name: "orders", Host: "orders.cluster-abc123.us-east-1.rds.amazonaws.com", Port: 3306, Realm: "CORP.EXAMPLE.COM",
			TLS: TLS{Mode: VerifyFull, CAFile: "/etc/kerbagent/rds-global-bundle.pem"}, AllowedServices: []string{"mysql", "mariadb"}, MaxConnectErrors: 100,
		}},
		Logins: []Login{
			{User: "alice", Realm: "CORP.EXAMPLE.COM", Database: "orders", SecretKind: PasswordFile, Secret: SecretRef{credential: "alice"}, Interval: 5 * time.Minute},
			{User: "etl", Realm: "ONPREM.LOCAL", Database: "orders", SecretKind: Keytab, Secret: SecretRef{path: "/etc/kerbagent/etl.keytab"}, Interval: time.Minute},
		},
		Krb5Conf: &Krb5Conf{Path: "/etc/krb5.conf", Mode: Krb5Check, Style: Krb5File},
		Probes:   Probes{Interval: 15 * time.Second, Timeout: 5 * time.Second},
		Warn:     Warn{PasswordExpiry: 14 * 24 * time.Hour, CertificateExpiry: 30 * 24 * time.Hour},
	}
	if diff := diffConfig(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEveryKey(t *testing.T) {
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Realms: []Realm{
			{Name: "CORP.EXAMPLE.COM", Kind: AWSManagedAD, DNSServers: addrs("10.0.1.10:53", "10.0.2.10:5353", "[fd00::10]:53", "[fd00::11]:53"),
				KDCs:           []HostPort{{"dc1.corp.example.com", 88}, {"dc2.corp.example.com", 8888}, {"10.0.1.10", 88}, {"fd00::10", 88}},
				KpasswdServers: []HostPort{{"dc1.corp.example.com", 464}}, SRVPorts: []uint16{1088, 1464}},
			{Name: "ONPREM.LOCAL", Kind: ActiveDirectory, KDCs: []HostPort{{"dc.onprem.local", 88}, {"dc.onprem.local", 8888}},
				KpasswdServers: []HostPort{{"dc.onprem.local", 464}}, TrustedBy: []string{"CORP.EXAMPLE.COM"}},
			{Name: "MIT.TEST", Kind: MIT},
			{Name: "HEIM.TEST", Kind: Heimdal},
			{Name: "PLAIN.TEST", Kind: ActiveDirectory},
		},
		Databases: []Database{
			{Name: "orders", Host: "orders.example.com", Port: 3307, Realm: "CORP.EXAMPLE.COM", TLS: TLS{Mode: VerifyCA, CAFile: dir + "/ca.pem"},
				AllowedServices: []string{"mysql", "MSSQLSvc"}, MaxConnectErrors: 10},
			{Name: "v6", Host: "fd00::30", Port: 3306, Realm: "CORP.EXAMPLE.COM", TLS: TLS{Mode: Require}, AllowedServices: []string{"mysql", "mariadb"}, MaxConnectErrors: 100},
			{Name: "plain", Host: "fd00::31", Port: 3306, Realm: "MIT.TEST", TLS: TLS{Mode: TLSOff}, AllowedServices: []string{"mysql", "mariadb"}, MaxConnectErrors: 100},
		},
		Logins: []Login{
			{User: "alice", Realm: "CORP.EXAMPLE.COM", Database: "orders", SecretKind: PasswordFile, Secret: SecretRef{path: "/etc/kerbagent/alice.password"}, Interval: 10 * time.Minute},
			{User: "svc/host", Realm: "ONPREM.LOCAL", Database: "orders", SecretKind: Keytab, Secret: SecretRef{credential: "etl"}, Interval: 5 * time.Minute, Configured: true},
			{User: "alice", Realm: "CORP.EXAMPLE.COM", Database: "v6", SecretKind: CCache, Secret: SecretRef{path: "/tmp/krb5cc_1000"}, Interval: 5 * time.Minute},
		},
		Applications: []Application{{Unit: "orders.service", Database: "orders"}, {Unit: "etl@1.service", Database: "orders", User: "svc/host@ONPREM.LOCAL"}},
		Krb5Conf:     &Krb5Conf{Path: "/etc/krb5.conf.d/kerbagent", Mode: Krb5Maintain, Style: Krb5Snippet},
		Probes:       Probes{Interval: time.Minute, Timeout: 2500 * time.Millisecond},
		Fleet:        Fleet{Hosts: 3, Requests: 2.5},
		Warn:         Warn{PasswordExpiry: 48 * time.Hour, CertificateExpiry: 24 * time.Hour},
		AWS:          AWS{Observe: true, Region: "us-east-1", Profile: "observer"},
		Resolver:     addrs("10.0.0.2:53", "127.0.0.1:5353"), HideUsers: true,
	}
	got := parseFile(t, "every-key.yaml")
	if diff := diffConfig(want, got); diff != "" {
		t.Error(diff)
	}
	if got.Databases[1].Endpoint() != "[fd00::30]:3306" || got.Logins[1].Principal() != "svc/host@ONPREM.LOCAL" || got.Realms[0].Domain() != "corp.example.com" {
		t.Error(got.Databases[1].Endpoint(), got.Logins[1].Principal(), got.Realms[0].Domain())
	}
}

func TestLeast(t *testing.T) {
	c := parseFile(t, "least.yaml")
	if c.Krb5Conf != nil || c.Bootstrap != nil || len(c.Databases)+len(c.Logins)+len(c.Resolver) > 0 || c.Probes.Timeout != DefaultProbeTimeout {
		t.Errorf("%+v", c)
	}
	if r, ok := c.Realm("CORP.EXAMPLE.COM"); !ok || r.Kind != ActiveDirectory {
		t.Errorf("%+v %v", r, ok)
	}
	if _, ok := c.Realm("corp.example.com"); ok {
		t.Error("realms have case")
	}
	if _, ok := c.Database("orders"); ok {
		t.Error("a database from nowhere")
	}
}

// Everything wrong is said at once, in the file's order.
func TestAllProblemsAtOnce(t *testing.T) {
	_, err := Parse("k.yaml", []byte(`realms:
  CORP.EXAMPLE.COM: {kind: ad, dns_servers: [x.y, 10.0.0.1:x]}
database: {}
logins:
  - {user: alice, database: orders}
  - {user: bob@CORP.EXAMPLE.COM, database: orders, keytab: k, interval: 5}
probes: {interval: 5s, timeout: 1m}
`))
	var all *Errors
	if !errors.As(err, &all) {
		t.Fatal(err)
	}
	var got []string
	for _, p := range all.Problems {
		got = append(got, fmt.Sprintf("%d %s", p.Line, p.Path))
	}
	want := []string{
		`2 realms."CORP.EXAMPLE.COM".kind`, `2 realms."CORP.EXAMPLE.COM".dns_servers[0]`, `2 realms."CORP.EXAMPLE.COM".dns_servers[1]`, "3 database",
		"5 logins[0]", "5 logins[0].user", "5 logins[0].database", "6 logins[1].database", "6 logins[1].interval", "7 probes.timeout",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\n%v", diff, err)
	}
}

func TestNoInlineSecretInErrors(t *testing.T) {
	for _, text := range []string{
		"logins:\n  - user: alice\n    password: hunter2\n",
		"logins:\n  - {user: alice, password: hunter2, keytab: 5}\n",
		"logins:\n  - {\"password\": \"hunter2\", user: }\n",
		"logins: [{passwd: hunter2: x}]\n",
		"bootstrap: {admin_password: hunter2: x\n",
		"secret: hunter2\n",
		"logins:\n  - password: [hunter2\n",
		"logins:\n  - {user: alice, pass: \"hunter2\"}\n",
		"logins:\n  - user: alice\n    pw: hunter2\n",
		"logins:\n  - {user: alice, credentials: hunter2, database: nowhere}\n",
		"logins:\n  - {user: , api-token: hunter2}\n",
		"logins:\n  - {kennwort: hunter2, user: alice, database: x}\n",
		"logins:\n  - {user: alice, \"mot de passe\": hunter2}\n",
		"logins:\n  - {user: alice, kennwort: 'hunter2', keytab: 5, database: x}\n",
		"bootstrap: {directory: {pass: hunter2: x\n",
		"logins:\n  - {user: alice, \"k\":hunter2}\n",
	} {
		_, err := Parse("k.yaml", []byte(text))
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q gives %v", text, err)
		}
	}
}

func TestExcerptOfALongLineKeepsTheCaretOnTheScreen(t *testing.T) {
	line := "realms: {CORP.EXAMPLE.COM: {dns_servers: [" + strings.Repeat("10.0.0.1, ", 40) + "x], kdcs: [" + strings.Repeat("a, ", 100) + "a]}}"
	e := excerpt([]string{line}, 1, strings.Index(line, "x]")+1, "")
	lines := strings.Split(e, "\n")
	at := strings.Index(lines[1], "^")
	if len(lines) != 2 || len(lines[0]) > 100 || lines[0][at] != 'x' {
		t.Errorf("\n%s", e)
	}
}

func TestLoadOfWhatIsNoFile(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "none.yaml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := Load(t.TempDir()); err == nil || !strings.Contains(err.Error(), "directory") {
		t.Errorf("a directory: %v", err)
	}
	big := filepath.Join(t.TempDir(), "big.yaml")
	if err := os.WriteFile(big, []byte(strings.Repeat("#\n", maxFile)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(big); err == nil || !strings.Contains(err.Error(), "larger than 4 MiB") {
		t.Errorf("too large: %v", err)
	}
}

// Whatever is accepted keeps what a Config promises.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Parse("kerbagent.yaml", b)
		if err != nil {
			var all *Errors
			if !errors.As(err, &all) || len(all.Problems) == 0 || strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' && r != '\n' }) {
				t.Errorf("%q", err)
			}
			return
		}
		if len(c.Realms) == 0 || c.Probes.Timeout >= c.Probes.Interval {
			t.Errorf("%+v", c)
		}
		for _, d := range c.Databases {
			if _, ok := c.Realm(d.Realm); !ok || d.Host == "" || d.Port == 0 || len(d.AllowedServices) == 0 {
				t.Errorf("%+v", d)
			}
		}
		for _, l := range c.Logins {
			_, realm := c.Realm(l.Realm)
			_, database := c.Database(l.Database)
			if !realm || !database || l.User == "" || l.Secret.IsZero() || l.Interval <= c.Probes.LoginTimeout() {
				t.Errorf("%+v", l)
			}
		}
	})
}

// A secret that was written into the file, where none may be, is not shown, however
// the line is mistyped.
func TestNoErrorShowsAMistypedSecret(t *testing.T) {
	const file = "realms:\n  A.TEST: {kind: mit, kdcs: [kdc.a.test]}\ndatabases: {o: {endpoint: 'db.a.test:3306', realm: A.TEST}}\nlogins:\n - user: a@A.TEST\n   database: o\n   "
	for _, line := range []string{"password: Sup3r", "password:Sup3r", "password=Sup3r", "password = Sup3r", "password Sup3r", "Passwort:Sup3r", "api-token Sup3r", "password: *Sup3r"} {
		_, err := Parse("kerbagent.yaml", []byte(file+line+"\n"))
		if err == nil || strings.Contains(err.Error(), "Sup3r") {
			t.Errorf("%s: %v", line, err)
		}
	}
}
