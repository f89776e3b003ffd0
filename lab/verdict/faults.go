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
		var words []string
		for _, w := range c {
			words = append(words, quoted(w))
		}
		out = append(out, strings.Join(words, " "))
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
		s.faults = append(s.faults, pick(r, onPath, onPath, onPath, inDNS, inDNS, inDNS, ofController, ofDatabase, ofDatabase, ofLogin)(r))
	}
	return s
}

func pick[T any](r *rand.Rand, all ...T) T { return all[r.IntN(len(all))] }

const (
	corp     = "corp.example.com"
	rds      = "us-east-1.rds.amazonaws.com"
	database = "mycluster.cluster-abc123." + rds
)

// inDNS is something that DNS servers say, or that the client's hosts file does.
func inDNS(r *rand.Rand) fault {
	zone := pick(r, corp, corp, "onprem.local", rds, database)
	host := pick(r, "ns", "ns", "dc1", "dc2", "dc1,dc2")
	if host != "ns" && zone != "onprem.local" {
		zone = corp
	}
	if zone == "onprem.local" && host != "ns" {
		host = "on"
	}
	f := fault{bends: map[string][]string{}, places: append(placesOf("ns", "53"), "unresolved"), codes: []string{"dns-zone-missing", "realm-not-in-dns",
		"dns-refused", "dns-servers-disagree", "dns-srv-missing", "dns-srv-stale", "dns-filtered", "kdc-unresolvable", "endpoint-unresolvable", "kdc-lookup-failed", "names-differ",
		"kdc-silent", "kdc-refused", "kdc-wrong-realm", "db-silent", "db-refused", "db-not-mysql", "ipv6-broken", "server-down", "host-offline", "login-slow"}}
	var rule string
	switch r.IntN(12) {
	case 0, 1:
		rule = pick(r, "nxdomain", "servfail", "refuse", "empty", "drop") + "=" + zone
	case 2:
		rule = pick(r, "nxdomain=", "drop=") + pick(r, "_udp."+corp, "_tcp."+corp, "_kerberos._udp."+corp, "_kerberos._tcp."+corp, "_kpasswd._udp."+corp)
	case 3:
		rule = "add=_kerberos._" + pick(r, "udp", "tcp") + "." + corp + ". 600 IN SRV 0 100 88 dc9." + corp + "."
	case 4, 5: // a record that is stale, or of another machine, alone or beside the right one
		name, to := pick(r, "dc1", "dc2")+"."+corp+".", deadOrOther(r, "10.77.0.99", "fd77::99")
		rule = pick(r, "set=", "add=") + name + " 600 IN " + to
		f.places = append(f.places, addressIn(to)+":")
	case 6:
		to := deadOrOther(r, "10.77.3.99", "fd77:0:0:3::99")
		host, rule = "ns", pick(r, "add", "set")+"="+database+". 600 IN "+to
		f.places = append(f.places, addressIn(to)+":")
	case 7:
		rule = pick(r, "servfail=", "empty=", "drop=") + pick(r, "dc1.", "dc2.") + corp
	case 8: // one type of record is filtered
		rule = pick(r, "SRV", "SRV", "SOA", "AAAA", "A") + ":" + pick(r, "drop", "refuse", "empty", "servfail") + "=" + zone
	case 9:
		rule = "slow=" + pick(r, "300ms", "2s", "4s", "6s")
		f.codes = append(f.codes, "server-slow", "dns-server-silent")
	case 10:
		rule = pick(r, "parent=", "truncate=") + zone
	case 11:
		a := pick(r, "10.77.0.99", "10.77.0.10", "10.77.1.11", "10.77.2.10", "fd77::99")
		name := pick(r, "dc1."+corp, "dc2."+corp)
		if r.IntN(3) == 0 {
			a, name = pick(r, "10.77.3.99", "10.77.3.20", "10.77.0.10", "fd77:0:0:3::99"), database
		}
		f.do, f.places = [][]string{{"fault", "hosts", a, name}}, append(f.places, bracketed(a)+":")
		return f
	}
	if strings.Contains(rule, "drop=") {
		f.codes = append(f.codes, "dns-server-silent", "dns-udp-blocked", "dns-tcp-blocked")
	}
	for h := range strings.SplitSeq(host, ",") {
		f.bends[h] = append(f.bends[h], rule)
		f.places = append(f.places, placesOf(h, "53")...)
	}
	return f
}

