package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// fault is one thing that is wrong in the lab.
type fault struct {
	do     [][]string          // commands of lab.sh
	bends  map[string][]string // DNS server → rules of lab/dnsd: one process bends a server
	login  string              // of another user than alice: a name in users
	codes  []string            // of findings that would name it
	places []string            // addresses, with a port where it is one service; empty for a login
}

// set is what is drawn by one seed.
type set struct {
	seed   uint64
	faults []fault
}

func (f fault) String() string {
	var out []string
	for _, c := range f.do {
		out = append(out, strings.Join(c, " "))
	}
	for _, h := range slices.Sorted(maps.Keys(f.bends)) {
		out = append(out, "dns bend "+h+" '"+strings.Join(f.bends[h], "' '")+"'")
	}
	if f.login != "" {
		out = append(out, "login "+f.login)
	}
	return strings.Join(out, "; ")
}

func (s set) String() string {
	var out []string
	for _, f := range s.faults {
		out = append(out, f.String())
	}
	if len(out) == 0 {
		return "nothing"
	}
	return strings.Join(out, " + ")
}

func (s set) without(i int) set { return set{s.seed, slices.Delete(slices.Clone(s.faults), i, i+1)} }

func drawSet(seed uint64) set {
	r := rand.New(rand.NewPCG(seed, 2026))
	s := set{seed: seed}
	for range []int{0, 1, 1, 1, 2, 2, 2, 3, 3, 3}[r.IntN(10)] {
		s.faults = append(s.faults, pick(r, onPath, onPath, onPath, inDNS, inDNS, ofController, ofDatabase, ofLogin)(r))
	}
	return s
}

func pick[T any](r *rand.Rand, all ...T) T { return all[r.IntN(len(all))] }

// address of a host of the lab, and its IPv6 one.
func addresses(host string) (v4, v6 string) {
	switch host {
	case "dc1":
		return "10.77.0.10", "fd77::10"
	case "dc2":
		return "10.77.1.11", "fd77:0:0:1::11"
	case "on":
		return "10.77.2.10", "fd77:0:0:2::10"
	case "db":
		return "10.77.3.20", "fd77:0:0:3::20"
	}
	return "10.77.4.2", "fd77:0:0:4::2" // ns
}

// placesOf returns the addresses as a probe's ID has them.
func placesOf(host, port string) []string {
	v4, v6 := addresses(host)
	if strings.Contains(host, ".") {
		v4, v6 = host, ""
	}
	if port == "any" {
		return []string{v4 + ":", "[" + v6 + "]:"}
	}
	return []string{v4 + ":" + port, "[" + v6 + "]:" + port}
}

// codesOf are the codes by which trouble on the way to a service is named.
func codesOf(port string) []string {
	all := []string{"server-down", "host-offline", "ipv6-broken", "path-lossy", "server-slow"}
	dns := []string{"dns-server-silent", "dns-udp-blocked", "dns-tcp-blocked", "dns-filtered", "dns-zone-missing", "dns-refused", "endpoint-unresolvable", "names-differ"}
	kdc := []string{"kdc-silent", "kdc-hung", "kdc-refused", "kdc-tcp-blocked", "kdc-udp-blocked", "kdc-large-messages-lost", "realm-unreachable", "trust-realm-unreachable",
		"dns-srv-stale"}
	db := []string{"db-silent", "db-refused", "db-connection-cut", "db-auth-timeout", "db-path-mtu"}
	switch port {
	case "53":
		return append(all, dns...)
	case "88":
		return append(append(all, kdc...), "db-auth-timeout")
	case "464":
		return append(all, "kpasswd-blocked")
	case "3306":
		return append(all, db...)
	}
	return slices.Concat(all, dns, kdc, db, []string{"kpasswd-blocked"})
}

// onPath is something on the way to a server.
func onPath(r *rand.Rand) fault {
	host := pick(r, "dc1", "dc1", "dc2", "on", "db", "db", "ns")
	port := map[string][]string{"dc1": {"88", "88", "53", "464", "any"}, "dc2": {"88", "88", "53", "464", "any"}, "on": {"88", "88", "53", "464", "any"},
		"db": {"3306"}, "ns": {"53"}}[host]
	p := pick(r, port...)
	proto := pick(r, "any", "udp", "tcp", "tcp")
	if host == "db" {
		proto = "tcp"
	}
	where := host
	if v4, v6 := addresses(host); r.IntN(4) == 0 {
		where = pick(r, v4, v6)
	}
	f := fault{codes: codesOf(p), places: placesOf(host, p)}
	switch r.IntN(11) {
	case 0, 1:
		f.do = [][]string{{"fault", "drop", proto, p, where}}
	case 2:
		f.do = [][]string{{"fault", "reject", proto, p, where}}
	case 3:
		f.do = [][]string{{"fault", "admin", proto, p, where}}
	case 4:
		f.do = [][]string{{"fault", "rst", "tcp", p, where}}
	case 5:
		f.do = [][]string{{"fault", "dropreply", proto, p, where}}
	case 6, 7:
		f.do = [][]string{{"fault", "loss", proto, p, fmt.Sprint(5 * (1 + r.IntN(10))), where}}
	case 8:
		f.do = [][]string{{"fault", "bigdrop", proto, p, fmt.Sprint(pick(r, 140, 600, 1000, 1300, 1450)), where}}
	case 9:
		f.do = [][]string{{"fault", pick(r, "unreach", "prohibit", "blackhole"), host}}
		f.codes, f.places = codesOf("any"), placesOf(host, "any")
	case 10:
		port := pick(r, "53", "88", "3306")
		f.do = [][]string{{"fault", "delay", pick(r, "udp", "tcp", "tcp"), port, fmt.Sprint(pick(r, 60, 400, 1000, 2000))}}
		f.codes, f.places = codesOf(port), []string{":" + port}
	}
	return f
}

