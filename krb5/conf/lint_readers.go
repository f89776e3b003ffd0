package conf

import (
	"fmt"
	"slices"
	"strings"
)

// differences reports lines of which the libraries make different things,
// where no other finding says so already.
func (l *linter) differences() {
	mit := l.mit()
	if mit.Err != nil {
		return
	}
	l.kdcDifferences(mit)
	for _, r := range l.usable {
		l.wordDifferences(r)
	}
	l.duplicates(mit.profile)
	l.inlineComments(mit.profile)
	l.flatRealms(mit.profile)
	l.forms()
	l.hostLookups()
}

// forms reports lines that MIT passes over, and sections whose name it does
// not know for their form.
func (l *linter) forms() {
	for _, d := range l.in.Set.Docs {
		if d.File == nil {
			continue
		}
		for _, n := range d.File.Nodes {
			name := strings.ToLower(strings.TrimSpace(n.Name))
			switch {
			case n.Kind == Ignored && strings.ContainsAny(n.Raw, "[="):
				l.add(Issue{Code: CodeReadersDiffer, Severity: SeverityWarning, Readers: []Reader{MIT}, At: Pos{d.Path, n.Line, 1},
					Cause:  "MIT passes over this line: it reads nothing before the first line that starts with [, blanks and byte order marks not allowed.",
					Remedy: "Start the section in the first column of its line, and save the file without a byte order mark"})
			case n.Kind == Section && name != n.Name && slices.Contains(knownSections(), name):
				l.add(Issue{Code: CodeReadersDiffer, Severity: SeverityWarning, Readers: []Reader{MIT, Heimdal, Gokrb5}, At: Pos{d.Path, n.Line, 1},
					Cause:  fmt.Sprintf("Only Java takes this for [%s]; to the others it is a section that they do not know.", name),
					Remedy: "Write [" + name + "]"})
			}
		}
	}
}

func knownSections() []string { return []string{"libdefaults", "realms", "domain_realm", "capaths"} }

// hostLookups reports that Heimdal asks DNS for the realm of every host where
// the file does not say otherwise.
func (l *linter) hostLookups() {
	for _, r := range l.usable {
		if s := r.DNSLookupRealm; s.Value && s.From.IsZero() {
			l.add(Issue{Code: CodeReadersDiffer, Severity: SeverityInfo, Readers: []Reader{r.Reader}, At: Pos{File: l.in.Path},
				Cause:  r.Reader.title() + " asks DNS for a TXT record of each host and each of its domains, since the file does not say dns_lookup_realm = false.",
				Remedy: "In [libdefaults]: dns_lookup_realm = false"})
		}
	}
}

// flatRealms reports realms in one line, which to MIT and Java are values.
func (l *linter) flatRealms(p profile) {
	for _, root := range p {
		s := root.sub("realms")
		for i := 0; s != nil && i < len(s.entries); i++ {
			if e := &s.entries[i]; e.sub == nil {
				l.add(Issue{Code: CodeReadersDiffer, Severity: SeverityWarning, Readers: []Reader{MIT, Java}, At: e.pos,
					Cause:  fmt.Sprintf("MIT does not know realm %s from this line: what stands behind the { on one line makes a value of it. Java throws when it looks for the KDCs.", e.name),
					Remedy: "End the line behind the {, and give each setting and the } a line of its own"})
			}
		}
	}
}

// maxKDCs is the most KDCs of one realm that are compared line by line: no
// realm has so many, and the work grows with the square.
const maxKDCs = 200

// kdcDifferences compares the KDCs that each reader would ask.
func (l *linter) kdcDifferences(mit *Reading) {
	others := make([]map[string][]Server, len(l.usable))
	for i, r := range l.usable[1:] {
		others[i+1] = map[string][]Server{}
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
			if strings.ContainsAny(k.Text, "#;") {
				continue // inlineComments
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
				l.add(Issue{Code: CodeReadersDiffer, Severity: SeverityWarning, Readers: readers, At: k.From,
					Cause:  fmt.Sprintf("MIT makes %s of this KDC, %s %s.", serverText(k), titles(readers), got),
					Remedy: "Write one KDC a line, as host, host:port or [IPv6]:port, with nothing behind it"})
			}
		}
	}
}

