package reader

import (
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf"
)

// Reader is a library that reads krb5.conf.
type Reader string

// The readers. The models are of MIT krb5 1.20, Heimdal 7.8, OpenJDK 17 and
// gokrb5 8.4.4.
const (
	MIT     Reader = "mit"
	Heimdal Reader = "heimdal"
	Java    Reader = "java"
	Gokrb5  Reader = "gokrb5"
)

// Readers returns all of them, MIT first.
func Readers() []Reader { return []Reader{MIT, Heimdal, Java, Gokrb5} }

// Read returns what r makes of the snapshot. It never fails: a configuration
// that r refuses is a Reading with an Err.
func Read(r Reader, set *conf.Set) *Reading {
	switch r {
	case Heimdal:
		return readHeimdal(set)
	case Java:
		return readJava(set)
	case Gokrb5:
		return readGokrb5(set)
	default:
		return readMIT(set)
	}
}

// Setting is one value with where it comes from.
type Setting[T any] struct {
	Value T
	From  conf.Pos // zero: the reader's own default
	Text  string   // the text as it is in the file
	Err   error    // the reader does not take the text, and goes on with Value
}

// Reading is what one library makes of a configuration.
type Reading struct {
	Reader Reader
	// Err reports that the library refuses the configuration as a whole, or, of
	// Heimdal, stops reading there and goes on in silence with what it has.
	Err error

	DefaultRealm Setting[string]
	Realms       []RealmEntry
	Mappings     []Mapping // [domain_realm]
	CAPaths      []CAPath

	TicketETypes    ETypes // asked for in an AS-REQ
	ServiceETypes   ETypes // asked for in a TGS-REQ
	PermittedETypes ETypes // accepted at all

	UDPLimit         Setting[int]  // udp_preference_limit, bytes
	TimeSync         Setting[bool] // kdc_timesync: the KDC's time is taken where it differs from this host's
	DNSLookupKDC     Setting[bool]
	DNSLookupURI     Setting[bool] // dns_uri_lookup; only for MIT, whose KDCs are looked for in URI records before SRV records
	DNSLookupRealm   Setting[bool]
	RDNS             Setting[bool]
	Canonicalize     Setting[bool]   // asks the KDC to canonicalize the user's name
	CanonicalizeHost Setting[string] // dns_canonicalize_hostname: "true", "false" or "fallback"
	CCacheName       Setting[string] // default_ccache_name, its %{tokens} as they stand

	IncludedDirs []string // only for MIT: every includedir that it follows

	Profile Profile // only for MIT: everything that the file contains
}

// RealmEntry is a realm of [realms] as the reader holds it.
type RealmEntry struct {
	Name    string
	At      []conf.Pos // every block of that name that the reader takes something from
	KDCs    []Server
	Admin   []Server
	Kpasswd []Server
	Err     error // why the reader can use none of the KDCs
}

// Server is a KDC or another server of a realm.
type Server struct {
	Host      string // without port; an IPv6 address without brackets
	Port      int
	Transport string // "udp", "tcp", "http" or "https" where the entry says so
	From      conf.Pos
	Text      string
	Err       error // why the reader cannot use it
}

// Mapping is a line of [domain_realm].
type Mapping struct {
	Domain string // the domain in the form that the reader compares
	Realm  string
	From   conf.Pos
}

// CAPath lists the realms through which a client's realm reaches a server's.
type CAPath struct {
	Client, Server string
	Via            []string // "." for none
	From           conf.Pos
}

// ETypes is a list of encryption types.
type ETypes struct {
	IDs     []int32  // RFC 3961 and IANA numbers, in order of preference
	Unknown []string // words that the reader does not know, and leaves out
	From    conf.Pos // zero: the reader's default
	Text    string
	Err     error // the reader refuses the list
}

// Realm returns the entry of a realm. Names are compared exactly: Kerberos
// realms have case.
func (r *Reading) Realm(name string) (RealmEntry, bool) {
	for _, e := range r.Realms {
		if e.Name == name {
			return e, true
		}
	}
	return RealmEntry{}, false
}

