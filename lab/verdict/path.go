package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// addresses of a host of the lab, IPv4 and IPv6.
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
	if port == "any" {
		return []string{v4 + ":", "[" + v6 + "]:"}
	}
	return []string{v4 + ":" + port, "[" + v6 + "]:" + port}
}

// touches reports whether a place is that of a probe's ID: an address with a port or one with any (10.77.0.10:), a port
// of any address (:88), a family ([fd77:, 10.77.), or a name that has no address (unresolved).
func touches(place, id string) bool {
	switch {
	case place == "unresolved":
		return strings.Count(id, "/") == 1
	case strings.HasPrefix(place, ":"):
		return strings.Contains(id, place)
	case strings.HasSuffix(place, ":") || strings.HasSuffix(place, "."):
		return strings.Contains(id, "/"+place)
	}
	return strings.Contains(id+"/", "/"+place+"/")
}

// codesOf are the codes by which trouble on the way to a service is named.
func codesOf(port string) []string {
	all := []string{"server-down", "host-offline", "ipv6-broken", "path-lossy", "server-slow", "login-slow"}
	dns := []string{"dns-server-silent", "dns-udp-blocked", "dns-tcp-blocked", "dns-filtered", "dns-zone-missing", "dns-refused", "endpoint-unresolvable",
		"names-differ", "kdc-lookup-failed", "kdc-unresolvable"}
	kdc := []string{"kdc-silent", "kdc-hung", "kdc-refused", "kdc-tcp-blocked", "kdc-udp-blocked", "kdc-large-messages-lost", "kdc-not-kerberos",
		"realm-unreachable", "trust-realm-unreachable", "dns-srv-stale"}
	db := []string{"db-silent", "db-refused", "db-connection-cut", "db-auth-timeout", "db-path-mtu", "db-not-mysql"}
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

// onPath is something on the way to a server, or from it.
func onPath(r *rand.Rand) fault {
	host := pick(r, "dc1", "dc1", "dc2", "on", "db", "db", "ns")
	port := pick(r, "88", "88", "53", "464", "any")
	switch host {
	case "db":
		port = "3306"
	case "ns":
		port = "53"
	}
	proto := pick(r, "any", "udp", "tcp", "tcp")
	if host == "db" {
		proto = "tcp"
	}
	f := fault{codes: codesOf(port), places: placesOf(host, port)}
	do := func(args ...string) { f.do = append(f.do, append([]string{"fault"}, args...)) }
	v4, v6 := addresses(host)
	where := pick(r, host, host, host, host, host, host, v4, v6)
	if r.IntN(16) == 0 {
		where = pick(r, "v4", "v6")
		f.places = map[string][]string{"v4": {"10.77."}, "v6": {"[fd77:"}}[where]
	}
	switch r.IntN(20) {
	case 0, 1:
		do("drop", proto, port, where)
	case 2:
		do("reject", proto, port, where)
	case 3, 4:
		kind := pick(r, "net", "host", "proto", "port", "net-prohibited", "host-prohibited", "admin", "policy", "reject-route")
		do("icmp", kind, proto, port, where)
	case 5:
		do("rst", "tcp", port, where)
	case 6:
		do("dropreply", proto, port, where)
	case 7, 8:
		f.codes = []string{"path-lossy"}
		do(pick(r, "loss", "lossreply"), proto, port, fmt.Sprint(5*(1+r.IntN(10))), where)
	case 9, 10:
		do("bigdrop", proto, port, fmt.Sprint(pick(r, 140, 600, 1000, 1300, 1450)), where)
	case 11:
		do("rate", proto, port, fmt.Sprint(pick(r, 1, 3, 10)), where)
	default:
		return elsewhere(r, host, port)
	}
	return f
}

// elsewhere is of a whole machine, of a port of all machines, of the client, or of connections.
func elsewhere(r *rand.Rand, host, port string) fault {
	f := fault{codes: codesOf("any"), places: placesOf(host, "any")}
	do := func(args ...string) fault { f.do = append(f.do, append([]string{"fault"}, args...)); return f }
	switch r.IntN(8) {
	case 0:
		return do(pick(r, "unreach", "prohibit", "blackhole"), host)
	case 1:
		return do("mtu", fmt.Sprint(pick(r, 576, 1000, 1280, 1400)), host)
	case 2, 3: // with jitter packets overtake each other
		port := pick(r, "53", "88", "3306")
		ms := pick(r, 60, 400, 1000, 2000)
		f.codes, f.places = codesOf(port), []string{":" + port}
		return do(pick(r, "delay", "delayreply"), pick(r, "udp", "tcp", "tcp"), port, fmt.Sprint(ms), fmt.Sprint(pick(r, 0, 0, ms/2)))
	case 4:
		if r.IntN(3) > 0 {
			break
		}
		f.places = []string{":"}
		return do("client", pick(r, "noroute", "unreachable", "prohibit", "forbid"))
	}
	if port == "any" || port == "464" {
		port = "88"
	}
	f.codes, f.places = codesOf(port), placesOf(host, port)
	switch r.IntN(3) {
	case 0:
		return do("cut", port, host, "after", fmt.Sprint(pick(r, 0, 40, 100, 200, 1000, 2500)), pick(r, "rst", "fin", "hang"))
	case 1:
		return do("cut", port, host, "at", fmt.Sprint(pick(r, 1, 5, 5000)), pick(r, "rst", "fin", "hang"))
	}
	return do("cut", port, host, "slow", fmt.Sprint(pick(r, 300, 2000, 5000)))
}
