package dbuser

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/config"
)

// without returns what of g the others do not give.
func without(g config.Grant, have []config.Grant) config.Grant {
	left := config.Grant{Database: g.Database, Table: g.Table}
	for _, p := range g.Privileges {
		if !slices.ContainsFunc(have, func(h config.Grant) bool {
			covers := (h.Database == "*" || h.Database == g.Database) && (h.Table == "*" || h.Table == g.Table)
			return covers && (slices.Contains(h.Privileges, p) || slices.Contains(h.Privileges, config.AllPrivileges))
		}) {
			left.Privileges = append(left.Privileges, p)
		}
	}
	return left
}

// beyond returns what of an existing grant none of the wanted ones asks for. ALL
// PRIVILEGES is beyond them unless it is wanted itself.
func beyond(h config.Grant, want []config.Grant) config.Grant {
	left := without(h, want)
	left.Privileges = slices.DeleteFunc(left.Privileges, func(p string) bool { return p == "USAGE" }) // which is none
	return left
}

func on(g config.Grant) string {
	return strings.Join(g.Privileges, ", ") + " ON " + identifier(g.Database) + "." + identifier(g.Table)
}

func granting(g config.Grant, account string) string { return "GRANT " + on(g) + " TO " + account }

func revoking(g config.Grant, account string) string { return "REVOKE " + on(g) + " FROM " + account }

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
