package conf

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// MaxFileSize is the most that one file may hold, in bytes. A real krb5.conf
// has a few thousand.
const MaxFileSize = 1 << 20

// What a file can be that is no krb5.conf.
var (
	ErrTooLarge = errors.New("larger than any krb5.conf (1 MiB)")
	ErrBinary   = errors.New("not a text file: it holds NUL bytes")
)

// maxRecord is what libkrb5 reads at a time (fgets into 2048 bytes): the rest
// of a longer line is a line of its own to it.
const maxRecord = 2047

// Parse reads text by MIT's grammar (util/profile/prof_parse.c of krb5 1.20),
// which is also the widest. It stops where libkrb5 would, with a *SyntaxError;
// ErrTooLarge and ErrBinary are the other errors. Includes are not followed:
// that is Load.
func Parse(name, text string) (*File, error) {
	if err := checkText(text); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	p := parser{file: &File{Name: name}, node: make([]Node, 0, strings.Count(text, "\n")+1)}
	line, column := 1, 1
	for len(text) > 0 {
		record := Record(text)
		text = text[len(record):]
		n := p.new(record, line)
		if what, at := p.parse(n); what != "" {
			err := &SyntaxError{Pos: Pos{name, line, column + at}, What: what, Excerpt: Excerpt(record)}
			if origin := p.origin(what); origin != nil {
				err.Origin = Pos{name, origin.Line, 1 + len(origin.Raw) - len(TrimLeft(origin.Raw))}
			}
			return nil, err
		}
		n.NameAt += column
		column += len(record)
		if strings.HasSuffix(record, "\n") {
			line, column = line+1, 1
		}
	}
	return p.file, nil
}

// What is wrong where MIT's library stops at another line than the one that a
// person has to mend.
const (
	noBrace    = "{ expected, since the line before ends in ="
	strayBrace = "} without {"
	openBrace  = "section inside braces: a } is missing before it"
)

// origin is the line by which the trouble began, or nil.
func (p *parser) origin(what string) *Node {
	switch what {
	case noBrace:
		return p.open[len(p.open)-1]
	case openBrace:
		in := p.open[len(p.open)-1]
		for _, c := range in.Children {
			if c.Kind == Relation && strings.HasSuffix(c.Value, "}") && !strings.Contains(c.Value, "{") {
				return c // the } stands behind a value, and so is part of it
			}
		}
		return in
	case strayBrace:
		if len(p.open) == 0 {
			return nil
		}
		for _, c := range slices.Backward(p.open[0].Children) {
			switch {
			case c.Kind == Relation && strings.HasPrefix(c.Value, "{") && !strings.Contains(c.Value, "}"):
				return c // what stands behind the { makes a value of the line
			case c.Kind == Comment && strings.HasSuffix(TrimRight(c.Raw), "{"):
				return c // only the } is no comment
			case c.Kind == Subsection:
				return nil
			}
		}
	}
	return nil
}

func checkText(text string) error {
	switch {
	case len(text) > MaxFileSize:
		return ErrTooLarge
	case strings.IndexByte(text, 0) >= 0:
		return ErrBinary
	}
	return nil
}

// nextRecord cuts off what libkrb5 takes for one line, with its line end.
func Record(text string) string {
	if i := strings.IndexByte(text, '\n'); i >= 0 && i < maxRecord {
		return text[:i+1]
	}
	return text[:min(len(text), maxRecord)]
}

type parser struct {
	file      *File
	node      []Node  // slab: one allocation for all nodes
	open      []*Node // the section and the subsections that are open
	started   bool    // the first line with [ has been seen
	module    bool    // a module line came before it
	wantBrace bool    // "name =" was the line before
}

func (p *parser) new(raw string, line int) *Node {
	if len(p.node) == cap(p.node) { // overlong lines are several records
		p.node = make([]Node, 0, 64)
	}
	p.node = append(p.node, Node{Raw: raw, Line: line})
	return &p.node[len(p.node)-1]
}

// add hangs n into the innermost section that is open.
func (p *parser) add(n *Node) {
	if len(p.open) == 0 {
		p.file.Nodes = append(p.file.Nodes, n)
		return
	}
	in := p.open[len(p.open)-1]
	in.Children = append(in.Children, n)
}

// parse classifies the line and adds it to the tree. What is wrong with
// it comes back in words with its offset in the line.
func (p *parser) parse(n *Node) (what string, at int) {
	line := strings.TrimRight(n.Raw, "\r\n")
	if p.module { // libkrb5 hands over to the module and reads no further
		n.Kind = prologueKind(line)
		p.add(n)
		return "", 0
	}
	// An include counts anywhere, in the middle of a subsection too, but only
	// at the very start of a line.
	if path, at, ok := directive(n.Raw, "include"); ok {
		n.Kind, n.Name, n.NameAt = Include, path, at
		p.add(n)
		return "", 0
	}
	if path, at, ok := directive(n.Raw, "includedir"); ok {
		n.Kind, n.Name, n.NameAt = IncludeDir, path, at
		p.add(n)
		return "", 0
	}
	if !p.started {
		if path, at, ok := directive(n.Raw, "module"); ok {
			n.Kind, n.Name, n.NameAt, p.module = Module, path, at, true
			p.add(n)
			return "", 0
		}
		if !strings.HasPrefix(line, "[") {
			n.Kind = prologueKind(line)
			p.add(n)
			return "", 0
		}
		p.started = true
	}
	if p.wantBrace {
		rest := TrimLeft(line)
		if !strings.HasPrefix(rest, "{") {
			return noBrace, len(line) - len(rest)
		}
		p.wantBrace = false
		n.Kind = OpenBrace
		p.add(n)
		return "", 0
	}
	return p.standard(n, line)
}

