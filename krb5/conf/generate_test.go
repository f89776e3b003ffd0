package conf

import (
	"path/filepath"
	"strings"
	"testing"
)

const (
	corp   = "CORP.EXAMPLE.COM"
	onprem = "ONPREM.LOCAL"
	rdsUS  = "orders.cluster-abc123.us-east-1.rds.amazonaws.com"
)

// generateSites are the sites whose files are kept in testdata/generate.
func generateSites() map[string]Site {
	managed := Realm{Name: corp, KDCs: []string{"dc1.corp.example.com", "dc2.corp.example.com"}}
	forest := Realm{Name: onprem, KDCs: []string{"192.0.2.53"}, TrustedBy: []string{corp}}
	return map[string]Site{
		"managed-ad":       {Realms: []Realm{managed}, Databases: []Database{{rdsUS, corp}}},
		"managed-ad-dns":   {Realms: []Realm{{Name: corp}}, Databases: []Database{{rdsUS, corp}}},
		"managed-ad-name":  {Realms: []Realm{{Name: corp, KDCs: []string{"corp.example.com"}}}, Databases: []Database{{rdsUS, corp}}},
		"on-premises":      {Realms: []Realm{managed, forest}, Databases: []Database{{rdsUS, corp}}, Logins: []Login{{onprem, rdsUS}}},
		"addresses":        {Realms: []Realm{{Name: corp, KDCs: []string{"10.0.1.10", "fd00:ec2::10", "[fd00:ec2::11]:750", "dc3.corp.example.com:89"}}}, Databases: []Database{{rdsUS, corp}}},
		"china":            {Realms: []Realm{managed}, Databases: []Database{{"orders.abc123.rds.cn-north-1.amazonaws.com.cn", corp}}},
		"govcloud":         {Realms: []Realm{managed}, Databases: []Database{{"orders.cluster-abc123.us-gov-west-1.rds.amazonaws.com", corp}, {"old.abc123.rds.us-gov-east-1.amazonaws.com", corp}}},
		"iso":              {Realms: []Realm{managed}, Databases: []Database{{"orders.abc123.rds.us-iso-east-1.c2s.ic.gov", corp}, {"orders.abc123.rds.us-isob-east-1.sc2s.sgov.gov", corp}}},
		"two-directories":  {Realms: []Realm{managed, {Name: "LAB.EXAMPLE.ORG"}}, Databases: []Database{{rdsUS, corp}, {"test.cluster-def456.us-east-1.rds.amazonaws.com", "LAB.EXAMPLE.ORG"}}},
		"other-names":      {Realms: []Realm{managed}, Databases: []Database{{"db1.corp.example.com", corp}, {"Orders.Internal.example.net.", corp}, {"10.0.3.20", corp}}},
		"trust-path":       {DefaultRealm: corp, Realms: []Realm{managed, forest, {Name: "CHILD.ONPREM.LOCAL", TrustedBy: []string{onprem}}, {Name: "FAR.TEST", TrustedBy: []string{"CHILD.ONPREM.LOCAL"}}}, Databases: []Database{{rdsUS, corp}}},
		"nothing":          {},
		"default-realm":    {DefaultRealm: onprem, Realms: []Realm{managed, forest}, Databases: []Database{{rdsUS, corp}}},
		"domain-unlike":    {Realms: []Realm{{Name: corp, Domain: "AD.Example.COM"}}, Databases: []Database{{"db1.ad.example.com", corp}}},
		"nested-domains":   {Realms: []Realm{{Name: "EXAMPLE.COM"}, {Name: corp}}, Databases: []Database{{"db1.corp.example.com", corp}, {"db2.corp.example.com", "EXAMPLE.COM"}}},
		"eu-sovereign":     {Realms: []Realm{managed}, Databases: []Database{{"orders.abc123.eusc-de-east-1.rds.amazonaws.eu", corp}}},
		"domain-not-realm": {Realms: []Realm{managed}, Databases: []Database{{"rds.amazonaws.com", corp}, {"x.rds.amazonaws.com", corp}, {"evil.example.rds.attacker.test", corp}}},
	}
}

// TestGenerate pins the file, and holds it against its own purpose: all four
// readers find every realm and give each database its realm, and Lint has
// nothing to say.
func TestGenerate(t *testing.T) {
	for name, site := range generateSites() {
		t.Run(name, func(t *testing.T) {
			text, err := Generate(&site)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", "generate", name+".conf"), text)
			set := Load(Texts{Files: map[string]string{soundPath: text}}, soundPath)
			if err := site.Covers(set); err != nil {
				t.Errorf("the generated file does not cover the site: %v", err)
			}
			for _, r := range Readers() {
				checkReading(t, Read(r, set), site)
			}
			for _, i := range Lint(LintInput{Set: set, Path: soundPath, Site: site, Want: text}) {
				if name == "nothing" && i.Code == CodeDefaultRealm {
					continue // there is no realm to name
				}
				t.Errorf("lint: %s at %s: %s", i.Code, i.At, i.Cause)
			}
		})
	}
}

