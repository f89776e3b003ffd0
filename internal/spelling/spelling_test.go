package spelling

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	words := []string{"kdcs", "realm", "realms", "if", "user"}
	for typed, want := range map[string]string{
		"kdsc": "kdcs", "KDC": "kdcs", "relm": "realm", "realmz": "realm", "realms": "realms", "usr": "user", "database": "", "": "",
		"xy": "", // a word of which no letter is left is not near
	} {
		if got := Nearest(typed, words); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", typed, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	long := strings.Repeat("a", maxWord+1)
	for _, c := range []struct {
		a, b string
		most int
		want int
	}{
		{"realm", "realm", 2, 0}, {"realm", "relam", 2, 1}, {"realm", "reaalm", 2, 1}, {"realm", "ream", 2, 1}, {"realm", "reels", 2, 2},
		{"realm", "kdc", 2, 3}, {"realm", "re", 2, 3}, {long, long, 2, 3},
	} {
		for _, got := range []int{Distance(c.a, c.b, c.most), Distance(c.b, c.a, c.most)} {
			if got != c.want {
				t.Errorf("Distance(%q, %q, %d) = %d, want %d", c.a, c.b, c.most, got, c.want)
			}
		}
	}
}
