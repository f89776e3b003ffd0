package lint

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
	"github.com/kerbagent/kerbagent/probe/krb5conf"
)

// refusals reports where readers stop.
func refusals(l *linter) {
	type where struct {
		at, stops conf.Pos
		what      string
		create    string // an included file or directory that is missing
	}
	var g group[where]
	first := where{}
	for _, r := range l.readings {
		if r.Err == nil {
			continue
		}
		w := where{at: conf.Pos{File: l.in.Path}, what: r.Err.Error()}
		var syntax *conf.SyntaxError
		var include *reader.IncludeError
		switch {
		case errors.As(r.Err, &include):
			w = where{at: include.At, what: includeText(include), create: include.Path}
		case errors.As(r.Err, &syntax):
			w = where{at: syntax.Pos, what: syntax.What}
			if !syntax.Origin.IsZero() {
				w.at, w.stops = syntax.Origin, syntax.Pos
			}
		}
		switch {
		case r.Reader == reader.MIT:
			first = w
		case first.at.Line > 0 && w.at.File == first.at.File && w.at.Line >= first.at.Line: // one mistake: each stumbles over it where it notices
			w = first
		case r.Reader == reader.Java && w.what == unclosed: // Java notices at the end of the file; Heimdal knows which one it is
			for _, h := range g.keys {
				if h.what == unclosed {
					w = h
				}
			}
		}
		g.add(w, r.Reader)
	}
	for _, w := range g.keys {
		readers := g.readers[w]
		cause := strings.ToUpper(w.what[:1]) + w.what[1:] + ". "
		if w.stops.Line > 0 {
			cause = fmt.Sprintf("%s Libraries notice on line %d: %s. ", originText(w.what), w.stops.Line, w.what)
		}
		remedy := mended(l.excerpt(w.at), w.what)
		switch {
		case strings.HasSuffix(w.what, conf.ErrBinary.Error()):
			remedy = "Replace the file, or save it as UTF-8 text (iconv -f UTF-16 -t UTF-8)"
		case w.create != "":
			remedy = "Create " + w.create + ", which may be empty, or remove the line"
		case strings.HasPrefix(l.excerpt(w.at), "<<<<<<< "):
			cause, remedy = "An unresolved merge conflict begins here. ",
				"Keep one of the two versions, and remove the lines with <<<<<<<, ======= and >>>>>>>"
		}
		l.add(krb5conf.Issue{Code: CodeUnparsable, Severity: severityFor(readers), Readers: readers, At: w.at,
			Cause: cause + consequence(readers), Remedy: remedy})
	}
}

// includeText says what is wrong with an included file or directory.
func includeText(e *reader.IncludeError) string {
	what := "the included file " + e.Path
	if e.Dir {
		what = "the included directory " + e.Path
	}
	if errors.Is(e.Err, fs.ErrNotExist) {
		return what + " does not exist"
	}
	return what + " cannot be read: " + e.Err.Error()
}

// unclosed is what Heimdal and Java say of a { at the end of the file.
const unclosed = "a { is not closed"

// originText reports what is wrong with the line by which trouble began.
func originText(what string) string {
	switch {
	case strings.HasPrefix(what, "section inside braces"):
		return "The block that begins or should end here is not closed."
	case strings.HasPrefix(what, "} without {"):
		return "No block begins on this line: the { must be the last character of a line that is not a comment."
	}
	return "There is no value after the =."
}

func consequence(readers []reader.Reader) string {
	var refuse []reader.Reader
	for _, r := range readers {
		if r != reader.Heimdal {
			refuse = append(refuse, r)
		}
	}
	s := ""
	if len(refuse) > 0 {
		s = reader.Titles(refuse)
		if len(refuse) == 1 {
			s += " refuses the whole file."
		} else {
			s += " refuse the whole file."
		}
	}
	if slices.Contains(readers, reader.Heimdal) {
		s = strings.TrimSpace(s + " Heimdal silently ignores the rest of the file from here on.")
	}
	return s
}

// mended is what to write in the place of a line that readers refuse.
func mended(line, what string) string {
	line = strings.TrimSpace(line)
	name, value, colon := strings.Cut(line, ":")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	words := strings.Fields(line)
	switch {
	case strings.HasSuffix(what, "not UTF-8, which is all that Java reads"):
		return "Save the file as UTF-8, or remove the letters beyond ASCII (iconv -f LATIN1 -t UTF-8)"
	case strings.HasPrefix(what, "} without {") && line == "}":
		return "Remove this }, or write the line that ends in { above the block that it closes"
	case strings.HasPrefix(what, "} without {"):
		return "End the line after the {, and write each setting and the } on a separate line"
	case what == unclosed || strings.HasPrefix(what, "section inside braces"):
		return "Write a } on a separate line at the end of this block"
	case strings.HasPrefix(what, "{ expected"):
		return mendedBlock(strings.TrimSpace(strings.TrimSuffix(line, "=")))
	case strings.HasPrefix(what, "no ] after"):
		return "Write " + line + "]"
	case strings.HasPrefix(what, "text after the ]") && strings.Contains(line, "]"):
		if header := line[:strings.Index(line, "]")+1]; isSection(header) {
			return "Keep " + header + " alone on its line"
		}
		return "Remove the line, or write the name of a section, as [realms]"
	case hasAnyPrefix(line, "//", "--", "!", "/*", "*"):
		return "Begin the comment with #"
	case what != "no = in the line" || line == "" || line[0] == '[':
	case line == "{":
		return "Write the { at the end of the line above"
	case likeInclude(line) != "":
		return "Write the include above the first section, or put what it includes here"
	case line[0] == '}' && len(line) > 1:
		return "Keep the } alone on its line, and put a comment on a separate line"
	case strings.HasSuffix(line, "{") && len(line) > 1:
		return "Write " + strings.TrimSpace(strings.TrimSuffix(line, "{")) + " = {"
	case colon && !strings.ContainsAny(name, " \t") && value != "":
		return "Write " + name + " = " + value
	case len(words) == 2:
		return "Write " + words[0] + " = " + words[1]
	case len(words) == 1:
		return "Remove the line, or write " + line + " = VALUE"
	}
	return "Rewrite the line in a form that all libraries accept, or have the file generated: kerbagent krb5conf show"
}

// mendedBlock is what to write where nothing stands after the = of a name.
func mendedBlock(name string) string {
	if newNames(libdefaultsKeys()).known[name] || newNames(realmKeys()).known[name] {
		return "Write a value after the =, or remove the line"
	}
	return "Write " + name + " = {"
}

// isSection reports whether a header, [x], is one of a section, or of a misspelling of one.
func isSection(header string) bool {
	name, sections := strings.Trim(header, "[] "), newNames(knownSections())
	return sections.known[name] || sections.nearest(name) != ""
}
