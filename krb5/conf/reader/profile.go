package reader

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf"
)

// profile is what libkrb5 makes of a Set: a tree of merged sections for every
// file of KRB5_CONFIG.
type Profile []*Section

// section is a section or subsection. Sections of one name are one section,
// wherever they stand in a file and in what it includes.
type Section struct {
	name    string
	at      []conf.Pos // every place where it is opened
	final   bool
	Entries []Entry // the entries, in the order of reading
	subs    map[string]*Section
}

// entry is a relation, or a subsection where sub is set.
type Entry struct {
	Name  string
	Value string
	Sub   *Section
	Pos   conf.Pos // the position of the name
}

// sub returns the subsection of that name, or nil.
func (s *Section) Sub(name string) *Section { return s.subs[name] }

func (s *Section) open(name string, pos conf.Pos) *Section {
	sub := s.subs[name]
	if sub == nil {
		sub = &Section{name: name}
		if s.subs == nil {
			s.subs = map[string]*Section{}
		}
		s.subs[name] = sub
		s.Entries = append(s.Entries, Entry{Name: name, Sub: sub, Pos: pos})
	}
	sub.at = append(sub.at, pos)
	return sub
}

// values returns all relations at a path of names, as profile_get_values does.
func (p Profile) values(names ...string) []*Entry {
	var found []*Entry
	last := len(names) - 1
	for _, root := range p {
		s, final := root, false
		for _, name := range names[:last] {
			if s = s.Sub(name); s == nil {
				break
			}
			final = final || s.final // even where the rest of the path is missing
		}
		for i := 0; s != nil && i < len(s.Entries); i++ {
			if e := &s.Entries[i]; e.Sub == nil && e.Name == names[last] {
				found = append(found, e)
			}
		}
		if final {
			break
		}
	}
	return found
}

// value returns the first relation at a path, or nil.
func (p Profile) value(names ...string) *Entry {
	if found := p.values(names...); len(found) > 0 {
		return found[0]
	}
	return nil
}

// all returns the subsections of a section over all files, in order, those of
// one name as one.
func (p Profile) all(name string) []*Section {
	var all []*Section
	index := map[string]int{}
	for _, root := range p {
		s := root.Sub(name)
		if s == nil {
			continue
		}
		for i := range s.Entries {
			sub := s.Entries[i].Sub
			if sub == nil {
				continue
			}
			j, seen := index[sub.name]
			if !seen {
				index[sub.name] = len(all)
				all = append(all, sub)
				continue
			}
			if all[j].final {
				continue
			}
			merged := *all[j]
			merged.final = sub.final
			merged.at = slices.Concat(merged.at, sub.at)
			merged.Entries = slices.Concat(merged.Entries, sub.Entries)
			all[j] = &merged
		}
		if s.final {
			break
		}
	}
	return all
}

// ErrModule reports that a module line hands the configuration over to a shared
// library: what that says cannot be read from the file.
var ErrModule = errors.New("the configuration comes from a module, not from this file")

type profiler struct {
	set     *conf.Set
	reading []string // the files being read, outermost first
	dirs    []string // the directories included so far
}

// profileOf builds what libkrb5 builds, and tells which directories it
// included; or returns the error with which libkrb5 refuses the configuration.
func profileOf(set *conf.Set) (Profile, []string, error) {
	var p Profile
	b := profiler{set: set}
	var denied error
	for _, d := range set.Roots {
		if d.Err != nil && Missing(d.Err) {
			continue
		}
		if d.Err != nil && forbidden(d.Err) {
			denied = d.Err
			continue
		}
		root := &Section{}
		if err := b.doc(d, root); err != nil {
			if errors.Is(err, ErrModule) && len(p) > 0 {
				err = fmt.Errorf("reading %s: a module line in a file that is not the first", d.Path)
			}
			return nil, nil, err
		}
		p = append(p, root)
	}
	if len(p) == 0 && denied != nil {
		return nil, nil, denied
	}
	return p, b.dirs, nil
}

