package site_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kerbagent/kerbagent/internal/lint"
	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
	"github.com/kerbagent/kerbagent/krb5/conf/site"
)

func update() bool { return flag.Lookup("update").Value.String() == "true" }

// TestMain adds -update, which writes the expected files anew.
func TestMain(m *testing.M) {
	flag.Bool("update", false, "write the files of expected results anew")
	flag.Parse()
	os.Exit(m.Run())
}

const (
	generatedPath = "/etc/krb5.conf"

	corp   = "CORP.EXAMPLE.COM"
	onprem = "ONPREM.LOCAL"
	rdsUS  = "orders.cluster-abc123.us-east-1.rds.amazonaws.com"
)

// generateSites are the sites whose files are kept in testdata/generate.
func generateSites() map[string]site.Site {
	managed := site.Realm{Name: corp, KDCs: []string{"dc1.corp.example.com", "dc2.corp.example.com"}}
	forest := site.Realm{Name: onprem, KDCs: []string{"192.0.2.53"}, TrustedBy: []string{corp}}
	return map[string]site.Site{
		"managed-ad":       {Realms: []site.Realm{managed}, Databases: []site.Database{{Host: rdsUS, Realm: corp}}},
		"managed-ad-dns":   {Realms: []site.Realm{{Name: corp}}, Databases: []site.Database{{Host: rdsUS, Realm: corp}}},
		"managed-ad-name":  {Realms: []site.Realm{{Name: corp, KDCs: []string{"corp.example.com"}}}, Databases: []site.Database{{Host: rdsUS, Realm: corp}}},
		"on-premises":      {Realms: []site.Realm{managed, forest}, Databases: []site.Database{{Host: rdsUS, Realm: corp}}, Logins: []site.Login{{Realm: onprem, Host: rdsUS}}},
		"addresses":        {Realms: []site.Realm{{Name: corp, KDCs: []string{"10.0.1.10", "fd00:ec2::10", "[fd00:ec2::11]:750", "dc3.corp.example.com:89"}}}, Databases: []site.Database{{Host: rdsUS, Realm: corp}}},
		"china":            {Realms: []site.Realm{managed}, Databases: []site.Database{{Host: "orders.abc123.rds.cn-north-1.amazonaws.com.cn", Realm: corp}}},
		"govcloud":         {Realms: []site.Realm{managed}, Databases: []site.Database{{Host: "orders.cluster-abc123.us-gov-west-1.rds.amazonaws.com", Realm: corp}, {Host: "old.abc123.rds.us-gov-east-1.amazonaws.com", Realm: corp}}},
		"iso":              {Realms: []site.Realm{managed}, Databases: []site.Database{{Host: "orders.abc123.rds.us-iso-east-1.c2s.ic.gov", Realm: corp}, {Host: "orders.abc123.rds.us-isob-east-1.sc2s.sgov.gov", Realm: corp}}},
		"two-directories":  {Realms: []site.Realm{managed, {Name: "LAB.EXAMPLE.ORG"}}, Databases: []site.Database{{Host: rdsUS, Realm: corp}, {Host: "test.cluster-def456.us-east-1.rds.amazonaws.com", Realm: "LAB.EXAMPLE.ORG"}}},
		"other-names":      {Realms: []site.Realm{managed}, Databases: []site.Database{{Host: "db1.corp.example.com", Realm: corp}, {Host: "Orders.Internal.example.net.", Realm: corp}, {Host: "10.0.3.20", Realm: corp}}},
		"trust-path":       {DefaultRealm: corp, Realms: []site.Realm{managed, forest, {Name: "CHILD.ONPREM.LOCAL", TrustedBy: []string{onprem}}, {Name: "FAR.TEST", TrustedBy: []string{"CHILD.ONPREM.LOCAL"}}}, Databases: []site.Database{{Host: rdsUS, Realm: corp}}},
		"nothing":          {},
		"default-realm":    {DefaultRealm: onprem, Realms: []site.Realm{managed, forest}, Databases: []site.Database{{Host: rdsUS, Realm: corp}}},
		"domain-unlike":    {Realms: []site.Realm{{Name: corp, Domain: "AD.Example.COM"}}, Databases: []site.Database{{Host: "db1.ad.example.com", Realm: corp}}},
		"nested-domains":   {Realms: []site.Realm{{Name: "EXAMPLE.COM"}, {Name: corp}}, Databases: []site.Database{{Host: "db1.corp.example.com", Realm: corp}, {Host: "db2.corp.example.com", Realm: "EXAMPLE.COM"}}},
		"eu-sovereign":     {Realms: []site.Realm{managed}, Databases: []site.Database{{Host: "orders.abc123.eusc-de-east-1.rds.amazonaws.eu", Realm: corp}}},
		"domain-not-realm": {Realms: []site.Realm{managed}, Databases: []site.Database{{Host: "rds.amazonaws.com", Realm: corp}, {Host: "x.rds.amazonaws.com", Realm: corp}, {Host: "evil.example.rds.attacker.test", Realm: corp}}},
	}
}