func checkReading(t *testing.T, r *Reading, site Site) {
	t.Helper()
	if r.Err != nil {
		t.Errorf("%s: %v", r.Reader, r.Err)
	}
	if r.DefaultRealm.Value != site.Default() {
		t.Errorf("%s: default realm %q", r.Reader, r.DefaultRealm.Value)
	}
	for _, d := range site.Databases {
		if got := r.HostRealm(d.host()); got.Realm != d.Realm && !isAddr(d.Host) {
			t.Errorf("%s: %s is in %+v", r.Reader, d.Host, got)
		}
	}
	for _, realm := range site.Realms {
		if why := r.cannotFind(realm.Name); why != "" {
			t.Errorf("%s: %s: %s", r.Reader, realm.Name, why)
		}
		e, _ := r.Realm(realm.Name)
		if len(e.KDCs) != len(realm.KDCs) {
			t.Errorf("%s: %s has %d KDCs of %d", r.Reader, realm.Name, len(e.KDCs), len(realm.KDCs))
		}
		for i, k := range e.KDCs {
			host, port, _ := splitServer(realm.KDCs[i])
			if port == 0 {
				port = 88
			}
			if k.Err != nil || k.Host != host || k.Port != int(port) {
				t.Errorf("%s: KDC %q read as %+v", r.Reader, realm.KDCs[i], k)
			}
		}
	}
	if r.Reader != Heimdal && r.Transport(200) == "udp-first" {
		t.Errorf("%s asks by UDP first", r.Reader)
	}
}

// TestGenerateAgreesWithTheGuide gives each kind of endpoint to a file of the
// form that the set-up guide has (one for the managed directory alone, one
// with an on-premises forest) and to the generated one.
func TestGenerateAgreesWithTheGuide(t *testing.T) {
	const alone = "[libdefaults]\n default_realm = CORP.EXAMPLE.COM\n[realms]\n CORP.EXAMPLE.COM = {\n  kdc = corp.example.com\n  admin_server = corp.example.com\n }\n[domain_realm]\n .corp.example.com = CORP.EXAMPLE.COM\n corp.example.com = CORP.EXAMPLE.COM\n"
	forest := strings.Replace(alone, "[domain_realm]\n", " ONPREM.LOCAL = {\n  kdc = onprem.local\n  admin_server = onprem.local\n }\n[domain_realm]\n", 1)
	forest = strings.Replace(forest, "[realms]\n ONPREM", "[realms]\n ONPREM", 1) +
		" .onprem.local = ONPREM.LOCAL\n onprem.local = ONPREM.LOCAL\n .rds.amazonaws.com = CORP.EXAMPLE.COM\n .amazonaws.com.cn = CORP.EXAMPLE.COM\n .amazon.com = CORP.EXAMPLE.COM\n"
	realms := []Realm{{Name: corp, KDCs: []string{"corp.example.com"}}, {Name: onprem, KDCs: []string{"onprem.local"}, TrustedBy: []string{corp}}}
	for sample, c := range map[string]struct {
		text   string
		realms []Realm
	}{"managed directory alone": {alone, realms[:1]}, "with an on-premises forest": {forest, realms}} {
		for _, endpoint := range []string{
			rdsUS, "orders.cluster-ro-abc123.eu-central-1.rds.amazonaws.com", "orders-1.abc123.us-east-1.rds.amazonaws.com",
			"orders.abc123.rds.cn-north-1.amazonaws.com.cn", "orders.cluster-abc123.cn-northwest-1.rds.amazonaws.com.cn", "orders.corp.example.com",
		} {
			site := Site{Realms: c.realms, Databases: []Database{{endpoint, corp}}}
			generated, err := Generate(&site)
			if err != nil {
				t.Fatal(err)
			}
			guide := Read(MIT, Load(Texts{Files: map[string]string{soundPath: c.text}}, soundPath))
			ours := Read(MIT, Load(Texts{Files: map[string]string{soundPath: generated}}, soundPath))
			want := guide.HostRealm(endpoint).Realm
			if want == "" {
				want = guide.DefaultRealm.Value // where the sample maps nothing, the user's realm is asked
			}
			if got := ours.HostRealm(endpoint); got.Realm != want || got.How != ByMapping {
				t.Errorf("%s, %s: the guide has %s, we %+v", sample, endpoint, want, got)
			}
		}
	}
}

