package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
	"github.com/kerbagent/kerbagent/probe/krb5conf"
)

// differences reports lines of which the libraries make different things,
// where no other finding says so already.
func differences(l *linter) {
	mit := l.mit()
	if mit.Err != nil {
		return
	}
	kdcDifferences(l, mit)
	wordDifferences(l)
	duplicates(l, mit.Profile)
	inlineComments(l, mit.Profile)
	flatRealms(l, mit.Profile)
	mappingForms(l, mit)
	forms(l)
	hostLookups(l)
}

// forms reports lines that MIT passes over, and sections whose name it does
// not know for their form.
func forms(l *linter) {
	for _, d := range l.docs() {
		if d.File == nil {
			continue
		}
		for _, n := range d.File.Nodes {
			name := strings.ToLower(strings.TrimSpace(n.Name))
			switch {
			case n.Kind == conf.Ignored && likeInclude(n.Raw) != "":
				l.add(krb5conf.Issue{Code: CodeIncludeIgnored, Severity: krb5conf.SeverityWarning, Readers: []reader.Reader{reader.MIT}, At: conf.Pos{File: d.Path, Line: n.Line, Column: 1},
					Cause:  "MIT ignores this line, and includes nothing.",
					Remedy: "Write " + likeInclude(n.Raw) + " in the first column, without a sign before it"})
			case n.Kind == conf.Ignored && strings.ContainsAny(n.Raw, "[="):
				l.add(krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityWarning, Readers: []reader.Reader{reader.MIT}, At: conf.Pos{File: d.Path, Line: n.Line, Column: 1},
					Cause:  "MIT ignores this line. It reads nothing before the first line that starts with [, and a blank or a byte order mark before the [ is not allowed.",
					Remedy: "Start the section in the first column of its line, and save the file without a byte order mark"})
			case n.Kind == conf.Section && name != n.Name && isOtherForm(n.Name):
				l.add(krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityWarning, Readers: []reader.Reader{reader.MIT, reader.Heimdal, reader.Gokrb5}, At: conf.Pos{File: d.Path, Line: n.Line, Column: 1},
					Cause:  fmt.Sprintf("Only Java takes this for [%s]; to the others it is a section that they do not know.", name),
					Remedy: "Write [" + name + "]"})
			}
		}
	}
}

// isOtherForm reports whether a name is that of a section in another case or with
// blanks around it, which Java takes.
func isOtherForm(name string) bool {
	form := strings.ToLower(strings.TrimSpace(name))
	return form != name && slices.Contains(readerSections(), form)
}

// hostLookups reports that Heimdal asks DNS for the realm of every host where
// the file does not say otherwise.
func hostLookups(l *linter) {
	for _, r := range l.usable {
		if s := r.DNSLookupRealm; s.Value && s.From.IsZero() {
			l.add(krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityInfo, Readers: []reader.Reader{r.Reader}, At: conf.Pos{File: l.in.Path},
				Cause:  r.Reader.Title() + " asks DNS for a TXT record of each host and each of its domains, since the file does not say dns_lookup_realm = false.",
				Remedy: "In [libdefaults]: dns_lookup_realm = false"})
		}
	}
}

// flatRealms reports realms in one line, which to MIT and Java are values.
func flatRealms(l *linter, p reader.Profile) {
	keys := newNames(realmKeys()).known
	for _, root := range p {
		s := root.Sub("realms")
		for i := 0; s != nil && i < len(s.Entries); i++ {
			if e := &s.Entries[i]; e.Sub == nil {
				if keys[e.Name] && !strings.HasPrefix(e.Value, "{") {
					l.add(krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityWarning, At: e.Pos,
						Cause:  fmt.Sprintf("This line is outside of a realm's block, so %s belongs to no realm.", e.Name),
						Remedy: "Move the line into a block: REALM = {, the line, }"})
					continue
				}
				l.add(krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityWarning, Readers: []reader.Reader{reader.MIT, reader.Java}, At: e.Pos,
					Cause:  fmt.Sprintf("MIT does not know realm %s from this line: what stands behind the { on one line makes a value of it. Java throws when it looks for the KDCs.", e.Name),
					Remedy: "End the line behind the {, and give each setting and the } a line of its own"})
			}
		}
	}
}

// likeInclude returns the directive that a line before the first section was meant to
// be, as in %include, @includedir or Include; "": none.
func likeInclude(line string) string {
	word, _, _ := strings.Cut(strings.TrimLeft(strings.ToLower(strings.TrimSpace(line)), "%@!$.&"), " ")
	if word == "include" || word == "includedir" {
		return word
	}
	return ""
}

// maxKDCs is the most KDCs of one realm that are compared line by line: no
// realm has so many, and the work grows with the square.
const maxKDCs = 200

const oneKDC = "Write one KDC a line, as host, host:port or [IPv6]:port, and nothing else on that line"

