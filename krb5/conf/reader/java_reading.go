package reader

import (
	"slices"
	"strconv"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf"
)

// setting returns the first value of a name in [libdefaults], or nil.
func (t *javaTable) setting(name string) *javaEntry {
	if l := t.subs["libdefaults"]; l != nil {
		if e := l.entry(name); e != nil && e.sub == nil {
			return e
		}
	}
	return nil
}

func (t *javaTable) text(name string) Setting[string] {
	e := t.setting(name)
	if e == nil {
		return Setting[string]{}
	}
	return Setting[string]{Value: e.text, From: e.pos, Text: e.text}
}

// boolean knows four words; any other is as if the line were not there.
func (t *javaTable) boolean(name string, def bool) Setting[bool] {
	s := t.text(name)
	b := Setting[bool]{Value: def, From: s.From, Text: s.Text}
	switch strings.ToLower(s.Text) {
	case "yes", "true":
		b.Value = true
	case "no", "false":
		b.Value = false
	default:
		if !s.From.IsZero() {
			b.Err = ErrBadBoolean
		}
	}
	return b
}

func (r *Reading) javaSettings(t *javaTable) {
	r.DefaultRealm = t.text("default_realm")
	r.CanonicalizeHost = Setting[string]{Value: "false"} // Java completes short names only
	fallback := t.boolean("dns_fallback", true)
	r.DNSLookupKDC = t.boolean("dns_lookup_kdc", fallback.Value)
	fallback = t.boolean("dns_fallback", false)
	r.DNSLookupRealm = t.boolean("dns_lookup_realm", fallback.Value)
	r.CCacheName = t.text("default_ccache_name")
	r.UDPLimit = t.udpLimit()
	r.TicketETypes = t.etypes("default_tkt_enctypes")
	r.ServiceETypes = t.etypes("default_tgs_enctypes")
	r.PermittedETypes = t.etypes("permitted_enctypes")
	if realms := t.subs["realms"]; realms != nil {
		seen := make(map[string]bool, len(realms.entries))
		for i := range realms.entries {
			if e := &realms.entries[i]; e.sub != nil || !seen[e.name] {
				r.Realms = append(r.Realms, javaRealm(e))
			}
			seen[realms.entries[i].name] = true
		}
	}
	if domains := t.subs["domain_realm"]; domains != nil {
		r.Mappings = slices.Grow(r.Mappings, len(domains.entries))
		for i := range domains.entries {
			if e := &domains.entries[i]; domains.counts(e) {
				r.Mappings = append(r.Mappings, Mapping{e.name, e.text, e.pos})
			}
		}
	}
	if paths := t.subs["capaths"]; paths != nil {
		for _, client := range paths.entries {
			for i := 0; client.sub != nil && i < len(client.sub.entries); i++ {
				e := client.sub.entries[i]
				r.CAPaths = append(r.CAPaths, CAPath{Client: client.name, Server: e.name, Via: strings.Fields(e.text), From: e.pos})
			}
		}
	}
}

func (t *javaTable) udpLimit() Setting[int] {
	s := t.text("udp_preference_limit")
	limit := Setting[int]{Value: -1, From: s.From, Text: s.Text}
	if s.From.IsZero() {
		return limit
	}
	n, err := strconv.ParseInt(s.Text, 10, 32)
	if err != nil || n < 0 {
		limit.Err = ErrBadNumber
		return limit
	}
	limit.Value = int(n)
	return limit
}

func javaRealm(realm *javaEntry) RealmEntry {
	if realm.sub == nil { // a realm in one line is a value to Java, and asking for its KDCs throws
		return RealmEntry{Name: realm.name, At: []conf.Pos{realm.pos}, Err: javaLine{realm.text, realm.pos}.refused("realm in one line")}
	}
	e := RealmEntry{Name: realm.name, At: realm.sub.at}
	for i := range realm.sub.entries {
		v := &realm.sub.entries[i]
		if v.name != "kdc" || !realm.sub.counts(v) {
			continue
		}
		for _, word := range strings.FieldsFunc(v.text, func(c rune) bool { return c == ',' || c < 128 && conf.IsSpace(byte(c)) }) {
			e.KDCs = append(e.KDCs, javaServer(word, 88, v.pos))
		}
	}
	return e
}

