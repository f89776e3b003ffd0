package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
	"github.com/kerbagent/kerbagent/probe/krb5conf"
)

// serverKeys are the settings that name a realm's servers. They count in a realm's
// block only.
func serverKeys() []string {
	return []string{"kdc", "admin_server", "kpasswd_server", "master_kdc", "primary_kdc"}
}

// misplaced reports lines that would count in another section: KDCs outside of
// [realms], settings of [libdefaults] elsewhere, and mappings and realms under a
// section's name that nobody reads.
func misplaced(l *linter) {
	known, settings := newNames(knownSections()), newNames(libdefaultsKeys())
	for _, d := range l.docs() {
		if d.File == nil {
			continue
		}
		for _, n := range d.File.Nodes {
			switch {
			case n.Kind != conf.Section:
			case n.Name == "libdefaults":
				misplacedServers(l, d, n)
			case n.Name == "realms":
				nestedRealms(l, d, n)
			case n.Name == "domain_realm":
				for _, c := range n.Children {
					if c.Kind == conf.Relation && strings.Contains(c.Name, "_") && settings.known[c.Name] {
						misplacedAt(l, d, c, fmt.Sprintf("%s is in [domain_realm], where every line is a host or a domain, so it sets nothing", c.Name),
							"Move the line to [libdefaults]")
					}
				}
			case !known.known[n.Name] && known.nearest(n.Name) == "":
				unknownSection(l, d, n)
			}
		}
	}
}

// misplacedServers reports the servers of a realm that stand in [libdefaults].
func misplacedServers(l *linter, d *conf.Doc, section *conf.Node) {
	for _, n := range section.Children {
		switch {
		case n.Kind == conf.Relation && n.Name == "kdc":
			misplacedAt(l, d, n, "kdc is in [libdefaults], where no library looks for it", "In [realms]: REALM = {, this line, }")
		case n.Kind == conf.Subsection && slices.ContainsFunc(n.Children, isServer):
			misplacedAt(l, d, n, fmt.Sprintf("Realm %s is in [libdefaults], where no library looks for its KDCs", n.Name),
				"Write [realms] above this line, and a section's name above what follows the }")
		}
	}
}

// nestedRealms reports realms that stand in the block of another one.
func nestedRealms(l *linter, d *conf.Doc, section *conf.Node) {
	for _, realm := range section.Children {
		for _, n := range realm.Children {
			if n.Kind == conf.Subsection && slices.ContainsFunc(n.Children, isServer) {
				misplacedAt(l, d, n, fmt.Sprintf("Realm %s stands in the block of %s, which begins on line %d and is not closed before, so MIT does not know it",
					n.Name, realm.Name, realm.Line), "Write a } on the line above")
			}
		}
	}
}

func isServer(n *conf.Node) bool {
	return n.Kind == conf.Relation && slices.Contains(serverKeys(), n.Name)
}

// unknownSection reports a section of which the name is nobody's, and what it
// holds is what belongs into [realms] or [domain_realm].
func unknownSection(l *linter, d *conf.Doc, section *conf.Node) {
	realms := map[string]bool{}
	if mit := l.mit(); mit.Err == nil {
		realms[mit.DefaultRealm.Value] = true
		for _, e := range mit.Realms {
			realms[e.Name] = true
		}
		delete(realms, "")
	}
	for _, n := range section.Children {
		want := ""
		switch {
		case n.Kind == conf.Subsection && slices.ContainsFunc(n.Children, isServer):
			want = "[realms]"
		case n.Kind == conf.Relation && realms[n.Value] && strings.Contains(n.Name, "."):
			want = "[domain_realm]"
		}
		if want != "" {
			misplacedAt(l, d, section, fmt.Sprintf("No library reads a section [%s]; its content belongs in %s", section.Name, want), "Write "+want)
			return
		}
	}
}

func misplacedAt(l *linter, d *conf.Doc, n *conf.Node, what, remedy string) {
	l.add(krb5conf.Issue{Code: CodeUnknownKey, Severity: krb5conf.SeverityWarning, At: conf.Pos{File: d.Path, Line: n.Line, Column: max(n.NameAt, 1)},
		Cause: what + ".", Remedy: remedy})
}

// reversedMappings reports lines of [domain_realm] with the realm on the left.
func reversedMappings(l *linter, mit *reader.Reading) {
	for _, m := range mit.Mappings {
		_, isRealm := mit.Realm(m.Domain)
		domain := strings.TrimPrefix(m.Realm, ".")
		if _, alsoRealm := mit.Realm(m.Realm); alsoRealm || !isRealm && m.Domain != mit.DefaultRealm.Value || domain != strings.ToLower(domain) || m.Domain == m.Realm {
			continue
		}
		l.add(krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityWarning, At: m.From,
			Cause:  fmt.Sprintf("The realm is on the left, so this line maps a host named %q to a realm %q.", m.Domain, m.Realm),
			Remedy: "Write the domain on the left, in lower case: " + m.Realm + " = " + m.Domain})
	}
}
