package dbuser

import (
	"slices"
	"strings"
	"testing"
)

func TestParseGrant(t *testing.T) {
	for in, want := range map[string]string{
		"SELECT ON orders.*":                       "GRANT SELECT ON `orders`.* TO a",
		"select,  show  view ON `or``ders`.`a b`":  "GRANT SELECT, SHOW VIEW ON `or``ders`.`a b` TO a",
		"ALL ON orders.items":                      "GRANT ALL PRIVILEGES ON `orders`.`items` TO a",
		"USAGE ON *.*":                             "GRANT USAGE ON *.* TO a",
		"CREATE ON `x ON y`.*":                     "GRANT CREATE ON `x ON y`.* TO a",
		"SELECT ON orders.* TO 'eve'@'%'":          "",
		"SELECT ON orders.*; DROP TABLE x":         "",
		"SELECT (id) ON orders.items":              "",
		"SELECT ON orders":                         "",
		"SELECT ON *.items":                        "",
		"SELECT":                                   "",
		"ON orders.*":                              "",
		"SELECT ON ``.*":                           "",
		"SELECT ON orders.* WITH GRANT OPTION":     "",
		"SELECT ON `orders`.*`":                    "",
		"EXECUTE ON PROCEDURE orders.refill":       "",
		"SELECT, ON orders.*":                      "",
		"SELECT/**/ ON orders.*":                   "",
		"ſELECT ON orders.*":                       "",
		"SELECT ON `orders`.* TO `a`@`%`, `b`@`%`": "",
	} {
		g, err := parseGrant(in)
		got := ""
		if err == nil {
			got = g.statement("a")
		}
		if got != want {
			t.Errorf("%q becomes %q, %v", in, got, err)
		}
	}
	if _, err := parseGrants([]string{"ALL ON *.*"}); err == nil || !strings.Contains(err.Error(), "name a database") {
		t.Errorf("everything: %v", err)
	}
}

func TestWithout(t *testing.T) {
	want, _ := parseGrant("SELECT, INSERT ON orders.items")
	for have, left := range map[string][]string{
		"USAGE ON *.*":                      {"SELECT", "INSERT"},
		"SELECT ON orders.*":                {"INSERT"},
		"ALL PRIVILEGES ON `orders`.*":      nil,
		"SELECT, INSERT, UPDATE ON *.*":     nil,
		"SELECT, INSERT ON `orders`.`bill`": {"SELECT", "INSERT"},
		"ALL PRIVILEGES ON `Orders`.*":      {"SELECT", "INSERT"},
	} {
		g, err := parseGrant(have)
		if err != nil {
			t.Fatal(err)
		}
		if got := want.without([]grant{g}).privileges; !slices.Equal(got, left) {
			t.Errorf("having %s, %v is missing", have, got)
		}
	}
}

// FuzzQuote: whatever is quoted is one string or one name, read with backslash
// as an escape or without, with " as a quote or not.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{"alice", "O'Neil", "'; DROP USER x; --", `a\`, "`", "``", `"`, "\x00", "ü", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if q, err := text(s); err == nil {
			inner := q[1 : len(q)-1]
			if strings.Contains(q, `\`) || strings.Contains(strings.ReplaceAll(inner, "''", ""), "'") || strings.ReplaceAll(inner, "''", "'") != s {
				t.Errorf("%q is quoted as %q", s, q)
			}
		} else if !strings.ContainsAny(s, "\\\x00") && strings.ToValidUTF8(s, "") == s {
			t.Errorf("%q cannot be quoted: %v", s, err)
		}
		if s == "" || s == "*" {
			return
		}
		if back, rest, ok := name(identifier(s)); !ok || rest != "" || back != s {
			t.Errorf("%q is quoted as %q, read back as %q", s, identifier(s), back)
		}
	})
}

// FuzzParseGrant: what is understood is one grant on one object.
func FuzzParseGrant(f *testing.F) {
	f.Add("SELECT, INSERT ON orders.*")
	f.Add("ALL ON `a``b`.`c`")
	f.Fuzz(func(t *testing.T, s string) {
		g, err := parseGrant(s)
		if err != nil {
			return
		}
		body, to, _ := cutLast(strings.TrimPrefix(g.statement("a"), "GRANT "), " TO ")
		again, err := parseGrant(body)
		if err != nil || to != "a" || again.database != g.database || again.table != g.table || !slices.Equal(again.privileges, g.privileges) {
			t.Errorf("%q is %+v, and said again %+v, %v", s, g, again, err)
		}
	})
}
