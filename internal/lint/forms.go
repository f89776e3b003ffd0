package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
	"github.com/kerbagent/kerbagent/probe/krb5conf"
)

// forms reports lines that MIT passes over, and sections whose name it does
// not know for their form.
func forms(l *linter) {
	for _, d := range l.docs() {
		if d.File == nil {
			continue
		}
		ignored := false
		for _, n := range d.File.Nodes {
			name := strings.ToLower(strings.TrimSpace(n.Name))
			switch {
			case n.Kind == conf.Ignored && likeInclude(n.Raw) != "":
				l.add(krb5conf.Issue{Code: CodeIncludeIgnored, Severity: krb5conf.SeverityWarning, Readers: []reader.Reader{reader.MIT}, At: conf.Pos{File: d.Path, Line: n.Line, Column: 1},
					Cause:  "MIT ignores this line, and includes nothing.",
					Remedy: "Write " + likeInclude(n.Raw) + " in the first column, with no character before it"})
			case n.Kind == conf.Ignored && strings.ContainsAny(n.Raw, "[=") && !ignored:
				ignored = true
				ignoredLines(l, d, n)
			case n.Kind == conf.Section && name != n.Name && isOtherForm(n.Name):
				l.add(krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityWarning, Readers: []reader.Reader{reader.MIT, reader.Heimdal, reader.Gokrb5}, At: conf.Pos{File: d.Path, Line: n.Line, Column: 1},
					Cause:  fmt.Sprintf("Only Java reads this as [%s]; for the others it is an unknown section.", name),
					Remedy: "Write [" + name + "]"})
			}
		}
	}
}

// ignoredLines reports the lines before the first section, from the first one on
// that was meant to count.
func ignoredLines(l *linter, d *conf.Doc, first *conf.Node) {
	i := krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityWarning, Readers: []reader.Reader{reader.MIT}, At: conf.Pos{File: d.Path, Line: first.Line, Column: 1},
		Remedy: "Start the section in the first column of its line, and save the file without a byte order mark"}
	last := first.Line
	for _, n := range d.File.Nodes {
		if n.Kind != conf.Ignored || n.Line < first.Line || strings.TrimSpace(n.Raw) == "" {
			continue
		}
		last = n.Line
		header, _, _ := strings.Cut(strings.Trim(n.Raw, "\ufeff\u00a0 \t["), "]")
		if slices.Contains(readerSections(), header) {
			i.Severity = krb5conf.SeverityError // what it says is lost
		}
	}
	what := "this line"
	if last > first.Line {
		what = fmt.Sprintf("this and what follows up to line %d", last)
	}
	i.Cause = "MIT ignores " + what + ". It reads nothing before the first line that starts with [, and a space or a byte order mark before the [ is not allowed."
	l.add(i)
}

// isOtherForm reports whether a name is that of a section in another case or with
// blanks around it, which Java takes.
func isOtherForm(name string) bool {
	form := strings.ToLower(strings.TrimSpace(name))
	return form != name && slices.Contains(readerSections(), form)
}

// flatRealms reports realms in one line, which to MIT and Java are values.
func flatRealms(l *linter, p reader.Profile) {
	keys, settings := newNames(realmKeys()).known, newNames(libdefaultsKeys()).known
	for _, root := range p {
		s := root.Sub("realms")
		for i := 0; s != nil && i < len(s.Entries); i++ {
			if e := &s.Entries[i]; e.Sub == nil {
				if settings[e.Name] && !slices.Contains(serverKeys(), e.Name) {
					l.add(krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityWarning, At: e.Pos,
						Cause:  fmt.Sprintf("%s is in [realms] but outside of a realm's block, where no library looks for it.", e.Name),
						Remedy: "Move the line to [libdefaults]"})
					continue
				}
				if keys[e.Name] && !strings.HasPrefix(e.Value, "{") {
					l.add(krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityWarning, At: e.Pos,
						Cause:  fmt.Sprintf("This line is outside of a realm's block, so %s belongs to no realm.", e.Name),
						Remedy: "Move the line into a block: REALM = {, the line, }"})
					continue
				}
				l.add(krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityWarning, Readers: []reader.Reader{reader.MIT, reader.Java}, At: e.Pos,
					Cause:  fmt.Sprintf("MIT does not read realm %s from this line: with text after the { it is a value and not a block. Java fails with an exception when it looks for the KDCs.", e.Name),
					Remedy: "End the line after the {, and put each setting and the } on separate lines"})
			}
		}
	}
}

// likeInclude returns the directive that a line before the first section was meant to
// be, as in %include, @includedir or Include; "": none.
func likeInclude(line string) string {
	word, _, _ := strings.Cut(strings.TrimLeft(strings.ToLower(strings.TrimSpace(line)), "%@!$.&"), " ")
	if word == "include" || word == "includedir" {
		return word
	}
	return ""
}

// mappingForms reports lines of [domain_realm] that match nothing, or not for
// every library what they seem to.
func mappingForms(l *linter, mit *reader.Reading) {
	known := map[string]bool{}
	for _, m := range mit.Mappings {
		known[m.Domain] = true
	}
	for _, m := range mit.Mappings {
		lower := strings.ToLower(m.Domain)
		switch {
		case m.Domain == "" && m.Realm != "": // to MIT a * ends a name
			l.add(krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityWarning, At: m.From,
				Cause:  "This line matches no host: a * has no meaning in [domain_realm].",
				Remedy: "For all hosts of a domain, begin the line with a dot: .DOMAIN = " + m.Realm})
		case l.spoken(m.From):
		case lower != m.Domain && !known[lower]:
			l.add(krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityWarning, Readers: []reader.Reader{reader.MIT, reader.Java}, At: m.From,
				Cause:  "MIT and Java look for a host in lower case, so this line matches none; gokrb5 accepts it.",
				Remedy: "Write it in lower case: " + lower + " = " + m.Realm})
		case lower != "" && lower == strings.ToLower(m.Realm) && !known["."+m.Domain] && !strings.HasPrefix(m.Domain, "."):
			l.add(krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityInfo, Readers: []reader.Reader{reader.Heimdal, reader.Gokrb5}, At: m.From,
				Cause:  fmt.Sprintf("Without a leading dot, %s is the name of one host for Heimdal and gokrb5; MIT and Java also map the hosts below it.", m.Domain),
				Remedy: "Add the line that begins with a dot: ." + m.Domain + " = " + m.Realm})
		}
	}
	for _, root := range mit.Profile {
		s := root.Sub("domain_realm")
		for i := 0; s != nil && i < len(s.Entries); i++ {
			if e := &s.Entries[i]; e.Sub != nil {
				l.add(krb5conf.Issue{Code: CodeReadersDiffer, Severity: krb5conf.SeverityWarning, Readers: reader.Readers(), At: e.Pos,
					Cause:  fmt.Sprintf("[domain_realm] has no blocks: Java fails with an exception when it looks for the realm of a host below %s, the others ignore the block.", e.Name),
					Remedy: "Write " + e.Name + " = REALM, in one line"})
			}
		}
	}
}
