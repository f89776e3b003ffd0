package reader

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf"
)

// boolean takes yes, true and numbers but 0 for true, and all else for false.
func (l *heimdalList) boolean(name string, def bool) Setting[bool] {
	v := l.values(name)
	if len(v) == 0 {
		return Setting[bool]{Value: def}
	}
	text := v[0].text
	s := Setting[bool]{From: v[0].pos, Text: text}
	if known, ok := mitBoolean(text); !ok || known != heimdalTrue(text) {
		s.Err = ErrBadBoolean
	}
	s.Value = heimdalTrue(text)
	return s
}

func heimdalTrue(text string) bool {
	return strings.EqualFold(text, "yes") || strings.EqualFold(text, "true") || atoi(text) != 0
}

// atoi is C's: the number at the start of a text, else 0.
func atoi(text string) int {
	text = conf.TrimLeft(text)
	end := 0
	for end < len(text) && (text[end] >= '0' && text[end] <= '9' || end == 0 && (text[0] == '-' || text[0] == '+')) {
		end++
	}
	n, err := strconv.ParseInt(text[:end], 10, 32)
	if errors.Is(err, strconv.ErrSyntax) {
		return 0
	}
	return int(n)
}

// strtol is C's with base 0: 0x58 and 0130 are 88. It is the number at the start
// of a text, else 0.
func strtol(text string) int64 {
	text = conf.TrimLeft(text)
	sign := int64(1)
	if text != "" && (text[0] == '-' || text[0] == '+') {
		if text[0] == '-' {
			sign = -1
		}
		text = text[1:]
	}
	base, digits := int64(10), "0123456789"
	switch lower := strings.ToLower(text); {
	case len(lower) > 2 && strings.HasPrefix(lower, "0x") && strings.IndexByte("0123456789abcdef", lower[2]) >= 0:
		base, digits, text = 16, "0123456789abcdef", lower[2:]
	case strings.HasPrefix(lower, "0"):
		base, digits = 8, "01234567"
	}
	n := int64(0)
	for i := 0; i < len(text); i++ {
		d := int64(strings.IndexByte(digits, text[i]))
		if d < 0 {
			break
		}
		if n > (1<<63-1-d)/base {
			n = 1<<63 - 1 // LONG_MAX
			break
		}
		n = n*base + d
	}
	return sign * n
}

func (r *Reading) heimdalSettings(root *heimdalList) {
	l := root.lists["libdefaults"]
	if words := l.words("default_realm"); len(words) > 0 {
		r.DefaultRealm = Setting[string]{Value: words[0].text, From: words[0].pos, Text: words[0].text}
	}
	if v := l.values("default_ccache_name"); len(v) > 0 {
		r.CCacheName = Setting[string]{Value: v[0].text, From: v[0].pos, Text: v[0].text}
	}
	// Heimdal knows neither rdns nor udp_preference_limit: it never asks for a
	// PTR record, and goes by its own large_message_size.
	r.UDPLimit = Setting[int]{Value: 1400}
	if v := l.values("large_message_size"); len(v) > 0 {
		r.UDPLimit = Setting[int]{Value: atoi(v[0].text), From: v[0].pos, Text: v[0].text}
	}
	r.TimeSync = l.boolean("kdc_timesync", true)
	host := l.boolean("dns_canonicalize_hostname", true)
	r.CanonicalizeHost = Setting[string]{strconv.FormatBool(host.Value), host.From, host.Text, host.Err}
	r.DNSLookupKDC = l.boolean("dns_lookup_kdc", l.boolean("srv_lookup", true).Value)
	r.DNSLookupRealm = l.boolean("dns_lookup_realm", true)
	base := l.etypes("default_etypes", ETypes{IDs: heimdalETypes(l.weak())})
	r.TicketETypes = l.etypes("default_as_etypes", base)
	r.ServiceETypes = l.etypes("default_tgs_etypes", base)
	r.PermittedETypes = base
	if realms := root.lists["realms"]; realms != nil {
		for _, b := range realms.bindings {
			if b.list != nil {
				r.Realms = append(r.Realms, b.realm())
			}
		}
	}
	if domains := root.lists["domain_realm"]; domains != nil {
		r.Mappings = slices.Grow(r.Mappings, len(domains.bindings))
		var words []heimdalWord
		for _, b := range domains.bindings {
			if words = b.appendWords(words[:0]); len(words) > 0 { // the first of a name counts
				r.Mappings = append(r.Mappings, Mapping{b.name, words[0].text, words[0].pos})
			}
		}
	}
	if paths := root.lists["capaths"]; paths != nil {
		for _, client := range paths.bindings {
			for i := 0; client.list != nil && i < len(client.list.bindings); i++ {
				b := client.list.bindings[i]
				r.CAPaths = append(r.CAPaths, CAPath{Client: client.name, Server: b.name, Via: strings.Fields(b.text), From: b.pos})
			}
		}
	}
}

