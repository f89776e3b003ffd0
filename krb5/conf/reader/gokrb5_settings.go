package reader

import (
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

// gokrb5Settings is [libdefaults] as gokrb5 holds it.
type gokrb5Settings struct {
	weak                    bool
	realm                   Setting[string]
	udp                     Setting[int]
	canonicalize, dnsKDC    Setting[bool]
	dnsRealm, rdns, dnsHost Setting[bool]
	tkt, tgs, permitted     ETypes
}

func newGokrb5Settings() *gokrb5Settings {
	// What gokrb5 can use of the list that it has built in.
	builtIn := func() ETypes {
		return ETypes{IDs: []int32{aes256SHA1, aes128SHA1, rc4HMAC}}
	}
	return &gokrb5Settings{
		udp: Setting[int]{Value: 1465}, rdns: Setting[bool]{Value: true}, dnsHost: Setting[bool]{Value: true},
		tkt: builtIn(), tgs: builtIn(), permitted: builtIn(),
	}
}

func (g *gokrb5Settings) into(r *Reading) {
	r.DefaultRealm = g.realm
	r.UDPLimit = g.udp
	r.DNSLookupKDC, r.DNSLookupRealm = g.dnsKDC, g.dnsRealm
	r.RDNS, r.Canonicalize = g.rdns, g.canonicalize
	r.CanonicalizeHost = Setting[string]{Value: strconv.FormatBool(g.dnsHost.Value), From: g.dnsHost.From, Text: g.dnsHost.Text}
	r.TicketETypes, r.ServiceETypes, r.PermittedETypes = g.tkt, g.tgs, g.permitted
}

func (g *gokrb5Settings) parse(lines []gokrb5Line) error {
	for _, l := range lines {
		code := l.code
		if code == "" {
			continue
		}
		parts := strings.Split(code, "=")
		if len(parts) < 2 {
			return l.refused("no = in the line", nil)
		}
		key := strings.TrimSpace(strings.ToLower(parts[0]))
		if err := g.set(l, key, strings.TrimSpace(parts[1])); err != nil {
			return l.refused("value of "+key+" refused", err)
		}
	}
	// The lists are worked out at the end of the section, so that a later
	// allow_weak_crypto counts for them.
	for _, list := range []*ETypes{&g.tkt, &g.tgs, &g.permitted} {
		list.gokrb5(g.weak)
	}
	return nil
}

func (g *gokrb5Settings) set(l gokrb5Line, key, value string) error {
	boolean := func(s *Setting[bool]) error {
		v, err := gokrb5Boolean(value)
		*s = Setting[bool]{Value: v, From: l.pos, Text: value}
		return err
	}
	list := func(e *ETypes) error {
		*e = ETypes{From: l.pos, Text: value}
		return nil
	}
	var ignored Setting[bool]
	switch key {
	case "allow_weak_crypto":
		err := boolean(&ignored)
		g.weak = ignored.Value
		return err
	case "canonicalize":
		return boolean(&g.canonicalize)
	case "dns_canonicalize_hostname":
		return boolean(&g.dnsHost)
	case "dns_lookup_kdc":
		return boolean(&g.dnsKDC)
	case "dns_lookup_realm":
		return boolean(&g.dnsRealm)
	case "rdns":
		return boolean(&g.rdns)
	case "default_realm":
		g.realm = Setting[string]{Value: value, From: l.pos, Text: value}
	case "default_tkt_enctypes":
		return list(&g.tkt)
	case "default_tgs_enctypes":
		return list(&g.tgs)
	case "permitted_enctypes":
		return list(&g.permitted)
	case "udp_preference_limit":
		v, err := strconv.ParseUint(value, 10, 32)
		if err != nil || v > 32700 {
			return ErrBadNumber
		}
		g.udp = Setting[int]{Value: int(v), From: l.pos, Text: value}
	default:
		return gokrb5Check(key, value, boolean)
	}
	return nil
}

// gokrb5Check is for the settings that change nothing here but can make
// gokrb5 refuse the file.
func gokrb5Check(key, value string, boolean func(*Setting[bool]) error) error {
	atLeast := func(least int64) error {
		if v, err := strconv.ParseInt(value, 10, 32); err != nil || v < least {
			return ErrBadNumber
		}
		return nil
	}
	switch key {
	case "forwardable", "ignore_acceptor_hostname", "k5login_authoritative", "noaddresses", "proxiable", "verify_ap_req_nofail":
		var ignored Setting[bool]
		return boolean(&ignored)
	case "clockskew", "renew_lifetime", "ticket_lifetime":
		return gokrb5Duration(value)
	case "kdc_timesync", "safe_checksum_type":
		return atLeast(0)
	case "realm_try_domains":
		return atLeast(-1)
	case "ccache_type":
		if v, err := strconv.ParseUint(value, 10, 32); err != nil || v > 4 {
			return ErrBadNumber
		}
	case "kdc_default_options":
		_, err := hex.DecodeString(strings.ReplaceAll(value, "0x", ""))
		return err
	case "preferred_preauth_types":
		for _, s := range strings.Split(value, ",") { // a blank behind the comma is refused
			if _, err := strconv.ParseInt(s, 10, 32); err != nil {
				return ErrBadNumber
			}
		}
	}
	return nil
}

func gokrb5Boolean(s string) (bool, error) {
	if v, err := strconv.ParseBool(s); err == nil {
		return v, nil
	}
	switch strings.ToLower(s) {
	case "yes", "y":
		return true, nil
	case "no", "n":
		return false, nil
	}
	return false, ErrBadBoolean
}

// errBadDuration is for a time that gokrb5 does not take.
var errBadDuration = errors.New("not a time that this library takes")

func gokrb5Duration(s string) error {
	s = strings.ReplaceAll(s, " ", "")
	if days, rest, ok := strings.Cut(s, "d"); ok {
		if _, err := strconv.ParseUint(days, 10, 32); err != nil {
			return errBadDuration
		}
		if _, err := time.ParseDuration(rest); rest != "" && err != nil {
			return errBadDuration
		}
		return nil
	}
	if _, err := time.ParseDuration(s); err == nil {
		return nil
	}
	if v, err := strconv.ParseUint(s, 10, 32); err == nil && v > 0 {
		return nil
	}
	parts := strings.Split(s, ":")
	if len(parts) != 2 && len(parts) != 3 {
		return errBadDuration
	}
	for _, p := range parts {
		if _, err := strconv.ParseInt(p, 10, 16); err != nil {
			return errBadDuration
		}
	}
	return nil
}

// gokrb5 works out a list: full names in their exact spelling, split at
// blanks only; a family such as aes is not known.
func (e *ETypes) gokrb5(weak bool) {
	if e.From.IsZero() {
		return
	}
	e.IDs, e.Unknown, e.Err = nil, nil, nil
	for _, name := range strings.Fields(e.Text) {
		if !weak && slices.Contains(strings.Fields(gokrb5Weak), name) {
			continue
		}
		if id := gokrb5EType(name); id != 0 {
			e.IDs = append(e.IDs, id)
		} else {
			e.Unknown = append(e.Unknown, name)
		}
	}
	if len(e.IDs) == 0 {
		e.Err = ErrNoETypes
	}
}

const gokrb5Weak = "des-cbc-crc des-cbc-md4 des-cbc-md5 des-cbc-raw des3-cbc-raw des-hmac-sha1 arcfour-hmac-exp rc4-hmac-exp arcfour-hmac-md5-exp des"

func gokrb5EType(name string) int32 {
	switch name {
	case "des3-cbc-sha1-kd":
		return des3CBCSHA1
	case "arcfour-hmac", "rc4-hmac", "arcfour-hmac-md5":
		return rc4HMAC
	}
	if id, ok := aesOrCamellia(name); ok && id != camellia128 && id != camellia256 {
		return id
	}
	return 0
}