// directive recognizes "word PATH" in a line with its line end. The blanks behind
// the path belong to it, as they do for libkrb5, to which the line end is a blank
// behind the word: a bare word is a directive with an empty path.
func directive(raw, word string) (path string, at int, ok bool) {
	rest, found := strings.CutPrefix(raw, word)
	if !found || rest == "" || !IsSpace(rest[0]) {
		return "", 0, false
	}
	rest = strings.TrimRight(rest, "\r\n")
	path = TrimLeft(rest)
	return path, len(word) + len(rest) - len(path), true
}

func prologueKind(line string) Kind {
	switch rest := TrimLeft(line); {
	case rest == "":
		return Blank
	case rest[0] == '#', rest[0] == ';':
		return Comment
	default:
		return Ignored
	}
}

func (p *parser) standard(n *Node, line string) (what string, at int) {
	rest := TrimLeft(line)
	at = len(line) - len(rest)
	switch {
	case rest == "":
		n.Kind = Blank
	case rest[0] == '#', rest[0] == ';':
		n.Kind = Comment
	case rest[0] == '[':
		return p.section(n, rest, at)
	case rest[0] == '}':
		if len(p.open) < 2 {
			return strayBrace, at
		}
		n.Kind = CloseBrace
		p.add(n)
		closed := p.open[len(p.open)-1]
		closed.Final = closed.Final || strings.HasPrefix(rest, "}*")
		p.open = p.open[:len(p.open)-1]
		return "", 0
	default:
		return p.relation(n, rest, at)
	}
	p.add(n)
	return "", 0
}

func (p *parser) section(n *Node, rest string, at int) (what string, where int) {
	if len(p.open) > 1 {
		return openBrace, at
	}
	name, tail, found := strings.Cut(rest[1:], "]")
	if !found {
		return "no ] after the name of the section", at + len(rest)
	}
	n.Kind, n.Name, n.NameAt = Section, name, at+1
	tail, n.Final = strings.CutPrefix(tail, "*")
	if text := TrimLeft(tail); text != "" {
		return "text after the ] of a section", at + len(rest) - len(text)
	}
	p.file.Nodes = append(p.file.Nodes, n)
	p.open = append(p.open[:0], n)
	return "", 0
}

func (p *parser) relation(n *Node, rest string, at int) (what string, where int) {
	eq := strings.IndexByte(rest, '=')
	switch {
	case eq < 0:
		return "no = in the line", at
	case eq == 0:
		return "no name before the =", at
	}
	name := rest[:eq]
	if i := indexSpace(name); i >= 0 {
		if more := TrimLeft(name[i:]); more != "" {
			return "blank inside the name before the =", at + len(name) - len(more)
		}
		name = name[:i]
	}
	name, _, n.Final = strings.Cut(name, "*")
	value := TrimLeft(rest[eq+1:])
	n.Name, n.NameAt = name, at
	switch {
	case value == "", value[0] == '{' && TrimLeft(value[1:]) == "":
		n.Kind = Subsection
		p.wantBrace = value == ""
		p.add(n)
		p.open = append(p.open, n)
		return "", 0
	case value[0] == '"':
		n.Value, n.Quoted = unquote(value[1:]), true
	default:
		n.Value = TrimRight(value)
	}
	n.Kind = Relation
	p.add(n)
	return "", 0
}

// unquote reads a quoted value up to its closing quote, where there is one.
func unquote(s string) string {
	end := strings.IndexAny(s, `\"`)
	if end < 0 {
		return s
	}
	if s[end] == '"' {
		return s[:end]
	}
	var b strings.Builder
	for i := 0; i < len(s) && s[i] != '"'; i++ {
		c := s[i]
		if c == '\\' && i+1 < len(s) {
			i++
			switch c = s[i]; c {
			case 'n':
				c = '\n'
			case 't':
				c = '\t'
			case 'b':
				c = '\b'
			}
		}
		b.WriteByte(c)
	}
	return b.String()
}

// isSpace is C's isspace in the locales that libkrb5 runs in.
func IsSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func indexSpace(s string) int {
	for i := 0; i < len(s); i++ {
		if IsSpace(s[i]) {
			return i
		}
	}
	return -1
}

func TrimLeft(s string) string {
	for s != "" && IsSpace(s[0]) {
		s = s[1:]
	}
	return s
}

func TrimRight(s string) string {
	for s != "" && IsSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}
