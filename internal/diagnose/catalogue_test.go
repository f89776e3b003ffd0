package diagnose

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A rule is asked after everything that it depends on, or it could not be
// silenced by it.
func TestDeeperCausesComeFirst(t *testing.T) {
	seen := map[Code]bool{}
	for _, r := range Catalogue() {
		if seen[r.Code] {
			t.Errorf("%s stands twice in the catalogue", r.Code)
		}
		for _, c := range r.DependsOn {
			if !seen[c] {
				t.Errorf("%s depends on %s, which comes later or is no code", r.Code, c)
			}
		}
		seen[r.Code] = true
	}
}

func TestEveryRuleSaysEverything(t *testing.T) {
	code := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	for _, r := range Catalogue() {
		for name, text := range map[string]string{"title": r.Title, "meaning": r.Means, "cause": r.Cause, "remedy": r.Remedy} {
			if text == "" || strings.Contains(text, "\n") {
				t.Errorf("%s: the %s is empty or has a line end: %q", r.Code, name, text)
			}
		}
		if !code.MatchString(string(r.Code)) || r.match == nil || rank(r.Severity) < 0 {
			t.Errorf("%s: bad code, no match or no severity", r.Code)
		}
		if strings.HasSuffix(r.Title, ".") {
			t.Errorf("%s: the title ends like a sentence", r.Code)
		}
	}
}

// What a peer says must not get into a command that somebody pastes.
func TestRemediesHoldNoWordOfPeers(t *testing.T) {
	word := regexp.MustCompile(`\{([^}]*)\}`)
	for _, r := range Catalogue() {
		for _, m := range word.FindAllStringSubmatch(r.Remedy, -1) {
			if !slices.Contains(safeWords(), m[1]) && !strings.Contains(r.Remedy, "query 'DBClusters[].{") {
				t.Errorf("%s: the remedy holds {%s}, which is not a safe word", r.Code, m[1])
			}
		}
	}
}

func TestPlainRefusesShell(t *testing.T) {
	for _, s := range []string{"a;reboot", "$(id)", "a b", "`x`", "a|b", "a\nb", "a'b", "ü"} {
		if got := plain(s); got != "" {
			t.Errorf("plain(%q) = %q, want nothing", s, got)
		}
	}
	for _, s := range []string{"dc1.corp.example.com", "alice@CORP.EXAMPLE.COM", "[fd77::10]:88", "svc/host"} {
		if got := plain(s); got != s {
			t.Errorf("plain(%q) = %q, want it unchanged", s, got)
		}
	}
}

func TestFill(t *testing.T) {
	got := fill("open {ip} for {user}, {", words{"ip": "10.0.0.1"})
	if want := "open 10.0.0.1 for <user>, {"; got != want {
		t.Errorf("fill = %q, want %q", got, want)
	}
}
