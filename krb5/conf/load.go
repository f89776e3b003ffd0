package conf

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// What following includes can run into.
var (
	ErrIncludeCycle = errors.New("the file includes itself")
	ErrIncludeDepth = errors.New("includes are nested too deeply")
	ErrTooManyFiles = errors.New("too many files are included")
)

const (
	maxDepth = 10  // of includes; libkrb5 has no limit and runs out of file descriptors
	maxDocs  = 500 // files in a snapshot
)

// Source reads files and lists directories. Disk reads the real file system;
// Texts holds texts that are not on disk.
type Source interface {
	// ReadFile fails with an error that wraps fs.ErrNotExist or
	// fs.ErrPermission where that is why.
	ReadFile(name string) (text string, mode fs.FileMode, err error)
	// ReadDir returns the names in a directory, sorted by bytes.
	ReadDir(name string) ([]string, error)
}

// Set is a snapshot of a krb5.conf and of everything that any of the readers
// would include from it.
type Set struct {
	Roots []*Doc          // the files of KRB5_CONFIG in order, or the one krb5.conf
	Docs  map[string]*Doc // every file, by the name under which it is read
	Dirs  map[string]*Dir // every directory that is included
}

// Doc is one file of a Set.
type Doc struct {
	Path string
	Text string
	Mode fs.FileMode
	File *File // nil where Err is set
	Err  error // it cannot be read, or MIT's grammar stops in it (*SyntaxError)
}

// Readable reports whether the text of the file is there, parsable or not.
func (d *Doc) Readable() bool {
	var syntax *SyntaxError
	return d.Err == nil || errors.As(d.Err, &syntax)
}

// Dir is one included directory.
type Dir struct {
	Names []string // all of them, sorted
	Err   error
}

// Load reads paths and what they include, as far as the limits allow. What
// goes wrong with a file is in its Doc; a Set always comes back.
func Load(src Source, paths ...string) *Set {
	s := &Set{Docs: map[string]*Doc{}, Dirs: map[string]*Dir{}}
	for _, p := range paths {
		s.Roots = append(s.Roots, s.load(src, p, 0))
	}
	return s
}

// PathsOf splits a KRB5_CONFIG value as libkrb5 does.
func PathsOf(krb5Config string) []string { return strings.Split(krb5Config, ":") }

func (s *Set) load(src Source, name string, depth int) *Doc {
	if d := s.Docs[name]; d != nil {
		return d
	}
	d := &Doc{Path: name}
	s.Docs[name] = d
	switch {
	case depth > maxDepth:
		d.Err = fmt.Errorf("reading %s: %w", name, ErrIncludeDepth)
		return d
	case len(s.Docs) > maxDocs:
		d.Err = fmt.Errorf("reading %s: %w", name, ErrTooManyFiles)
		return d
	}
	d.Text, d.Mode, d.Err = src.ReadFile(name)
	if d.Err != nil {
		return d
	}
	d.File, d.Err = Parse(name, d.Text)
	if !d.Readable() {
		d.Text = ""
		return d
	}
	for _, inc := range Includes(d.Text) {
		if !inc.Dir {
			s.load(src, inc.Path, depth+1)
			continue
		}
		for _, name := range s.readDir(src, inc.Path) {
			if IncludedName(name) {
				s.load(src, path.Join(inc.Path, name), depth+1)
			}
		}
	}
	return d
}

func (s *Set) readDir(src Source, name string) []string {
	d := s.Dirs[name]
	if d == nil {
		d = &Dir{}
		d.Names, d.Err = src.ReadDir(name)
		s.Dirs[name] = d
	}
	return d.Names
}

// IncludedName reports whether MIT (since 1.15) and Java read a file of that
// name from an includedir: letters, digits, dashes and underscores only, or
// anything that ends in .conf and does not start with a dot.
func IncludedName(name string) bool {
	if strings.HasPrefix(name, ".") {
		return false
	}
	return strings.HasSuffix(name, ".conf") || plainIncludedName(name)
}

// plainIncludedName is IncludedName for libkrb5 before 1.15, which takes no
// dot at all.
func plainIncludedName(name string) bool {
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return name != ""
}

// nextLine cuts off a line with its line end.
func nextLine(text string) string {
	if i := strings.IndexByte(text, '\n'); i >= 0 {
		return text[:i+1]
	}
	return text
}

type IncludeLine struct {
	Line int
	Path string
	Dir  bool
	MIT  bool // MIT's library follows it
	Java bool // Java does
}

// includesOf finds the include lines of a text by each reader's rule: MIT
// takes one at the very start of any line, Java one before the first section,
// indented or not, and trims the path.
func Includes(text string) []IncludeLine {
	if !strings.Contains(text, "include") {
		return nil
	}
	var found []IncludeLine
	directives := true
	for line := 1; text != ""; line++ {
		raw := nextLine(text)
		text = text[len(raw):]
		trimmed := strings.TrimSpace(raw)
		if strings.HasPrefix(trimmed, "[") {
			directives = false
		}
		for _, word := range []string{"include", "includedir"} {
			dir := word == "includedir"
			mitPath, _, mit := directive(raw, word)
			javaPath, java := strings.CutPrefix(trimmed, word+" ")
			java = java && directives
			javaPath = strings.TrimSpace(javaPath)
			if mit {
				found = append(found, IncludeLine{line, mitPath, dir, true, java && mitPath == javaPath})
			}
			if java && !(mit && mitPath == javaPath) {
				found = append(found, IncludeLine{line, javaPath, dir, false, true})
			}
		}
	}
	return found
}
