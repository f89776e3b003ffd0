package lint

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
	"github.com/kerbagent/kerbagent/krb5/conf/site"
	"github.com/kerbagent/kerbagent/probe/krb5conf"
)

// Input is everything that Issues judges by.
type Input struct {
	Set  *conf.Set // what is there now
	Path string    // the file that the programs are expected to read
	Site site.Site // what the logins need; the zero value where nothing is known
	Env  Env       // of the programs that log in

	Want    string     // what kerbagent would generate; empty where it does not keep the file
	Style   site.Style // with Want
	Snippet string     // with the style Snippet: the file that is kerbagent's
	Orders  bool       // kerbagent keeps the KDCs in the order of their health
}

// Env is what matters of the environment in which programs log in.
type Env struct {
	KRB5Config string // KRB5_CONFIG, empty where it is not set
	CCacheName string // KRB5CCNAME, likewise
	UID        int    // of the user who logs in
	Container  bool   // the programs run in a container
	KCM        bool   // a KCM daemon listens
	CacheFile  *CacheFile
}

// CacheFile is what stands at the path of a FILE cache.
type CacheFile struct {
	UID  int
	Mode uint32 // permission bits
}

// Issues returns everything that is wrong with a configuration, the worst first.
// It asks nobody: DNS, KDCs and databases are probed elsewhere.
func Issues(in Input) []krb5conf.Issue {
	l := &linter{in: in, lines: map[string][]string{}, kept: map[kind]*kept{}, said: map[place]bool{}}
	environment(l)
	if len(in.Set.Roots) == 0 || reader.Missing(in.Set.Roots[0].Err) {
		missingFile(l)
	} else {
		files(l)
		drift(l)
		if !foreign(l) && !template(l) {
			contents(l)
		}
	}
	ccache(l)
	return l.limited()
}

// contents judges what the files say.
func contents(l *linter) {
	l.read()
	refusals(l)
	includes(l)
	unknownNames(l)
	if l.alone() {
		withoutMissing(l)
	}
	misplaced(l)
	if l.alone() && l.mit().Err != nil {
		return // what the other libraries make of the rest helps once the file is mended
	}
	realms(l)
	order(l)
	mappings(l)
	settings(l)
	differences(l)
}

// read has every library read the files.
func (l *linter) read() {
	l.readings, l.usable = nil, nil
	for _, r := range reader.Readers() {
		reading := reader.Read(r, l.in.Set)
		l.readings = append(l.readings, reading)
		if reading.Err == nil {
			l.usable = append(l.usable, reading)
		}
	}
}

// alone reports whether nothing is known beside the file: neither what logins
// need nor, so, which libraries they use.
func (l *linter) alone() bool {
	s := l.in.Site
	return len(s.Realms) == 0 && len(s.Databases) == 0 && l.in.Want == ""
}

// docs returns the files, sorted by name.
func (l *linter) docs() []*conf.Doc {
	var docs []*conf.Doc
	for _, name := range slices.Sorted(maps.Keys(l.in.Set.Docs)) {
		docs = append(docs, l.in.Set.Docs[name])
	}
	return docs
}

// linter is what the rules read, and where they put what is wrong. A rule is a function of
// it; its methods are what several rules ask.
type linter struct {
	in       Input
	readings []*reader.Reading
	usable   []*reader.Reading // those of readers that take the configuration at all
	kept     map[kind]*kept
	said     map[place]bool      // the lines with a warning or an error
	lines    map[string][]string // of each file, for excerpts
}

// add keeps an issue. Where nothing is known beside the file, what only Heimdal or
// gokrb5 stumble over is a note: it may be that no program on the host uses them.
func (l *linter) add(i krb5conf.Issue) {
	if l.rare(i.Readers) {
		i.Severity = krb5conf.SeverityInfo
	}
	l.keep(i)
}

func (l *linter) rare(readers []reader.Reader) bool {
	some := slices.ContainsFunc(readers, func(r reader.Reader) bool { return r == reader.MIT || r == reader.Java })
	return l.alone() && len(readers) > 0 && !some
}

