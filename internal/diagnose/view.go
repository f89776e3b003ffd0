package diagnose

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// view is a snapshot arranged as the rules ask for it: by server, not by probe.
type view struct {
	snap   Snapshot
	all    []*probe.Result
	dns    []*dnsServer
	kdcs   []*kdcAddr
	kpw    []*pair // kpasswd addresses
	dbs    []*probe.Result
	logins []*probe.Result
	// clusters is what is known of the databases' clusters: nobody was asked for it.
	clusters []*probe.Result
	aws      []*probe.Result // what AWS reports: no packet was sent for it

	// The same by what is looked up: a configuration may have thousands of servers.
	kdcAt map[kdcKey]*kdcAddr
	kdcIn map[string][]*kdcAddr // by realm
	kpwAt map[netip.AddrPort]*pair
	kpwOf map[netip.Addr][]*pair
	hosts map[netip.Addr]string
	dnsAt map[dnsKey]*dnsServer
	dnsIn map[string][]*dnsServer // by realm
	at    map[netip.Addr][]*probe.Result
	ends  map[netip.Addr][]*probe.Result // logins, by the machine of the KDC that they asked last
	stuck map[string][]*probe.Result     // failed logins, by the realm that they did not get beyond
	names []string                       // the realms that were asked about, in order of appearance
	heard map[netip.AddrPort]bool        // DNS servers that answered anything
	lost  []*probe.Result                // what failed because a name had no address
}

type kdcKey struct {
	addr  netip.AddrPort
	realm string
}

type dnsKey struct {
	addr        netip.AddrPort
	role, realm string
}

// pair is one address asked over both transports; nil where one was not asked.
type pair struct {
	addr     netip.AddrPort
	target   string
	facts    probe.Facts
	udp, tcp *probe.Result
}

// kdcAddr is one KDC address with its small and large exchanges.
type kdcAddr struct {
	pair
	bigUDP, bigTCP *probe.Result
}

// dnsServer is one DNS server in one role for one realm, or the host's resolver.
type dnsServer struct {
	addr    netip.AddrPort
	role    string
	realm   string
	results []*probe.Result
}

func newView(s Snapshot) *view {
	v := &view{snap: s, kdcAt: map[kdcKey]*kdcAddr{}, kdcIn: map[string][]*kdcAddr{},
		kpwAt: map[netip.AddrPort]*pair{}, kpwOf: map[netip.Addr][]*pair{}, hosts: map[netip.Addr]string{},
		dnsAt: map[dnsKey]*dnsServer{}, dnsIn: map[string][]*dnsServer{}, at: map[netip.Addr][]*probe.Result{},
		ends: map[netip.Addr][]*probe.Result{}, stuck: map[string][]*probe.Result{}, heard: map[netip.AddrPort]bool{}}
	asked := map[string]bool{}
	for i := range s.Results {
		r := &s.Results[i]
		if r.ID.Kind == probe.Database && r.ID.Variant == variantInstances {
			v.clusters = append(v.clusters, r)
			continue
		}
		if r.ID.Kind == probe.AWS {
			v.aws = append(v.aws, r)
			continue
		}
		v.all = append(v.all, r)
		v.nameHost(r)
		v.at[r.ID.Address.Addr()] = append(v.at[r.ID.Address.Addr()], r)
		if reason(r, probe.ReasonUnresolvable) {
			v.lost = append(v.lost, r)
		}
		if realm := r.Facts[probe.FactRealm]; (r.ID.Kind == probe.DNS || r.ID.Kind == probe.KDC) && realm != "" && !asked[realm] {
			asked[realm], v.names = true, append(v.names, realm)
		}
		switch r.ID.Kind {
		case probe.DNS:
			v.addDNS(r)
		case probe.KDC:
			v.addKDC(r)
		case probe.Kpasswd:
			v.addKpasswd(r)
		case probe.Database:
			v.dbs = append(v.dbs, r)
		case probe.Login:
			v.addLogin(r)
		}
	}
	return v
}

func (v *view) addLogin(r *probe.Result) {
	v.logins = append(v.logins, r)
	if at, err := netip.ParseAddrPort(r.Facts[probe.FactKDC]); err == nil {
		v.ends[at.Addr().Unmap()] = append(v.ends[at.Addr().Unmap()], r)
	}
	if realm := r.Facts[probe.FactFailedRealm]; r.Outcome == probe.Failed {
		v.stuck[realm] = append(v.stuck[realm], r)
	}
}

func (v *view) addDNS(r *probe.Result) {
	key := dnsKey{r.ID.Address, r.Facts[probe.FactRole], r.Facts[probe.FactRealm]}
	d := v.dnsAt[key]
	if d == nil {
		d = &dnsServer{addr: key.addr, role: key.role, realm: key.realm}
		v.dns = append(v.dns, d)
		v.dnsAt[key], v.dnsIn[key.realm] = d, append(v.dnsIn[key.realm], d)
	}
	d.results = append(d.results, r)
	if answered(r) {
		v.heard[key.addr] = true
	}
}

func (v *view) addKDC(r *probe.Result) {
	if !r.ID.Address.IsValid() || r.Outcome == probe.Skipped {
		return // a name without an address is the DNS rules' business
	}
	key := kdcKey{r.ID.Address, r.Facts[probe.FactRealm]}
	k := v.kdcAt[key]
	if k == nil {
		k = &kdcAddr{pair: pair{addr: r.ID.Address, target: r.ID.Target, facts: r.Facts}}
		v.kdcs = append(v.kdcs, k)
		v.kdcAt[key], v.kdcIn[key.realm] = k, append(v.kdcIn[key.realm], k)
	}
	switch {
	case r.ID.Variant != "" && r.ID.Transport == probe.UDP:
		k.bigUDP = r
	case r.ID.Variant != "":
		k.bigTCP = r
	case r.ID.Transport == probe.UDP:
		k.udp = r
	default:
		k.tcp = r
	}
}

