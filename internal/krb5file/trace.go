package krb5file

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
	"github.com/kerbagent/kerbagent/probe"
)

// Trace is what the libraries would do for one login, as far as the
// krb5.conf decides it.
type Trace struct {
	User, Realm string // Realm is empty where the name was given without one
	Host        string // the database's host name
	NoFile      bool   // there is none: what is built in decides
	Readers     []ReaderTrace
	Live        *probe.Result // the result of the login; nil where none was tried
}

// Principal is the user as it was given.
func (t Trace) Principal() string {
	if t.Realm == "" {
		return t.User
	}
	return t.User + "@" + t.Realm
}

// ReaderTrace is one library's part.
type ReaderTrace struct {
	Reader string
	Err    error // it refuses the file
	Steps  []TraceStep
}

// TraceStep is one decision: what was decided, how, and by which line; and what
// a login saw there, which is a peer's word.
type TraceStep struct{ What, Value, Place, Saw string }

// Trace returns what each library that reads the file would do. The database is
// a name of the configuration, or a host; no server is asked.
func (f File) Trace(cfg *config.Config, user, database string) (Trace, error) {
	t := Trace{User: user, Host: database}
	if name, realm, ok := strings.Cut(user, "@"); ok {
		t.User, t.Realm = name, realm
	}
	if t.User == "" || strings.Contains(t.Realm, "@") || strings.HasSuffix(user, "@") {
		return t, fmt.Errorf("%q is not USER@REALM", user)
	}
	if host, _, err := net.SplitHostPort(database); err == nil {
		t.Host = host
	}
	if cfg != nil {
		if d, ok := cfg.Database(database); ok {
			t.Host = d.Host
		}
	}
	set := conf.Load(conf.Disk{}, f.roots...)
	t.NoFile = !slices.ContainsFunc(set.Roots, func(d *conf.Doc) bool { return !errors.Is(d.Err, fs.ErrNotExist) })
	for _, r := range reader.Readers() {
		reading := reader.Read(r, set)
		t.Readers = append(t.Readers, ReaderTrace{Reader: string(r), Err: reading.Err, Steps: traceSteps(reading, t.Realm, t.Host)})
	}
	return t, nil
}

// Differences returns the steps that other decides in another way than r.
func (r ReaderTrace) Differences(other ReaderTrace) []TraceStep {
	return slices.DeleteFunc(slices.Clone(other.Steps), func(s TraceStep) bool {
		return slices.ContainsFunc(r.Steps, func(o TraceStep) bool { return o.What == s.What && o.Value == s.Value })
	})
}

// smallRequest is about the size of a request for a ticket without
// credentials, in bytes; one with a PAC in it has some thousand.
const smallRequest, largeRequest = 200, 3000

func traceSteps(r *reader.Reading, realm, host string) []TraceStep {
	var out []TraceStep
	add := func(what, value string, from conf.Pos) {
		place := "built in"
		if !from.IsZero() {
			place = from.String()
		}
		out = append(out, TraceStep{What: what, Value: value, Place: place})
	}
	if realm != "" {
		out = append(out, TraceStep{What: "realm of the user", Value: realm, Place: "as given"})
	} else {
		realm = r.DefaultRealm.Value
		add("realm of the user", cmp.Or(realm, "none: there is no default_realm"), r.DefaultRealm.From)
	}
	kdcs := func(realm string) {
		value, from := tracedKDCs(r, realm)
		add("KDCs of "+realm, value, from)
	}
	if realm != "" {
		kdcs(realm)
	}
	add("transport", fmt.Sprintf("small requests %s, large ones %s", r.Transport(smallRequest), r.Transport(largeRequest)), r.UDPLimit.From)
	service, value := hostRealmOf(r, realm, host)
	from := r.HostRealm(host).From
	add("realm of the database", value, from)
	if service != "" && service != realm && realm != "" {
		value, from := tracedHops(r, realm, service)
		add("hops", value, from)
		kdcs(service)
	}
	value, from = namesOf(r)
	add("service", "the one that the database announces; "+value, from)
	add("encryption types offered in the AS-REQ", typesOf(r.TicketETypes), r.TicketETypes.From)
	add("types of the service ticket", typesOf(r.ServiceETypes), r.ServiceETypes.From)
	return out
}

