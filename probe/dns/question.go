package dns

import (
	"strings"

	"github.com/miekg/dns"
)

// The types that a Question may have.
const (
	A    = dns.TypeA
	AAAA = dns.TypeAAAA
	SRV  = dns.TypeSRV
	SOA  = dns.TypeSOA
	URI  = dns.TypeURI // RFC 7553
)

// Question is what one server is asked.
type Question struct {
	Name string // with or without its last dot; never searched for in other domains
	Type uint16 // A, AAAA, SRV, SOA or URI
}

// String returns the type and the name: "SRV _kerberos._udp.corp.example.com".
func (q Question) String() string { return dns.TypeToString[q.Type] + " " + plain(q.Name) }

// plain is a name as facts and IDs spell it: lower case, no last dot.
func plain(name string) string { return strings.TrimSuffix(strings.ToLower(name), ".") }

// HostName reports whether s, without a last dot, can be a host's name
// (RFC 1123 §2.1): letters, digits and inner hyphens, and the underscore,
// which Active Directory accepts. A name that ends in a label of digits is
// none: a dialer would take it for an address.
func HostName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	labels := strings.Split(s, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.ContainsFunc(label, func(r rune) bool { return !hostRune(r) }) {
			return false
		}
	}
	return strings.Trim(labels[len(labels)-1], "0123456789") != ""
}

func hostRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
}

// escape makes a name that a server sent one safe word: each byte that no host
// name has becomes a backslash and three digits (RFC 1035 §5.1). A name that
// needed it is never a HostName.
func escape(name string) string {
	var b strings.Builder
	for _, c := range []byte(plain(name)) {
		if c == '.' || hostRune(rune(c)) {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'\\', '0' + c/100, '0' + c/10%10, '0' + c%10})
	}
	return b.String()
}
