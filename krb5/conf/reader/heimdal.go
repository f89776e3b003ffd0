package reader

import (
	"errors"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf"
)

// heimdalList is a section or a block as Heimdal holds it.
type heimdalList struct {
	bindings []heimdalBinding
	lists    map[string]*heimdalList
	at       []conf.Pos // every place where it is opened
}

// heimdalBinding is a string, or a list where that is set.
type heimdalBinding struct {
	name, text string
	list       *heimdalList
	pos        conf.Pos
}

// readHeimdal is libkrb5 of Heimdal 7.8. It stops at the first line that it
// cannot parse, says nothing to anybody, and goes on with what it has.
func readHeimdal(set *conf.Set) *Reading {
	r := &Reading{Reader: Heimdal}
	root := &heimdalList{}
	for _, d := range set.Roots {
		if !d.Readable() {
			if !Missing(d.Err) && !forbidden(d.Err) {
				r.Err = errors.Join(r.Err, d.Err)
			}
			continue
		}
		h := heimdalParser{doc: d, text: d.Text}
		r.Err = errors.Join(r.Err, h.file(root))
	}
	r.heimdalSettings(root)
	return r
}

type heimdalParser struct {
	doc  *conf.Doc
	text string
	line int
	rest bool // whether the next text is the rest of an overlong line
}

// next returns the next line: what Heimdal reads at a time, up to its line end.
func (h *heimdalParser) next() (string, bool) {
	if h.text == "" {
		return "", false
	}
	record := conf.Record(h.text)
	h.text = h.text[len(record):]
	if !h.rest {
		h.line++
	}
	h.rest = !strings.HasSuffix(record, "\n")
	if i := strings.IndexAny(record, "\r\n"); i >= 0 {
		record = record[:i]
	}
	return record, true
}

func (h *heimdalParser) refused(line, what string) error {
	column := 1 + len(line) - len(conf.TrimLeft(line))
	return &conf.SyntaxError{Pos: conf.Pos{File: h.doc.Path, Line: h.line, Column: column}, What: what, Excerpt: conf.Excerpt(line)}
}

func (h *heimdalParser) file(root *heimdalList) error {
	var section *heimdalList
	for {
		line, ok := h.next()
		if !ok {
			return nil
		}
		rest := conf.TrimLeft(line)
		switch {
		case rest == "", rest[0] == '#', rest[0] == ';':
		case rest[0] == '[':
			name, _, found := strings.Cut(rest[1:], "]")
			if !found {
				return h.refused(line, "no ] after the name of the section")
			}
			section = root.open(name, h.pos(line, name))
			section.bindings = slices.Grow(section.bindings, h.bindings())
		case rest[0] == '}':
			return h.refused(line, "} without {")
		case section == nil:
			return h.refused(line, "line before the first section")
		default:
			if err := h.binding(line, rest, section); err != nil {
				return err
			}
		}
	}
}

// bindings is at least how many bindings there are up to the next section: room
// for them is made at once.
func (h *heimdalParser) bindings() int {
	text := h.text
	if i := strings.Index(text, "\n["); i >= 0 {
		text = text[:i]
	}
	return strings.Count(text, "=")
}

func (h *heimdalParser) pos(line, name string) conf.Pos {
	return conf.Pos{File: h.doc.Path, Line: h.line, Column: 1 + strings.Index(line, name)}
}

// open returns the list of that name; lists of one name are one list.
func (l *heimdalList) open(name string, pos conf.Pos) *heimdalList {
	sub := l.lists[name]
	if sub == nil {
		sub = &heimdalList{}
		if l.lists == nil {
			l.lists = map[string]*heimdalList{}
		}
		l.lists[name] = sub
		l.bindings = append(l.bindings, heimdalBinding{name: name, list: sub, pos: pos})
	}
	sub.at = append(sub.at, pos)
	return sub
}

func (h *heimdalParser) binding(line, rest string, in *heimdalList) error {
	end := strings.IndexFunc(rest, func(c rune) bool { return c == '=' || c < 128 && conf.IsSpace(byte(c)) })
	if end < 0 {
		return h.refused(line, "no = in the line")
	}
	name := rest[:end]
	value, ok := strings.CutPrefix(conf.TrimLeft(rest[end:]), "=")
	if !ok {
		return h.refused(line, "no = after the first word of the line")
	}
	value = conf.TrimLeft(value)
	pos := h.pos(line, name)
	if !strings.HasPrefix(value, "{") {
		in.bindings = append(in.bindings, heimdalBinding{name: name, text: conf.TrimRight(value), pos: pos})
		return nil
	}
	// What stands behind the { is passed over.
	return h.list(in.open(name, pos))
}

func (h *heimdalParser) list(in *heimdalList) error {
	opened := h.line
	for {
		line, ok := h.next()
		if !ok {
			h.line = opened
			return h.refused("", "a { is not closed")
		}
		rest := conf.TrimLeft(line)
		switch {
		case rest == "", rest[0] == '#', rest[0] == ';':
		case rest[0] == '}':
			return nil
		default:
			if err := h.binding(line, rest, in); err != nil {
				return err
			}
		}
	}
}

// values returns the strings of a name, as they stand.
func (l *heimdalList) values(name string) []heimdalBinding {
	if l == nil {
		return nil
	}
	var found []heimdalBinding
	for i := range l.bindings {
		if b := &l.bindings[i]; b.list == nil && b.name == name {
			found = append(found, *b)
		}
	}
	return found
}

type heimdalWord struct {
	text string
	pos  conf.Pos
}

// words is krb5_config_get_strings: all values of a name, as words.
func (l *heimdalList) words(name string) []heimdalWord {
	var words []heimdalWord
	for _, v := range l.values(name) {
		words = v.appendWords(words)
	}
	return words
}

// appendWords cuts a value at blanks and tabs, but not within double quotes at
// the start of a word.
func (b *heimdalBinding) appendWords(words []heimdalWord) []heimdalWord {
	for rest := b.text; rest != ""; {
		end := 0
		for end < len(rest) && rest[end] == '"' {
			if i := strings.IndexByte(rest[end+1:], '"'); i >= 0 {
				end += i + 2
			} else {
				end = len(rest)
			}
		}
		if i := strings.IndexAny(rest[end:], " \t"); i >= 0 {
			end += i
		} else {
			end = len(rest)
		}
		word := rest[:end]
		rest = rest[min(end+1, len(rest)):] // two blanks make an empty word
		if len(word) > 1 && word[0] == '"' && word[len(word)-1] == '"' {
			word = word[1 : len(word)-1]
		}
		words = append(words, heimdalWord{word, b.pos})
	}
	return words
}