// TestGenerate pins the file, and holds it against its own purpose: all four
// readers find every realm and give each database its realm, and Lint has
// nothing to say.
func TestGenerate(t *testing.T) {
	for name, s := range generateSites() {
		t.Run(name, func(t *testing.T) {
			text, err := site.Generate(&s)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", "generate", name+".conf"), text)
			set := conf.Load(conf.Texts{Files: map[string]string{generatedPath: text}}, generatedPath)
			if err := s.Covers(set); err != nil {
				t.Errorf("the generated file does not cover the s: %v", err)
			}
			for _, r := range reader.Readers() {
				checkReading(t, reader.Read(r, set), s)
			}
			for _, i := range lint.Issues(lint.Input{Set: set, Path: generatedPath, Site: s, Want: text}) {
				if name == "nothing" && i.Code == lint.CodeDefaultRealm {
					continue // there is no realm to name
				}
				t.Errorf("lint: %s at %s: %s", i.Code, i.At, i.Cause)
			}
		})
	}
}

func checkReading(t *testing.T, r *reader.Reading, s site.Site) {
	t.Helper()
	if r.Err != nil {
		t.Errorf("%s: %v", r.Reader, r.Err)
	}
	if r.DefaultRealm.Value != s.Default() {
		t.Errorf("%s: default realm %q", r.Reader, r.DefaultRealm.Value)
	}
	for _, d := range s.Databases {
		if got := r.HostRealm(d.LookupName()); got.Realm != d.Realm && !site.IsAddr(d.Host) {
			t.Errorf("%s: %s is in %+v", r.Reader, d.Host, got)
		}
	}
	for _, realm := range s.Realms {
		if why := r.CannotFind(realm.Name); why != "" {
			t.Errorf("%s: %s: %s", r.Reader, realm.Name, why)
		}
		e, _ := r.Realm(realm.Name)
		if len(e.KDCs) != len(realm.KDCs) {
			t.Errorf("%s: %s has %d KDCs of %d", r.Reader, realm.Name, len(e.KDCs), len(realm.KDCs))
		}
		for i, k := range e.KDCs {
			host, port, _ := site.SplitServer(realm.KDCs[i])
			if port == 0 {
				port = 88
			}
			if k.Err != nil || k.Host != host || k.Port != int(port) {
				t.Errorf("%s: KDC %q read as %+v", r.Reader, realm.KDCs[i], k)
			}
		}
	}
	if r.Reader != reader.Heimdal && r.Transport(200) == "udp-first" {
		t.Errorf("%s asks by UDP first", r.Reader)
	}
}

// TestGenerateAgreesWithTheGuide looks up each kind of endpoint in a file of the
// form that the set-up guide has (one for the managed directory alone, one
// with an on-premises forest) and in the generated one.
func TestGenerateAgreesWithTheGuide(t *testing.T) {
	const alone = "[libdefaults]\n default_realm = CORP.EXAMPLE.COM\n[realms]\n CORP.EXAMPLE.COM = {\n  kdc = corp.example.com\n  admin_server = corp.example.com\n }\n[domain_realm]\n .corp.example.com = CORP.EXAMPLE.COM\n corp.example.com = CORP.EXAMPLE.COM\n"
	forest := strings.Replace(alone, "[domain_realm]\n", " ONPREM.LOCAL = {\n  kdc = onprem.local\n  admin_server = onprem.local\n }\n[domain_realm]\n", 1)
	forest = strings.Replace(forest, "[realms]\n ONPREM", "[realms]\n ONPREM", 1) +
		" .onprem.local = ONPREM.LOCAL\n onprem.local = ONPREM.LOCAL\n .rds.amazonaws.com = CORP.EXAMPLE.COM\n .amazonaws.com.cn = CORP.EXAMPLE.COM\n .amazon.com = CORP.EXAMPLE.COM\n"
	realms := []site.Realm{{Name: corp, KDCs: []string{"corp.example.com"}}, {Name: onprem, KDCs: []string{"onprem.local"}, TrustedBy: []string{corp}}}
	for sample, c := range map[string]struct {
		text   string
		realms []site.Realm
	}{"managed directory alone": {alone, realms[:1]}, "with an on-premises forest": {forest, realms}} {
		for _, endpoint := range []string{
			rdsUS, "orders.cluster-ro-abc123.eu-central-1.rds.amazonaws.com", "orders-1.abc123.us-east-1.rds.amazonaws.com",
			"orders.abc123.rds.cn-north-1.amazonaws.com.cn", "orders.cluster-abc123.cn-northwest-1.rds.amazonaws.com.cn", "orders.corp.example.com",
		} {
			s := site.Site{Realms: c.realms, Databases: []site.Database{{Host: endpoint, Realm: corp}}}
			generated, err := site.Generate(&s)
			if err != nil {
				t.Fatal(err)
			}
			guide := reader.Read(reader.MIT, conf.Load(conf.Texts{Files: map[string]string{generatedPath: c.text}}, generatedPath))
			ours := reader.Read(reader.MIT, conf.Load(conf.Texts{Files: map[string]string{generatedPath: generated}}, generatedPath))
			want := guide.HostRealm(endpoint).Realm
			if want == "" {
				want = guide.DefaultRealm.Value // where the sample maps nothing, the user's realm is asked
			}
			if got := ours.HostRealm(endpoint); got.Realm != want || got.How != reader.ByMapping {
				t.Errorf("%s, %s: the guide has %s, we %+v", sample, endpoint, want, got)
			}
		}
	}
}