// TestGenerateMapsDatabasesOnly asks for hosts of AWS that are no databases.
func TestGenerateMapsDatabasesOnly(t *testing.T) {
	for name, site := range generateSites() {
		text, err := Generate(&site)
		if err != nil {
			t.Fatal(err)
		}
		r := Read(MIT, Load(Texts{Files: map[string]string{soundPath: text}}, soundPath))
		for _, host := range []string{
			"s3.us-east-1.amazonaws.com", "amazonaws.com", "ec2.amazonaws.com", "x.s3.cn-north-1.amazonaws.com.cn", "console.amazonaws.com.cn",
			"sts.us-gov-west-1.amazonaws.com", "s3.us-iso-east-1.c2s.ic.gov", "www.amazon.com", "www.example.net", "x.attacker.test",
		} {
			if got := r.HostRealm(host); got.How == ByMapping {
				t.Errorf("%s: %s is mapped to %s by %s", name, host, got.Realm, got.From)
			}
		}
	}
}

func TestGenerateRefuses(t *testing.T) {
	for name, site := range map[string]Site{
		"line in a realm":     {Realms: []Realm{{Name: "A.TEST\n[plugins]\nmodule = x"}}},
		"brace in a realm":    {Realms: []Realm{{Name: "A}"}}},
		"empty realm":         {Realms: []Realm{{Name: ""}}},
		"line in a KDC":       {Realms: []Realm{{Name: "A.TEST", KDCs: []string{"dc1\n}"}}}},
		"comment in a KDC":    {Realms: []Realm{{Name: "A.TEST", KDCs: []string{"dc1 # x"}}}},
		"KDC with transport":  {Realms: []Realm{{Name: "A.TEST", KDCs: []string{"tcp/dc1"}}}},
		"KDC of digits":       {Realms: []Realm{{Name: "A.TEST", KDCs: []string{"88"}}}},
		"port of nothing":     {Realms: []Realm{{Name: "A.TEST", KDCs: []string{"dc1:"}}}},
		"port too large":      {Realms: []Realm{{Name: "A.TEST", KDCs: []string{"dc1:65536"}}}},
		"zone in an address":  {Realms: []Realm{{Name: "A.TEST", KDCs: []string{"fe80::1%eth0"}}}},
		"realm twice":         {Realms: []Realm{{Name: "A.TEST"}, {Name: "A.TEST"}}},
		"unknown trust":       {Realms: []Realm{{Name: "A.TEST", TrustedBy: []string{"B.TEST"}}}},
		"line in a database":  {Databases: []Database{{"db\nx", "A.TEST"}}},
		"database sans realm": {Databases: []Database{{"db.test", ""}}},
		"domain":              {Realms: []Realm{{Name: "A.TEST", Domain: "a.test = B"}}},
		"default realm":       {DefaultRealm: "A TEST"},
	} {
		if text, err := Generate(&site); err == nil {
			t.Errorf("%s: written all the same:\n%s", name, text)
		}
	}
}

// TestCovers is the check that stands between a candidate and the disk.
func TestCovers(t *testing.T) {
	site := generateSites()["on-premises"]
	text, err := Generate(&site)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"as generated":     {text, ""},
		"mapping dropped":  {strings.Replace(text, ".rds.amazonaws.com = ", ".rds.example = ", 1), "database " + rdsUS + ": its realm is CORP.EXAMPLE.COM, the file gives none, so the KDC of the user's own realm is asked"},
		"realm dropped":    {strings.NewReplacer("ONPREM.LOCAL = {", "OTHER.LOCAL = {", "dns_lookup_kdc = true", "dns_lookup_kdc = false").Replace(text), "realm ONPREM.LOCAL: it has no entry, and DNS is not asked"},
		"KDC spoilt":       {strings.Replace(text, "kdc = 192.0.2.53", "kdc = 192.0.2.53:x", 1), "realm ONPREM.LOCAL: the entry cannot be used: not a host that this library takes"},
		"does not parse":   {text + "}\n", `/etc/krb5.conf:36:1: } without {: "}"`},
		"mapped elsewhere": {strings.Replace(text, ".rds.amazonaws.com = CORP.EXAMPLE.COM", ".rds.amazonaws.com = ONPREM.LOCAL", 1), "database " + rdsUS + ": its realm is CORP.EXAMPLE.COM, the file gives ONPREM.LOCAL (/etc/krb5.conf:35:5)"},
	} {
		err := site.Covers(Load(Texts{Files: map[string]string{soundPath: c.text}}, soundPath))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: got  %q\nwant %q", name, got, c.want)
		}
	}
}