const (
	corp     = "corp.example.com"
	rds      = "us-east-1.rds.amazonaws.com"
	database = "mycluster.cluster-abc123." + rds
)

// inDNS is something that DNS servers say.
func inDNS(r *rand.Rand) fault {
	zone := pick(r, corp, corp, "onprem.local", rds, database)
	host := pick(r, "ns", "ns", "dc1", "dc2", "dc1,dc2")
	if host != "ns" && zone != "onprem.local" {
		zone = corp
	}
	if zone == "onprem.local" && host != "ns" {
		host = "on"
	}
	realms := []string{"dns-zone-missing", "realm-not-in-dns", "dns-refused", "dns-servers-disagree", "dns-srv-missing", "dns-srv-stale", "dns-filtered",
		"kdc-unresolvable", "endpoint-unresolvable", "names-differ", "kdc-silent", "kdc-refused", "db-silent", "db-refused"}
	f := fault{codes: realms, bends: map[string][]string{}, places: append(placesOf("ns", "53"), "unresolved")}
	var rule string
	switch r.IntN(8) {
	case 0, 1:
		rule = pick(r, "nxdomain", "servfail", "refuse") + "=" + zone
	case 2:
		rule = "nxdomain=" + pick(r, "_udp."+corp, "_tcp."+corp, "_kerberos._udp."+corp, "_kerberos._tcp."+corp, "_kpasswd._udp."+corp)
	case 3:
		rule = "add=_kerberos._" + pick(r, "udp", "tcp") + "." + corp + ". 600 IN SRV 0 100 88 dc9." + corp + "."
	case 4: // a record that is stale
		rule = "set=" + pick(r, "dc1", "dc2") + "." + corp + ". 600 IN A 10.77.0.99"
		f.places = append(f.places, "10.77.0.99:")
	case 5:
		rule = "add=" + pick(r, "dc1", "dc2") + "." + corp + ". 600 IN A 10.77.0.99"
		f.places = append(f.places, "10.77.0.99:")
	case 6: // the database has a dead address, too or alone
		host, rule = "ns", pick(r, "add", "set")+"="+database+". 600 IN A 10.77.3.99"
		f.places = append(f.places, "10.77.3.99:")
	case 7:
		rule = "servfail=" + pick(r, "dc1.", "dc2.") + corp
	}
	for _, h := range strings.Split(host, ",") {
		f.bends[h] = append(f.bends[h], rule)
		f.places = append(f.places, placesOf(h, "53")...)
	}
	return f
}

// ofController is a state of a domain controller.
func ofController(r *rand.Rand) fault {
	host := pick(r, "dc1", "dc2", "on")
	switch r.IntN(4) {
	case 0:
		return fault{do: [][]string{{"dc", "freeze", host}}, codes: append(codesOf("88"), "kpasswd-blocked"), places: placesOf(host, "any")}
	case 1:
		return fault{do: [][]string{{"dc", "stop", host}}, codes: codesOf("any"), places: placesOf(host, "any")}
	}
	return fault{do: [][]string{{"dc", "skew", fmt.Sprint(pick(r, 600, -600, 120)), host}}, codes: []string{"clock-skew", "clock-skew-one-kdc"}, places: placesOf(host, "any")}
}

// ofDatabase is a state of the database.
func ofDatabase(r *rand.Rand) fault {
	f := func(code string, do ...string) fault {
		return fault{do: [][]string{do}, codes: []string{code}, places: placesOf("db", "3306")}
	}
	return pick(r,
		f("db-tls-untrusted", "db", "cert", "expired"), f("db-tls-untrusted", "db", "cert", "othername"), f("db-tls-untrusted", "db", "cert", "otherca"),
		f("db-certificate-expiring", "db", "cert", "expiring"), f("db-ticket-rejected", "db", "keytab", "wrong"), f("db-host-denied", "db", "deny"),
		f("db-refused", "db", "stop"), f("db-host-blocked", "db", "block"), f("service-unknown", "user", "spn", "drop"))
}

// ofLogin is a state of the account or of the secret.
func ofLogin(r *rand.Rand) fault {
	logins := map[string]string{"bob.disabled": "account-disabled", "bob.locked": "account-locked", "bob.acctexpired": "account-expired", "bob.expired": "password-expired",
		"bob.mustchange": "password-must-change", "nopreauth.user": "preauth-not-required", "wrong.pw": "password-wrong", "stale.keytab": "keytab-stale",
		"nosuch": "principal-unknown", "mismatch": "db-access-denied", "db.locked": "db-account-locked", "pwuser": "db-account-unknown"}
	user := pick(r, slices.Sorted(maps.Keys(logins))...)
	f := fault{login: user, codes: []string{logins[user]}}
	if user == "nosuch" || user == "pwuser" {
		f.codes = append(f.codes, "principal-unknown", "db-account-unknown")
	}
	return f
}
