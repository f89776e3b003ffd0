package lint

import (
	"fmt"

	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/probe/krb5conf"
)

// unknownNames reports sections and settings that are one or two letters from a
// name that libraries know: they are passed over in silence. A name that is like
// none is somebody's own.
func unknownNames(l *linter) {
	sections, defaults, realm := newNames(knownSections()), newNames(libdefaultsKeys()), newNames(realmKeys())
	for _, d := range l.docs() {
		if d.File == nil {
			continue
		}
		for _, n := range d.File.Nodes {
			if n.Kind != conf.Section {
				continue
			}
			if best := sections.nearest(n.Name); best != "" && !isOtherForm(n.Name) {
				unknown(l, d, n, fmt.Sprintf("No library reads a section [%s], so its lines have no effect", n.Name), "["+best+"]")
			}
			for _, c := range n.Children {
				switch {
				case n.Name == "libdefaults" && c.Kind == conf.Relation:
					if best := defaults.nearest(c.Name); best != "" {
						unknown(l, d, c, fmt.Sprintf("No library knows the setting %s, so the line has no effect", c.Name), best)
					}
				case n.Name == "realms" && c.Kind == conf.Subsection:
					for _, k := range c.Children {
						if k.Kind != conf.Relation {
							continue
						}
						if best := realm.nearest(k.Name); best != "" {
							unknown(l, d, k, fmt.Sprintf("No library knows the setting %s of a realm, so the line has no effect", k.Name), best)
						}
					}
				}
			}
		}
	}
}

func unknown(l *linter, d *conf.Doc, n *conf.Node, what, best string) {
	l.add(krb5conf.Issue{Code: CodeUnknownKey, Severity: krb5conf.SeverityWarning, At: conf.Pos{File: d.Path, Line: n.Line, Column: n.NameAt},
		Cause: what + "; " + best + " is probably meant." + signs(n.Name), Remedy: "Write " + best})
}
