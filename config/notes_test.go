package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNotes(t *testing.T) {
	const head = "realms: {A.TEST: {}}\ndatabases: {one: {endpoint: db1.a.test}, two: {endpoint: db2.a.test, tls: {mode: require}}}\n"
	const paced = "logins of alice@A.TEST: the intervals make 24 an hour; paced to 20 an hour"
	const unchecked = "database two: with tls.mode require its certificate is not checked"
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"realms alone": {"realms: {A.TEST: {}}\n", []string{"no databases configured: only the realms are checked"}},
		"path alone":   {head, []string{"no logins configured: network path checks only", unchecked}},
		"one login":    {head + "logins: [{user: alice@A.TEST, database: one, keytab: k}]\n", []string{unchecked}},
		"a custom endpoint": {"realms: {A.TEST: {}}\ndatabases: {one: {endpoint: reports.cluster-custom-abc.us-east-1.rds.amazonaws.com}}\nlogins: [{user: alice@A.TEST, database: one, keytab: k}]\n",
			[]string{"database one: reports.cluster-custom-abc.us-east-1.rds.amazonaws.com is a custom endpoint, which Windows clients of an on-premises Active Directory cannot use (Aurora user guide)"}},
		"two of one":     {head + "logins: [{user: alice@A.TEST, database: one, keytab: k}, {user: alice@A.TEST, database: two, keytab: k}]\n", []string{paced, unchecked}},
		"two users":      {head + "logins: [{user: alice@A.TEST, database: one, keytab: k}, {user: bob@A.TEST, database: two, keytab: k}]\n", []string{unchecked}},
		"somebody's own": {head + "logins: [{user: alice@A.TEST, database: one, ccache: c, interval: 20s}]\n", []string{unchecked}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := Parse("k.yaml", []byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, cfg.Notes()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRedact(t *testing.T) {
	const good = "realms: # hunter2\n  A.TEST: {kind: mit, dns_servers: [10.0.0.1]} # hunter2\n"
	for name, c := range map[string]struct{ text, want string }{
		"comments":          {"# hunter2\n" + good, "realms:\n  A.TEST: {kind: mit, dns_servers: [10.0.0.1]}\n"},
		"not valid":         {good + "password: hunter2\n", "# Not shown, as it is not valid:\n# line 3: password\n"},
		"not YAML":          {"hunter2: [", "# Not shown, as it is not valid:\n# line 1: \n"},
		"bootstrap's own":   {good + "bootstrap: {admin_password: hunter2}\n", "# line 3: bootstrap.admin_password\n"},
		"a value's message": {"realms: {A.TEST: {kind: hunter2}}\n", "# line 1: realms.\"A.TEST\".kind\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Redact("k.yaml", []byte(c.text))
			if !strings.Contains(got, c.want) || strings.Contains(got, "hunter2") {
				t.Errorf("got\n%s", got)
			}
		})
	}
}

// What is shown of a good file means the same.
func TestRedactKeepsTheMeaning(t *testing.T) {
	files, err := filepath.Glob("../examples/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "testdata/every-key.yaml", "testdata/example.yaml", "testdata/least.yaml") {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, err := Parse(file, b)
		if err != nil {
			t.Fatal(err)
		}
		text := Redact(file, b)
		got, err := Parse(file, []byte(text))
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		want.Bootstrap, got.Bootstrap = nil, nil
		if diff := diffConfig(want, got); diff != "" || strings.Contains(text, "#") && !strings.Contains(text, "# The bootstrap part") {
			t.Errorf("%s: %s\n%s", file, diff, text)
		}
	}
}
