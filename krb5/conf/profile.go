package conf

import (
	"errors"
	"fmt"
	"path"
	"slices"
)

// profile is what libkrb5 makes of a Set: a tree of merged sections for every
// file of KRB5_CONFIG.
type profile []*section

// section is a section or subsection. Sections of one name are one section,
// wherever they stand in a file and in what it includes.
type section struct {
	name    string
	at      []Pos // every place where it is opened
	final   bool
	entries []entry // in the order of reading
	subs    map[string]*section
}

// entry is a relation, or a subsection where sub is set.
type entry struct {
	name  string
	value string
	sub   *section
	pos   Pos // of the name
}

// sub gives the subsection of that name, or nil.
func (s *section) sub(name string) *section { return s.subs[name] }

func (s *section) open(name string, pos Pos) *section {
	sub := s.subs[name]
	if sub == nil {
		sub = &section{name: name}
		if s.subs == nil {
			s.subs = map[string]*section{}
		}
		s.subs[name] = sub
		s.entries = append(s.entries, entry{name: name, sub: sub, pos: pos})
	}
	sub.at = append(sub.at, pos)
	return sub
}

// values gives all relations at a path of names, as profile_get_values does.
func (p profile) values(names ...string) []*entry {
	var found []*entry
	last := len(names) - 1
	for _, root := range p {
		s, final := root, false
		for _, name := range names[:last] {
			if s = s.sub(name); s == nil {
				break
			}
			final = final || s.final // even where the rest of the path is missing
		}
		for i := 0; s != nil && i < len(s.entries); i++ {
			if e := &s.entries[i]; e.sub == nil && e.name == names[last] {
				found = append(found, e)
			}
		}
		if final {
			break
		}
	}
	return found
}

// value gives the first relation at a path, or nil.
func (p profile) value(names ...string) *entry {
	if found := p.values(names...); len(found) > 0 {
		return found[0]
	}
	return nil
}

// all gives the subsections of a section over all files, in order, those of
// one name as one.
func (p profile) all(name string) []*section {
	var all []*section
	index := map[string]int{}
	for _, root := range p {
		s := root.sub(name)
		if s == nil {
			continue
		}
		for i := range s.entries {
			sub := s.entries[i].sub
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
			merged.entries = slices.Concat(merged.entries, sub.entries)
			all[j] = &merged
		}
		if s.final {
			break
		}
	}
	return all
}

// ErrModule says that a module line hands the configuration over to a shared
// library: what that says cannot be read from the file.
var ErrModule = errors.New("the configuration comes from a module, not from this file")

type profiler struct {
	set     *Set
	reading []string // the files being read, outermost first
	dirs    []string // the directories included so far
}

// profileOf builds what libkrb5 builds, and tells which directories it
// included; or gives the error with which libkrb5 refuses the configuration.
func profileOf(set *Set) (profile, []string, error) {
	var p profile
	b := profiler{set: set}
	var denied error
	for _, d := range set.Roots {
		if d.Err != nil && missing(d.Err) {
			continue
		}
		if d.Err != nil && forbidden(d.Err) {
			denied = d.Err
			continue
		}
		root := &section{}
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

func (b *profiler) doc(d *Doc, root *section) error {
	if d.Err != nil {
		return d.Err
	}
	if slices.Contains(b.reading, d.Path) {
		return fmt.Errorf("reading %s: %w", d.Path, ErrIncludeCycle)
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

func (b *profiler) node(n *Node, d *Doc, root, in *section) error {
	pos := Pos{d.Path, n.Line, n.nameAt}
	switch n.Kind {
	case Section, Subsection:
		if n.Kind == Section {
			in = root
		}
		s := in.open(n.Name, pos)
		s.final = s.final || n.Final
		s.entries = slices.Grow(s.entries, len(n.Children))
		for _, c := range n.Children {
			if err := b.node(c, d, root, s); err != nil {
				return err
			}
		}
	case Relation:
		in.entries = append(in.entries, entry{name: n.Name, value: n.Value, pos: pos})
	case Include:
		return b.include(n.Name, pos, root)
	case IncludeDir:
		return b.includeDir(n.Name, pos, root)
	case Module:
		return fmt.Errorf("reading %s: %w", pos, ErrModule)
	}
	return nil
}

func (b *profiler) include(name string, pos Pos, root *section) error {
	d := b.set.Docs[name]
	if d == nil {
		return &SyntaxError{Pos: pos, What: "the included file was not read", Excerpt: excerptOf(name)}
	}
	if d.Err != nil && errors.Is(d.Err, ErrNotFile) {
		return nil // libkrb5 opens a directory, reads nothing from it, and goes on
	}
	if err := b.doc(d, root); err != nil {
		var syntax *SyntaxError
		if errors.As(err, &syntax) || errors.Is(err, ErrIncludeCycle) {
			return err
		}
		return fmt.Errorf("including at %s: %w", pos, err)
	}
	return nil
}

func (b *profiler) includeDir(name string, pos Pos, root *section) error {
	dir := b.set.Dirs[name]
	if dir == nil {
		return &SyntaxError{Pos: pos, What: "the included directory was not read", Excerpt: excerptOf(name)}
	}
	if dir.Err != nil {
		return fmt.Errorf("including at %s: %w", pos, dir.Err)
	}
	b.dirs = append(b.dirs, name)
	for _, file := range dir.Names {
		if !IncludedName(file) {
			continue
		}
		if err := b.include(path.Join(name, file), pos, root); err != nil {
			return err
		}
	}
	return nil
}
