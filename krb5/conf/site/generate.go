package site

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Generate writes the krb5.conf that a site needs: one that MIT, Heimdal, Java
// and gokrb5 read alike. The same site produces the same bytes. It fails only
// where Site.Check does.
func Generate(s *Site) (string, error) {
	if err := s.Check(); err != nil {
		return "", fmt.Errorf("generating krb5.conf: %w", err)
	}
	var w writer
	w.line(0, "# Written by kerbagent, from its configuration. Change that, and not this text.")
	w.libdefaults(s)
	w.realms(s)
	w.domainRealm(s)
	w.capaths(s)
	return w.String(), nil
}

type writer struct{ strings.Builder }

// line writes a line, indented by levels.
func (w *writer) line(level int, text string) {
	w.WriteString(strings.Repeat("    ", level) + text + "\n")
}

// why writes a comment above a line. A comment never stands behind a value:
// all but gokrb5 would take it for part of the value.
func (w *writer) why(level int, text string) { w.line(level, "# "+text) }

// section starts a section, in the first column: MIT passes over everything
// before the first [ that stands there.
func (w *writer) section(name string) {
	w.line(0, "")
	w.line(0, "["+name+"]")
}

func (w *writer) libdefaults(s *Site) {
	w.section("libdefaults")
	if realm := s.Default(); realm != "" {
		w.line(1, "default_realm = "+realm)
	}
	w.why(1, "A service is asked for by the name that was given: PTR and CNAME records do not choose it.")
	w.line(1, "rdns = false")
	w.line(1, "dns_canonicalize_hostname = false")
	w.why(1, "TCP only: a ticket of Active Directory does not fit a datagram. Not 0, which Java takes for UDP.")
	w.line(1, "udp_preference_limit = 1")
	w.why(1, "The realm of a host comes from [domain_realm], never from TXT records, as it would in Heimdal.")
	w.line(1, "dns_lookup_realm = false")
	w.why(1, "KDCs of realms without a kdc line, and of those that a referral leads to. gokrb5 needs to be told.")
	w.line(1, "dns_lookup_kdc = true")
}

func (w *writer) realms(s *Site) {
	var byDNS []string
	named := false
	for _, r := range s.Realms {
		named = named || len(r.KDCs) > 0
		if len(r.KDCs) == 0 {
			byDNS = append(byDNS, r.Name)
		}
	}
	if named {
		w.section("realms")
	}
	for _, r := range s.Realms {
		if len(r.KDCs) == 0 {
			continue
		}
		w.line(1, r.Name+" = {")
		var kpasswd []string
		for _, k := range r.KDCs {
			host, port, _ := SplitServer(k) // checked by Site.Check
			w.line(2, "kdc = "+serverWord(host, port, 88))
			kpasswd = append(kpasswd, serverWord(host, 464, 0))
		}
		w.why(2, "Passwords are changed at the same servers; gokrb5 needs the port.")
		for _, k := range kpasswd {
			w.line(2, "kpasswd_server = "+k)
		}
		w.line(1, "}")
	}
	if len(byDNS) > 0 {
		w.line(0, "")
		w.why(0, "KDCs found by DNS (SRV records): "+strings.Join(byDNS, ", "))
	}
}

// serverWord writes a server so that all libraries read it alike: an IPv6
// address in brackets and with its port, anything else with a port only where
// it is not the standard one.
func serverWord(host string, port, standard uint16) string {
	if port == 0 {
		port = standard
	}
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		return netip.AddrPortFrom(a, port).String()
	}
	if port == standard {
		return host
	}
	return fmt.Sprintf("%s:%d", host, port)
}

func (w *writer) domainRealm(s *Site) {
	lines := s.mappingLines()
	if len(lines) == 0 {
		return
	}
	w.section("domain_realm")
	last := ""
	for _, m := range lines {
		if m.Why != "" && m.Why != last {
			w.why(1, m.Why)
		}
		last = m.Why
		w.line(1, m.Domain+" = "+m.Realm)
	}
}

// capaths writes the trust paths that lead through a third realm: neither MIT
// nor Java guesses those from the names.
func (w *writer) capaths(s *Site) {
	started := false
	for _, client := range s.Realms {
		var lines []string
		for _, server := range s.databaseRealms() {
			path, ok := s.trustPath(client.Name, server)
			if !ok || len(path) == 0 {
				continue
			}
			for _, via := range path {
				lines = append(lines, server+" = "+via)
			}
		}
		if lines == nil {
			continue
		}
		if !started {
			w.section("capaths")
			started = true
		}
		w.why(1, "Users of "+client.Name+" reach these realms through others.")
		w.line(1, client.Name+" = {")
		for _, l := range lines {
			w.line(2, l)
		}
		w.line(1, "}")
	}
}

func (s *Site) databaseRealms() []string {
	var names []string
	for _, d := range s.Databases {
		if !slices.Contains(names, d.Realm) {
			names = append(names, d.Realm)
		}
	}
	return names
}

// trustPath returns the realms between a user's and a service's, in order from
// the user's, by the shortest way that the trusts allow.
func (s *Site) trustPath(client, server string) (via []string, ok bool) {
	if client == server {
		return nil, true
	}
	before := map[string]string{client: ""}
	for queue := []string{client}; len(queue) > 0; queue = queue[1:] {
		for _, r := range s.Realms {
			if r.Name != queue[0] {
				continue
			}
			for _, next := range r.TrustedBy {
				if _, seen := before[next]; !seen {
					before[next] = r.Name
					queue = append(queue, next)
				}
			}
		}
	}
	if _, ok := before[server]; !ok {
		return nil, false
	}
	for r := before[server]; r != client; r = before[r] {
		via = append(via, r)
	}
	slices.Reverse(via)
	return via, true
}
