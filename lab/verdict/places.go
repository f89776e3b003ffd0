package main

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// result is what a probe's result tells of where it was.
type result struct {
	ID       string         `json:"id"`
	Probe    string         `json:"probe"`
	Address  string         `json:"address"`
	Reason   string         `json:"reason"`
	Evidence map[string]any `json:"evidence"`
}

// fact returns what a result says under a name; "" where it says nothing.
func (r result) fact(name string) string {
	s, _ := r.Evidence[name].(string)
	return s
}

// spots returns the IDs of what a finding is about. A login is no place: it was at the servers that it asked or
// passed over last, at the database where it failed there or what is said is of the database, or at a name that had no address.
func (r report) spots(x finding) []string {
	var out []string
	for _, id := range x.Affects {
		i := slices.IndexFunc(r.Results, func(o result) bool { return o.ID == id })
		if i < 0 || r.Results[i].Probe != "login" {
			out = append(out, id)
			continue
		}
		out = append(out, r.spotsOfLogin(r.Results[i], strings.HasPrefix(x.Code, "db-"))...)
		if x.Code == "login-slow" { // at the KDCs that programs wait for, and a login need not have asked
			for _, a := range kdcs.FindAllStringSubmatch(x.Cause, -1) {
				out = append(out, id+"/"+a[1])
			}
		}
	}
	return out
}

// kdcs are those that a cause names with their addresses.
var kdcs = regexp.MustCompile(`KDC (\S+:\d+) over`)

func (r report) spotsOfLogin(l result, atDatabase bool) []string {
	var out []string
	if atDatabase || l.fact("failed-at") == "database" {
		for _, o := range r.Results {
			if o.Probe == "database" {
				out = append(out, o.ID)
			}
		}
	}
	for _, name := range []string{"kdc", "unanswered-kdc", "passed-at"} {
		for _, a := range strings.FieldsFunc(l.fact(name), func(c rune) bool { return c == ' ' || c == ',' }) {
			if _, err := netip.ParseAddrPort(a); err == nil {
				out = append(out, l.ID+"/"+a)
			}
		}
	}
	if l.Reason == "unresolvable" || l.fact("passed-over") != "" && l.fact("passed-at") == "" {
		out = append(out, "login/unresolved")
	}
	return out
}

// at reports whether a finding is of the fault's place.
func (f fault) at(r report, x finding) bool {
	switch {
	case f.login != "":
		// what is said of a user is heard by probes too, where the login did not get as far
		return slices.Contains(f.codes, x.Code) && strings.Contains(x.Title, f.login) ||
			slices.ContainsFunc(x.Affects, func(id string) bool { return strings.HasPrefix(id, "login/"+f.login+"@") }) &&
				(slices.Contains(f.codes, x.Code) || !strings.HasPrefix(x.Code, "db-"))
	case slices.Contains([]string{"service-unknown", "service-duplicate", "db-ticket-rejected", "ticket-rc4"}, f.codes[0]):
		// of a service: each login is for it
		return slices.Contains(f.codes, x.Code) || strings.HasPrefix(x.Code, "db-") || strings.HasPrefix(x.Code, "service-")
	}
	if slices.Contains(f.places, "krb5.conf") && strings.HasPrefix(x.Code, "krb5conf-") {
		return true
	}
	return slices.ContainsFunc(r.spots(x), func(id string) bool {
		return slices.ContainsFunc(f.places, func(p string) bool { return touches(p, id) })
	})
}

// names reports whether a finding has the place and the kind of the fault.
func (f fault) names(r report, x finding) bool { return slices.Contains(f.codes, x.Code) && f.at(r, x) }