// sameServer reports whether a reader makes of k's line what MIT makes of it.
func sameServer(servers []Server, k Server) bool {
	same := 0
	for _, s := range servers {
		if s.From.Line != k.From.Line || s.From.File != k.From.File {
			continue
		}
		if (s.Err != nil) != (k.Err != nil) || s.Err == nil && (s.Host != k.Host || s.Port != k.Port || s.Transport != k.Transport) {
			return false
		}
		same++
	}
	return same == 1
}

// serversAt describes what a reader makes of the line at a place.
func serversAt(servers []Server, at Pos) string {
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

func serverText(s Server) string {
	if s.Err != nil {
		return "nothing that it can use"
	}
	text := fmt.Sprintf("%q port %d", s.Host, s.Port)
	if s.Transport != "" {
		text += " by " + s.Transport
	}
	return text
}

// wordDifferences reports booleans that a reader does not know.
func (l *linter) wordDifferences(r *Reading) {
	for _, s := range []struct {
		name string
		set  Setting[bool]
	}{
		{"dns_lookup_kdc", r.DNSLookupKDC}, {"dns_lookup_realm", r.DNSLookupRealm}, {"rdns", r.RDNS},
		{"canonicalize", r.Canonicalize},
		{"dns_canonicalize_hostname", Setting[bool]{r.CanonicalizeHost.Value == "true", r.CanonicalizeHost.From, r.CanonicalizeHost.Text, r.CanonicalizeHost.Err}},
	} {
		if s.set.Err == nil {
			continue
		}
		l.add(Issue{Code: CodeReadersDiffer, Severity: SeverityWarning, Readers: []Reader{r.Reader}, At: s.set.From,
			Cause:  fmt.Sprintf("%s does not know the word %q, and goes on with %s = %v.", r.Reader.title(), s.set.Text, s.name, s.set.Value),
			Remedy: "Write true or false, which all libraries know"})
	}
}

// duplicates reports settings that stand twice with different values: MIT,
// Heimdal and Java take the first, gokrb5 the last.
func (l *linter) duplicates(p profile) {
	for _, name := range []string{"libdefaults", "domain_realm"} {
		for _, root := range p {
			s := root.sub(name)
			if s == nil {
				continue
			}
			first := make(map[string]*entry, len(s.entries))
			for i := range s.entries {
				e := &s.entries[i]
				if e.sub != nil {
					continue
				}
				was := first[e.name]
				if was == nil {
					first[e.name] = e
					continue
				}
				if was.value != e.value && was.pos.File == e.pos.File {
					l.add(Issue{Code: CodeReadersDiffer, Severity: SeverityWarning, Readers: Readers(), At: e.pos, Also: []Pos{was.pos},
						Cause:  fmt.Sprintf("%s is set twice: MIT, Heimdal and Java take the first value, %q, gokrb5 the last, %q.", e.name, was.value, e.value),
						Remedy: "Keep one of the lines"})
				}
			}
		}
	}
}

// inlineComments reports values with # or ; in them: gokrb5 ends the line
// there, the others take it for part of the value.
func (l *linter) inlineComments(p profile) {
	var walk func(s *section)
	walk = func(s *section) {
		for i := range s.entries {
			e := &s.entries[i]
			if e.sub != nil {
				walk(e.sub)
				continue
			}
			if strings.ContainsAny(e.value, "#;") {
				l.add(Issue{Code: CodeReadersDiffer, Severity: SeverityWarning, Readers: []Reader{MIT, Heimdal, Java}, At: e.pos,
					Cause:  fmt.Sprintf("A comment has a line of its own: to MIT, Heimdal and Java the value of %s is %q, with all that stands behind it.", e.name, e.value),
					Remedy: "Put the comment on the line above"})
			}
		}
	}
	for _, root := range p {
		for i := range root.entries {
			if e := &root.entries[i]; e.sub != nil && slices.Contains(knownSections(), e.name) {
				walk(e.sub)
			}
		}
	}
}