func (b *heimdalBinding) realm() RealmEntry {
	r := RealmEntry{Name: b.name, At: b.list.at}
	seen := map[heimdalKey]bool{}
	for i := range b.list.bindings {
		switch s := &b.list.bindings[i]; s.name {
		case "kdc":
			r.KDCs = s.appendServers(r.KDCs, 88, seen)
		case "admin_server":
			r.Admin = s.appendServers(r.Admin, 749, seen)
		case "kpasswd_server":
			r.Kpasswd = s.appendServers(r.Kpasswd, 464, seen)
		}
	}
	return r
}

// heimdalKey tells servers apart: of two alike Heimdal keeps one.
type heimdalKey struct {
	port, atPort    int // the standard port, and the one given
	host, transport string
}

// appendServers adds the servers that a value names.
func (b *heimdalBinding) appendServers(list []Server, port int, seen map[heimdalKey]bool) []Server {
	for _, w := range b.appendWords(nil) {
		s := heimdalServer(w, port)
		if key := (heimdalKey{port, s.Port, s.Host, s.Transport}); !seen[key] {
			seen[key] = true
			list = append(list, s)
		}
	}
	return list
}

func heimdalServer(w heimdalWord, port int) Server {
	s := Server{Port: port, From: w.pos, Text: w.text}
	text := w.text
	for _, prefix := range []string{"http://", "http/", "tcp/", "udp/"} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			text, s.Transport = rest, strings.TrimRight(prefix, ":/")
			break
		}
	}
	portText := ""
	if end := strings.IndexByte(text, ']'); end > 0 && text[0] == '[' {
		s.Host, portText = text[1:end], strings.TrimPrefix(text[end+1:], ":")
	} else {
		s.Host, portText, _ = strings.Cut(text, ":")
	}
	s.Host, _, _ = strings.Cut(strings.ToLower(s.Host), "/")
	if portText != "" {
		// Heimdal keeps strtol's number in 16 bits, so 65624 is port 88.
		if s.Port = int(uint16(strtol(portText))); s.Port == 0 {
			s.Err = ErrBadHost // left out without a word
		}
	}
	return s
}

// etypes reads a list. MIT's names of the settings, default_tkt_enctypes and
// the like, mean nothing to Heimdal, and permitted_enctypes changes nothing.
func (l *heimdalList) etypes(name string, def ETypes) ETypes {
	words := l.words(name)
	if len(words) == 0 {
		return def
	}
	list := ETypes{From: words[0].pos}
	for _, w := range words {
		list.Text = strings.TrimSpace(list.Text + " " + w.text)
		id, ok := heimdalEType(w.text)
		switch {
		case !ok:
			list.Unknown = append(list.Unknown, w.text)
		case id > desCBCMD5 || l.weak():
			list.IDs = append(list.IDs, id)
		}
	}
	if len(list.IDs) == 0 {
		list.Err = ErrNoETypes
	}
	return list
}

func (l *heimdalList) weak() bool { return l.boolean("allow_weak_crypto", false).Value }

func heimdalETypes(weak bool) []int32 {
	if weak {
		return []int32{aes256SHA1, aes128SHA1, aes256SHA2, aes128SHA2, des3CBCSHA1, des3CBCMD5, rc4HMAC, desCBCMD5, desCBCMD4, desCBCCRC}
	}
	return []int32{aes256SHA1, aes128SHA1, aes256SHA2, aes128SHA2, des3CBCSHA1, rc4HMAC}
}

func heimdalEType(name string) (int32, bool) {
	switch strings.ToLower(name) {
	case AES128, "aes128-cts":
		return aes128SHA1, true
	case AES256, "aes256-cts":
		return aes256SHA1, true
	case aes128SHA2S, "aes128-cts-sha256":
		return aes128SHA2, true
	case aes256SHA2S, "aes256-cts-sha384":
		return aes256SHA2, true
	case "des3-cbc-sha1":
		return des3CBCSHA1, true
	case "des3-cbc-md5":
		return des3CBCMD5, true
	case "arcfour-hmac-md5", "rc4-hmac":
		return rc4HMAC, true
	case "des-cbc-crc":
		return desCBCCRC, true
	case "des-cbc-md4":
		return desCBCMD4, true
	case "des-cbc-md5":
		return desCBCMD5, true
	}
	return 0, false
}

// heimdalHostRealm looks for the host as it is spelt and for each suffix with
// its dot, and else makes a realm of the host's domain.
func (r *Reading) heimdalHostRealm(host string) HostRealm {
	host, _, _ = strings.Cut(host, ":")
	for rest := host; rest != ""; {
		if h, ok := r.mapped(rest); ok && !strings.EqualFold(h.Realm, "dns_locate") {
			return h
		}
		i := strings.IndexByte(rest[1:], '.')
		if i < 0 {
			break
		}
		rest = rest[1+i:]
	}
	if domain := parentDomain(host); domain != "" {
		return HostRealm{Realm: domain, How: ByDomain}
	}
	return HostRealm{Realm: r.DefaultRealm.Value, From: r.DefaultRealm.From, How: ByDefault}
}