func (l *linter) excerpt(at conf.Pos) string { return conf.Excerpt(l.line(at)) }

// line returns the line of a place, as it stands in the file.
func (l *linter) line(at conf.Pos) string {
	d := l.in.Set.Docs[at.File]
	if d == nil || at.Line == 0 {
		return ""
	}
	lines, ok := l.lines[at.File]
	if !ok {
		lines = strings.Split(d.Text, "\n")
		l.lines[at.File] = lines
	}
	if at.Line > len(lines) {
		return ""
	}
	return lines[at.Line-1]
}

// mit returns the reading of MIT's library.
func (l *linter) mit() *reader.Reading { return l.readings[0] }

// group collects readers that have the same trouble at the same place.
type group[T comparable] struct {
	keys    []T
	readers map[T][]reader.Reader
}

func (g *group[T]) add(key T, r reader.Reader) {
	if g.readers == nil {
		g.readers = map[T][]reader.Reader{}
	}
	if g.readers[key] == nil {
		g.keys = append(g.keys, key)
	}
	g.readers[key] = append(g.readers[key], r)
}

// severity is an error where MIT's library is among the readers.
func severityFor(readers []reader.Reader) krb5conf.Severity {
	if slices.Contains(readers, reader.MIT) {
		return krb5conf.SeverityError
	}
	return krb5conf.SeverityWarning
}

func missingFile(l *linter) {
	l.add(krb5conf.Issue{Code: CodeMissing, Severity: krb5conf.SeverityError, At: conf.Pos{File: l.in.Path},
		Cause:  "There is no " + l.in.Path + ". Programs have no default realm, and cannot find the realm of a database.",
		Remedy: "kerbagent krb5conf apply"})
}

// environment judges KRB5_CONFIG.
func environment(l *linter) {
	env := l.in.Env.KRB5Config
	if env == "" || env == l.in.Path {
		return
	}
	l.add(krb5conf.Issue{Code: CodeOverridden, Severity: krb5conf.SeverityWarning, Readers: []reader.Reader{reader.MIT, reader.Heimdal}, At: conf.Pos{File: l.in.Path},
		Cause:  "KRB5_CONFIG is " + strconv.Quote(env) + ": MIT and Heimdal read that file instead of " + l.in.Path + "; Java ignores the variable.",
		Remedy: "Unset KRB5_CONFIG in the unit, container or shell, or set it to " + l.in.Path})
}

// drift compares what is kerbagent's with what it would write.
func drift(l *linter) {
	if l.in.Want == "" {
		return
	}
	path := l.in.Path
	if l.in.Style == site.Snippet {
		path = l.in.Snippet
	}
	at, cause := conf.Pos{File: path}, ""
	d := l.in.Set.Docs[path]
	if d == nil || reader.Missing(d.Err) { // of a snippet: without the file itself nothing is looked at
		cause = "The snippet that kerbagent manages is not included by " + l.in.Path + ", or does not exist."
	} else if d.Readable() {
		at.Line, cause = driftOf(l, d)
	}
	if cause == "" {
		return
	}
	l.add(krb5conf.Issue{Code: CodeDrift, Severity: krb5conf.SeverityWarning, At: at, Cause: cause,
		Remedy: "Show the difference with kerbagent krb5conf diff, and correct it with kerbagent krb5conf apply"})
}

// driftOf reports where a file begins to differ, and how; "" where it does not.
func driftOf(l *linter, d *conf.Doc) (line int, cause string) {
	want, err := site.Compose(l.in.Style, d.Text, l.in.Want)
	if err != nil {
		return 0, err.Error() + "."
	}
	if want == d.Text {
		return 0, ""
	}
	if _, own := site.OwnedText(l.in.Style, d.Text); !own {
		return 0, "The block that kerbagent manages is not in the file."
	}
	return firstDifference(d.Text, want), "This is not what kerbagent would write; the first difference is here."
}

func firstDifference(a, b string) int {
	line := 1
	for i := 0; i < len(a) && i < len(b) && a[i] == b[i]; i++ {
		if a[i] == '\n' {
			line++
		}
	}
	return line
}
