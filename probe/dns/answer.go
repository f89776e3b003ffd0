package dns

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/kerbagent/kerbagent/probe"
)

// What one answer may cost.
const (
	maxRecords = 512 // of the asked type: a large forest has some hundred domain controllers
	maxAliases = 16  // CNAMEs in a row
)

// Answer is what a server said to one Question.
type Answer struct {
	Question      Question
	Rcode         int // RFC 1035 §4.1.1, with the upper bits of EDNS (RFC 6891 §6.1.3)
	Authoritative bool
	Recursive     bool // the server says that it asks others
	Truncated     bool
	Listed        []netip.Addr            // Addrs in the order of the answer
	Addrs         []netip.Addr            // the addresses in answers to A and AAAA questions, sorted
	Services      []Service               // the servers in answers to SRV and URI questions, in the order in which clients use them
	Glue          map[string][]netip.Addr // per Service.Host: addresses that came along with SRV records; nil where none did
	SOA           string                  // owner of the SOA record, of the answer or of the authority section; a safe word
	TTL           time.Duration           // how long the answer, or its being none (RFC 2308 §5), holds: the least of what it is made of
	HasTTL        bool
}

// Service is one SRV record (RFC 2782), or a URI record that names a KDC.
type Service struct {
	Host             string // lower case, no last dot; escaped, and so no HostName, where the server sent something else
	Port             uint16
	Priority, Weight uint16
	Transport        string // of a URI record: "udp", "tcp" or Proxy; of an SRV record it stands in the question
}

// String returns host:port, one safe word.
func (s Service) String() string { return s.Host + ":" + strconv.Itoa(int(s.Port)) }

// Usable reports whether the record names something that can be asked. "." as
// the host says that there is no such service (RFC 2782).
func (s Service) Usable() bool { return s.Port != 0 && HostName(s.Host) }

// Words is the answer as sorted safe words: addresses, or host:port.
func (a *Answer) Words() []string {
	var words []string
	for _, addr := range a.Addrs {
		words = append(words, addr.String())
	}
	for _, s := range a.Services {
		words = append(words, s.String())
	}
	slices.Sort(words)
	return slices.Compact(words)
}

// RcodeName is the RCODE in words, "NOERROR" say; "RCODE17" for one without.
func (a *Answer) RcodeName() string {
	if name, ok := dns.RcodeToString[a.Rcode]; ok {
		return name
	}
	return "RCODE" + strconv.Itoa(a.Rcode)
}

// Reason is empty for an answer that has what was asked for.
func (a *Answer) Reason() probe.Reason {
	switch {
	case a.Rcode == dns.RcodeNameError:
		return probe.ReasonDNSNXDomain
	case a.Rcode == dns.RcodeRefused:
		return probe.ReasonDNSRefused
	case a.Rcode == dns.RcodeServerFailure:
		return probe.ReasonDNSServFail
	case a.Rcode != dns.RcodeSuccess:
		return probe.ReasonDNSError
	case a.Truncated:
		// Not OK, though the server lives: what it has to say did not come
		// over UDP, and whether it comes over TCP is another probe's question.
		return probe.ReasonDNSTruncated
	case a.empty():
		return probe.ReasonDNSNoData
	}
	return ""
}

func (a *Answer) empty() bool {
	if a.Question.Type == SOA {
		// A server answers for a name inside its zone with the zone's SOA in
		// the authority section. Only an answer at the name itself counts.
		return a.SOA == "" || a.SOA != escape(a.Question.Name)
	}
	some := slices.ContainsFunc(a.Services, func(s Service) bool { return s.Host != "" })
	return len(a.Addrs) == 0 && !some
}

// read takes from m what answers q. Records of other names are left out,
// whatever section they are in.
func read(q Question, m *dns.Msg) (*Answer, error) {
	a := &Answer{Question: q, Rcode: m.Rcode, Authoritative: m.Authoritative, Recursive: m.RecursionAvailable, Truncated: m.Truncated}
	owner := dns.Fqdn(q.Name)
	for range maxAliases {
		next := a.alias(owner, m.Answer)
		if next == "" {
			break
		}
		owner = next
	}
	for _, rr := range m.Answer {
		h := rr.Header()
		if h.Rrtype != q.Type || h.Class != dns.ClassINET || !strings.EqualFold(h.Name, owner) {
			continue
		}
		if len(a.Addrs)+len(a.Services) == maxRecords {
			return nil, fmt.Errorf("more than %d records of type %s", maxRecords, dns.TypeToString[q.Type])
		}
		a.lives(h.Ttl)
		a.take(rr)
	}
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok && a.SOA == "" {
			a.take(soa)
			if !a.Truncated && a.empty() {
				a.lives(min(soa.Hdr.Ttl, soa.Minttl))
			}
		}
	}
	a.glue(m.Extra)
	a.Listed = slices.Clone(a.Addrs)
	slices.SortFunc(a.Addrs, netip.Addr.Compare)
	slices.SortStableFunc(a.Services, byPreference)
	return a, nil
}

