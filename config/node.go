package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// document collects what is wrong while its values are read.
type document struct {
	lines    []string
	problems []Problem
	unmade   bool // there are no realms, since a bootstrap is to add them
}

// value is a node with the path that led to it. A value that the file leaves
// out has no node and reads as nothing, without a problem.
type value struct {
	doc  *document
	node ast.Node
	path string
	at   *token.Token // the key, or the sequence's entry: where to point when there is no node
}

func (v value) set() bool { return v.node != nil }

// problem records what is wrong with v. The message begins with the value.
func (v value) problem(format string, args ...any) {
	tk := v.at
	if v.node != nil {
		tk = first(v.node)
	}
	v.doc.add(tk, v.path, fmt.Sprintf(format, args...))
}

func (d *document) add(tk *token.Token, path, message string) {
	p := Problem{Path: path, Message: printable(message)}
	if tk != nil && tk.Position != nil {
		p.Line, p.Column = tk.Position.Line, tk.Position.Column
		p.Excerpt = excerpt(d.lines, p.Line, p.Column)
	}
	d.problems = append(d.problems, p)
}

// first is where a node begins in the file. A block mapping's own token is a colon.
func first(n ast.Node) *token.Token {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return n.Values[0].Key.GetToken()
		}
	case *ast.MappingValueNode:
		return n.Key.GetToken()
	}
	return n.GetToken()
}

// entry is one key of a mapping with its value.
type entry struct {
	key string
	at  *token.Token
	value
}

// entries gives the keys of a mapping in the file's order. Twice the same key
// is a problem, and the first one counts.
func (v value) entries(what string) []entry {
	var pairs []*ast.MappingValueNode
	switch n := v.node.(type) {
	case nil:
		return nil
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	case *ast.NullNode:
		v.problem("is empty; write %s, or leave the key out", what)
		return nil
	default:
		v.problem("is %s; write %s", describe(v.node), what)
		return nil
	}
	var out []entry
	for _, pair := range pairs {
		at := pair.Key.GetToken()
		key, ok := scalar(pair.Key)
		if !ok {
			v.doc.add(at, v.path, fmt.Sprintf("a key here must be a plain text, not %s", describe(pair.Key)))
			continue
		}
		path := join(v.path, key)
		if slices.ContainsFunc(out, func(e entry) bool { return e.key == key }) {
			v.doc.add(at, path, "stands here a second time; leave one of them")
			continue
		}
		out = append(out, entry{key, at, value{v.doc, pair.Value, path, at}})
	}
	return out
}

// fields reads a mapping whose keys are known. Any other key is a problem.
func (v value) fields(known ...string) map[string]value {
	out := map[string]value{}
	for _, k := range known {
		out[k] = value{doc: v.doc, path: join(v.path, k), at: v.at}
	}
	for _, e := range v.entries("its keys and values: " + strings.Join(known, ", ")) {
		if _, ok := out[e.key]; ok {
			out[e.key] = e.value
			continue
		}
		message := "is not a key here; known are " + strings.Join(known, ", ")
		if near := nearest(e.key, known); near != "" {
			message = fmt.Sprintf("is not a key here; is %q meant?", near)
		}
		if e.key == "password" || e.key == "secret" {
			message = "is not a key here: no secret stands in this file; write password_file: FILE, or password_file: \"credential:NAME\""
		}
		v.doc.add(e.at, e.path, message)
	}
	return out
}

// items gives the members of a sequence.
func (v value) items(what string) []value {
	seq, ok := v.node.(*ast.SequenceNode)
	if !ok {
		if v.set() {
			v.problem("is %s; write a list: [%s]", describe(v.node), what)
		}
		return nil
	}
	out := make([]value, len(seq.Values))
	for i, n := range seq.Values {
		out[i] = value{v.doc, n, fmt.Sprintf("%s[%d]", v.path, i), v.at}
	}
	return out
}

// text reads a string. Without one it is empty and false, and a problem where
// the file has something else in its place.
func (v value) text() (string, bool) {
	switch n := v.node.(type) {
	case nil:
		return "", false
	case *ast.StringNode:
		return n.Value, true
	case *ast.NullNode:
		v.problem("is empty; write a value, or leave the key out")
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		if s, ok := scalar(v.node); ok {
			return s, true // what the reader wants to see in it decides: 3306 may be half of a duration
		}
		v.problem("is %s; write a text", describe(v.node))
	case *ast.MappingNode, *ast.MappingValueNode:
		v.problem("is a mapping; write a text, in quotes where it has a colon")
	default:
		v.problem("is %s; write a text", describe(v.node))
	}
	return "", false
}

// read gives a text to a reader of values and records its error. ok is false
// where the file has nothing, or nothing good.
func read[T any](v value, parse func(string) (T, error)) (out T, ok bool) {
	s, ok := v.text()
	if !ok {
		return out, false
	}
	out, err := parse(s)
	if err != nil {
		v.problem("%s", err)
		var zero T
		return zero, false
	}
	return out, true
}

// readOr is read with a default.
func readOr[T any](v value, or T, parse func(string) (T, error)) T {
	if out, ok := read(v, parse); ok {
		return out
	}
	return or
}

// readAll reads a list of texts; the same value twice is a problem.
func readAll[T comparable](v value, example string, parse func(string) (T, error)) []T {
	var out []T
	for _, item := range v.items(example) {
		got, ok := read(item, parse)
		switch {
		case !ok:
		case slices.Contains(out, got):
			item.problem("%v stands here a second time", got)
		default:
			out = append(out, got)
		}
	}
	return out
}

// scalar is the text of a plain value as the file has it.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func describe(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.AliasNode, *ast.AnchorNode, *ast.MergeKeyNode:
		return "an anchor or alias, which is not read here"
	case *ast.TagNode:
		return "a tagged value, which is not read here"
	case *ast.LiteralNode:
		return "a block text"
	case *ast.NullNode:
		return "empty"
	default:
		return "a plain value"
	}
}

// join adds a key to a path; one that could be mistaken is quoted.
func join(path, key string) string {
	if key == "" || strings.ContainsFunc(key, func(r rune) bool {
		return r > 0x7e || !isAlnum(byte(r)) && r != '_' && r != '-'
	}) {
		key = fmt.Sprintf("%q", key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}
