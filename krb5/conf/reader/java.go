package reader

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/kerbagent/kerbagent/krb5/conf"
)

// javaTable is a section as Java holds it. Of a name that is a section and a
// value, what comes first counts.
type javaTable struct {
	entries []javaEntry
	values  int // how many of the entries are values
	subs    map[string]*javaTable
	at      []conf.Pos
	parent  *javaTable
}

// javaEntry is a value, or a subsection where sub is set.
type javaEntry struct {
	name, text string
	sub        *javaTable
	pos        conf.Pos
}

// entry returns the first entry of a name, or nil.
func (t *javaTable) entry(name string) *javaEntry {
	for i := range t.entries {
		if t.entries[i].name == name {
			return &t.entries[i]
		}
	}
	return nil
}

// hasValue reports whether a value of that name came first.
func (t *javaTable) hasValue(name string) bool {
	if t.values == 0 || t.subs[name] != nil {
		return false
	}
	return t.entry(name) != nil
}

// counts reports whether a value is not hidden by a section of its name.
func (t *javaTable) counts(e *javaEntry) bool {
	return e.sub == nil && (t.subs[e.name] == nil || t.entry(e.name).sub == nil)
}

// open returns the table for a section that starts. A second one of a name below
// the top is read and thrown away, and so is one with the name of a value.
func (t *javaTable) open(name string, pos conf.Pos, top bool) *javaTable {
	sub := t.subs[name]
	if sub == nil || !top {
		taken := sub != nil || t.hasValue(name)
		sub = &javaTable{parent: t}
		if !taken {
			if t.subs == nil {
				t.subs = map[string]*javaTable{}
			}
			t.subs[name] = sub
			t.entries = append(t.entries, javaEntry{name: name, sub: sub, pos: pos})
		}
	}
	sub.at = append(sub.at, pos)
	return sub
}

type javaLine struct {
	text string
	pos  conf.Pos
}

func (l javaLine) refused(what string) error {
	return &conf.SyntaxError{Pos: l.pos, What: what, Excerpt: conf.Excerpt(l.text)}
}

// readJava is sun.security.krb5.Config of OpenJDK 17 on the first file. Java
// does not look at KRB5_CONFIG.
func readJava(set *conf.Set) *Reading {
	r := &Reading{Reader: Java}
	root := &javaTable{}
	if len(set.Roots) > 0 && !Missing(set.Roots[0].Err) {
		j := javaLoader{set: set, seen: map[string]bool{}}
		err := j.load(set.Roots[0])
		if err == nil {
			root, err = javaParse(j.lines)
		}
		if err != nil {
			r.Err, root = err, &javaTable{}
		}
	}
	r.javaSettings(root)
	return r
}

type javaLoader struct {
	set   *conf.Set
	lines []javaLine
	seen  map[string]bool
}

// load reads a file and its includes; a file that is included twice is
// refused, in a circle or not.
func (j *javaLoader) load(d *conf.Doc) error {
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
		l := javaLine{line, conf.Pos{File: d.Path, Line: n, Column: 1 + strings.Index(raw, line)}}
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
			if !conf.IncludedName(name) || d == nil || errors.Is(d.Err, conf.ErrNotFile) {
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

func (j *javaLoader) include(d *conf.Doc, name string) error {
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
	p := javaParser{root: &javaTable{}}
	p.current = p.root
	for i, l := range raw {
		switch l.text[0] {
		case '[':
			if !strings.HasSuffix(l.text, "]") {
				return nil, l.refused("text after the ] of a section")
			}
			title := javaTrim(l.text[1 : len(l.text)-1])
			if title == "" {
				return nil, l.refused("section without a name")
			}
			if err := p.endSection(l.pos); err != nil {
				return nil, err
			}
			p.waiting = javaLine{title + " = {", l.pos}
			p.room = 0 // for the entries up to the next section, at once
			for p.room+i+1 < len(raw) && raw[p.room+i+1].text[0] != '[' {
				p.room++
			}
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
func (p *javaParser) endSection(at conf.Pos) error {
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
	room          int
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
	top := p.current == p.root
	switch {
	case value != "{":
		p.current.entries = append(p.current.entries, javaEntry{name: key, text: value, pos: l.pos})
		p.current.values++
		return nil
	case top:
		key = strings.ToLower(key)
		if p.current.hasValue(key) {
			return l.refused("section of the same name as a value outside of all sections")
		}
	}
	p.current = p.current.open(key, l.pos, top)
	if top {
		p.current.entries = slices.Grow(p.current.entries, p.room)
	}
	return nil
}

func javaUnquote(s string) string {
	s = javaTrim(s)
	if n := len(s); n >= 2 && s[0] == s[n-1] && (s[0] == '"' || s[0] == '\'') {
		return javaTrim(s[1 : n-1])
	}
	return s
}
