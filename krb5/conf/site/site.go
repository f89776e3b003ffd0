package site

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
)

// Site is what the configured logins need of a krb5.conf. The caller makes it
// from its own configuration.
type Site struct {
	// DefaultRealm is the realm of names without one. Empty: the realm of the
	// first database, else the first realm.
	DefaultRealm string
	Realms       []Realm
	Databases    []Database
	Logins       []Login
}

// Realm is a Kerberos realm, in most cases an Active Directory domain.
type Realm struct {
	Name      string   // the realm's name in its exact case, e.g. CORP.EXAMPLE.COM
	Domain    string   // its DNS domain; empty: the name in lower case
	KDCs      []string // names or addresses, with or without a port, in order; empty: found by DNS
	TrustedBy []string // realms whose services users of this one may use
}

// Database is a database server as its clients name it.
type Database struct {
	Host  string
	Realm string // the realm of the database's service principal
}

// host returns the name as libraries look it up.
func (d Database) LookupName() string { return strings.ToLower(strings.TrimSuffix(d.Host, ".")) }

// Login is a user of a realm at a database.
type Login struct {
	Realm string
	Host  string
}

// Default returns the realm of names without one, or "".
func (s *Site) Default() string {
	switch {
	case s.DefaultRealm != "":
		return s.DefaultRealm
	case len(s.Databases) > 0:
		return s.Databases[0].Realm
	case len(s.Realms) > 0:
		return s.Realms[0].Name
	}
	return ""
}

// inUse returns every realm that a login passes through, once.
func (s *Site) InUse() []string {
	var names []string
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, r := range s.Realms {
		add(r.Name)
	}
	for _, d := range s.Databases {
		add(d.Realm)
	}
	for _, l := range s.Logins {
		add(l.Realm)
	}
	return names
}

// userRealms returns the realms of those who log in to a host. Where no login
// is configured, they are taken to be of the database's own realm.
func (s *Site) userRealms(d Database) []string {
	var names []string
	for _, l := range s.Logins {
		if strings.EqualFold(strings.TrimSuffix(l.Host, "."), d.LookupName()) && !slices.Contains(names, l.Realm) {
			names = append(names, l.Realm)
		}
	}
	if names == nil {
		names = []string{d.Realm}
	}
	return names
}

func (r Realm) DNSDomain() string {
	if r.Domain != "" {
		return strings.ToLower(r.Domain)
	}
	return strings.ToLower(r.Name)
}

// Check reports everything in the site that must not be written into a
// krb5.conf: a line of that file can load code, so each word is held to what
// such a word can be.
func (s *Site) Check() error {
	var errs []error
	bad := func(what, text, why string) {
		errs = append(errs, fmt.Errorf("%s %q: %s", what, text, why))
	}
	realm := func(what, name string) {
		if !realmName(name) {
			bad(what, name, "not the name of a realm")
		}
	}
	if s.DefaultRealm != "" {
		realm("default realm", s.DefaultRealm)
	}
	names := map[string]bool{}
	for _, r := range s.Realms {
		realm("realm", r.Name)
		if names[r.Name] {
			bad("realm", r.Name, "listed twice")
		}
		names[r.Name] = true
		if !hostName(r.DNSDomain()) {
			bad("domain of realm "+r.Name, r.DNSDomain(), "not a DNS name")
		}
		for _, k := range r.KDCs {
			if _, _, err := SplitServer(k); err != nil {
				bad("KDC of realm "+r.Name, k, err.Error())
			}
		}
	}
	for _, r := range s.Realms {
		for _, t := range r.TrustedBy {
			if !names[t] {
				bad("realm that trusts "+r.Name, t, "not among the realms")
			}
		}
	}
	for _, d := range s.Databases {
		if !hostName(d.Host) && !IsAddr(d.Host) {
			bad("database", d.Host, "not a host name")
		}
		realm("realm of database "+d.Host, d.Realm)
	}
	return errors.Join(errs...)
}

// realmName allows what names of realms are made of (RFC 4120 §6.1, domain
// style), and nothing that has a meaning in the file.
func realmName(s string) bool {
	return s != "" && len(s) <= 255 && strings.Trim(s, ".") == s && allIn(s, "._-")
}

func hostName(s string) bool {
	return s != "" && len(s) <= 253 && s[0] != '.' && s[0] != '-' && allIn(s, "._-") && !strings.Contains(s, "..")
}

func allIn(s, more string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') && strings.IndexByte(more, c) < 0 {
			return false
		}
	}
	return true
}

func IsAddr(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

var errServer = errors.New("not a host or address, with or without a port")

// splitServer takes apart host, host:port, an address, [IPv6] and [IPv6]:port.
// The port is 0 where there is none.
func SplitServer(s string) (host string, port uint16, err error) {
	if a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")); err == nil && a.Zone() == "" {
		return a.String(), 0, nil
	}
	if ap, err := netip.ParseAddrPort(s); err == nil && ap.Addr().Zone() == "" && ap.Port() != 0 {
		return ap.Addr().String(), ap.Port(), nil
	}
	host, digits, hasPort := strings.Cut(s, ":")
	if !hostName(host) || strings.Trim(host, "0123456789") == "" { // libkrb5 takes digits alone for a port
		return "", 0, errServer
	}
	if hasPort {
		n, ok := portNumber(digits)
		if !ok {
			return "", 0, errServer
		}
		port = n
	}
	return strings.ToLower(host), port, nil
}

func portNumber(s string) (uint16, bool) {
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' || n > 65535 {
			return 0, false
		}
		n = 10*n + int(s[i]-'0')
	}
	return uint16(n), n > 0 && n <= 65535
}

// Covers reports whether MIT's library finds every realm and the realm of
// every database that the site needs. A candidate that does not is not to be
// put in place.
func (s *Site) Covers(set *conf.Set) error {
	r := reader.Read(reader.MIT, set)
	if r.Err != nil {
		return r.Err
	}
	var errs []error
	for _, name := range s.InUse() {
		if why := r.CannotFind(name); why != "" {
			errs = append(errs, fmt.Errorf("realm %s: %s", name, why))
		}
	}
	for _, d := range s.Databases {
		if got := r.HostRealm(d.LookupName()); !s.Acceptable(got, d) {
			errs = append(errs, fmt.Errorf("database %s: its realm is %s, but the file maps it to %s", d.Host, d.Realm, got.Describe()))
		}
	}
	return errors.Join(errs...)
}

// acceptable reports whether logins to d work with what a reader gives to its
// host. Where the reader leaves it to the user's own KDC, only users of the
// database's own realm are sure to get there.
func (s *Site) Acceptable(got reader.HostRealm, d Database) bool {
	switch got.How {
	case reader.ByReferral, reader.ByUser:
		for _, u := range s.userRealms(d) {
			if u != d.Realm {
				return false
			}
		}
		return true
	}
	return got.Realm == d.Realm
}
