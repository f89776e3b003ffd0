package conf

import (
	"strconv"
	"strings"
)

// Pos is a place in a file. Line and Column count from 1, columns in bytes. A
// Line of 0 means the file as a whole; the zero Pos is no file at all, such
// as a reader's built-in default.
type Pos struct {
	File   string
	Line   int
	Column int
}

// String returns file:line:column, leaving out what is not set.
func (p Pos) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return p.File + ":" + strconv.Itoa(p.Line)
	default:
		return p.File + ":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Column)
	}
}

// IsZero reports whether p names no place.
func (p Pos) IsZero() bool { return p == Pos{} }

// Kind is what a line is to MIT's library.
type Kind uint8

// The kinds of line.
const (
	Blank      Kind = iota
	Comment         // starts with # or ;
	Ignored         // stands before the first line that starts with [, and so is never read
	Section         // [name]
	Relation        // name = value
	Subsection      // name = { or name = with the brace on the next line
	OpenBrace       // that next line
	CloseBrace      // }
	Include         // include PATH
	IncludeDir      // includedir PATH
	Module          // module PATH:REST
)

// File is a parsed krb5.conf, as a tree that keeps every byte.
type File struct {
	Name  string
	Nodes []*Node // lines before the first section, and sections
}

// Node is one line and, for a section or subsection, what it holds.
type Node struct {
	Kind     Kind
	Raw      string // the line with its line end
	Line     int    // the line number, from 1
	Name     string // the name of a section, subsection or relation without its final *; the path of an include
	Value    string // a relation's value, without quotes and surrounding blanks
	Final    bool   // marked with *: of a section, MIT asks no later file of a KRB5_CONFIG list
	Quoted   bool   // the value stood in double quotes
	Children []*Node

	NameAt int // column of Name, from 1
}

// Bytes prints the tree; for a tree made by Parse, what it was made from.
func (f *File) Bytes() []byte {
	var b []byte
	for _, n := range f.Nodes {
		b = n.appendTo(b)
	}
	return b
}

func (n *Node) appendTo(b []byte) []byte {
	b = append(b, n.Raw...)
	for _, c := range n.Children {
		b = c.appendTo(b)
	}
	return b
}

// SyntaxError reports where a reader stops reading a file, and why.
type SyntaxError struct {
	Pos     Pos
	Origin  Pos    // the line to mend, where that is another one; else zero
	What    string // what is wrong, in words
	Excerpt string // the line, shortened, with nothing in it that is not printable
}

// Error returns file:line:column: what: "excerpt".
func (e *SyntaxError) Error() string {
	s := e.Pos.String() + ": " + e.What
	if e.Excerpt != "" {
		s += ": " + strconv.Quote(e.Excerpt)
	}
	return s
}

// excerptOf shortens a line for an error or a finding.
func Excerpt(line string) string {
	const most = 72
	line = strings.TrimSpace(line)
	if len(line) > most {
		line = strings.ToValidUTF8(line[:most], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if r == '\t' || strconv.IsPrint(r) {
			return r
		}
		return '?'
	}, line)
}
