package main

import (
	"slices"
	"testing"
)

func TestTouches(t *testing.T) {
	for _, tt := range []struct {
		place, id string
		want      bool
	}{
		{"10.77.0.10:88", "kdc/dc1.corp.example.com/10.77.0.10:88/udp", true},
		{"10.77.0.10:88", "kdc/dc1.corp.example.com/10.77.0.10:88", true},
		{"10.77.0.10:88", "dns/SOA:corp.example.com/10.77.0.10:53/udp", false},
		{"10.77.0.10:8", "kdc/dc1.corp.example.com/10.77.0.10:88/udp", false},
		{"10.77.0.10:", "dns/SOA:corp.example.com/10.77.0.10:53/udp", true},
		{"10.77.0.1:", "dns/SOA:corp.example.com/10.77.0.10:53/udp", false},
		{":88", "kdc/dc1.corp.example.com/[fd77::10]:88/udp", true},
		{"[fd77:", "kdc/dc1.corp.example.com/[fd77::10]:88/udp", true},
		{"[fd77:", "kdc/dc1.corp.example.com/10.77.0.10:88/udp", false},
		{"unresolved", "database/orders.example.com", true},
		{"unresolved", "kdc/dc1.corp.example.com/10.77.0.10:88/udp", false},
	} {
		if got := touches(tt.place, tt.id); got != tt.want {
			t.Errorf("touches(%q, %q) = %v", tt.place, tt.id, got)
		}
	}
}

// A seed draws the same set again, and each fault can be made, healed, named and placed.
func TestDrawnSets(t *testing.T) {
	for seed := range uint64(5000) {
		s, again := withFile(drawSet(seed), 2), withFile(drawSet(seed), 2)
		if s.String() != again.String() {
			t.Fatalf("seed %d draws %s, and then %s", seed, s, again)
		}
		for part := range wanted(s) {
			if !slices.Contains(parts(), part) {
				t.Errorf("seed %d, %s: nothing heals %s", seed, s, part)
			}
		}
		for _, f := range s.faults {
			made := len(f.do)+len(f.bends) > 0 || f.login != ""
			if !made || len(f.codes) == 0 || f.login == "" && len(f.places) == 0 {
				t.Errorf("seed %d: %+v", seed, f)
			}
		}
	}
}

// That a login fails does not make what is said of it right: a finding is at the servers that the login was at.
func TestALoginIsNoPlace(t *testing.T) {
	r := report{Results: []result{
		{ID: "login/alice@R@orders", Probe: "login", Evidence: map[string]any{"kdc": "10.77.0.10:88"}},
		{ID: "login/bob@R@orders", Probe: "login", Evidence: map[string]any{"failed-at": "database", "kdc": "10.77.0.10:88"}},
		{ID: "login/carol@R@orders", Probe: "login", Reason: "unresolvable"},
		{ID: "database/db/10.77.3.20:3306/tcp", Probe: "database"}}}
	of := func(code, user string) finding {
		return finding{Code: code, Affects: []string{"login/" + user + "@R@orders"}}
	}
	at := func(places ...string) fault { return fault{codes: []string{"any"}, places: places} }
	for _, tt := range []struct {
		fault fault
		x     finding
		want  bool
	}{
		{at("10.77.0.10:88"), of("path-lossy", "alice"), true},
		{at("10.77.1.11:88"), of("path-lossy", "alice"), false},
		{at("10.77.3.20:3306"), of("path-lossy", "alice"), false},
		{at("10.77.3.20:3306"), of("db-silent", "bob"), true},
		{at("10.77.3.20:3306"), of("db-certificate-expiring", "alice"), true},
		{at("unresolved"), of("kdc-unresolvable", "carol"), true},
		{at("unresolved"), of("kdc-silent", "alice"), false},
		{fault{login: "bob", codes: []string{"account-locked"}}, of("account-locked", "bob"), true},
		{fault{login: "bob", codes: []string{"account-locked"}}, of("account-locked", "carol"), false},
		{fault{login: "bob", codes: []string{"account-locked"}}, of("db-silent", "bob"), false},
	} {
		if got := tt.fault.at(r, tt.x); got != tt.want {
			t.Errorf("%+v at %+v: %v", tt.x, tt.fault, got)
		}
	}
}
