package config

import (
	"fmt"
	"slices"
	"strings"
)

// Grant is privileges on one object of a database server.
type Grant struct {
	Privileges []string // upper case
	Database   string   // "*": all
	Table      string   // "*": all
}

// AllPrivileges is the privilege that stands for all others.
const AllPrivileges = "ALL PRIVILEGES"

// tablePrivileges are those of MySQL 8.0 that a table may have, databasePrivileges
// those that only a database may have, globalPrivileges the static ones that only
// the whole server has ("Privileges Provided by MySQL" in its manual). Dynamic
// ones, which a plugin may add, have an underscore in their names.
func tablePrivileges() []string {
	return []string{AllPrivileges, "ALTER", "CREATE", "CREATE VIEW", "DELETE", "DROP", "INDEX", "INSERT", "REFERENCES", "SELECT",
		"SHOW VIEW", "TRIGGER", "UPDATE", "USAGE"}
}

func databasePrivileges() []string {
	return []string{"ALTER ROUTINE", "CREATE ROUTINE", "CREATE TEMPORARY TABLES", "EVENT", "EXECUTE", "LOCK TABLES"}
}

func globalPrivileges() []string {
	return []string{"CREATE ROLE", "CREATE USER", "DROP ROLE", "PROCESS", "RELOAD", "REPLICATION CLIENT", "REPLICATION SLAVE",
		"SHOW DATABASES"}
}

// ParseGrant reads what stands between GRANT and TO, "SELECT, SHOW VIEW ON
// orders.*", as far as it can be given by the primary user of Aurora.
func ParseGrant(s string) (Grant, error) {
	g, err := ReadGrant(s)
	if err != nil {
		return Grant{}, err
	}
	if g.Database == "*" && slices.Contains(g.Privileges, AllPrivileges) {
		return Grant{}, fmt.Errorf("%q: the primary user of Aurora does not have all privileges itself, so it cannot grant them; name a database, or the privileges", s)
	}
	for _, p := range g.Privileges {
		switch {
		case slices.Contains(tablePrivileges(), p):
		case slices.Contains(databasePrivileges(), p):
			if g.Table != "*" {
				return Grant{}, fmt.Errorf("%q: %s is a privilege of a database, not of a table; write ON %s.*", s, p, g.Database)
			}
		case slices.Contains(globalPrivileges(), p), strings.Contains(p, "_"):
			if g.Database != "*" {
				return Grant{}, fmt.Errorf("%q: %s is a privilege of the whole server; write ON *.*", s, p)
			}
		default:
			return Grant{}, fmt.Errorf("%q: %s is no privilege that can be granted here", s, p)
		}
	}
	return g, nil
}

// ReadGrant is ParseGrant for what a server says: it takes any privilege. Columns,
// routines and roles are not understood.
func ReadGrant(s string) (Grant, error) {
	bad := fmt.Errorf("%q is not a grant; write one like SELECT, INSERT ON orders.* (privileges on columns, routines and roles are granted by hand)", s)
	upper := strings.ToUpper(s) // ASCII in what is looked for; a name never comes before ON
	on := strings.Index(upper, " ON ")
	if on < 0 || len(upper) != len(s) {
		return Grant{}, bad
	}
	var g Grant
	for p := range strings.SplitSeq(upper[:on], ",") {
		words := strings.Fields(p)
		p = strings.Join(words, " ")
		strange := func(r rune) bool { return r != ' ' && r != '_' && (r < 'A' || r > 'Z') }
		if p == "" || slices.Contains(words, "ON") || strings.ContainsFunc(p, strange) {
			return Grant{}, bad
		}
		if p == "ALL" {
			p = AllPrivileges
		}
		g.Privileges = append(g.Privileges, p)
	}
	database, rest, ok := sqlName(strings.TrimSpace(s[on+len(" ON "):]))
	if !ok || !strings.HasPrefix(rest, ".") {
		return Grant{}, bad
	}
	table, rest, ok := sqlName(rest[1:])
	if !ok || rest != "" || database == "*" && table != "*" {
		return Grant{}, bad
	}
	g.Database, g.Table = database, table
	return g, nil
}

// sqlName reads one name: *, in backticks, or letters, digits and _ $ -. Servers
// under ANSI_QUOTES show names in double quotes.
func sqlName(s string) (value, rest string, ok bool) {
	if rest, found := strings.CutPrefix(s, "*"); found {
		return "*", rest, true
	}
	if s == "" || s[0] != '`' && s[0] != '"' {
		n := 0
		for n < len(s) && (strings.IndexByte("_$-", s[n]) >= 0 ||
			s[n] >= '0' && s[n] <= '9' || s[n] >= 'a' && s[n] <= 'z' || s[n] >= 'A' && s[n] <= 'Z') {
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
