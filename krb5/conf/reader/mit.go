package reader

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf"
)

// Defaults of MIT krb5 1.20 as Debian builds it.
const (
	mitUDPLimit     = 1465
	mitHardUDPLimit = 32700
)

// Why a reader does not take a value.
var (
	ErrBadBoolean = errors.New("not a boolean that this library knows")
	ErrBadNumber  = errors.New("not a number that this library takes")
	ErrBadHost    = errors.New("not a host that this library takes")
)

func readMIT(set *conf.Set) *Reading {
	r := &Reading{Reader: MIT}
	p, dirs, err := profileOf(set)
	if err != nil {
		r.Err = err
		p = nil
	}
	r.Profile, r.IncludedDirs = p, dirs
	r.Err = errors.Join(r.Err, p.initErrors())
	r.DefaultRealm = p.Text("libdefaults", "default_realm")
	r.CCacheName = p.Text("libdefaults", "default_ccache_name")
	r.RDNS = p.Boolean("rdns", true)
	r.CanonicalizeHost = p.canonicalizeHost()
	r.DNSLookupKDC = p.looseBoolean("dns_lookup_kdc", "dns_fallback", true)
	r.DNSLookupURI = p.Boolean("dns_uri_lookup", true)
	r.DNSLookupRealm = p.looseBoolean("dns_lookup_realm", "dns_fallback", false)
	r.Canonicalize = p.looseBoolean("canonicalize", "", false)
	r.UDPLimit = p.udpLimit()
	r.TimeSync = p.timeSync()
	r.TicketETypes = p.etypes("default_tkt_enctypes")
	r.ServiceETypes = p.etypes("default_tgs_enctypes")
	r.PermittedETypes = p.etypes("permitted_enctypes")
	for _, s := range p.all("realms") {
		r.Realms = append(r.Realms, mitRealm(s))
	}
	for _, root := range p {
		if s := root.Sub("domain_realm"); s != nil {
			r.Mappings = slices.Grow(r.Mappings, len(s.Entries))
			for _, e := range s.Entries {
				if e.Sub == nil {
					r.Mappings = append(r.Mappings, Mapping{e.Name, e.Value, e.Pos})
				}
			}
			if s.final {
				break
			}
		}
	}
	for _, s := range p.all("capaths") {
		for _, e := range s.Entries {
			if e.Sub == nil {
				r.CAPaths = append(r.CAPaths, CAPath{Client: s.name, Server: e.Name, Via: []string{e.Value}, From: e.Pos})
			}
		}
	}
	return r
}

// initErrors returns the values that make krb5_init_context fail, so that
// nothing at all works.
func (p Profile) initErrors() error {
	var errs []error
	for _, name := range []string{"allow_weak_crypto", "ignore_acceptor_hostname", "enforce_ok_as_delegate"} {
		if s := p.Boolean(name, false); s.Err != nil {
			errs = append(errs, p.refused(name, s.From, s.Text, s.Err))
		}
	}
	if s := p.canonicalizeHost(); s.Err != nil {
		errs = append(errs, p.refused("dns_canonicalize_hostname", s.From, s.Text, s.Err))
	}
	return errors.Join(errs...)
}

func (p Profile) refused(name string, at conf.Pos, text string, err error) error {
	return fmt.Errorf("%w: %w", &conf.SyntaxError{Pos: at, What: "value of " + name + " refused", Excerpt: conf.Excerpt(text)}, err)
}

// Text returns the first value of a setting, named by its section and name.
func (p Profile) Text(names ...string) Setting[string] {
	e := p.value(names...)
	if e == nil {
		return Setting[string]{}
	}
	return Setting[string]{Value: e.Value, From: e.Pos, Text: e.Value}
}

// boolean is profile_get_boolean on [libdefaults].
func (p Profile) Boolean(name string, def bool) Setting[bool] {
	e := p.value("libdefaults", name)
	if e == nil {
		return Setting[bool]{Value: def}
	}
	s := Setting[bool]{Value: def, From: e.Pos, Text: e.Value}
	v, ok := mitBoolean(e.Value)
	if !ok {
		s.Err = ErrBadBoolean
		return s
	}
	s.Value = v
	return s
}

// looseBoolean is for the settings where libkrb5 takes every word that it does
// not know for no.
func (p Profile) looseBoolean(name, fallback string, def bool) Setting[bool] {
	e := p.value("libdefaults", name)
	if e == nil && fallback != "" {
		e = p.value("libdefaults", fallback)
	}
	if e == nil {
		return Setting[bool]{Value: def}
	}
	s := Setting[bool]{From: e.Pos, Text: e.Value}
	v, ok := mitBoolean(e.Value)
	if !ok {
		s.Err = ErrBadBoolean
	}
	s.Value = v
	return s
}

func mitBoolean(s string) (value, ok bool) {
	switch strings.ToLower(s) {
	case "y", "yes", "true", "t", "1", "on":
		return true, true
	case "n", "no", "false", "nil", "0", "off":
		return false, true
	}
	return false, false
}