// kdcDifferences compares the KDCs that each reader would ask.
func kdcDifferences(l *linter, mit *reader.Reading) {
	others := make([]map[string][]reader.Server, len(l.usable))
	for i, r := range l.usable[1:] {
		others[i+1] = map[string][]reader.Server{}
		for _, e := range r.Realms {
			if e.Err == nil {
				others[i+1][e.Name] = e.KDCs
			}
		}
	}
	for _, e := range mit.Realms {
		if len(e.At) > 1 || len(e.KDCs) > maxKDCs {
			continue // krb5conf-realm-twice
		}
		for _, k := range e.KDCs {
			if strings.ContainsAny(k.Text, "#;") || k.Err != nil {
				continue // inlineComments, badKDCs
			}
			if strings.ContainsAny(k.Host, "/, ") {
				l.add(krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityWarning, Readers: []reader.Reader{reader.MIT}, At: k.From,
					Cause:  fmt.Sprintf("MIT looks for a host named %q, which cannot exist, and goes on to the next KDC. Other libraries may read the line differently.", k.Host),
					Remedy: oneKDC})
				continue
			}
			var g group[string]
			for i, r := range l.usable[1:] {
				kdcs, known := others[i+1][e.Name]
				if known && !sameServer(kdcs, k) {
					g.add(serversAt(kdcs, k.From), r.Reader)
				}
			}
			for _, got := range g.keys {
				readers := g.readers[got]
				l.add(krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityWarning, Readers: readers, At: k.From,
					Cause:  fmt.Sprintf("MIT reads this KDC as %s, %s as %s.", serverText(k), reader.Titles(readers), got),
					Remedy: oneKDC})
			}
		}
	}
}

// sameServer reports whether a reader makes of k's line what MIT makes of it.
func sameServer(servers []reader.Server, k reader.Server) bool {
	same := 0
	for _, s := range servers {
		if s.From.Line != k.From.Line || s.From.File != k.From.File {
			continue
		}
		if (s.Err != nil) != (k.Err != nil) || s.Err == nil && (!strings.EqualFold(s.Host, k.Host) || s.Port != k.Port || s.Transport != k.Transport) {
			return false
		}
		same++
	}
	return same == 1
}

// serversAt describes what a reader makes of the line at a place.
func serversAt(servers []reader.Server, at conf.Pos) string {
	var texts []string
	for _, s := range servers {
		if s.From.File == at.File && s.From.Line == at.Line {
			texts = append(texts, serverText(s))
		}
	}
	if texts == nil {
		return "nothing"
	}
	return strings.Join(texts, " and ")
}

func serverText(s reader.Server) string {
	if s.Err != nil {
		return "something that it cannot use"
	}
	text := fmt.Sprintf("%q port %d", s.Host, s.Port)
	if s.Transport != "" {
		text += " by " + s.Transport
	}
	return text
}

// wordDifferences reports booleans that a reader does not know.
func wordDifferences(l *linter) {
	type word struct {
		name, text string
		value      bool
		at         conf.Pos
	}
	var g group[word]
	for _, r := range l.usable {
		for _, s := range []struct {
			name string
			set  reader.Setting[bool]
		}{
			{"dns_lookup_kdc", r.DNSLookupKDC}, {"dns_lookup_realm", r.DNSLookupRealm}, {"dns_uri_lookup", r.DNSLookupURI}, {"rdns", r.RDNS},
			{"canonicalize", r.Canonicalize},
			{"dns_canonicalize_hostname", reader.Setting[bool]{Value: r.CanonicalizeHost.Value == "true", From: r.CanonicalizeHost.From,
				Text: r.CanonicalizeHost.Text, Err: r.CanonicalizeHost.Err}},
		} {
			if s.set.Err != nil {
				g.add(word{s.name, s.set.Text, s.set.Value, s.set.From}, r.Reader)
			}
		}
	}
	for _, w := range g.keys {
		verbs := "do not know the word %q, and go on with"
		if len(g.readers[w]) == 1 {
			verbs = "does not know the word %q, and goes on with"
		}
		l.add(krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityWarning, Readers: g.readers[w], At: w.at,
			Cause:  fmt.Sprintf("%s "+verbs+" %s = %v.", reader.Titles(g.readers[w]), w.text, w.name, w.value),
			Remedy: "Write true or false, which all libraries know"})
	}
}

