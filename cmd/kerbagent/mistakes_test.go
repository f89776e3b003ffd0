package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/internal/diagnose"
)

// A mistake is what somebody does to a good krb5.conf so that lint reports a finding: in words, and done.
type mistake struct {
	what string
	make func(good string) string
}

func mistakes() map[diagnose.Code]mistake {
	const libdefaults = "[libdefaults]\n"
	within := func(line string) mistake {
		return mistake{"write `" + line + "` in `[libdefaults]`", func(good string) string {
			return strings.Replace(good, libdefaults, libdefaults+"  "+line+"\n", 1)
		}}
	}
	replaced := func(what, old, made string) mistake {
		return mistake{what, func(good string) string { return strings.Replace(good, old, made, 1) }}
	}
	first := func(what, line string) mistake {
		return mistake{what, func(good string) string { return line + "\n" + good }}
	}
	return map[diagnose.Code]mistake{
		"krb5conf-unparsable":      first("write `nonsense` as the first line", "nonsense"),
		"krb5conf-not-krb5conf":    mistake{"put two spaces before every line", func(good string) string { return "  " + strings.ReplaceAll(good, "\n", "\n  ") }},
		"krb5conf-template":        replaced("write `default_realm = {{ realm }}` in place of its value", "default_realm = CORP.EXAMPLE.COM", "default_realm = {{ realm }}"),
		"krb5conf-unknown-key":     within("dns_lokup_kdc = true"),
		"krb5conf-include-ignored": first("create an empty file /tmp/other.conf, and write `include /tmp/other.conf` as the first line", "include other.conf"),
		"krb5conf-readers-differ":  replaced("write `forwardable = yes` in `[libdefaults]`, and `forwardable = no` below it", libdefaults, libdefaults+"  forwardable = yes\n  forwardable = no\n"),
		"krb5conf-default-realm":   replaced("write OTHER.EXAMPLE.COM as the default_realm", "default_realm = CORP.EXAMPLE.COM", "default_realm = OTHER.EXAMPLE.COM"),
		"krb5conf-realm-missing": replaced("remove the block of the realm from `[realms]`, and write `dns_lookup_kdc = false` in `[libdefaults]`",
			goodKrb5Conf[strings.Index(goodKrb5Conf, "  rdns"):strings.Index(goodKrb5Conf, "[domain_realm]")], "  dns_lookup_kdc = false\n"),
		"krb5conf-realm-case": replaced("write the realm's name in `[realms]` in lower case", "  CORP.EXAMPLE.COM = {", "  corp.example.com = {"),
		"krb5conf-mapping-missing": mistake{"remove `[domain_realm]` with its lines", func(good string) string {
			before, _, _ := strings.Cut(good, "[domain_realm]")
			return before
		}},
		"krb5conf-realm-twice": replaced("write a second block of the realm, with another KDC, in `[realms]`", "[domain_realm]", "[realms]\n  CORP.EXAMPLE.COM = {\n    kdc = dc3.corp.example.com\n  }\n[domain_realm]"),
		"krb5conf-etypes":      within("permitted_enctypes = rc4-hmac"),
		"krb5conf-udp-limit":   replaced("remove the line of udp_preference_limit", "  udp_preference_limit = 1\n", ""),
		"krb5conf-rdns": replaced("write `rdns = true` and `dns_canonicalize_hostname = true` in `[libdefaults]`, in place of other values",
			"dns_canonicalize_hostname = false\n  rdns = false", "dns_canonicalize_hostname = true\n  rdns = true"),
	}
}

const goodKrb5Conf = `[libdefaults]
  default_realm = CORP.EXAMPLE.COM
  udp_preference_limit = 1
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
[realms]
  CORP.EXAMPLE.COM = {
    kdc = dc1.corp.example.com
    kdc = dc2.corp.example.com
  }
[domain_realm]
  .us-east-1.rds.amazonaws.com = CORP.EXAMPLE.COM
`

// A page once told people to make a mistake, did not say which, and checked an unchanged copy.
func TestTheMistakesOfThePagesAreFound(t *testing.T) {
	t.Setenv("KRB5CCNAME", "FILE:/nonexistent")
	t.Setenv("KRB5_CONFIG", "")
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	other := file("other.conf", "")
	cfg := file("kerbagent.yaml", `realms: {CORP.EXAMPLE.COM: {kdcs: [dc1.corp.example.com, dc2.corp.example.com]}}
databases: {orders: {endpoint: orders.cluster-abc123.us-east-1.rds.amazonaws.com}}
logins: [{user: alice@CORP.EXAMPLE.COM, database: orders, password_file: alice.pw}]
`)
	lint := func(text string) string {
		var out bytes.Buffer
		root := newRoot(streams{in: os.Stdin, out: &out, err: &out})
		root.SetArgs([]string{"krb5conf", "lint", "--config", cfg, "--path", file("krb5.conf", strings.Replace(text, "include other.conf", "include "+other, 1))})
		_ = root.Execute() // a finding is an exit status
		return out.String()
	}
	if got := lint(goodKrb5Conf); strings.Contains(got, "krb5conf-") {
		t.Fatalf("the good file: %s", got)
	}
	for _, r := range diagnose.Catalogue() {
		page := howToRehearse(r.Code)
		m, ok := mistakes()[r.Code]
		if strings.Contains(page, "The mistake: ") != ok {
			t.Errorf("%s: a page without its mistake, or the other way round:\n%s", r.Code, page)
		}
		if !ok {
			continue
		}
		if got := lint(m.make(goodKrb5Conf)); !strings.Contains(got, ": "+string(r.Code)+"\n") {
			t.Errorf("%s: %s: lint says\n%s", r.Code, m.what, got)
		}
	}
}
