package lint

import (
	"fmt"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
	"github.com/kerbagent/kerbagent/probe/krb5conf"
)

// settings judges what [libdefaults] says about encryption, transport and
// names of hosts.
func settings(l *linter) {
	etypes(l)
	udpLimit(l)
	canonicalization(l)
	lifetimes(l)
}

func etypes(l *linter) {
	type trouble struct {
		at    conf.Pos
		cause string
		worst krb5conf.Severity // for libraries other than MIT's
	}
	var g group[trouble]
	for _, r := range l.usable {
		seen := map[conf.Pos]bool{}
		for _, e := range []reader.ETypes{r.TicketETypes, r.ServiceETypes, r.PermittedETypes} {
			if !e.From.IsZero() && !seen[e.From] {
				seen[e.From] = true
				if cause, worst := etypesTrouble(e); cause != "" {
					g.add(trouble{e.From, cause, worst}, r.Reader)
				}
			}
		}
	}
	lines := map[conf.Pos]*krb5conf.Issue{} // one finding a line, whatever each library makes of it
	var order []conf.Pos
	for _, t := range g.keys {
		severity := t.worst
		if severity == krb5conf.SeverityError {
			severity = severityFor(g.readers[t])
		}
		if l.rare(g.readers[t]) {
			severity = krb5conf.SeverityInfo
		}
		i := lines[t.at]
		if i == nil {
			i = &krb5conf.Issue{Code: CodeETypes, Severity: severity, At: t.at,
				Remedy: "Remove the line: the defaults suit Active Directory. If you need a list, write full names with spaces between them: " + reader.AES256 + " " + reader.AES128}
			lines[t.at] = i
			order = append(order, t.at)
		} else {
			i.Cause += " "
		}
		if rank(severity) < rank(i.Severity) {
			i.Severity = severity
		}
		i.Readers = append(i.Readers, g.readers[t]...)
		i.Cause += "For " + reader.Titles(g.readers[t]) + ": " + t.cause + "."
	}
	for _, at := range order {
		lines[at].Cause += signs(l.line(at))
		l.add(*lines[at])
	}
	if s := l.mit().Profile.Boolean("allow_weak_crypto", false); s.Value {
		severity := krb5conf.SeverityWarning
		if l.alone() { // every login works with it
			severity = krb5conf.SeverityInfo
		}
		l.add(krb5conf.Issue{Code: CodeETypes, Severity: severity, At: s.From,
			Cause:  "allow_weak_crypto permits weak encryption types again: DES in old libraries, and RC4 in Java.",
			Remedy: "Remove the line"})
	}
}

// etypesTrouble reports what is wrong with a list of encryption types, and how bad
// it is; "" where nothing is.
func etypesTrouble(e reader.ETypes) (cause string, worst krb5conf.Severity) {
	var weak []string
	for _, id := range e.IDs {
		if reader.WeakEType(id) {
			weak = append(weak, reader.ETypeName(id))
		}
	}
	switch {
	case e.Err != nil:
		return "this list has no encryption type that can be used, so no ticket can be requested", krb5conf.SeverityError
	case len(weak) > 0 && len(weak) == len(e.IDs):
		return "the list has only weak types: " + strings.Join(weak, " "), krb5conf.SeverityWarning
	case len(e.Unknown) > 0: // the rest of the list does
		return "these words are unknown and ignored: " + strings.Join(e.Unknown, " "), krb5conf.SeverityInfo
	case len(weak) > 0: // MIT's own list has some
		return "the list allows weak types: " + strings.Join(weak, " "), krb5conf.SeverityInfo
	}
	return "", ""
}

func udpLimit(l *linter) {
	r := l.mit()
	if r.Err != nil {
		return
	}
	u := r.UDPLimit
	const remedy = "In [libdefaults]: udp_preference_limit = 1"
	// A request for a ticket has 150 bytes at the least.
	const smallest = 150
	switch {
	case u.Err != nil:
		l.add(krb5conf.Issue{Code: CodeUDPLimit, Severity: krb5conf.SeverityError, Readers: []reader.Reader{reader.MIT}, At: u.From,
			Cause: "This is not a number, and MIT fails every request to a KDC because of it.", Remedy: remedy})
	case u.From.IsZero():
		l.add(krb5conf.Issue{Code: CodeUDPLimit, Severity: krb5conf.SeverityInfo, At: conf.Pos{File: l.in.Path},
			Cause:  "Without udp_preference_limit, libraries ask over UDP first. A ticket of Active Directory does not fit into a datagram, so each login asks twice, and waits if UDP is blocked.",
			Remedy: remedy})
	case u.Value == 0:
		severity := krb5conf.SeverityWarning
		if l.alone() { // Java does so without the line, too
			severity = krb5conf.SeverityInfo
		}
		l.add(krb5conf.Issue{Code: CodeUDPLimit, Severity: severity, Readers: []reader.Reader{reader.Java}, At: u.From,
			Cause: "For Java, 0 means \"no limit\": it asks over UDP first, however large the request is.", Remedy: remedy})
	case r.Transport(smallest) == "udp-first": // as it is without the line
		l.add(krb5conf.Issue{Code: CodeUDPLimit, Severity: krb5conf.SeverityInfo, At: u.From,
			Cause:  fmt.Sprintf("Requests of up to %d bytes, which most of them are, go over UDP first. A ticket of Active Directory does not fit into a datagram, so each login asks twice, and waits if UDP is blocked.", u.Value),
			Remedy: remedy})
	}
}

func canonicalization(l *linter) {
	r := l.mit()
	if r.Err != nil || r.CanonicalizeHost.Value == "false" {
		return
	}
	const remedy = "In [libdefaults]: rdns = false and dns_canonicalize_hostname = false"
	host, rdns := r.CanonicalizeHost, r.RDNS
	if rdns.Value {
		i := krb5conf.Issue{Code: CodeRDNS, Severity: krb5conf.SeverityInfo, Readers: []reader.Reader{reader.MIT}, At: rdns.From, Remedy: remedy,
			Cause: "rdns is on: MIT takes the host name of a service from the PTR record of its address. For addresses in a cloud or behind NAT that is another name."}
		if rdns.From.IsZero() {
			i.At = conf.Pos{File: l.in.Path}
			i.Cause = strings.Replace(i.Cause, "rdns is on", "rdns is on, which is the default", 1)
		}
		l.add(i)
		return
	}
	i := krb5conf.Issue{Code: CodeRDNS, Severity: krb5conf.SeverityInfo, Readers: []reader.Reader{reader.MIT, reader.Heimdal}, At: host.From, Remedy: remedy,
		Cause: "Host names are canonicalized by DNS: if a name is a CNAME, programs request a ticket for its target."}
	if host.From.IsZero() {
		i.At = conf.Pos{File: l.in.Path}
	}
	if host.Value == "fallback" {
		i.Cause = "If the KDC does not know a host by the name that the program uses, MIT asks again with the name that DNS returns."
	}
	l.add(i)
}
