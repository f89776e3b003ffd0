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
		s := drawSet(seed)
		if s.String() != drawSet(seed).String() {
			t.Fatalf("seed %d draws %s, and then %s", seed, s, drawSet(seed))
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