// alias is the name that owner is a CNAME of, or empty.
func (a *Answer) alias(owner string, rrs []dns.RR) string {
	for _, rr := range rrs {
		if c, ok := rr.(*dns.CNAME); ok && strings.EqualFold(c.Hdr.Name, owner) {
			a.lives(c.Hdr.Ttl)
			return c.Target
		}
	}
	return ""
}

func (a *Answer) take(rr dns.RR) {
	switch rr := rr.(type) {
	case *dns.A:
		if addr, ok := netip.AddrFromSlice(rr.A.To4()); ok {
			a.Addrs = append(a.Addrs, addr)
		}
	case *dns.AAAA:
		if addr, ok := netip.AddrFromSlice(rr.AAAA); ok {
			a.Addrs = append(a.Addrs, addr)
		}
	case *dns.SRV:
		a.Services = append(a.Services, Service{Host: escape(rr.Target), Port: rr.Port, Priority: rr.Priority, Weight: rr.Weight})
	case *dns.URI:
		a.Services = append(a.Services, uriService(rr))
	case *dns.SOA:
		a.SOA = escape(rr.Hdr.Name)
	}
}

// uriService reads a URI record as libkrb5 does (MIT Kerberos 1.15, "Hostnames for
// KDCs"): krb5srv:flags:transport:residual, where the residual of udp and tcp is host[:port].
// What is none of that has port 0 and is not usable; so has an HTTPS proxy (kkdcp), whose transport is Proxy.
func uriService(rr *dns.URI) Service {
	s := Service{Host: escape(rr.Target), Priority: rr.Priority, Weight: rr.Weight}
	parts := strings.SplitN(rr.Target, ":", 4)
	if len(parts) == 4 && strings.EqualFold(parts[0], "krb5srv") && strings.EqualFold(parts[2], "kkdcp") {
		s.Host, s.Transport = escape(strings.TrimPrefix(parts[3], "https://")), Proxy
	}
	if len(parts) < 4 || !strings.EqualFold(parts[0], "krb5srv") ||
		!strings.EqualFold(parts[2], "udp") && !strings.EqualFold(parts[2], "tcp") {
		return s
	}
	host, port, hasPort := strings.Cut(parts[3], ":")
	n := uint64(portKDC)
	if strings.HasPrefix(strings.ToLower(rr.Hdr.Name), "_kpasswd.") {
		n = portKpasswd
	}
	if hasPort {
		var err error
		if n, err = strconv.ParseUint(port, 10, 16); err != nil {
			return s
		}
	}
	s.Host, s.Port, s.Transport = escape(host), uint16(n), strings.ToLower(parts[2])
	return s
}

// Proxy is the transport of a KDC proxy (MS-KKDCP).
const Proxy = "https"

const (
	portKDC     = 88  // RFC 4120 §7.2.1
	portKpasswd = 464 // RFC 3244 §2
)

// lives shortens the answer's life to ttl seconds.
func (a *Answer) lives(ttl uint32) {
	d := time.Duration(ttl) * time.Second
	if !a.HasTTL || d < a.TTL {
		a.TTL, a.HasTTL = d, true
	}
}

// glue keeps the addresses of the hosts that the SRV records name. They do not
// shorten the answer's life: whoever uses them asks for them again in time.
func (a *Answer) glue(rrs []dns.RR) {
	for _, rr := range rrs[:min(len(rrs), maxRecords)] {
		host := escape(rr.Header().Name)
		if !slices.ContainsFunc(a.Services, func(s Service) bool { return s.Usable() && s.Host == host }) {
			continue
		}
		one := Answer{}
		if one.take(rr); len(one.Addrs) == 0 {
			continue
		}
		if a.Glue == nil {
			a.Glue = map[string][]netip.Addr{}
		}
		a.Glue[host] = append(a.Glue[host], one.Addrs...)
	}
}

// glueWords is Glue as sorted safe words, host=address.
func (a *Answer) glueWords() []string {
	var words []string
	for host, addrs := range a.Glue {
		for _, addr := range addrs {
			words = append(words, host+"="+addr.String())
		}
	}
	slices.Sort(words)
	return slices.Compact(words)
}

// byPreference is the order of RFC 2782 without its dice: least priority
// first, then greatest weight, then by name so that the order is always the same.
func byPreference(x, y Service) int {
	if x.Priority != y.Priority {
		return int(x.Priority) - int(y.Priority)
	}
	if x.Weight != y.Weight {
		return int(y.Weight) - int(x.Weight)
	}
	return strings.Compare(x.String(), y.String())
}