func (v *view) addKpasswd(r *probe.Result) {
	if !r.ID.Address.IsValid() {
		return
	}
	p := v.kpwAt[r.ID.Address]
	if p == nil {
		p = &pair{addr: r.ID.Address, target: r.ID.Target, facts: r.Facts}
		v.kpw, v.kpwAt[p.addr] = append(v.kpw, p), p
		v.kpwOf[p.addr.Addr()] = append(v.kpwOf[p.addr.Addr()], p)
	}
	if r.ID.Transport == probe.UDP {
		p.udp = r
	} else {
		p.tcp = r
	}
}

func (p *pair) results() []*probe.Result { return present(p.udp, p.tcp) }

func (k *kdcAddr) results() []*probe.Result { return present(k.udp, k.tcp, k.bigUDP, k.bigTCP) }

func present(rs ...*probe.Result) []*probe.Result {
	return slices.DeleteFunc(rs, func(r *probe.Result) bool { return r == nil })
}

// since is when a result's trouble began.
func (v *view) since(r *probe.Result) time.Time {
	if t, err := time.Parse(time.RFC3339, r.Facts[probe.FactRefusedAt]); err == nil {
		return t
	}
	if t, ok := v.snap.FailingSince[r.ID]; ok {
		return t
	}
	return r.Started
}

// everyLoginWorks reports whether there are logins, and that each that decides has
// just worked.
func (v *view) everyLoginWorks() bool {
	for _, l := range v.logins {
		if decides(l) && l.Outcome != probe.OK {
			return false
		}
	}
	return len(v.logins) > 0
}

// onPath reports whether r failed because the path or the peer gave no answer, not
// because of what an answer said.
func onPath(r *probe.Result) bool {
	if r == nil || r.Outcome != probe.Failed {
		return false
	}
	switch r.Reason {
	case probe.ReasonUDPSilent, probe.ReasonConnectTimeout, probe.ReasonTCPSilent, probe.ReasonRefused,
		probe.ReasonUnreachable, probe.ReasonForbidden, probe.ReasonClosed, probe.ReasonDBCut:
		return true
	}
	return false
}

// answered reports whether the peer said something in the protocol.
func answered(r *probe.Result) bool {
	switch {
	case r == nil || r.Outcome == probe.Skipped:
		return false
	case r.Outcome == probe.OK:
		return true
	}
	return !onPath(r) && !reason(r, probe.ReasonMalformed, probe.ReasonUnresolvable, probe.ReasonCanceled, probe.ReasonInternal, probe.ReasonNoResources)
}

func reason(r *probe.Result, any ...probe.Reason) bool {
	return r != nil && r.Outcome != probe.OK && slices.Contains(any, r.Reason)
}

// noneAnswered reports whether there are results and that all of them failed on the path.
func noneAnswered(rs []*probe.Result) bool {
	for _, r := range rs {
		if !onPath(r) {
			return false
		}
	}
	return len(rs) > 0
}

func anyAnswered(rs []*probe.Result) bool { return slices.ContainsFunc(rs, answered) }

func (v *view) kdcsOf(realm string) []*kdcAddr { return v.kdcIn[realm] }

// usable reports whether logins work through this address: they go over TCP, since
// a PAC makes answers too large for UDP.
func (k *kdcAddr) usable() bool {
	return k.tcp != nil && k.tcp.Outcome == probe.OK && (k.bigTCP == nil || k.bigTCP.Outcome != probe.Failed)
}

// spareFor reports whether another KDC of the realm is usable.
func (v *view) spareFor(k *kdcAddr) bool {
	for _, other := range v.kdcsOf(k.facts[probe.FactRealm]) {
		if other.addr != k.addr && other.usable() {
			return true
		}
	}
	return false
}

// loginsNeeding returns failed logins that died while the KDCs of a realm
// were asked, for a reason in the path or one of the given ones.
func (v *view) loginsNeeding(realm string, also ...probe.Reason) []*probe.Result {
	var out []*probe.Result
	for _, l := range v.stuck[realm] {
		// a login that ends at the name of a KDC asks none of the others (kdc-lookup-failed)
		if l.Facts[probe.FactFailedAt] != probe.AtDatabase && l.Facts[probe.FactLacksHost] == "" &&
			(onPath(l) || reason(l, probe.ReasonUnresolvable, probe.ReasonKRBTooBig) || reason(l, also...)) {
			out = append(out, l)
		}
	}
	return out
}

// asked reports whether a login asked this machine last, by whichever name and port it found it.
func (k *kdcAddr) asked(l *probe.Result) bool {
	at, err := netip.ParseAddrPort(l.Facts[probe.FactKDC])
	return err == nil && at.Addr().Unmap() == k.addr.Addr().Unmap()
}

// loginsAt returns failed logins that died without an answer of use from this KDC.
func (v *view) loginsAt(k *kdcAddr) []*probe.Result {
	var out []*probe.Result
	for _, l := range v.ends[k.addr.Addr().Unmap()] {
		if (onPath(l) || reason(l, probe.ReasonMalformed, probe.ReasonKRBTooBig, probe.ReasonKRBServiceUnavailable)) &&
			l.Facts[probe.FactFailedAt] != probe.AtDatabase {
			out = append(out, l)
		}
	}
	return out
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