// duplicates reports settings that stand twice with different values: MIT,
// Heimdal and Java take the first, gokrb5 the last.
func duplicates(l *linter, p reader.Profile) {
	single := map[string]bool{}
	for _, name := range singleValued() {
		single[name] = true
	}
	for _, name := range []string{"libdefaults", "domain_realm"} {
		for _, root := range p {
			s := root.Sub(name)
			if s == nil {
				continue
			}
			first := make(map[string]*reader.Entry, len(s.Entries))
			for i := range s.Entries {
				e := &s.Entries[i]
				if e.Sub != nil {
					continue
				}
				was := first[e.Name]
				if was == nil {
					first[e.Name] = e
					continue
				}
				if was.Value != e.Value && was.Pos.File == e.Pos.File && (name == "domain_realm" || single[e.Name]) {
					l.add(krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityWarning, Readers: reader.Readers(), At: e.Pos, Also: []conf.Pos{was.Pos},
						Cause:  fmt.Sprintf("%s is set twice: MIT, Heimdal and Java take the first value, %q, gokrb5 the last, %q.", e.Name, was.Value, e.Value),
						Remedy: "Keep one of the lines"})
				}
			}
		}
	}
}

// inlineComments reports values with # or ; in them: gokrb5 ends the line
// there, the others take it for part of the value.
func inlineComments(l *linter, p reader.Profile) {
	words := map[string]bool{} // settings in whose value neither sign has a meaning
	for _, name := range append(singleValued(), "kdc", "admin_server", "kpasswd_server", "master_kdc", "primary_kdc", "default_domain") {
		words[name] = true
	}
	var walk func(s *reader.Section, any bool)
	walk = func(s *reader.Section, any bool) {
		for i := range s.Entries {
			e := &s.Entries[i]
			if e.Sub != nil {
				walk(e.Sub, any)
				continue
			}
			if strings.ContainsAny(e.Value, "#;") && (any || words[e.Name]) {
				l.add(krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityWarning, Readers: []reader.Reader{reader.MIT, reader.Heimdal, reader.Java}, At: e.Pos,
					Cause:  fmt.Sprintf("A comment must be on its own line: for MIT, Heimdal and Java, the value of %s is the rest of the line, %q.", e.Name, e.Value),
					Remedy: "Put the comment on the line above"})
			}
		}
	}
	for _, root := range p {
		for i := range root.Entries {
			if e := &root.Entries[i]; e.Sub != nil && slices.Contains(readerSections(), e.Name) {
				walk(e.Sub, e.Name == "domain_realm" || e.Name == "capaths")
			}
		}
	}
}

// singleValued are the settings of [libdefaults] of which one value counts; of
// others, as pkinit_anchors, a second line adds one.
func singleValued() []string {
	return strings.Fields(`allow_weak_crypto canonicalize ccache_type clockskew default_ccache_name default_keytab_name default_realm default_tgs_enctypes
	default_tkt_enctypes dns_canonicalize_hostname dns_lookup_kdc dns_lookup_realm dns_uri_lookup forwardable ignore_acceptor_hostname kdc_timesync
	noaddresses permitted_enctypes preferred_preauth_types proxiable rdns realm_try_domains renew_lifetime ticket_lifetime udp_preference_limit
	verify_ap_req_nofail`)
}

// mappingForms reports lines of [domain_realm] that match nothing, or not for
// every library what they seem to.
func mappingForms(l *linter, mit *reader.Reading) {
	known := map[string]bool{}
	for _, m := range mit.Mappings {
		known[m.Domain] = true
	}
	for _, m := range mit.Mappings {
		lower := strings.ToLower(m.Domain)
		switch {
		case m.Domain == "" && m.Realm != "": // to MIT a * ends a name
			l.add(krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityWarning, At: m.From,
				Cause:  "This line matches no host: a * has no meaning in [domain_realm].",
				Remedy: "For all hosts of a domain, begin the line with a dot: .DOMAIN = " + m.Realm})
		case lower != m.Domain && !known[lower]:
			l.add(krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityWarning, Readers: []reader.Reader{reader.MIT, reader.Java}, At: m.From,
				Cause:  "MIT and Java look for a host in lower case, so this line matches none; gokrb5 takes it.",
				Remedy: "Write it in lower case: " + lower + " = " + m.Realm})
		case lower != "" && lower == strings.ToLower(m.Realm) && !known["."+m.Domain] && !strings.HasPrefix(m.Domain, "."):
			l.add(krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityInfo, Readers: []reader.Reader{reader.Heimdal, reader.Gokrb5}, At: m.From,
				Cause:  fmt.Sprintf("Without a leading dot, Heimdal and gokrb5 take %s for the name of one host; MIT and Java map the hosts below it, too.", m.Domain),
				Remedy: "Add the line that begins with a dot: ." + m.Domain + " = " + m.Realm})
		}
	}
	for _, root := range mit.Profile {
		s := root.Sub("domain_realm")
		for i := 0; s != nil && i < len(s.Entries); i++ {
			if e := &s.Entries[i]; e.Sub != nil {
				l.add(krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityWarning, Readers: reader.Readers(), At: e.Pos,
					Cause:  fmt.Sprintf("[domain_realm] has no blocks: Java throws when it looks for the realm of a host below %s, the others do not see the block.", e.Name),
					Remedy: "Write " + e.Name + " = REALM, in one line"})
			}
		}
	}
}
