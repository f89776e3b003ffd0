package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// ofFiles is how a host's own files have its programs find servers: krb5.conf, resolv.conf or nsswitch.conf. What it means
// is measured like anything else.
func ofFiles(r *rand.Rand) fault {
	switch r.IntN(10) {
	case 0:
		return resolvConf(r)
	case 1:
		return nsswitch(r)
	}
	return krb5conf(r)
}

// file is a fault by which one of the client's files has these lines alone.
func file(name string, lines []string) fault {
	return fault{do: [][]string{append([]string{"fault", "file", name}, lines...)}, codes: []string{"login-slow", "kdc-unresolvable", "kdc-lookup-failed"},
		places: []string{"unresolved"}}
}

// krb5conf draws what a krb5.conf says of the realms, of how KDCs are found, and of names.
func krb5conf(r *rand.Rand) fault {
	if r.IntN(12) == 0 {
		return ofKrb5Conf(file("krb5.conf", nil)) // as good as none
	}
	lines := []string{"[libdefaults]"}
	set := func(key string, values ...string) {
		if v := pick(r, values...); v != "" {
			lines = append(lines, " "+key+" = "+v)
		}
	}
	set("default_realm", "CORP.EXAMPLE.COM", "CORP.EXAMPLE.COM", "CORP.EXAMPLE.COM", "ONPREM.LOCAL", "")
	set("dns_lookup_kdc", "true", "true", "false", "false", "")
	set("dns_lookup_realm", "false", "false", "true")
	set("udp_preference_limit", "1465", "1", "1", "0", "32700", "200", "")
	set("dns_canonicalize_hostname", "false", "false", "true", "fallback", "")
	set("rdns", "false", "false", "true", "")
	set("kdc_timesync", "", "", "", "0")
	set("forwardable", "true", "")
	set("noaddresses", "", "", "", "false")
	set("permitted_enctypes", "", "", "", "", "", "", "aes256-cts-hmac-sha1-96", "aes128-cts-hmac-sha1-96 nonsense", "rc4-hmac", "nonsense")
	if r.IntN(16) == 0 { // a line that libkrb5 does not get over
		lines = append(lines, pick(r, " = x", "[libdefaults", " }", "include /nosuch/file"))
	}
	f := fault{}
	lines = append(lines, "[realms]")
	for _, realm := range []string{"CORP.EXAMPLE.COM", "ONPREM.LOCAL"} {
		kdcs, places := kdcLines(r, realm)
		if f.places = append(f.places, places...); kdcs != nil {
			lines = append(lines, " "+realm+" = {")
			lines = append(append(lines, kdcs...), " }")
		}
	}
	lines = append(lines, "[domain_realm]")
	if r.IntN(4) > 0 {
		lines = append(lines, " .corp.example.com = CORP.EXAMPLE.COM", " corp.example.com = CORP.EXAMPLE.COM", " .onprem.local = ONPREM.LOCAL")
	}
	if of := pick(r, "CORP.EXAMPLE.COM", "CORP.EXAMPLE.COM", "CORP.EXAMPLE.COM", "ONPREM.LOCAL", "NOSUCH.EXAMPLE", ""); of != "" {
		lines = append(lines, " "+pick(r, ".rds.amazonaws.com", ".rds.amazonaws.com", database)+" = "+of)
	}
	whole := file("krb5.conf", lines)
	whole.places = append(whole.places, f.places...)
	return ofKrb5Conf(whole)
}

func ofKrb5Conf(f fault) fault {
	f.places = append(f.places, "krb5.conf")
	f.codes = append(f.codes, "krb5conf-kdcs-differ", "krb5conf-realm-missing", "krb5conf-mapping-missing", "krb5conf-default-realm", "krb5conf-missing",
		"krb5conf-udp-limit", "krb5conf-unparsable", "krb5conf-etypes", "etype-unsupported", "krb5conf-rdns", "kdc-silent", "kdc-refused", "kdc-wrong-realm", "server-down", "names-differ", "realm-unreachable", "principal-unknown",
		"trust-realm-unreachable", "service-realm-unmapped", "ipv6-broken")
	return f
}