func tracedKDCs(r *reader.Reading, realm string) (string, conf.Pos) {
	e, known := r.Realm(realm)
	var names []string
	from := conf.Pos{}
	for _, k := range e.KDCs {
		if k.Err != nil {
			continue
		}
		if from.IsZero() {
			from = k.From
		}
		name := net.JoinHostPort(k.Host, fmt.Sprint(k.Port))
		if k.Transport != "" {
			name += "/" + k.Transport
		}
		names = append(names, name)
	}
	switch {
	case e.Err != nil:
		return "none: the entry cannot be used: " + e.Err.Error(), e.At[0]
	case len(names) > 1 && r.Reader.OrdersKDCs():
		return strings.Join(names, ", then "), from
	case len(names) > 0:
		return strings.Join(names, " or "), from
	case r.DNSLookupKDC.Value:
		return byDNS(r.Reader), r.DNSLookupKDC.From
	case known:
		return "none: the entry names none, and DNS is not asked", e.At[0]
	}
	return "none: the realm has no entry, and DNS is not asked", r.DNSLookupKDC.From
}

// byDNS says which records name the KDCs, to whoever asks DNS for them.
func byDNS(r reader.Reader) string {
	if r == reader.MIT {
		return "found by DNS: URI records _kerberos of the realm's domain, else SRV records"
	}
	return "found by DNS: SRV records _kerberos of the realm's domain"
}

// hostRealmOf returns the realm of the database's service where it is known
// before any packet, and says how.
func hostRealmOf(r *reader.Reading, realm, host string) (service, value string) {
	h := r.HostRealm(host)
	switch h.How {
	case reader.ByMapping:
		return h.Realm, h.Realm
	case reader.ByReferral:
		value = "not in the file: the KDC of the user's realm is asked for a referral"
		if h.Fallback != "" {
			value += ", then " + h.Fallback
		}
		return "", value
	case reader.ByUser:
		return realm, cmp.Or(realm, "none") + ", as nothing maps it: the user's own"
	case reader.ByDefault:
		return h.Realm, cmp.Or(h.Realm, "none") + ", as nothing maps it: the default realm"
	default:
		return h.Realm, cmp.Or(h.Realm, "none") + ", as nothing maps it: the host's domain"
	}
}

func tracedHops(r *reader.Reading, client, service string) (string, conf.Pos) {
	hops, from := []string{client}, conf.Pos{}
	for _, p := range r.CAPaths {
		if p.Client != client || p.Server != service {
			continue
		}
		if from.IsZero() {
			from = p.From
		}
		for _, via := range p.Via {
			if via != "." {
				hops = append(hops, via)
			}
		}
	}
	value := strings.Join(append(hops, service), " → ")
	if from.IsZero() {
		value += ", unless a KDC refers elsewhere"
	}
	return value, from
}

// namesOf reports by which name of the host a service is asked for. gokrb5 reads
// the settings and heeds none of them.
func namesOf(r *reader.Reading) (string, conf.Pos) {
	const asItIs = "a host's name is taken as it is"
	host := r.CanonicalizeHost
	switch {
	case r.Reader == reader.Gokrb5:
		return asItIs, conf.Pos{}
	case host.Value == "false" || host.Value == "":
		return asItIs, host.From
	case host.Value == "fallback":
		return asItIs + " first, then as DNS has it", host.From
	case r.RDNS.Value:
		return "a host's name is the one of its address's PTR record", r.RDNS.From
	}
	return "a host's name is the one that DNS returns for it", host.From
}

func typesOf(e reader.ETypes) string {
	if e.Err != nil {
		return "none: " + e.Err.Error()
	}
	var names []string
	for _, id := range e.IDs {
		names = append(names, cmp.Or(reader.ETypeName(id), fmt.Sprint(id)))
	}
	return strings.Join(names, " ")
}
