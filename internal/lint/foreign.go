package lint

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/probe/krb5conf"
)

// foreign reports a file that is no krb5.conf, as one finding, and whether it is
// one: what each library makes of each of its lines helps nobody.
func foreign(l *linter) bool {
	d := l.in.Set.Roots[0]
	if !d.Readable() {
		return false // the readers say why
	}
	f := formOf(d.Text)
	switch {
	case f.content == 0 || mayBeTemplate(d.Text, f):
		return false
	case !f.sections:
		notKrb5Conf(l, conf.Pos{File: d.Path, Line: f.first}, "No line is the header of a section such as [libdefaults] or [realms], so no library finds a setting.")
		return true
	case !f.known:
		notKrb5Conf(l, conf.Pos{File: d.Path, Line: f.header}, "It has sections, but none that a Kerberos library reads.")
		return true
	case !f.firstColumn:
		notKrb5Conf(l, conf.Pos{File: d.Path, Line: f.header},
			"MIT reads nothing of it: the first section must start in the first column, and here each one is indented, as in a YAML file.")
		return true
	case d.Err != nil && (f.strange || 2*f.odd > f.content):
		var syntax *conf.SyntaxError
		at := conf.Pos{File: d.Path, Line: f.first}
		if errors.As(d.Err, &syntax) {
			at = syntax.Pos
		}
		notKrb5Conf(l, at, fmt.Sprintf("It is a text that contains a krb5.conf: %d of %d lines do not belong to one, and MIT stops here and refuses the file.", f.odd, f.content))
		return true
	}
	return false
}

func notKrb5Conf(l *linter, at conf.Pos, why string) {
	l.add(krb5conf.Issue{Code: CodeNotKrb5Conf, Severity: krb5conf.SeverityError, At: at, Cause: "This is not a krb5.conf. " + why,
		Remedy: "Replace it with a krb5.conf whose sections start in the first column; kerbagent krb5conf show prints one"})
}

// mayBeTemplate reports whether a text may be what a template language makes a
// krb5.conf of, so that template has to judge it: it has a block of one, or where
// it has no section, begins with a placeholder.
func mayBeTemplate(text string, f form) bool {
	if blocks().MatchString(text) {
		return true
	}
	if f.sections {
		return placeholders().MatchString(text) && (f.known || !f.strange)
	}
	lines := strings.SplitAfterN(text, "\n", f.first+1)
	line := strings.TrimSpace(lines[f.first-1])
	return placeholders().FindString(line) == line
}

// form is what the lines of a text look like.
type form struct {
	content, odd int // lines that are neither blank nor a comment, and those of them that no krb5.conf has
	first        int // the first of them
	sections     bool
	known        bool // a section that libraries read, or a misspelling of one
	firstColumn  bool // a section in the first column
	header       int  // the first line that is a section's header
	strange      bool // it begins as a page, a script or a data file does
}

func formOf(text string) form {
	var f form
	sections := newNames(knownSections())
	line := 0
	for raw := range strings.Lines(text) {
		line++
		s := strings.Trim(raw, " \t\r\n\v\f")
		if line == 1 {
			s = strings.TrimPrefix(s, "\ufeff")
			f.strange = hasAnyPrefix(s, "<", "{", "#!", "---", "```", "%", "\"", "cat ", "sudo ", "echo ", "tee ")
		}
		f.strange = f.strange || strings.HasPrefix(s, "```")
		if s == "" || s[0] == '#' || s[0] == ';' {
			continue
		}
		if hasAnyPrefix(s, "include ", "includedir ", "module ") || slices.Contains([]string{"include", "includedir", "module"}, s) {
			continue
		}
		f.content++
		if f.content == 1 {
			f.first = line
		}
		name, _, isHeader := strings.Cut(strings.TrimPrefix(s, "["), "]")
		switch {
		case s[0] == '[' && isHeader && !strings.ContainsAny(name, "=\"'{},"):
			if !f.sections {
				f.header = line
			}
			f.sections = true
			f.firstColumn = f.firstColumn || strings.HasPrefix(strings.TrimPrefix(raw, "\ufeff"), "[")
			name = strings.ToLower(strings.TrimSpace(name))
			f.known = f.known || sections.known[name] || sections.nearest(name) != ""
		case s[0] == '[': // a header that is not closed: the readers say so
			f.sections, f.known = true, true
			f.firstColumn = f.firstColumn || strings.HasPrefix(raw, "[")
		case !strings.Contains(s, "=") && s[0] != '}' && s[0] != '{':
			f.odd++
		}
	}
	return f
}

func hasAnyPrefix(s string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
}