// TestGenerateMapsDatabasesOnly asks for hosts of AWS that are no databases.
func TestGenerateMapsDatabasesOnly(t *testing.T) {
	for name, s := range generateSites() {
		text, err := site.Generate(&s)
		if err != nil {
			t.Fatal(err)
		}
		r := reader.Read(reader.MIT, conf.Load(conf.Texts{Files: map[string]string{generatedPath: text}}, generatedPath))
		for _, host := range []string{
			"s3.us-east-1.amazonaws.com", "amazonaws.com", "ec2.amazonaws.com", "x.s3.cn-north-1.amazonaws.com.cn", "console.amazonaws.com.cn",
			"sts.us-gov-west-1.amazonaws.com", "s3.us-iso-east-1.c2s.ic.gov", "www.amazon.com", "www.example.net", "x.attacker.test",
		} {
			if got := r.HostRealm(host); got.How == reader.ByMapping {
				t.Errorf("%s: %s is mapped to %s by %s", name, host, got.Realm, got.From)
			}
		}
	}
}

func TestGenerateRefuses(t *testing.T) {
	for name, s := range map[string]site.Site{
		"line in a realm":     {Realms: []site.Realm{{Name: "A.TEST\n[plugins]\nmodule = x"}}},
		"brace in a realm":    {Realms: []site.Realm{{Name: "A}"}}},
		"empty realm":         {Realms: []site.Realm{{Name: ""}}},
		"line in a KDC":       {Realms: []site.Realm{{Name: "A.TEST", KDCs: []string{"dc1\n}"}}}},
		"comment in a KDC":    {Realms: []site.Realm{{Name: "A.TEST", KDCs: []string{"dc1 # x"}}}},
		"KDC with transport":  {Realms: []site.Realm{{Name: "A.TEST", KDCs: []string{"tcp/dc1"}}}},
		"KDC of digits":       {Realms: []site.Realm{{Name: "A.TEST", KDCs: []string{"88"}}}},
		"port of nothing":     {Realms: []site.Realm{{Name: "A.TEST", KDCs: []string{"dc1:"}}}},
		"port too large":      {Realms: []site.Realm{{Name: "A.TEST", KDCs: []string{"dc1:65536"}}}},
		"zone in an address":  {Realms: []site.Realm{{Name: "A.TEST", KDCs: []string{"fe80::1%eth0"}}}},
		"realm twice":         {Realms: []site.Realm{{Name: "A.TEST"}, {Name: "A.TEST"}}},
		"unknown trust":       {Realms: []site.Realm{{Name: "A.TEST", TrustedBy: []string{"B.TEST"}}}},
		"line in a database":  {Databases: []site.Database{{Host: "db\nx", Realm: "A.TEST"}}},
		"database sans realm": {Databases: []site.Database{{Host: "db.test", Realm: ""}}},
		"domain":              {Realms: []site.Realm{{Name: "A.TEST", Domain: "a.test = B"}}},
		"default realm":       {DefaultRealm: "A TEST"},
	} {
		if text, err := site.Generate(&s); err == nil {
			t.Errorf("%s: written all the same:\n%s", name, text)
		}
	}
}

// TestCovers is the check that stands between a candidate and the disk.
func TestCovers(t *testing.T) {
	s := generateSites()["on-premises"]
	text, err := site.Generate(&s)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"as generated":     {text, ""},
		"mapping dropped":  {strings.Replace(text, ".rds.amazonaws.com = ", ".rds.example = ", 1), "database " + rdsUS + ": its realm is CORP.EXAMPLE.COM, but the file maps it to none, so the KDC of the user's own realm is asked"},
		"realm dropped":    {strings.NewReplacer("ONPREM.LOCAL = {", "OTHER.LOCAL = {", "dns_lookup_kdc = true", "dns_lookup_kdc = false").Replace(text), "realm ONPREM.LOCAL: it has no entry, and DNS is not asked"},
		"KDC spoilt":       {strings.Replace(text, "kdc = 192.0.2.53", "kdc = 192.0.2.53:x", 1), "realm ONPREM.LOCAL: the entry cannot be used: not a host that this library takes"},
		"does not parse":   {text + "}\n", `/etc/krb5.conf:36:1: } without {: "}"`},
		"mapped elsewhere": {strings.Replace(text, ".rds.amazonaws.com = CORP.EXAMPLE.COM", ".rds.amazonaws.com = ONPREM.LOCAL", 1), "database " + rdsUS + ": its realm is CORP.EXAMPLE.COM, but the file maps it to ONPREM.LOCAL (/etc/krb5.conf:35:5)"},
	} {
		err := s.Covers(conf.Load(conf.Texts{Files: map[string]string{generatedPath: c.text}}, generatedPath))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: got  %q\nwant %q", name, got, c.want)
		}
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if update() {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (- want, + got):\n%s", path, diff)
	}
}