// How a reader came by the realm of a host.
const (
	ByMapping  = "domain_realm" // a line of the file
	ByReferral = "referral"     // MIT: the KDC of the user's own realm is asked
	ByUser     = "user"         // gokrb5: taken to be the user's own realm
	ByDefault  = "default"      // Java: taken to be the default realm
	ByDomain   = "domain"       // Heimdal: the rest of the host's name in upper case
)

// HostRealm is the realm that a reader gives to a host.
type HostRealm struct {
	Realm    string   // empty for ByReferral and ByUser
	From     conf.Pos // the mapping
	How      string
	Fallback string // MIT: the realm that is tried when the referral fails
}

// HostRealm returns the realm of a host, as far as the file decides it. Records
// in DNS are not asked.
func (r *Reading) HostRealm(host string) HostRealm {
	switch r.Reader {
	case Heimdal:
		return r.heimdalHostRealm(host)
	case Java:
		return r.javaHostRealm(host)
	case Gokrb5:
		return r.gokrb5HostRealm(host)
	default:
		return r.mitHostRealm(host)
	}
}

// mapped returns the realm of the first mapping for a domain.
func (r *Reading) mapped(domain string) (HostRealm, bool) {
	for _, m := range r.Mappings {
		if m.Domain == domain {
			return HostRealm{Realm: m.Realm, From: m.From, How: ByMapping}, true
		}
	}
	return HostRealm{}, false
}

// Transport reports how the reader sends a request of size bytes to a KDC:
// "udp-first", "tcp-first" or "tcp-only".
func (r *Reading) Transport(size int) string {
	const udpFirst, tcpFirst = "udp-first", "tcp-first"
	limit := r.UDPLimit.Value
	switch r.Reader {
	case Gokrb5:
		if limit == 1 {
			return "tcp-only"
		}
	case Java:
		if limit <= 0 { // Java takes 0 for no limit
			return udpFirst
		}
	}
	if size > limit {
		return tcpFirst
	}
	return udpFirst
}

// OrdersKDCs reports whether the reader asks the KDCs of a realm in the order
// of the file. gokrb5 shuffles them for each request.
func (r Reader) OrdersKDCs() bool { return r != Gokrb5 }

// parentDomain returns what stands behind the first dot, in upper case.
func parentDomain(host string) string {
	_, rest, _ := strings.Cut(host, ".")
	return strings.ToUpper(rest)
}

// CannotFind returns why the reader has no KDC of a realm, or "".
func (r *Reading) CannotFind(name string) string {
	e, ok := r.Realm(name)
	switch {
	case e.Err != nil:
		return "the entry cannot be used: " + e.Err.Error()
	case ok && slices.ContainsFunc(e.KDCs, func(k Server) bool { return k.Err == nil }):
		return ""
	case r.DNSLookupKDC.Value && (!ok || len(e.KDCs) == 0):
		return ""
	case ok:
		return "the entry has no KDC that can be used, and DNS is not asked"
	default:
		return "it has no entry, and DNS is not asked"
	}
}

// Describe returns a phrase that names the realm and why it was chosen.
func (h HostRealm) Describe() string {
	switch h.How {
	case ByReferral, ByUser:
		return "none, so the KDC of the user's own realm is asked"
	case ByMapping:
		return h.Realm + " (" + h.From.String() + ")"
	}
	if h.Realm == "" {
		return "none"
	}
	return h.Realm
}

// title returns the name of a reader as people write it.
func (r Reader) Title() string {
	switch r {
	case MIT:
		return "MIT"
	case Heimdal:
		return "Heimdal"
	case Java:
		return "Java"
	case Gokrb5:
		return "gokrb5"
	}
	return string(r)
}

// titles joins the names of readers with "and".
func Titles(readers []Reader) string {
	var names []string
	for _, r := range readers {
		names = append(names, r.Title())
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
