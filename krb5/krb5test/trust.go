package krb5test

import (
	"slices"
	"strings"
)

// Trust describes how one realm trusts another.
type Trust struct {
	TwoWay      bool     // the other realm trusts this one as well, in the same way
	ETypes      []int32  // of the trust's keys; nil: those of the trusting realm
	NoReferrals bool     // name suffix routing is off: only krbtgt/REALM by name is given
	Suffixes    []string // hosts that are routed: each of these domains and what lies below; nil: the trusting realm's own domain
}

// referral is the way to a realm that trusts this one.
type referral struct {
	realm    *Realm
	key      *principal // krbtgt/THERE@HERE
	suffixes []string   // nil: no routing
}

// Trusts lets users of the other realm into this one: their KDC gives tickets
// for krbtgt/HERE, always when it is asked by name, and as a referral for hosts
// whose suffix is routed. A second call replaces the first.
func (r *Realm) Trusts(other *Realm, t Trust) {
	etypes := t.ETypes
	if etypes == nil {
		etypes = r.options.ETypes
	}
	key := newPrincipal("krbtgt/"+r.name, other.name, true, etypes)
	key.setKeys(r.ownSecret("trust/" + other.name))
	way := referral{realm: r, key: key}
	if !t.NoReferrals {
		way.suffixes = t.Suffixes
		if way.suffixes == nil {
			way.suffixes = []string{r.name}
		}
	}
	r.Distrusts(other)
	r.mu.Lock()
	r.inbound[other.name] = key
	r.mu.Unlock()
	other.mu.Lock()
	other.referrals = append(other.referrals, way)
	other.mu.Unlock()
	if t.TwoWay {
		t.TwoWay = false
		other.Trusts(r, t)
	}
}

// Distrusts ends the trust in the other realm, in that one direction.
func (r *Realm) Distrusts(other *Realm) {
	r.mu.Lock()
	delete(r.inbound, other.name)
	r.mu.Unlock()
	other.mu.Lock()
	other.referrals = slices.DeleteFunc(other.referrals, func(w referral) bool { return w.realm == r })
	other.mu.Unlock()
}

// ways copies the referrals, so that a walk over several realms holds no lock.
func (r *Realm) ways() []referral {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.referrals)
}

// wayTo finds the first hop to a realm by name, over other realms if need be.
func (r *Realm) wayTo(name string) (referral, bool) {
	for _, w := range r.ways() {
		if w.realm.isName(name) {
			return w, true
		}
	}
	for _, w := range r.ways() {
		if w.realm.reaches(name, map[*Realm]bool{r: true}) {
			return w, true
		}
	}
	return referral{}, false
}

func (r *Realm) reaches(name string, seen map[*Realm]bool) bool {
	seen[r] = true
	for _, w := range r.ways() {
		if w.realm.isName(name) || !seen[w.realm] && w.realm.reaches(name, seen) {
			return true
		}
	}
	return false
}

// route finds the first hop for a host by its suffix. Whether the service
// exists over there is not known here, as in a forest trust.
func (r *Realm) route(service []string) (referral, bool) {
	if len(service) < 2 {
		return referral{}, false
	}
	host, _, _ := strings.Cut(strings.ToLower(service[1]), ":")
	for _, w := range r.ways() {
		for _, s := range w.suffixes {
			if s = strings.ToLower(s); host == s || strings.HasSuffix(host, "."+s) {
				return w, true
			}
		}
	}
	return referral{}, false
}

// trusted returns the key of tickets that another realm's KDC made for this one.
func (r *Realm) trusted(realm string) (principal, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.inbound[realm]
	if p == nil {
		return principal{}, false
	}
	return *p, true
}
