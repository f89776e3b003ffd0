package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
	"github.com/kerbagent/kerbagent/krb5/conf/site"
	"github.com/kerbagent/kerbagent/probe/krb5conf"
)

// realms judges the default realm and the realms that logins pass through.
func realms(l *linter) {
	defaultRealm(l)
	badKDCs(l)
	defaultNowhere(l)
	realmsMissing(l)
	realmsTwice(l)
	if l.mit().Err == nil {
		reversedMappings(l, l.mit())
	}
	realmCase(l)
	misspeltRealms(l)
	markedRealms(l)
	mappingsToNowhere(l)
}

func defaultRealm(l *linter) {
	want := l.in.Site.Default()
	type value struct {
		text string
		at   conf.Pos
	}
	var g group[value]
	for _, r := range l.usable {
		if d := r.DefaultRealm; d.Value == "" || want != "" && d.Value != want {
			g.add(value{d.Value, d.From}, r.Reader)
		}
	}
	for _, v := range g.keys {
		i := krb5conf.Issue{Code: CodeDefaultRealm, Severity: krb5conf.SeverityWarning, Readers: g.readers[v], At: v.at}
		remedy := want
		if want == "" {
			remedy = "REALM"
		}
		i.Remedy = "In [libdefaults]: default_realm = " + remedy
		switch {
		case v.text == "":
			if l.alone() { // as distributions ship it
				i.Severity = krb5conf.SeverityInfo
			}
			i.At = conf.Pos{File: l.in.Path}
			i.Cause = "No default_realm: a user or service without @REALM fails with \"Cannot locate default realm\"."
		default:
			i.Cause = fmt.Sprintf("The default realm is %q for %s, and %s is expected.", v.text, reader.Titles(i.Readers), want)
		}
		l.add(i)
	}
}

func realmsMissing(l *linter) {
	type why struct {
		realm, text string
	}
	var g group[why]
	for _, name := range l.in.Site.InUse() {
		for _, r := range l.usable {
			if e, _ := r.Realm(name); e.Err != nil && r.Reader == reader.MIT {
				continue // badKDCs
			}
			if text := r.CannotFind(name); text != "" {
				g.add(why{name, text}, r.Reader)
			}
		}
	}
	for _, w := range g.keys {
		readers := g.readers[w]
		i := krb5conf.Issue{Code: CodeRealmMissing, Severity: severityFor(readers), Readers: readers, At: conf.Pos{File: l.in.Path},
			Cause:  fmt.Sprintf("%s cannot find a KDC of realm %s: %s.", reader.Titles(readers), w.realm, w.text),
			Remedy: fmt.Sprintf("In [realms]: %s = {, a line kdc = HOST for each domain controller, }; or dns_lookup_kdc = true in [libdefaults]", w.realm)}
		for _, r := range l.readings {
			if e, ok := r.Realm(w.realm); ok && slices.Contains(readers, r.Reader) {
				i.At = e.At[0]
				for _, k := range e.KDCs {
					if k.Err != nil {
						i.At = k.From
						i.Remedy = "Write the KDC as host, host:port or [IPv6]:port, with nothing else on its line"
					}
				}
			}
		}
		l.add(i)
	}
}

// mappingsToNowhere reports mappings whose realm cannot exist: neither the
// file nor the site has it, and DNS is not asked.
func mappingsToNowhere(l *linter) {
	r := l.mit()
	if r.Err != nil || r.DNSLookupKDC.Value {
		return
	}
	known := map[string]bool{}
	for _, name := range l.in.Site.InUse() {
		known[name] = true
	}
	for _, e := range r.Realms {
		known[e.Name] = true
	}
	for _, m := range r.Mappings {
		if known[m.Realm] || m.Realm == r.DefaultRealm.Value || l.spoken(m.From) { // of the default realm defaultNowhere says so
			continue
		}
		l.add(krb5conf.Issue{Code: CodeRealmMissing, Severity: krb5conf.SeverityWarning, At: m.From,
			Cause:  fmt.Sprintf("Hosts of %s are mapped to realm %q, which has no entry in [realms], and dns_lookup_kdc is off, so no program can get a ticket for them.", m.Domain, m.Realm),
			Remedy: "Correct the realm, or add it to [realms]"})
	}
}

// realmsTwice reports realms with more than one block, and more than one
// [realms] section in a file.
func realmsTwice(l *linter) {
	r := l.mit()
	if r.Err != nil {
		return
	}
	for _, e := range r.Realms {
		if len(e.At) < 2 {
			continue
		}
		severity := krb5conf.SeverityWarning
		if l.alone() && sameBlocks(l, e) { // whichever counts, it says the same
			severity = krb5conf.SeverityInfo
		}
		l.add(krb5conf.Issue{Code: CodeRealmTwice, Severity: severity, At: e.At[1], Also: slices.Concat(e.At[:1], e.At[2:]),
			Cause:  fmt.Sprintf("Realm %s has %d blocks. MIT and Heimdal merge them, Java uses only the first, gokrb5 only the last one of its file.", e.Name, len(e.At)),
			Remedy: "Make one block of them"})
	}
	for _, d := range l.in.Set.Roots {
		if d.File == nil {
			continue
		}
		var sections []*conf.Node
		for _, n := range d.File.Nodes {
			if n.Kind == conf.Section && n.Name == "realms" {
				sections = append(sections, n)
			}
		}
		if len(sections) < 2 {
			continue
		}
		var lost []string
		for _, s := range sections[:len(sections)-1] {
			for _, n := range s.Children {
				if n.Kind == conf.Subsection && !slices.Contains(lost, n.Name) {
					lost = append(lost, n.Name)
				}
			}
		}
		if len(lost) == 0 {
			continue
		}
		l.add(krb5conf.Issue{Code: CodeRealmTwice, Severity: krb5conf.SeverityWarning, Readers: []reader.Reader{reader.Gokrb5},
			At: conf.Pos{File: d.Path, Line: sections[len(sections)-1].Line, Column: 1}, Also: []conf.Pos{{File: d.Path, Line: sections[0].Line, Column: 1}},
			Cause:  "gokrb5 keeps only the last [realms] section of a file, and so does not know " + strings.Join(lost, ", ") + ".",
			Remedy: "Make one [realms] section of them"})
	}
}

