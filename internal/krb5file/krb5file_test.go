package krb5file

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/lint"
	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/site"
)

const krb5Yaml = `
realms:
  CORP.EXAMPLE.COM: {kdcs: [dc1.corp.example.com, "10.0.0.10:1088"]}
  ONPREM.LOCAL: {trusted_by: [CORP.EXAMPLE.COM]}
databases:
  orders: {endpoint: "db1.rds.example:3306", realm: CORP.EXAMPLE.COM}
logins:
  - {user: carol@ONPREM.LOCAL, database: orders, password_file: pw}
`

func parsed(t *testing.T, more string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("/etc/kerbagent/kerbagent.yaml", []byte(krb5Yaml+more))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestSiteOf(t *testing.T) {
	got := SiteOf(parsed(t, ""))
	want := site.Site{
		Realms: []site.Realm{
			{Name: "CORP.EXAMPLE.COM", Domain: "corp.example.com", KDCs: []string{"dc1.corp.example.com:88", "10.0.0.10:1088"}},
			{Name: "ONPREM.LOCAL", Domain: "onprem.local", TrustedBy: []string{"CORP.EXAMPLE.COM"}},
		},
		Databases: []site.Database{{Host: "db1.rds.example", Realm: "CORP.EXAMPLE.COM"}},
		Logins:    []site.Login{{Realm: "ONPREM.LOCAL", Host: "db1.rds.example"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if err := got.Check(); err != nil {
		t.Error(err)
	}
}

func TestFind(t *testing.T) {
	const block = "krb5_conf: {path: /x/krb5.conf, style: block}\n"
	for _, c := range []struct {
		name        string
		yaml        string // "-" for no configuration
		w           Wish
		owned, main string
		roots       int
		refused     string
	}{
		{"nothing said", "-", Wish{}, "/etc/krb5.conf", "/etc/krb5.conf", 1, ""},
		{"the environment", "-", Wish{KRB5Config: "/a:/b"}, "/a", "/a", 2, ""},
		{"a flag", "-", Wish{KRB5Config: "/a", Path: "/c"}, "/c", "/c", 1, ""},
		{"the configuration before the environment", block, Wish{KRB5Config: "/a"}, "/x/krb5.conf", "/x/krb5.conf", 1, ""},
		{"a flag before both", block, Wish{Path: "/c"}, "/c", "/c", 1, ""},
		{"a snippet", "", Wish{Style: "snippet", Path: "/d/k", KRB5Config: "/a"}, "/d/k", "/a", 1, ""},
		{"a snippet that is the main file", "", Wish{Style: "snippet", Path: "/etc/krb5.conf"}, "", "", 0, "is the main krb5.conf"},
		{"a snippet nowhere", "", Wish{Style: "snippet"}, "", "", 0, "give --path"},
		{"two styles", block, Wish{Style: "file"}, "", "", 0, "krb5_conf.style block"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.yaml != "-" {
				c.w.Config = parsed(t, c.yaml)
			}
			f, err := Find(c.w)
			switch {
			case c.refused != "":
				if err == nil || !strings.Contains(err.Error(), c.refused) {
					t.Errorf("%v, want %q", err, c.refused)
				}
			case err != nil || f.Path() != c.owned || f.Main() != c.main || len(f.roots) != c.roots:
				t.Errorf("%+v %v", f, err)
			}
		})
	}
}

// Whatever Lint says has a page in the catalogue.
func TestEveryIssueHasARule(t *testing.T) {
	codes := []string{lint.CodeMissing, lint.CodeUnparsable, lint.CodeDrift, lint.CodeDefaultRealm, lint.CodeRealmMissing, lint.CodeMappingMissing,
		lint.CodeRealmTwice, lint.CodeIncludeIgnored, lint.CodeETypes, lint.CodeUDPLimit, lint.CodeRDNS, lint.CodeOverridden, lint.CodeReadersDiffer,
		lint.CodeWritable, lint.CodeCCacheUnusable, lint.CodeRealmCase, lint.CodeUnordered}
	for _, c := range codes {
		if _, ok := diagnose.Lookup(diagnose.Code(c)); !ok {
			t.Errorf("%s has no rule", c)
		}
	}
}

func TestCachePath(t *testing.T) {
	set := func(text string) *conf.Set {
		return conf.Load(conf.Texts{Files: map[string]string{"/k": text}}, "/k")
	}
	for _, c := range []struct{ name, env, text, want string }{
		{"nothing said", "", "", "/tmp/krb5cc_7"},
		{"the environment", "FILE:/run/x", "[libdefaults]\ndefault_ccache_name = FILE:/y\n", "/run/x"},
		{"a bare path", "/run/x", "", "/run/x"},
		{"the file", "", "[libdefaults]\ndefault_ccache_name = FILE:/run/user/%{uid}/cc\n", "/run/user/7/cc"},
		{"a word that is not known here", "FILE:/run/%{username}", "", ""},
		{"no file", "KCM:", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := cachePath(lint.Env{CCacheName: c.env, UID: 7}, set(c.text))
			if ok != (c.want != "") || ok && got != c.want {
				t.Errorf("%q %v, want %q", got, ok, c.want)
			}
		})
	}
}