// javaServer is what KdcComm makes of a KDC: more than one colon is an IPv6
// address without brackets and without a port.
func javaServer(text string, port int, pos conf.Pos) Server {
	s := Server{Host: text, Port: port, From: pos, Text: text}
	portText, hasPort := "", false
	if end := strings.IndexByte(text, ']'); text[0] == '[' {
		if end < 0 {
			s.Err = ErrBadHost
			return s
		}
		s.Host = text[1:end]
		if rest := text[end+1:]; rest != "" {
			portText, hasPort = strings.CutPrefix(rest, ":")
			if !hasPort {
				s.Err = ErrBadHost
			}
		}
	} else if strings.Count(text, ":") == 1 {
		s.Host, portText, hasPort = strings.Cut(text, ":")
	}
	if hasPort {
		// A port that does not parse is passed over.
		if n, err := strconv.ParseUint(portText, 10, 16); err == nil && n > 0 {
			s.Port = int(n)
		}
	}
	return s
}

// etypes is Config.defaultEtype. The words are cut at commas where there is
// one, else at blanks, and at nothing else.
func (t *javaTable) etypes(name string) ETypes {
	weak := t.boolean("allow_weak_crypto", false).Value
	known := []int32{aes256SHA1, aes128SHA1, aes256SHA2, aes128SHA2}
	if weak {
		known = append(known, des3CBCSHA1, rc4HMAC, desCBCCRC, desCBCMD5)
	}
	v := t.setting(name)
	if v == nil {
		v = t.setting("permitted_enctypes")
	}
	if v == nil {
		return ETypes{IDs: known}
	}
	list := ETypes{From: v.pos, Text: v.text}
	cut := ' '
	if strings.Contains(v.text, ",") {
		cut = ','
	}
	for _, word := range strings.FieldsFunc(v.text, func(c rune) bool { return c == cut }) {
		id, ok := javaEType(word)
		switch {
		case !ok:
			list.Unknown = append(list.Unknown, word)
		case slices.Contains(known, id):
			list.IDs = append(list.IDs, id)
		}
	}
	if len(list.IDs) == 0 {
		list.Err = ErrNoETypes
	}
	return list
}

func javaEType(name string) (int32, bool) {
	name = strings.ToLower(name)
	switch name {
	case "des-cbc-crc":
		return desCBCCRC, true
	case "des-cbc-md5":
		return desCBCMD5, true
	case "des-cbc-md4":
		return desCBCMD4, true
	case "des3-cbc-sha1", "des3-hmac-sha1", "des3-cbc-sha1-kd", "des3-cbc-hmac-sha1-kd":
		return des3CBCSHA1, true
	case "arcfour-hmac", "arcfour-hmac-md5", "rc4-hmac":
		return rc4HMAC, true
	}
	id, ok := aesOrCamellia(name)
	return id, ok && id != camellia128 && id != camellia256
}

// javaHostRealm is PrincipalName.mapHostToRealm: each suffix with its dot,
// then without, by exact case.
func (r *Reading) javaHostRealm(host string) HostRealm {
	host = strings.ToLower(host)
	if h, ok := r.mapped(host); ok {
		return h
	}
	for i := 1; i < len(host)-1; i++ {
		if host[i] != '.' {
			continue
		}
		if h, ok := r.mapped(host[i:]); ok {
			return h
		}
		if h, ok := r.mapped(host[i+1:]); ok {
			return h
		}
	}
	return HostRealm{Realm: r.DefaultRealm.Value, From: r.DefaultRealm.From, How: ByDefault}
}