// sameBlocks reports whether the blocks of a realm say the same.
func sameBlocks(l *linter, e reader.RealmEntry) bool {
	texts := map[string]bool{}
	for _, at := range e.At {
		d := l.in.Set.Docs[at.File]
		if d == nil || d.File == nil {
			return false
		}
		for _, s := range d.File.Nodes {
			for _, n := range s.Children {
				if n.Line != at.Line {
					continue
				}
				var b strings.Builder
				for _, c := range n.Children {
					fmt.Fprintf(&b, "%v %s = %s\n", c.Kind, c.Name, c.Value)
				}
				texts[b.String()] = true
			}
		}
	}
	return len(texts) == 1
}

// order reports realms whose KDCs kerbagent is to keep in the order of their
// health, and cannot: it moves lines of the file, and there are not several.
func order(l *linter) {
	if !l.in.Orders {
		return
	}
	for _, r := range l.in.Site.Realms {
		i := krb5conf.Issue{Code: CodeUnordered, Severity: krb5conf.SeverityInfo, At: conf.Pos{File: l.in.Path},
			Remedy: fmt.Sprintf("In kerbagent.yaml, list each domain controller of realm %s: kdcs: [HOST, HOST]. Then run systemctl reload kerbagent, "+
				"which has this file written", r.Name)}
		switch len(r.KDCs) {
		case 0:
			i.Cause = fmt.Sprintf("The KDCs of %s are found by DNS, so programs ask them in the order that DNS returns, and each login waits "+
				"for one that is dead.", r.Name)
		case 1:
			if host, _, err := site.SplitServer(r.KDCs[0]); err != nil || site.IsAddr(host) {
				continue
			}
			i.Cause = fmt.Sprintf("The file names one KDC only, %s, for %s: so there is no order to keep. If the name has several "+
				"addresses, programs ask them in the order that DNS returns, and wait for each one that is dead. If it has one address, programs "+
				"have no other KDC to ask when that one is dead.", r.KDCs[0], r.Name)
		default:
			continue
		}
		l.add(i)
	}
}

// mappings judges the realm that each reader gives to each database.
func mappings(l *linter) {
	for _, d := range l.in.Site.Databases {
		if site.IsAddr(d.Host) {
			continue // no library maps an address
		}
		var g group[reader.HostRealm]
		for _, r := range l.usable {
			if got := r.HostRealm(d.LookupName()); !l.in.Site.Acceptable(got, d) {
				g.add(got, r.Reader)
			}
		}
		for _, got := range g.keys {
			readers := g.readers[got]
			l.add(krb5conf.Issue{Code: CodeMappingMissing, Severity: severityFor(readers), Readers: readers, At: mappingPlace(got, l.in.Path),
				Cause:  fmt.Sprintf("Database %s is in realm %s. %s: %s.", d.Host, d.Realm, reader.Titles(readers), whatInstead(got)),
				Remedy: "In [domain_realm], in lower case: " + mappingRemedy(l.in.Site, d)})
		}
	}
}

// mappingRemedy returns the line to write; for a host in its realm's own domain,
// the line of that domain.
func mappingRemedy(needs site.Site, d site.Database) string {
	if lines := needs.MappingsOf(d); len(lines) > 0 {
		return lines[0].Domain + " = " + d.Realm
	}
	_, domain, _ := strings.Cut(d.LookupName(), ".")
	for _, r := range needs.Realms {
		if r.Name == d.Realm {
			domain = r.DNSDomain()
		}
	}
	return "." + domain + " = " + d.Realm
}

func mappingPlace(got reader.HostRealm, file string) conf.Pos {
	if got.How == reader.ByMapping {
		return got.From
	}
	return conf.Pos{File: file}
}

func whatInstead(got reader.HostRealm) string {
	switch got.How {
	case reader.ByMapping:
		return fmt.Sprintf("a line maps it to %q", got.Realm)
	case reader.ByReferral:
		return fmt.Sprintf("no line maps it; the KDC of the user's own realm is asked for a referral, and then realm %q is tried", got.Fallback)
	case reader.ByUser:
		return "no line maps it; the service is looked for in the user's own realm"
	case reader.ByDomain:
		return fmt.Sprintf("no line maps it; its realm is guessed to be %q", got.Realm)
	}
	return fmt.Sprintf("no line maps it; the default realm, %q, is used", got.Realm)
}
