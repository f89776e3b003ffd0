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
		for name, text := range map[string]string{"title": r.Title, "meaning": r.Means, "cause": r.Cause} {
			if text == "" || strings.Contains(text, "\n") {
				t.Errorf("%s: the %s is empty or has a line end: %q", r.Code, name, text)
			}
		}
		if !code.MatchString(string(r.Code)) || r.match == nil || rank(r.Severity) < 0 {
			t.Errorf("%s: bad code, no match or no severity", r.Code)
		}
		if strings.HasSuffix(r.Title, ".") || len(r.Title) > 90 {
			t.Errorf("%s: the title ends like a sentence or is long: %q", r.Code, r.Title)
		}
		if !strings.HasSuffix(r.Means, ".") || !strings.HasSuffix(r.Cause, ".") && !strings.HasSuffix(r.Cause, "{kdcseen}") {
			t.Errorf("%s: the meaning or the cause does not end like a sentence", r.Code)
		}
	}
}

// A remedy is a line of plain words, and then commands, each on a line of its
// own that begins with two spaces, so that it is printed whole.
func TestEveryRemedyIsWordsAndThenCommands(t *testing.T) {
	for _, r := range Catalogue() {
		lines := strings.Split(r.Remedy, "\n")
		if w := lines[0]; w == "" || strings.HasPrefix(w, " ") || !strings.HasSuffix(w, ".") && !strings.HasSuffix(w, ":") {
			t.Errorf("%s: the remedy does not begin with a sentence: %q", r.Code, w)
		}
		if len(lines) < 2 {
			t.Errorf("%s: the remedy has no command", r.Code)
		}
		for _, l := range lines[1:] {
			if command, ok := strings.CutPrefix(l, "  "); !ok || command == "" || command != strings.TrimSpace(command) {
				t.Errorf("%s: not a command, or not behind two spaces: %q", r.Code, l)
			}
		}
	}
}

// What a peer says must not get into a command that somebody pastes.
func TestRemediesHoldNoWordOfPeers(t *testing.T) {
	word := regexp.MustCompile(`\{([^}]*)\}`)
	for _, r := range Catalogue() {
		for _, m := range word.FindAllStringSubmatch(r.Remedy, -1) {
			if !slices.Contains(safeWords(), m[1]) {
				t.Errorf("%s: the remedy holds {%s}, which is not a safe word", r.Code, m[1])
			}
		}
	}
}

// server and kdc become lists when matches are joined: they are good for
// sentences only.
func TestNoListInACommandOfAJoinedMatch(t *testing.T) {
	for _, r := range slices.Concat(kdcRules(), clockRules(), kpasswdRules()) {
		_, commands, _ := strings.Cut(r.Remedy, "\n")
		for _, w := range []string{"{server}", "{kdc}"} {
			if strings.Contains(commands, w) {
				t.Errorf("%s: a command holds %s", r.Code, w)
			}
		}
	}
}

// A statement stands in a shell's double quotes.
func TestStatementsAreQuoted(t *testing.T) {
	command := regexp.MustCompile(`(?m)^  mysql .* -e "([^"]*)"(  # .*)?$`)
	for _, r := range Catalogue() {
		for _, l := range strings.Split(r.Remedy, "\n") {
			if !strings.HasPrefix(l, "  mysql ") {
				continue
			}
			m := command.FindStringSubmatch(l)
			if m == nil || strings.ContainsAny(m[1], "$`\\!") || strings.Count(m[1], "'")%2 != 0 {
				t.Errorf("%s: badly quoted: %s", r.Code, l)
			}
		}
	}
}

func TestPlainRefusesShell(t *testing.T) {
	for _, s := range []string{"a;reboot", "$(id)", "a b", "`x`", "a|b", "a\nb", "a'b", "ü", "-rf"} {
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
