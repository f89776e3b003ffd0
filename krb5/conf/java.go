package conf

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// javaTable is a section as Java holds it. Of a name that is a section and a
// value, what comes first counts.
type javaTable struct {
	entries []javaEntry
	first   map[string]int // index of the first entry of a name
	at      []Pos
	parent  *javaTable
}

// javaEntry is a value, or a subsection where sub is set.
type javaEntry struct {
	name, text string
	sub        *javaTable
	pos        Pos
}

func newJavaTable(parent *javaTable) *javaTable {
	return &javaTable{first: map[string]int{}, parent: parent}
}

// add keeps an entry, except where the name is taken by the other kind.
func (t *javaTable) add(e javaEntry) {
	i, taken := t.first[e.name]
	if taken && (t.entries[i].sub != nil || e.sub != nil) {
		return
	}
	if !taken {
		t.first[e.name] = len(t.entries)
	}
	t.entries = append(t.entries, e)
}

// entry gives the first entry of a name, or nil.
func (t *javaTable) entry(name string) *javaEntry {
	if i, ok := t.first[name]; ok {
		return &t.entries[i]
	}
	return nil
}

// sub gives a subsection, or nil.
func (t *javaTable) sub(name string) *javaTable {
	if e := t.entry(name); e != nil {
		return e.sub
	}
	return nil
}

type javaLine struct {
	text string
	pos  Pos
}

func (l javaLine) refused(what string) error {
	return &SyntaxError{Pos: l.pos, What: what, Excerpt: excerptOf(l.text)}
}

// readJava is sun.security.krb5.Config of OpenJDK 17 on the first file. Java
// does not look at KRB5_CONFIG.
func readJava(set *Set) *Reading {
	r := &Reading{Reader: Java}
	root := newJavaTable(nil)
	if len(set.Roots) > 0 && !missing(set.Roots[0].Err) {
		j := javaLoader{set: set, seen: map[string]bool{}}
		err := j.load(set.Roots[0])
		if err == nil {
			root, err = javaParse(j.lines)
		}
		if err != nil {
			r.Err, root = err, newJavaTable(nil)
		}
	}
	r.javaSettings(root)
	return r
}

type javaLoader struct {
	set   *Set
	lines []javaLine
	seen  map[string]bool
}

// load reads a file and its includes; a file that is included twice is
// refused, in a circle or not.
func (j *javaLoader) load(d *Doc) error {
	if j.seen[d.Path] {
		return fmt.Errorf("reading %s: included more than once", d.Path)
	}
	j.seen[d.Path] = true
	if !d.Readable() {
		return d.Err
	}
	text := d.Text
	if strings.Contains(text, "\r") { // alone it ends a line too
		text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	}
	j.lines = slices.Grow(j.lines, strings.Count(text, "\n")+1)
	directives := true
	for n := 1; text != ""; n++ {
		var raw string
		raw, text, _ = strings.Cut(text, "\n")
		line := javaTrim(raw)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		l := javaLine{line, Pos{d.Path, n, 1 + strings.Index(raw, line)}}
		if directives = directives && line[0] != '['; directives {
			if err := j.directive(l); err != nil {
				return err
			}
			continue
		}
		j.lines = append(j.lines, l)
	}
	if !utf8.ValidString(d.Text) {
		return fmt.Errorf("reading %s: not UTF-8, which is all that Java reads", d.Path)
	}
	return nil
}

func (j *javaLoader) directive(l javaLine) error {
	if dir, ok := strings.CutPrefix(l.text, "includedir "); ok {
		dir = javaTrim(dir)
		found := j.set.Dirs[dir]
		if found == nil || found.Err != nil {
			return l.refused("the included directory cannot be read")
		}
		for _, name := range found.Names { // Java takes them in no order at all
			d := j.set.Docs[path.Join(dir, name)]
			if !IncludedName(name) || d == nil || errors.Is(d.Err, ErrNotFile) {
				continue
			}
			if err := j.include(d, dir); err != nil {
				return err
			}
		}
		return nil
	}
	if file, ok := strings.CutPrefix(l.text, "include "); ok {
		file = javaTrim(file)
		d := j.set.Docs[file]
		if d == nil || !d.Readable() {
			return l.refused("the included file cannot be read")
		}
		return j.include(d, file)
	}
	return nil // anything else in front of the first section is passed over
}

func (j *javaLoader) include(d *Doc, name string) error {
	if !path.IsAbs(name) {
		return fmt.Errorf("reading %s: included by a path that is not absolute", d.Path)
	}
	return j.load(d)
}

// javaTrim is String.trim: everything up to and with the blank goes.
func javaTrim(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return r <= ' ' })
}

// javaParse puts sections, braces and values together: a { that starts a line
// belongs to the line before, so each line waits for the next.
func javaParse(raw []javaLine) (*javaTable, error) {
	p := javaParser{root: newJavaTable(nil)}
	p.current = p.root
	for _, l := range raw {
		switch l.text[0] {
		case '[':
			if !strings.HasSuffix(l.text, "]") {
				return nil, l.refused("text behind the ] of a section")
			}
			title := javaTrim(l.text[1 : len(l.text)-1])
			if title == "" {
				return nil, l.refused("section without a name")
			}
			if err := p.endSection(l.pos); err != nil {
				return nil, err
			}
			p.waiting = javaLine{title + " = {", l.pos}
		case '{':
			p.waiting.text += " {" // there is one: the first line of all starts with [
			if len(l.text) > 1 {
				if err := p.line(p.waiting); err != nil {
					return nil, err
				}
				p.waiting = javaLine{javaTrim(l.text[1:]), l.pos}
			}
		default:
			if err := p.line(p.waiting); err != nil {
				return nil, err
			}
			p.waiting = l
		}
	}
	if err := p.endSection(p.waiting.pos); err != nil {
		return nil, err
	}
	if p.current != p.root {
		return nil, raw[len(raw)-1].refused("a { is not closed")
	}
	return p.root, nil
}

// endSection takes the line that waits, and closes the section; there is
// neither in front of the first one.
func (p *javaParser) endSection(at Pos) error {
	if p.waiting.text == "" {
		return nil
	}
	if err := p.line(p.waiting); err != nil {
		return err
	}
	return p.line(javaLine{"}", at})
}

type javaParser struct {
	root, current *javaTable
	waiting       javaLine
}

func (p *javaParser) line(l javaLine) error {
	if l.text == "}" {
		if p.current == nil || p.current == p.root {
			return l.refused("} without {")
		}
		p.current = p.current.parent
		return nil
	}
	key, value, ok := strings.Cut(l.text, "=")
	if !ok {
		return l.refused("no = in the line")
	}
	key, value = javaTrim(key), javaUnquote(value)
	if value != "{" {
		p.current.add(javaEntry{name: key, text: value, pos: l.pos})
		return nil
	}
	top := p.current == p.root
	if top {
		key = strings.ToLower(key)
	}
	sub := newJavaTable(p.current)
	if e := p.current.entry(key); e == nil {
		p.current.add(javaEntry{name: key, sub: sub, pos: l.pos})
	} else if top {
		if sub = e.sub; sub == nil {
			return l.refused("section of the same name as a value outside of all sections")
		}
	} // else a second block of a name: read, and thrown away
	sub.at = append(sub.at, l.pos)
	p.current = sub
	return nil
}

func javaUnquote(s string) string {
	s = javaTrim(s)
	if n := len(s); n >= 2 && s[0] == s[n-1] && (s[0] == '"' || s[0] == '\'') {
		return javaTrim(s[1 : n-1])
	}
	return s
}
