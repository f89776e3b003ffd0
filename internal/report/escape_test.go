package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
)

func TestTerminal(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"plain":          {"alice@CORP.EXAMPLE.COM", "alice@CORP.EXAMPLE.COM"},
		"umlaut":         {"Zugriff für 'jürgen' verweigert", "Zugriff für 'jürgen' verweigert"},
		"escape":         {"\x1b[31m", `\x1b[31m`},
		"line ends":      {"a\r\nb\tc", `a\r\nb\tc`},
		"delete and bel": {"\x7f\a", `\x7f\x07`},
		"c1":             {"\u009b31m", `\u009b31m`},
		"invalid":        {"\xff\xc3(", `\xff\xc3(`},
		"bidi":           {"a\u202eb\u2066c\u200fd", `a\u202eb\u2066c\u200fd`},
		"zero width":     {"a\u200bb\u2060c\ufeffd\u00ad", `a\u200bb\u2060c\ufeffd\u00ad`},
		"separators":     {"a\u2028b\u2029c\u00a0d", `a\u2028b\u2029c\u00a0d`},
		"combining":      {"e\u0301", `e\u0301`},
		"tags":           {"\U000e0041", `\U000e0041`},
		"hangul filler":  {"\u3164\uffa0", `\u3164\uffa0`},
		"replacement":    {"\ufffd", "\ufffd"},
		"backslash":      {`CORP\alice`, `CORP\alice`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Terminal(c.in); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func seed(f *testing.F) {
	for _, s := range []string{"", "alice", "\x1b]0;x\a", "a|b'c=d", "\xff\x80", "\u202e\u2028\U000e0041", `\u001b`, "5.5.5-10.11.6-MariaDB", strings.Repeat("|", 3000), strings.Repeat("\b", 3000)} {
		f.Add(s)
	}
}

// harmless reports whether a line can be printed: no control, no invisible rune.
func harmless(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Bidi_Control, r) || r == 0x2028 || r == 0x2029
	})
}

func FuzzTerminal(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, s string) {
		got := Terminal(s)
		if !harmless(got) || Terminal(got) != got {
			t.Errorf("%q became %q", s, got)
		}
		var b bytes.Buffer
		if err := Human(&b, said(s), Options{}); err != nil {
			t.Fatal(err)
		}
		checkLines(t, b.String(), maxWidth)
	})
}

// said is a report in which a peer said s wherever it could.
func said(s string) Input {
	in := wrongPassword()
	in.Results = slices.Clone(in.Results[len(in.Results)-8:])
	for i := range in.Results {
		r := &in.Results[i]
		r.Err = errors.New(s)
		r.Facts = probe.Facts{}
		for _, k := range []probe.Fact{probe.FactVersion, probe.FactTLSVersion, probe.FactSPN, probe.FactCurrentUser, probe.FactKDC, probe.FactHops, probe.FactErrText, probe.FactUser, probe.FactDatabase} {
			r.Facts[k] = s
		}
		if i%2 == 0 {
			r.Outcome, r.Reason = probe.Failed, probe.ReasonMalformed
		}
		for j := range r.Stages {
			r.Stages[j].Err = errors.New(s)
		}
	}
	in.Results[0].Outcome = probe.Skipped
	in.Report.Findings = []diagnose.Finding{{Code: "db-ticket-rejected", Severity: diagnose.Error, Title: s, Cause: s, Remedy: "nothing", Evidence: map[string]string{"said": s, s: "said"}}}
	return in
}

func checkLines(t *testing.T, out string, width int) {
	t.Helper()
	for l := range strings.Lines(out) {
		l = strings.TrimSuffix(l, "\n")
		if command := strings.Repeat(" ", labelWidth+4); strings.HasPrefix(l, command) && l[len(command)] != ' ' && harmless(l) {
			continue // a command is to be typed as it is, and not broken
		}
		if n := utf8.RuneCountInString(l); n > width || !harmless(l) {
			t.Errorf("%d columns, harmless %v: %q", n, harmless(l), l)
		}
	}
}

func FuzzNagios(f *testing.F) {
	seed(f)
	line := regexp.MustCompile(`^KERBEROS (OK|WARNING|CRITICAL) - [^|]* \|( '[^'=|]+'=(U|-?[0-9.]+)s?(;;;0)?)+$`)
	f.Fuzz(func(t *testing.T, s string) {
		in := said(s)
		for i := range in.Results {
			in.Results[i].ID.Target = s
		}
		var b bytes.Buffer
		if err := Nagios(&b, in); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		if len(lines) != 2 || !line.MatchString(lines[0]) || strings.Contains(lines[1], "|") || !harmless(lines[0]+lines[1]) {
			t.Errorf("%q", lines)
		}
	})
}

func FuzzJSON(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, s string) {
		var b bytes.Buffer
		if err := JSON(&b, said(s)); err != nil {
			t.Fatal(err)
		}
		for l := range strings.Lines(b.String()) {
			if !harmless(strings.TrimSuffix(l, "\n")) {
				t.Errorf("%q", l)
			}
		}
		var o struct {
			Findings []struct{ Title string }
		}
		if err := json.Unmarshal(b.Bytes(), &o); err != nil {
			t.Fatal(err)
		}
		// What is valid comes back as it was.
		if utf8.ValidString(s) && o.Findings[0].Title != s {
			t.Errorf("%q came back as %q", s, o.Findings[0].Title)
		}
	})
}
