//go:build linux

package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
	"github.com/kerbagent/kerbagent/krb5/keys"
)

// maxKeytab is the largest keytab that is read, in bytes.
const maxKeytab = 1 << 20

// judgeKeytab reports whether the program has a client keytab that its library
// will use, and what is wrong with one that is named.
func judgeKeytab(c *inspection, r reader.Reader) (serves bool) {
	file, from := c.keytabName(r)
	if file == "" {
		return false
	}
	c.facts.Keytab = file
	b, _, err := c.root.read(file, maxKeytab)
	switch {
	case err == nil:
		serves = judgeKeys(c, file, b)
		if c.s.keep && serves {
			c.keytab = b
		}
		return serves
	case notSeen(err):
		c.note("%v", err)
		return true // it may serve
	case closed(err):
		c.keytabIssue("app-keytab-unreadable", file, fmt.Sprintf("The program runs as user %d and may not read its keytab %s (%s).",
			c.p.Who.UID, file, from),
			fmt.Sprintf("let user %[1]d read it. If no other program uses the file: chown %[1]d and mode 0600. If others do, leave its owner, and "+
				"give this program a keytab with its own principal alone", c.p.Who.UID))
	default:
		c.keytabIssue("app-keytab-unreadable", file, fmt.Sprintf("The program's keytab %s (%s) cannot be used: %v.", file, from, err),
			"put the keytab where the program looks for it")
	}
	return false
}

func (c *inspection) keytabIssue(code, file, cause, fix string) {
	c.add(Issue{Code: code, Severity: Error, Place: file, Cause: cause, Fix: fix})
}

func ofKeytab(i Issue) bool { return strings.HasPrefix(i.Code, "app-keytab-") }

// keytabName returns the keytab that the program was told to use. libkrb5's
// built-in default is left out: nobody named it, and most hosts have none.
func (c *inspection) keytabName(r reader.Reader) (file, from string) {
	switch {
	case r == reader.Java:
		if c.jaas.keyed() {
			return strings.TrimPrefix(c.jaas.option("keyTab"), "FILE:"), "the JAAS configuration"
		}
		return "", ""
	case c.ownAffair(r):
		if file, from = c.p.Env["KRB5_CLIENT_KTNAME"], "KRB5_CLIENT_KTNAME"; file == "" {
			file, from = c.p.Env["KRB5_KTNAME"], "KRB5_KTNAME"
		}
	case r == reader.MIT || r == reader.Heimdal:
		file, from = c.p.Env["KRB5_CLIENT_KTNAME"], "KRB5_CLIENT_KTNAME"
	default:
		return "", ""
	}
	kind, rest, ok := strings.Cut(file, ":")
	if ok && !strings.HasPrefix(file, "/") {
		if kind != "FILE" && kind != "WRFILE" {
			c.note("the keytab %s: a keytab of type %s is not read", file, kind)
			return "", ""
		}
		return rest, from
	}
	return file, from
}

// judgeKeys looks for the program's user in its keytab.
func judgeKeys(c *inspection, file string, b []byte) (serves bool) {
	kt, err := keys.ParseKeytab(b)
	if err != nil {
		c.keytabIssue("app-keytab-unreadable", file, fmt.Sprintf("The program's keytab %s is no keytab: %v.", file, err),
			"write it again, in binary, with the tool that made it")
		return false
	}
	if len(kt.Entries) == 0 {
		c.keytabIssue("app-keytab-no-entry", file, fmt.Sprintf("The keytab %s holds no key.", file), "get a keytab of the program's user")
		return false
	}
	user := cmp.Or(c.jaas.option("principal"), c.user)
	if user == "" {
		first := kt.Entries[0] // MIT's library takes the first one
		c.user = first.Name + "@" + first.Realm
		judgeStale(c, file, kt)
		return true
	}
	c.user = user
	name, realm, _ := strings.Cut(user, "@")
	if len(kt.ETypes(name, realm)) == 0 {
		c.keytabIssue("app-keytab-no-entry", file, fmt.Sprintf("The keytab %s has no key of %s; it has %s.", file, user, principals(kt)),
			"correct the user's spelling where the program is configured, or get a keytab of that user")
		return false
	}
	judgeStale(c, file, kt)
	return true
}

// principals lists whose keys a keytab holds, each once.
func principals(kt *keys.Keytab) string {
	var out []string
	for _, e := range kt.Entries {
		if p := e.Name + "@" + e.Realm; !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	if len(out) > 5 {
		out = append(out[:5], fmt.Sprintf("and %d more", len(out)-5))
	}
	return strings.Join(out, ", ")
}

// judgeStale reports that kerbagent's own keytab of the same user has newer keys: the
// account's password was changed since the program's was written.
func judgeStale(c *inspection, file string, kt *keys.Keytab) {
	if c.s.o.Config == nil {
		return
	}
	for _, l := range c.s.o.Config.Logins {
		if l.Principal() != c.user || l.SecretKind != config.Keytab {
			continue
		}
		name, err := l.Secret.Path()
		if err != nil {
			continue
		}
		ours, err := keys.ReadKeytab(name)
		if err != nil {
			continue
		}
		have, want := newest(kt, l), newest(ours, l)
		if have < want {
			c.keytabIssue("app-keytab-stale", file,
				fmt.Sprintf("The keytab %s has keys of %s up to version %d, and kerbagent's own keytab of that user has version %d: the account's keys were changed since.", file, c.user, have, want),
				"give the program the newer keytab")
		}
		return
	}
}

func newest(kt *keys.Keytab, l config.Login) (kvno uint32) {
	for _, e := range kt.Entries {
		if e.Name == l.User && e.Realm == l.Realm {
			kvno = max(kvno, e.KVNO)
		}
	}
	return kvno
}
