package reader

import (
	"math/rand/v2"
	"strings"
)

// randomConf makes a file of lines that matter to parsers, most of them sound.
func randomConf(r *rand.Rand) string {
	lines := []string{
		"[libdefaults]", "[realms]", "[domain_realm]", "[capaths]", "[realms]*", " [realms]", "[realms] ", "[realms] # x", "[ realms ]", "[x", "[]", "[LIBDEFAULTS]",
		"default_realm = A.TEST", "default_realm=B.TEST", " default_realm = \"C.TEST\"", "default_realm = D.TEST # inline", "default_realm*=E.TEST", "default_realm = 'F.TEST'", "Default_Realm = G.TEST",
		"A.TEST = {", "B.TEST = {", "A.TEST = { ", "A.TEST={", "A.TEST =", "{", "{ ", "{ kdc = inline", "}", " }", "}*", "} x", "A.TEST = { kdc = oneline }", "A.TEST* = {", "auth_to_local_names = {", "A.TEST = flat",
		" kdc = k1.test", " kdc = k2.test:8888", "\tkdc = tcp/k3.test", " kdc = [fd00::1]", " kdc = [fd00::1]:89", " kdc = fd00::1", " kdc = k4.test # c", " kdc = k5.test:88 # c", " kdc = a.test b.test", " kdc = a.test, b.test", " kdc = k6.test*", " kdc = :88", " kdc = 88", " kdc = \"k7.test\"", " kdc = https://p.test/x", "kdc* = k8.test", " kdc = 10.0.0.1",
		" admin_server = adm.test", " kpasswd_server = kp.test:464", " admin_server = [fd00::2]", " kdc = k9.test:x", " kdc =", " v4_realm = X",
		".a.test = A.TEST", "a.test = A.TEST", "host.a.test = B.TEST", ".B.test = B.TEST", ".rds.amazonaws.com = A.TEST", ".b.test = B.TEST", ".b.test = C.TEST", ".b.test=",
		"rdns = false", "rdns = off", "rdns = 0", "rdns = maybe", "rdns = no", "dns_canonicalize_hostname = fallback", "dns_canonicalize_hostname = false", "dns_canonicalize_hostname = on", "dns_canonicalize_hostname = perhaps",
		"dns_lookup_kdc = no", "dns_lookup_kdc = off", "dns_lookup_kdc = true", "dns_lookup_realm = false", "dns_lookup_realm = 1", "dns_fallback = no", "udp_preference_limit = 1", "udp_preference_limit = 0", "udp_preference_limit = 99999", "udp_preference_limit = -1", "udp_preference_limit = one", "udp_preference_limit = +5",
		"permitted_enctypes = aes", "permitted_enctypes = DEFAULT -rc4", "permitted_enctypes = aes256-cts aes128-cts", "permitted_enctypes = aes256-cts,aes128-cts", "permitted_enctypes = rc4-hmac", "permitted_enctypes = nothing", "default_tkt_enctypes = AES256-SHA2 +camellia -camellia128-cts", "default_tgs_enctypes = aes256-cts-hmac-sha1-96, des3-cbc-sha1", "default_tkt_enctypes = des3 rc4 des-cbc-crc", "allow_weak_crypto = true", "allow_weak_crypto = maybe", "default_tkt_enctypes =", "default_etypes = aes256-cts-hmac-sha1-96", "default_tgs_enctypes = aes256-cts\taes128-sha1",
		"clockskew = 300", "clockskew = 5m", "ticket_lifetime = 1d 2h", "ticket_lifetime = 24h", "renew_lifetime = 10:00", "preferred_preauth_types = 17, 16", "ccache_type = 4", "kdc_timesync = 1", "forwardable = on",
		"", "", "\r", "# comment", "  ; comment", "text", "= x", "a b = c", "x = \"q\\\"t\\n\" rest", "x = \"open", "k = v = w", "include = x", "module x", "\t", "include", "\"quoted name\" = x", "ü = ö", "x = {y", "x* = y", "* = y", "\v[realms]", "x =\ty\t",
	}
	sound := []string{"[libdefaults]", "default_realm = A.TEST", "[realms]", " A.TEST = {", "  kdc = k1.test", "  kdc = k2.test", " }", "[domain_realm]", " .a.test = A.TEST", " a.test = A.TEST"}
	eol := "\n"
	if r.IntN(10) == 0 {
		eol = "\r\n"
	}
	var b strings.Builder
	trouble := r.IntN(5)
	for range 1 + r.IntN(3) {
		for _, line := range sound {
			if r.IntN(10) == 0 {
				continue
			}
			b.WriteString(line + eol)
			if r.IntN(12) < trouble {
				b.WriteString(lines[r.IntN(len(lines))] + eol)
			}
		}
	}
	text := b.String()
	if r.IntN(10) == 0 {
		text = strings.TrimRight(text, "\r\n")
	}
	return text
}

// randomHosts are asked of every random file.
func randomHosts() []string {
	return []string{"host.a.test", "a.test", "db.b.test", "DB.B.test", "x.y.rds.amazonaws.com", "other.test", "10.0.0.1", "short", "host.a.test."}
}
