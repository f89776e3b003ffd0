package dbuser

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/kerbagent/kerbagent/config"
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
		g, err := config.ReadGrant(in)
		got := ""
		if err == nil {
			got = granting(g, "a")
		}
		if got != want {
			t.Errorf("%q becomes %q, %v", in, got, err)
		}
	}
}

func TestWithout(t *testing.T) {
	want, _ := config.ReadGrant("SELECT, INSERT ON orders.items")
	for have, left := range map[string][]string{
		"USAGE ON *.*":                      {"SELECT", "INSERT"},
		"SELECT ON orders.*":                {"INSERT"},
		"ALL PRIVILEGES ON `orders`.*":      nil,
		"SELECT, INSERT, UPDATE ON *.*":     nil,
		"SELECT, INSERT ON `orders`.`bill`": {"SELECT", "INSERT"},
		"ALL PRIVILEGES ON `Orders`.*":      {"SELECT", "INSERT"},
	} {
		g, err := config.ReadGrant(have)
		if err != nil {
			t.Fatal(err)
		}
		if got := without(want, []config.Grant{g}).Privileges; !slices.Equal(got, left) {
			t.Errorf("having %s, %v is missing", have, got)
		}
	}
}

// What is revoked is what the file does not ask for, and no more.
func TestBeyond(t *testing.T) {
	var want []config.Grant
	for _, s := range []string{"SELECT, INSERT ON orders.*", "ALL ON bills.*"} {
		g, _ := config.ReadGrant(s)
		want = append(want, g)
	}
	for have, left := range map[string]string{
		"SELECT, UPDATE ON orders.*": "REVOKE UPDATE ON `orders`.* FROM a", "SELECT ON orders.items": "", "USAGE ON *.*": "", "DROP ON bills.x": "",
		"ALL PRIVILEGES ON bills.*": "", "ALL PRIVILEGES ON orders.*": "REVOKE ALL PRIVILEGES ON `orders`.* FROM a", "SELECT ON other.*": "REVOKE SELECT ON `other`.* FROM a",
	} {
		g, err := config.ReadGrant(have)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if more := beyond(g, want); len(more.Privileges) > 0 {
			got = revoking(more, "a")
		}
		if got != left {
			t.Errorf("having %s: %q, want %q", have, got, left)
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
		if s == "" || s == "*" || !utf8.ValidString(s) || len(strings.ToUpper(s)) != len(s) { // names that grants are not written with
			return
		}
		if back, err := config.ReadGrant("SELECT ON " + identifier(s) + ".*"); err != nil || back.Database != s {
			t.Errorf("%q is quoted as %q, read back as %q: %v", s, identifier(s), back.Database, err)
		}
	})
}

// FuzzParseGrant: what is understood is one grant on one object.
func FuzzParseGrant(f *testing.F) {
	f.Add("SELECT, INSERT ON orders.*")
	f.Add("ALL ON `a``b`.`c`")
	f.Fuzz(func(t *testing.T, s string) {
		g, err := config.ReadGrant(s)
		if err != nil {
			return
		}
		body, to, _ := cutLast(strings.TrimPrefix(granting(g, "a"), "GRANT "), " TO ")
		again, err := config.ReadGrant(body)
		if err != nil || to != "a" || again.Database != g.Database || again.Table != g.Table || !slices.Equal(again.Privileges, g.Privileges) {
			t.Errorf("%q is %+v, and said again %+v, %v", s, g, again, err)
		}
	})
}