// deadOrOther is the type and the data of an address record: where nothing is, or of a machine that is something else.
func deadOrOther(r *rand.Rand, dead4, dead6 string) string {
	return pick(r, "A "+dead4, "A "+dead4, "A 10.77.2.10", "A 10.77.5.10", "AAAA "+dead6)
}

func addressIn(record string) string {
	_, a, _ := strings.Cut(record, " ")
	return bracketed(a)
}

func bracketed(a string) string {
	if strings.Contains(a, ":") {
		return "[" + a + "]"
	}
	return a
}

// ofController is a state of a domain controller.
func ofController(r *rand.Rand) fault {
	host := pick(r, "dc1", "dc2", "on")
	asked := append(placesOf(host, "any"), append(placesOf("ns", "53"), "unresolved")...) // the resolver asks it
	switch r.IntN(4) {
	case 0:
		return fault{do: [][]string{{"dc", "freeze", host}}, codes: append(codesOf("88"), "kpasswd-blocked"), places: placesOf(host, "any")}
	case 1:
		return fault{do: [][]string{{"dc", "stop", host}}, codes: codesOf("any"), places: asked}
	}
	return fault{do: [][]string{{"dc", "skew", fmt.Sprint(pick(r, 600, -600, 120)), host}}, codes: []string{"clock-skew", "clock-skew-one-kdc"},
		places: placesOf(host, "any")}
}

// ofDatabase is a state of the database, its certificate, its accounts or its service principal.
func ofDatabase(r *rand.Rand) fault {
	f := func(codes string, do ...[]string) fault {
		return fault{do: do, codes: strings.Fields(codes), places: placesOf("db", "3306")}
	}
	do := func(args ...string) []string { return args }
	who := pick(r, "alice", "carol")
	sql := func(statement string) []string { return do("db", "sql", fmt.Sprintf(statement, who)) }
	return pick(r,
		f("db-tls-untrusted", do("db", "cert", pick(r, "expired", "othername", "otherca"))),
		f("db-tls-untrusted", do("db", "cert", pick(r, "expired", "othername", "otherca"))),
		f("db-certificate-expiring", do("db", "cert", "expiring")),
		f("db-ticket-rejected", do("db", "keytab", "wrong")),
		f("db-host-denied", do("db", "deny")),
		f("db-refused", do("db", "stop")),
		f("db-host-blocked", do("db", "block")),
		f("db-silent", do("db", "freeze")),
		f("db-too-many-connections", do("db", "full")),
		f("db-tls-required", do("db", "conf", "skip-ssl")),
		f("ticket-rc4", do("db", "keytab", "default"), do("db", "conf", "gssapi_principal_name=mysql/default."+corp+"@CORP.EXAMPLE.COM")),
		f("db-account-locked", sql("ALTER USER IF EXISTS '%s'@'%%' ACCOUNT LOCK")),
		f("db-account-unknown db-access-denied", sql("DROP USER IF EXISTS '%s'@'%%'")),
		f("db-account-unknown db-access-denied", sql("ALTER USER IF EXISTS '%s'@'%%' IDENTIFIED BY 'Other-1'")),
		f("db-access-denied", sql("ALTER USER IF EXISTS '%s'@'%%' IDENTIFIED VIA gssapi USING 'somebody.else@CORP.EXAMPLE.COM'")),
		f("service-unknown", do("user", "spn", "drop")),
		f("db-ticket-rejected ticket-rc4", do("user", "spn", "move")), // to an account without AES
		f("service-duplicate service-unknown", do("user", "spn", "twice")))
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
