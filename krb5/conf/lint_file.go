package conf

import (
	"errors"
	"path"
	"slices"
	"strconv"
	"strings"
)

// files judges the files of the snapshot one by one: who may write them, and
// whose includes reach whom.
func (l *linter) files() {
	var names []string
	for name := range l.in.Set.Docs {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		d := l.in.Set.Docs[name]
		if d.Mode&0o002 != 0 {
			l.add(Issue{Code: CodeWritable, Severity: SeverityWarning, At: Pos{File: name},
				Cause:  "Every user may write " + name + " (mode " + strconv.FormatUint(uint64(d.Mode.Perm()), 8) + "), and a krb5.conf can load code into every program that reads it.",
				Remedy: "chmod o-w " + name})
		}
		if d.Readable() {
			for _, inc := range includesOf(d.Text) {
				l.include(d, inc)
			}
		}
	}
}

func (l *linter) include(d *Doc, inc includeLine) {
	at := Pos{d.Path, inc.line, 1}
	var skip []Reader
	for _, r := range l.usable {
		if r.Reader == MIT && !inc.mit || r.Reader == Java && !inc.java || r.Reader == Gokrb5 {
			skip = append(skip, r.Reader)
		}
	}
	what := strconv.Quote(inc.path)
	if len(skip) > 0 {
		verb := " do not follow this include: what stands in "
		if len(skip) == 1 {
			verb = " does not follow this include: what stands in "
		}
		l.add(Issue{Code: CodeIncludeIgnored, Severity: SeverityWarning, Readers: skip, At: at,
			Cause:  titles(skip) + verb + what + " does not exist for programs that use it.",
			Remedy: "Put what is included into the file itself, or write the include at the start of a line above the first section"})
	}
	if !inc.dir || !inc.mit {
		return
	}
	dir := l.in.Set.Dirs[inc.path]
	if dir == nil {
		return
	}
	for _, name := range dir.Names {
		sub := l.in.Set.Docs[path.Join(inc.path, name)]
		if IncludedName(name) || strings.HasPrefix(name, ".") || sub != nil && errors.Is(sub.Err, ErrNotFile) || isBackup(name) {
			continue
		}
		l.add(Issue{Code: CodeIncludeIgnored, Severity: SeverityWarning, Readers: []Reader{MIT, Java}, At: at,
			Cause:  "In " + what + ", the file " + strconv.Quote(name) + " is not read by anybody: only names of letters, digits, - and _, or ones that end in .conf, are.",
			Remedy: "Rename it, e.g. to a name without dots, which old libraries take as well; or remove it"})
	}
}

// isBackup is for the files that packages and editors leave, which nobody
// means to be read.
func isBackup(name string) bool {
	for _, end := range []string{"~", ".bak", ".orig", ".old", ".rpmsave", ".rpmnew", ".rpmorig", ".dpkg-old", ".dpkg-dist", ".dpkg-new", ".ucf-dist", ".swp"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return strings.HasPrefix(name, "#") || strings.EqualFold(name, "README.txt")
}