func (b *profiler) doc(d *conf.Doc, root *Section) error {
	if d.Err != nil {
		return d.Err
	}
	if slices.Contains(b.reading, d.Path) {
		return fmt.Errorf("reading %s: %w", d.Path, conf.ErrIncludeCycle)
	}
	b.reading = append(b.reading, d.Path)
	defer func() { b.reading = b.reading[:len(b.reading)-1] }()
	for _, n := range d.File.Nodes {
		if err := b.node(n, d, root, root); err != nil {
			return err
		}
	}
	return nil
}

func (b *profiler) node(n *conf.Node, d *conf.Doc, root, in *Section) error {
	pos := conf.Pos{File: d.Path, Line: n.Line, Column: n.NameAt}
	switch n.Kind {
	case conf.Section, conf.Subsection:
		if n.Kind == conf.Section {
			in = root
		}
		s := in.open(n.Name, pos)
		s.final = s.final || n.Final
		s.Entries = slices.Grow(s.Entries, len(n.Children))
		for _, c := range n.Children {
			if err := b.node(c, d, root, s); err != nil {
				return err
			}
		}
	case conf.Relation:
		in.Entries = append(in.Entries, Entry{Name: n.Name, Value: n.Value, Pos: pos})
	case conf.Include:
		return b.include(n.Name, pos, root)
	case conf.IncludeDir:
		return b.includeDir(n.Name, pos, root)
	case conf.Module:
		if !strings.Contains(n.Name, ":") {
			return &conf.SyntaxError{Pos: pos, What: "a module line needs MODULEPATH:RESIDUAL", Excerpt: conf.Excerpt(n.Raw)}
		}
		return fmt.Errorf("reading %s: %w", pos, ErrModule)
	}
	return nil
}

// IncludeError is an included file or directory that cannot be read.
type IncludeError struct {
	At   conf.Pos // the line that includes it
	Path string
	Dir  bool
	Err  error
}

// Error names the line and what is wrong.
func (e *IncludeError) Error() string { return fmt.Sprintf("including at %s: %v", e.At, e.Err) }

// Unwrap returns what is wrong.
func (e *IncludeError) Unwrap() error { return e.Err }

func (b *profiler) include(name string, pos conf.Pos, root *Section) error {
	d := b.set.Docs[name]
	if name == "" {
		return &conf.SyntaxError{Pos: pos, What: "include without a file behind it"}
	}
	if d == nil {
		return &conf.SyntaxError{Pos: pos, What: "the included file was not read", Excerpt: conf.Excerpt(name)}
	}
	if d.Err != nil && errors.Is(d.Err, conf.ErrNotFile) {
		return nil // libkrb5 opens a directory, reads nothing from it, and goes on
	}
	if err := b.doc(d, root); err != nil {
		var syntax *conf.SyntaxError
		if errors.As(err, &syntax) || errors.Is(err, conf.ErrIncludeCycle) {
			return err
		}
		return &IncludeError{At: pos, Path: name, Err: err}
	}
	return nil
}

func (b *profiler) includeDir(name string, pos conf.Pos, root *Section) error {
	dir := b.set.Dirs[name]
	if name == "" {
		return &conf.SyntaxError{Pos: pos, What: "includedir without a directory behind it"}
	}
	if dir == nil {
		return &conf.SyntaxError{Pos: pos, What: "the included directory was not read", Excerpt: conf.Excerpt(name)}
	}
	if dir.Err != nil {
		return &IncludeError{At: pos, Path: name, Dir: true, Err: dir.Err}
	}
	b.dirs = append(b.dirs, name)
	for _, file := range dir.Names {
		if !conf.IncludedName(file) {
			continue
		}
		if err := b.include(path.Join(name, file), pos, root); err != nil {
			return err
		}
	}
	return nil
}
