package config

import (
	"fmt"
	"slices"
	"strings"
)

// logins reads the users. It is last, since a login refers to everything else.
func (d *document) logins(v value, c *Config, dir string) []Login {
	var out []Login
	for _, item := range v.items("{user: alice@CORP.EXAMPLE.COM, database: orders, keytab: FILE}") {
		f := item.fields(loginKeys()...)
		if !mapping(item) {
			continue
		}
		l := Login{Interval: readOr(f["interval"], DefaultLoginInterval, interval)}
		l.User, l.Realm = d.user(f["user"], item, c.Realms)
		l.Database = d.loginDatabase(f["database"], item, c.Databases)
		l.SecretKind, l.Secret = d.secret(f, item, dir)
		l.Configured = readOr(f["as"], asPrograms, parseLoginAs) == asConfigured
		if f["interval"].set() && l.Interval <= c.Probes.LoginTimeout() {
			f["interval"].problem("the interval (%s) is not longer than a login may take (%s, twice the probes' timeout)", short(l.Interval),
				short(c.Probes.LoginTimeout()))
		}
		twice := slices.ContainsFunc(out, func(o Login) bool {
			return l.User != "" && o.Principal() == l.Principal() && o.Database == l.Database
		})
		if twice {
			item.problem("%s logs in to %s a second time; leave one of them", l.Principal(), l.Database)
			continue
		}
		out = append(out, l)
	}
	return out
}

func mapping(v value) bool { return v.set() && describe(v.node) == "a mapping" }

func (d *document) user(v, login value, realms []Realm) (name, realm string) {
	if !v.set() {
		login.problem("has no user; write user: alice@REALM")
		return "", ""
	}
	name, ok := read(v, func(s string) (string, error) {
		name, r, err := parseUser(s)
		if err != nil {
			return "", err
		}
		if r == "" {
			return "", fmt.Errorf("%q has no realm; write %s", s, withRealm(name, realms))
		}
		realm = r
		return name, userRealm(name, r, realms)
	})
	if !ok {
		return "", ""
	}
	return name, realm
}

func withRealm(name string, realms []Realm) string {
	if len(realms) == 0 {
		return name + "@CORP.EXAMPLE.COM"
	}
	return name + "@" + realms[0].Name
}

func (d *document) loginDatabase(v, login value, databases []Database) string {
	if !v.set() {
		login.problem("has no database; write database: NAME")
		return ""
	}
	name, _ := read(v, func(s string) (string, error) {
		names := make([]string, len(databases))
		for i, db := range databases {
			if db.Name == s {
				return s, nil
			}
			names[i] = db.Name
		}
		if len(names) == 0 {
			return "", fmt.Errorf("%q is not in databases, which this file does not have", s)
		}
		return "", fmt.Errorf("%q is not in databases; %s", s, known(s, names))
	})
	return name
}

// secret reads the one of four keys that says what proves the user's identity.
func (d *document) secret(f map[string]value, login value, dir string) (SecretKind, SecretRef) {
	var kind SecretKind
	var ref SecretRef
	given := 0
	for _, one := range []struct {
		key   string
		kind  SecretKind
		parse func(s, dir string) (SecretRef, error)
	}{
		{"password_file", PasswordFile, parseSecretRef},
		{"keytab", Keytab, parseSecretRef},
		{"ccache", CCache, parseCCacheRef},
	} {
		v := f[one.key]
		if !v.set() {
			continue
		}
		if given++; given > 1 {
			v.problem("a login has one secret: password_file, password_command, keytab or ccache; leave one of them")
			continue
		}
		kind = one.kind
		ref, _ = read(v, func(s string) (SecretRef, error) { return one.parse(s, dir) })
	}
	if v := f["password_command"]; v.set() {
		if given++; given > 1 {
			v.problem("a login has one secret: password_file, password_command, keytab or ccache; leave one of them")
		}
		kind, ref = PasswordFile, d.command(v)
	}
	if given == 0 {
		login.problem("has no secret; write password_file: FILE, keytab: FILE or ccache: FILE")
	}
	return kind, ref
}

// Users lists the configured users (user@REALM), each once, in the order of
// their logins: where names are hidden, the first is user-1 in every output.
func (c *Config) Users() []string {
	var out []string
	for _, l := range c.Logins {
		if !slices.Contains(out, l.Principal()) {
			out = append(out, l.Principal())
		}
	}
	return out
}

// userRealm is knownRealm for a user. What follows the @ of a user principal name
// in Active Directory may be a UPN suffix, which is no realm.
func userRealm(name, realm string, realms []Realm) error {
	err := knownRealm(realm, realms)
	if err == nil || slices.ContainsFunc(realms, func(r Realm) bool { return strings.EqualFold(r.Name, realm) }) {
		return err
	}
	return fmt.Errorf("%w; if %q is a UPN suffix, write the account's sAMAccountName and its realm, e.g. %s@%s", err, realm, name,
		realms[0].Name)
}