// kdcLines draws the entry of a realm: up to three servers in any order, one of them dead or wrong now and then; nil for
// no entry. With them come the places that the wrong ones make.
func kdcLines(r *rand.Rand, realm string) (lines, places []string) {
	right := []string{"dc1." + corp, "dc2." + corp, "10.77.0.10", "10.77.1.11", "[fd77::10]", "[fd77:0:0:1::11]:88", "dc1." + corp + ":88"}
	if realm == "ONPREM.LOCAL" {
		right = []string{"dc1.onprem.local", "10.77.2.10", "[fd77:0:0:2::10]"}
	}
	wrong := []string{"10.77.0.99", "10.77.0.99", "[fd77::99]", "dc9." + corp, "10.77.3.20", "dc1." + corp + ":8888", "10.77.5.10", "fd77::10", "tcp/10.77.0.99"}
	if r.IntN(3) == 0 {
		return nil, nil
	}
	for range 1 + r.IntN(3) {
		k := pick(r, right...)
		if r.IntN(4) == 0 {
			k = pick(r, wrong...)
			host := strings.TrimPrefix(k, "tcp/")
			if i := strings.LastIndex(host, ":"); i > strings.LastIndex(host, "]") && strings.Count(host, ":") == 1 {
				host = host[:i]
			}
			places = append(places, host+":")
			if strings.HasPrefix(k, "dc1."+corp) {
				places = append(places, placesOf("dc1", "8888")...)
			}
		}
		if line := "  kdc = " + k; !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines, places
}

// resolvConf draws name servers and options.
func resolvConf(r *rand.Rand) fault {
	servers := [][]string{{"10.77.4.2"}, {"fd77:0:0:4::2"}, {"10.77.4.2", "fd77:0:0:4::2"}, {"10.77.4.99", "10.77.4.2"}, {"10.77.4.2", "10.77.4.99"},
		{"10.77.0.10"}, {"10.77.1.11", "10.77.4.2"}, {"10.77.4.99"}}[r.IntN(8)]
	lines := []string{pick(r, "search "+corp, "search "+corp, "search nosuch.example "+corp, "domain onprem.local", "search .")}
	f := fault{}
	for _, s := range servers {
		lines = append(lines, "nameserver "+s)
		if strings.Contains(s, ":") {
			s = "[" + s + "]"
		}
		f.places = append(f.places, s+":53")
	}
	if o := pick(r, "", "", "timeout:1", "timeout:1 attempts:1", "ndots:3", "rotate", "single-request", "single-request-reopen", "use-vc", "edns0", "no-aaaa"); o != "" {
		lines = append(lines, "options "+o)
	}
	whole := file("resolv.conf", lines)
	whole.places = append(whole.places, f.places...)
	whole.codes = append(whole.codes, codesOf("53")...)
	whole.codes = append(whole.codes, "realm-not-in-dns", "dns-servers-disagree", "dns-srv-missing")
	return whole
}

// nsswitch draws the order in which names are looked for.
func nsswitch(r *rand.Rand) fault {
	line := pick(r, "dns files", "dns [NOTFOUND=return] files", "files [NOTFOUND=return] dns", "files", "dns", "files dns [!UNAVAIL=return] files", "files myhostname dns", "")
	lines := []string{"passwd: files", "group: files"}
	if line != "" {
		lines = append(lines, "hosts: "+line)
	}
	f := file("nsswitch.conf", lines)
	f.codes = append(f.codes, "endpoint-unresolvable", "names-differ")
	return f
}

// withFile draws a set of which one fault is a file of the host's: in one of so many sets.
func withFile(s set, of int) set {
	r := rand.New(rand.NewPCG(s.seed, 2027))
	if of == 0 || r.IntN(of) > 0 {
		return s
	}
	s.faults = append([]fault{ofFiles(r)}, s.faults[:min(len(s.faults), 2)]...)
	return s
}

// quoted is a word of a recipe for the shell.
func quoted(word string) string {
	if strings.ContainsAny(word, " []{}") || word == "" {
		return fmt.Sprintf("'%s'", word)
	}
	return word
}
