package lint

import (
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
	"github.com/kerbagent/kerbagent/probe/krb5conf"
)

// files reports files that everybody may write.
func files(l *linter) {
	for _, d := range l.docs() {
		if d.Mode&0o002 != 0 {
			l.add(krb5conf.Issue{Code: CodeWritable, Severity: krb5conf.SeverityWarning, At: conf.Pos{File: d.Path},
				Cause: "Every user may write " + d.Path + " (mode " + strconv.FormatUint(uint64(d.Mode.Perm()), 8) +
					"), and a krb5.conf can load code into every program that reads it.",
				Remedy: "chmod o-w " + d.Path})
		}
	}
}

// includes reports whose includes reach whom.
func includes(l *linter) {
	for _, d := range l.docs() {
		if d.Readable() {
			for _, inc := range conf.Includes(d.Text) {
				include(l, d, inc)
			}
		}
	}
}

// included returns the files that an include line adds.
func included(l *linter, inc conf.IncludeLine) []*conf.Doc {
	if !inc.Dir {
		if d := l.in.Set.Docs[inc.Path]; d != nil && d.Readable() {
			return []*conf.Doc{d}
		}
		return nil
	}
	var docs []*conf.Doc
	if dir := l.in.Set.Dirs[inc.Path]; dir != nil {
		for _, name := range dir.Names {
			if d := l.in.Set.Docs[path.Join(inc.Path, name)]; d != nil && conf.IncludedName(name) && d.Readable() {
				docs = append(docs, d)
			}
		}
	}
	return docs
}

// decides reports whether a file says which realm or KDC is used, and not only
// how, as the snippets of distributions do.
func decides(d *conf.Doc) bool {
	if d.File == nil {
		return true
	}
	return slices.ContainsFunc(d.File.Nodes, func(n *conf.Node) bool {
		return n.Kind == conf.Section && len(n.Children) > 0 && (n.Name == "realms" || n.Name == "domain_realm" || n.Name == "capaths" ||
			n.Name == "libdefaults" && slices.ContainsFunc(n.Children, func(c *conf.Node) bool { return c.Name == "default_realm" }))
	})
}

func include(l *linter, d *conf.Doc, inc conf.IncludeLine) {
	at := conf.Pos{File: d.Path, Line: inc.Line, Column: 1}
	var skip []reader.Reader
	for _, r := range l.usable {
		if r.Reader == reader.MIT && !inc.MIT || r.Reader == reader.Java && !inc.Java || r.Reader == reader.Gokrb5 {
			skip = append(skip, r.Reader)
		}
	}
	what := strconv.Quote(inc.Path)
	files := included(l, inc)
	if len(skip) > 0 && len(files) > 0 {
		severity := krb5conf.SeverityInfo
		if slices.ContainsFunc(files, decides) {
			severity = krb5conf.SeverityWarning
		}
		verb := " do not follow this include: what is in "
		if len(skip) == 1 {
			verb = " does not follow this include: what is in "
		}
		l.add(krb5conf.Issue{Code: CodeIncludeIgnored, Severity: severity, Readers: skip, At: at,
			Cause:  reader.Titles(skip) + verb + what + " does not exist for programs that use it.",
			Remedy: "Put what is included into the file itself, or write the include at the start of a line above the first section"})
	}
	if !inc.Dir || !inc.MIT {
		return
	}
	dir := l.in.Set.Dirs[inc.Path]
	if dir == nil {
		return
	}
	for _, name := range dir.Names {
		sub := l.in.Set.Docs[path.Join(inc.Path, name)]
		if conf.IncludedName(name) || strings.HasPrefix(name, ".") || sub != nil && errors.Is(sub.Err, conf.ErrNotFile) || isBackup(name) {
			continue
		}
		l.add(krb5conf.Issue{Code: CodeIncludeIgnored, Severity: krb5conf.SeverityWarning, Readers: []reader.Reader{reader.MIT, reader.Java}, At: at,
			Cause:  "In " + what + ", no library reads the file " + strconv.Quote(name) + ": its name must have only letters, digits, - and _, or end in .conf.",
			Remedy: "Rename it, for example to a name without dots, which old libraries accept too; or remove it"})
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

// maxMissing is how many includes that are missing are passed over.
const maxMissing = 20

// withoutMissing reads the files again as if what MIT misses were there and empty:
// what else is wrong is wrong on the host where it is there, too.
func withoutMissing(l *linter) {
	set := *l.in.Set
	set.Docs, set.Dirs = maps.Clone(set.Docs), maps.Clone(set.Dirs)
	for range maxMissing {
		var missing *reader.IncludeError
		if !errors.As(l.mit().Err, &missing) || !errors.Is(missing.Err, fs.ErrNotExist) {
			return
		}
		if missing.Dir {
			set.Dirs[missing.Path] = &conf.Dir{}
		} else {
			set.Docs[missing.Path] = &conf.Doc{Path: missing.Path, File: &conf.File{}}
		}
		l.in.Set = &set
		l.read()
	}
}