func (p Profile) canonicalizeHost() Setting[string] {
	b := p.Boolean("dns_canonicalize_hostname", true)
	s := Setting[string]{Value: strconv.FormatBool(b.Value), From: b.From, Text: b.Text, Err: b.Err}
	if b.Err != nil && strings.EqualFold(b.Text, "fallback") {
		s.Value, s.Err = "fallback", nil
	}
	return s
}

// timeSync is a number to libkrb5, and anything that is none is as if the line were
// not there: `kdc_timesync = no` does not turn it off (measured with kinit 1.20).
func (p Profile) timeSync() Setting[bool] {
	e := p.value("libdefaults", "kdc_timesync")
	if e == nil {
		return Setting[bool]{Value: true}
	}
	s := Setting[bool]{Value: true, From: e.Pos, Text: e.Value}
	n, err := strconv.ParseInt(e.Value, 10, 32)
	if err != nil {
		s.Err = ErrBadNumber
		return s
	}
	s.Value = n != 0
	return s
}

func (p Profile) udpLimit() Setting[int] {
	e := p.value("libdefaults", "udp_preference_limit")
	if e == nil {
		return Setting[int]{Value: mitUDPLimit}
	}
	s := Setting[int]{Value: mitUDPLimit, From: e.Pos, Text: e.Value}
	// strtol takes blanks and a + before the number; a bad number fails every
	// request that may go over UDP.
	n, err := strconv.ParseInt(strings.TrimLeft(e.Value, " \t\n\v\f\r"), 10, 32)
	switch {
	case err != nil:
		s.Err = ErrBadNumber
	case n >= 0:
		s.Value = int(min(n, mitHardUDPLimit))
	}
	return s
}

func mitRealm(s *Section) RealmEntry {
	r := RealmEntry{Name: s.name, At: s.at}
	for i := range s.Entries {
		e := &s.Entries[i]
		switch {
		case e.Sub != nil:
		case e.Name == "kdc":
			k := mitServer(e, 88)
			r.KDCs = append(r.KDCs, k)
			if k.Err != nil && r.Err == nil { // one entry that does not parse, and libkrb5 takes none
				r.Err = k.Err
			}
		case e.Name == "admin_server":
			r.Admin = append(r.Admin, mitServer(e, 749))
		case e.Name == "kpasswd_server":
			r.Kpasswd = append(r.Kpasswd, mitServer(e, 464))
		}
	}
	if len(r.Kpasswd) == 0 {
		for _, a := range r.Admin {
			a.Port = 464 // libkrb5 asks the admin server's host on the standard port
			r.Kpasswd = append(r.Kpasswd, a)
		}
	}
	return r
}

func mitServer(e *Entry, port int) Server {
	v := Server{From: e.Pos, Text: e.Value}
	if rest, ok := strings.CutPrefix(e.Value, "https://"); ok {
		rest, _, _ = strings.Cut(rest, "/")
		v.Transport = "https"
		v.Host, v.Port, v.Err = mitHost(rest, 443)
	} else {
		v.Host, v.Port, v.Err = mitHost(e.Value, port)
	}
	return v
}

// mitHost is k5_parse_host_string. What stands behind a blank is ignored; an
// IPv6 address without brackets is refused.
func mitHost(s string, port int) (string, int, error) {
	if s == "" || s[0] == ':' || strings.Trim(s, "0123456789") == "" {
		return "", 0, ErrBadHost
	}
	host, portText, hasPort := s, "", false
	if end := strings.IndexByte(s, ']'); s[0] == '[' && end > 0 {
		host = s[1:end]
		portText, hasPort = strings.CutPrefix(s[end+1:], ":")
	} else if i := strings.IndexAny(s, " \t:"); i >= 0 {
		host = s[:i]
		portText, hasPort = strings.CutPrefix(s[i:], ":")
	}
	if !hasPort {
		return host, port, nil
	}
	// strtoul takes blanks and a sign before the number.
	digits := strings.TrimLeft(portText, " \t\n\v\f\r")
	n, err := strconv.ParseUint(strings.TrimPrefix(digits, "+"), 10, 16)
	if err != nil {
		return "", 0, ErrBadHost
	}
	return host, int(n), nil
}

// mitHostRealm is krb5_get_host_realm and its fallback.
func (r *Reading) mitHostRealm(host string) HostRealm {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if numericHost(host) {
		return HostRealm{How: ByReferral}
	}
	for rest := host; rest != ""; {
		if h, ok := r.mapped(rest); ok {
			return h
		}
		if rest[0] == '.' {
			rest = rest[1:]
			continue
		}
		i := strings.IndexByte(rest, '.')
		if i < 0 {
			break
		}
		rest = rest[i:]
	}
	return HostRealm{How: ByReferral, Fallback: parentDomain(host)}
}

// numericHost is libkrb5's test for an address, which is not looked up.
func numericHost(s string) bool {
	return strings.Contains(s, ":") || strings.Count(s, ".") == 3 && strings.Trim(s, "0123456789.") == ""
}

func Missing(err error) bool   { return errors.Is(err, fs.ErrNotExist) }
func forbidden(err error) bool { return errors.Is(err, fs.ErrPermission) }
