package conf

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"
)

// javaTable is a section as Java holds it. Of a name that is a section and a
// value, what comes first counts.
type javaTable struct {
	names  []string
	values map[string][]javaValue
	tables map[string]*javaTable
	at     []Pos
	parent *javaTable
}

type javaValue struct {
	text string
	pos  Pos
}

func newJavaTable(parent *javaTable) *javaTable {
	return &javaTable{values: map[string][]javaValue{}, tables: map[string]*javaTable{}, parent: parent}
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

func missingText(d *Doc) bool { return d == nil || !d.Readable() }

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
	if missingText(d) {
		return d.Err
	}
	directives := true
	for _, l := range javaLines(d) {
		switch {
		case l.text == "" || l.text[0] == '#' || l.text[0] == ';':
			continue
		case !directives, l.text[0] == '[':
			directives = false
			j.lines = append(j.lines, l)
			continue
		}
		if err := j.directive(l); err != nil {
			return err
		}
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
		if missingText(d) {
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

// javaLines cuts a text at \n, \r and \r\n and trims each line.
func javaLines(d *Doc) []javaLine {
	text := d.Text
	if strings.Contains(text, "\r") {
		text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	}
	var lines []javaLine
	for n := 1; text != ""; n++ {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		trimmed := javaTrim(line)
		lines = append(lines, javaLine{trimmed, Pos{d.Path, n, 1 + strings.Index(line, trimmed)}})
	}
	return lines
}

// javaTrim is String.trim: everything up to and with the blank goes.
func javaTrim(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return r <= ' ' })
}

// javaParse puts sections, braces and values together: a { that starts a line
// belongs to the line before.
func javaParse(raw []javaLine) (*javaTable, error) {
	p := javaParser{root: newJavaTable(nil)}
	p.current = p.root
	var previous *javaLine
	flush := func() error {
		if previous == nil {
			return nil
		}
		return p.line(*previous)
	}
	for i, l := range raw {
		switch l.text[0] {
		case '[':
			if !strings.HasSuffix(l.text, "]") {
				return nil, l.refused("text behind the ] of a section")
			}
			title := javaTrim(l.text[1 : len(l.text)-1])
			if title == "" {
				return nil, l.refused("section without a name")
			}
			if i > 0 {
				if err := flush(); err != nil {
					return nil, err
				}
				if err := p.line(javaLine{"}", l.pos}); err != nil {
					return nil, err
				}
			}
			previous = &javaLine{title + " = {", l.pos}
		case '{':
			previous.text += " {" // there is one: the first line of all starts with [
			if len(l.text) > 1 {
				if err := flush(); err != nil {
					return nil, err
				}
				previous = &javaLine{javaTrim(l.text[1:]), l.pos}
			}
		default:
			if err := flush(); err != nil {
				return nil, err
			}
			previous = &javaLine{l.text, l.pos}
		}
	}
	if previous != nil {
		if err := errors.Join(flush(), p.line(javaLine{"}", previous.pos})); err != nil {
			return nil, err
		}
	}
	if p.current != p.root {
		return nil, raw[len(raw)-1].refused("a { is not closed")
	}
	return p.root, nil
}

type javaParser struct {
	root, current *javaTable
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
		p.current.add(key, javaValue{value, l.pos})
		return nil
	}
	top := p.current == p.root
	if top {
		key = strings.ToLower(key)
	}
	sub := p.current.tables[key]
	_, taken := p.current.values[key]
	if taken && top {
		return l.refused("section of the same name as a value outside of all sections")
	}
	if sub == nil || !top {
		fresh := newJavaTable(p.current)
		if sub == nil && !taken {
			p.current.names = append(p.current.names, key)
			p.current.tables[key] = fresh
		}
		sub = fresh // a second block of a name is read and thrown away
	}
	sub.at = append(sub.at, l.pos)
	p.current = sub
	return nil
}

func (t *javaTable) add(key string, v javaValue) {
	if t.tables[key] != nil {
		return
	}
	if len(t.values[key]) == 0 {
		t.names = append(t.names, key)
	}
	t.values[key] = append(t.values[key], v)
}

func javaUnquote(s string) string {
	s = javaTrim(s)
	if n := len(s); n >= 2 && s[0] == s[n-1] && (s[0] == '"' || s[0] == '\'') {
		return javaTrim(s[1 : n-1])
	}
	return s
}
