package lint

import (
	"fmt"
	"net/netip"
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

// maxKDCs is the most KDCs of one realm that are compared line by line: no
// realm has so many, and the work grows with the square.
const maxKDCs = 200

const oneKDC = "Write one KDC per line, as host, host:port or [IPv6]:port, with nothing else on that line"

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
			if strings.ContainsAny(k.Host, "/, '\"@<>()\\|=*?!&%") || signs(k.Host) != "" || isNearlyAddr(k.Host) {
				l.add(krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityWarning, Readers: []reader.Reader{reader.MIT}, At: k.From,
					Cause: fmt.Sprintf("MIT looks for a host named %q, which cannot exist, and goes on to the next KDC. Other libraries may read the line differently.",
						k.Host) + signs(k.Host),
					Remedy: oneKDC})
				continue
			}
			if service := otherService(k.Port); service != "" {
				l.add(krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityWarning, At: k.From,
					Cause: fmt.Sprintf("%d is the port of %s, and no KDC answers there.", k.Port, service), Remedy: "Write the host without a port, or with :88"})
				continue
			}
			if k.Transport == "https" {
				noProxy(l, e.Name, k)
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

// isNearlyAddr reports whether a text is written as an IPv4 address and is none: no
// name ends in a number (RFC 3696 §2).
func isNearlyAddr(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	_, err := netip.ParseAddr(host)
	return err != nil && last != "" && strings.Contains(host, ".") && strings.Trim(last, "0123456789") == ""
}

// otherService names the service of a port at which there is never a KDC, or "".
func otherService(port int) string {
	return map[int]string{53: "DNS", 135: "RPC", 389: "LDAP", 445: "SMB", 464: "kpasswd", 636: "LDAP over TLS", 749: "kadmin", 3268: "the global catalog"}[port]
}

// noProxy reports that only MIT asks a KDC through a proxy ([MS-KKDCP]).
func noProxy(l *linter, realm string, k reader.Server) {
	severity := krb5conf.SeverityWarning
	if l.alone() {
		severity = krb5conf.SeverityInfo
	}
	l.add(krb5conf.Issue{Code: CodeReadersDiffer, Severity: severity, Readers: []reader.Reader{reader.Heimdal, reader.Java, reader.Gokrb5}, At: k.From,
		Cause:  "This is the URL of a KDC proxy: only MIT asks a KDC through one, and MIT needs its TLS module for it (krb5-k5tls).",
		Remedy: "For programs with another library, add a line with a KDC of " + realm + " that they reach: kdc = HOST"})
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
	for i, w := range g.keys {
		if slices.IndexFunc(g.keys, func(o word) bool { return o.at == w.at }) < i {
			continue // said with the first
		}
		var all []reader.Reader
		var on []string
		for _, o := range g.keys {
			if o.at == w.at {
				all = append(all, g.readers[o]...)
				verb := "go"
				if len(g.readers[o]) == 1 {
					verb = "goes"
				}
				on = append(on, fmt.Sprintf("%s %s on with %s = %v", reader.Titles(g.readers[o]), verb, o.name, o.value))
			}
		}
		l.add(krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityWarning, Readers: all, At: w.at,
			Cause:  fmt.Sprintf("Not every library knows the word %q: %s.", w.text, strings.Join(on, ", ")),
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
				if !(l.alone() && name == "domain_realm" && l.spoken(e.Pos)) && was.Value != e.Value && was.Pos.File == e.Pos.File && (name == "domain_realm" || single[e.Name]) {
					l.add(krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityWarning, Readers: reader.Readers(), At: e.Pos, Also: []conf.Pos{was.Pos},
						Cause:  fmt.Sprintf("%s is set twice: MIT, Heimdal and Java use the first value, %q, gokrb5 the last, %q.", e.Name, was.Value, e.Value),
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
			if !strings.ContainsAny(e.Value, "#;") || !any && !words[e.Name] || l.spoken(e.Pos) {
				continue
			}
			i := krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityWarning, Readers: []reader.Reader{reader.MIT, reader.Heimdal, reader.Java}, At: e.Pos,
				Cause:  fmt.Sprintf("A comment must be on its own line: for MIT, Heimdal and Java, the value of %s is the rest of the line, %q.", e.Name, e.Value),
				Remedy: "Put the comment on the line above"}
			if value, ends := strings.CutSuffix(e.Value, ";"); ends && !strings.ContainsAny(value, "#;") {
				i.Cause = fmt.Sprintf("A krb5.conf has no ; at the end of a line: for MIT, Heimdal and Java, the value of %s is %q.", e.Name, e.Value)
				i.Remedy = "Remove the ;"
			}
			l.add(i)
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
