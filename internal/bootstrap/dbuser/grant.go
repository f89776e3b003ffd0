package dbuser

import (
	"fmt"
	"slices"
	"strings"
)

// grant is privileges on one object.
type grant struct {
	privileges []string // upper case
	database   string   // "*": all
	table      string   // "*": all
}

const all = "ALL PRIVILEGES"

func parseGrants(texts []string) ([]grant, error) {
	var out []grant
	for _, s := range texts {
		g, err := parseGrant(s)
		if err != nil {
			return nil, err
		}
		if g.database == "*" && slices.Contains(g.privileges, all) {
			return nil, fmt.Errorf("grant %q: the primary user of Aurora has not all privileges itself, so it cannot give them; name a database, or the privileges", s)
		}
		out = append(out, g)
	}
	return out, nil
}

// parseGrant reads what stands between GRANT and TO: "SELECT, SHOW VIEW ON
// orders.*", with or without backticks. Columns, routines and roles are not
// understood.
func parseGrant(s string) (grant, error) {
	bad := fmt.Errorf("grant %q: write it like SELECT, INSERT ON orders.*", s)
	upper := strings.ToUpper(s) // ASCII in what is looked for; a name never comes before ON
	on := strings.Index(upper, " ON ")
	if on < 0 || len(upper) != len(s) {
		return grant{}, bad
	}
	var g grant
	for p := range strings.SplitSeq(upper[:on], ",") {
		p = strings.Join(strings.Fields(p), " ")
		if p == "" || strings.ContainsFunc(p, func(r rune) bool { return r != ' ' && r != '_' && (r < 'A' || r > 'Z') }) {
			return grant{}, bad
		}
		if p == "ALL" {
			p = all
		}
		g.privileges = append(g.privileges, p)
	}
	object := strings.TrimSpace(s[on+len(" ON "):])
	database, rest, ok := name(object)
	if !ok || !strings.HasPrefix(rest, ".") {
		return grant{}, bad
	}
	table, rest, ok := name(rest[1:])
	if !ok || rest != "" || database == "*" && table != "*" {
		return grant{}, bad
	}
	g.database, g.table = database, table
	return g, nil
}

// name reads one name: *, in backticks, or letters, digits and _ $ -. Servers
// under ANSI_QUOTES show names in double quotes.
func name(s string) (value, rest string, ok bool) {
	if rest, found := strings.CutPrefix(s, "*"); found {
		return "*", rest, true
	}
	if s == "" || s[0] != '`' && s[0] != '"' {
		n := 0
		for n < len(s) && (s[n] == '_' || s[n] == '$' || s[n] == '-' || s[n] >= '0' && s[n] <= '9' || s[n] >= 'a' && s[n] <= 'z' || s[n] >= 'A' && s[n] <= 'Z') {
			n++
		}
		return s[:n], s[n:], n > 0
	}
	quote := s[0]
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != quote {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == quote {
			b.WriteByte(quote)
			i++
			continue
		}
		return b.String(), s[i+1:], b.Len() > 0 && b.String() != "*"
	}
	return "", "", false
}

// without is what of g the others do not give.
func (g grant) without(have []grant) grant {
	left := grant{database: g.database, table: g.table}
	for _, p := range g.privileges {
		if !slices.ContainsFunc(have, func(h grant) bool {
			covers := (h.database == "*" || h.database == g.database) && (h.table == "*" || h.table == g.table)
			return covers && (slices.Contains(h.privileges, p) || slices.Contains(h.privileges, all))
		}) {
			left.privileges = append(left.privileges, p)
		}
	}
	return left
}

func (g grant) statement(account string) string {
	return "GRANT " + strings.Join(g.privileges, ", ") + " ON " + identifier(g.database) + "." + identifier(g.table) + " TO " + account
}

// identifier quotes with backticks, which no sql_mode changes.
func identifier(s string) string {
	if s == "*" {
		return s
	}
	return "`" + strings.ReplaceAll(s, "`", "``") + "`"
}

// text quotes a string so that it is the same under ANSI_QUOTES and under
// NO_BACKSLASH_ESCAPES: a backslash, which is not, is refused.
func text(s string) (string, error) {
	if strings.ContainsAny(s, "\\\x00") || strings.ToValidUTF8(s, "") != s {
		return "", fmt.Errorf("%q cannot be quoted in the same way for every sql_mode", s)
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'", nil
}

// accountOf is 'user'@'host'.
func accountOf(u User) (string, error) {
	name, err := text(u.Name)
	if err != nil {
		return "", fmt.Errorf("user: %w", err)
	}
	host, err := text(u.Host)
	if err != nil {
		return "", fmt.Errorf("host: %w", err)
	}
	return name + "@" + host, nil
}
