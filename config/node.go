package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/internal/spelling"
	"go.yaml.in/yaml/v3"
)

// document collects what is wrong while its values are read.
type document struct {
	owner    func() error // why somebody else than root could have written the file; nil: it is not known
	lines    []string
	problems []Problem
	unmade   bool // there are no realms, since a bootstrap is to add them
}

// value is a node with the path that led to it. A value that the file leaves
// out has no node and reads as nothing, without a problem.
type value struct {
	doc  *document
	node *yaml.Node
	path string
	at   *yaml.Node // the key, or the sequence's entry: where to point when there is no node
}

func (v value) set() bool { return v.node != nil }

// problem records what is wrong with v. The message begins with the value.
func (v value) problem(format string, args ...any) {
	at := v.at
	if v.node != nil {
		at = v.node
	}
	v.doc.add(at, v.path, fmt.Sprintf(format, args...))
}

func (d *document) add(at *yaml.Node, path, message string) {
	p := Problem{Path: path, Message: printable(message)}
	if at != nil && at.Line > 0 {
		p.Line, p.Column = at.Line, at.Column
		p.Excerpt = excerpt(d.lines, p.Line, p.Column, p.Path)
	}
	d.problems = append(d.problems, p)
}

// entry is one key of a mapping with its value.
type entry struct {
	key string
	at  *yaml.Node
	value
}

// entries returns the keys of a mapping in the file's order. The same key twice
// is a problem, and the first one counts.
func (v value) entries(what string) []entry {
	switch n := resolved(v.node); {
	case n == nil:
		return nil
	case isNull(n):
		v.problem("is empty; write %s, or leave the key out", what)
		return nil
	case n.Kind != yaml.MappingNode:
		v.problem("expected a mapping, found %s; write %s", describe(n), what)
		return nil
	}
	return v.pairs(nil, v.node, map[*yaml.Node]bool{})
}

// pairs appends the pairs of a mapping, then those of its merge keys ("<<",
// yaml.org/type/merge.html) that it does not have itself. A mapping that was
// merged before has no more to add, and may lead back to itself.
func (v value) pairs(out []entry, n *yaml.Node, merges map[*yaml.Node]bool) []entry {
	n = resolved(n)
	if merges[n] {
		return out
	}
	merges[n] = true
	if n.Kind != yaml.MappingNode {
		v.problem("\"<<\" does not lead to a mapping")
		return out
	}
	inherited := len(out)
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		at, node := resolved(n.Content[i]), n.Content[i+1]
		if at.Tag == "!!merge" {
			if m := resolved(node); m.Kind == yaml.SequenceNode {
				merged = append(merged, m.Content...)
			} else {
				merged = append(merged, m)
			}
			continue
		}
		key, ok := scalar(at)
		if !ok {
			v.doc.add(at, v.path, fmt.Sprintf("a key must be a string, not %s", describe(at)))
			continue
		}
		path := join(v.path, key)
		if j := slices.IndexFunc(out, func(e entry) bool { return e.key == key }); j >= 0 {
			if j >= inherited {
				v.doc.add(at, path, "duplicate key; remove one of them")
			}
			continue
		}
		out = append(out, entry{key, at, value{v.doc, node, path, at}})
	}
	for _, m := range merged {
		out = v.pairs(out, m, merges)
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
		message := "unknown key; known keys are " + strings.Join(known, ", ")
		if near := spelling.Nearest(e.key, known); near != "" {
			message = fmt.Sprintf("unknown key; did you mean %q?", near)
		}
		if e.key == "password" || e.key == "secret" {
			message = "unknown key: this file holds no secrets; write password_file: FILE, or password_file: \"credential:NAME\""
		}
		v.doc.add(e.at, e.path, message)
	}
	return out
}

// items returns the members of a sequence.
func (v value) items(what string) []value {
	seq := resolved(v.node)
	if seq == nil {
		return nil
	}
	if seq.Kind != yaml.SequenceNode {
		v.problem("expected a list, found %s; write [%s]", describe(seq), what)
		return nil
	}
	out := make([]value, len(seq.Content))
	for i, n := range seq.Content {
		out[i] = value{v.doc, n, fmt.Sprintf("%s[%d]", v.path, i), v.at}
	}
	return out
}

// text reads a string. Without one it is empty and false, and a problem where
// the file has something else in its place.
func (v value) text() (string, bool) {
	n := resolved(v.node)
	if n == nil {
		return "", false
	}
	if s, ok := scalar(n); ok {
		return s, true // what the reader wants to see in it decides: 3306 may be half of a duration
	}
	if isNull(n) {
		v.problem("is empty; write a value, or leave the key out")
	} else {
		v.problem("expected a string, found %s", describe(n))
	}
	return "", false
}

// read parses a value's text with parse and records its error. ok is false where
// the file has no value, or none that is valid.
func read[T any](v value, parse func(string) (T, error)) (out T, ok bool) {
	s, ok := v.text()
	if !ok {
		return out, false
	}
	out, err := parse(s)
	if err != nil {
		v.problem("%s", cmp.Or(v.unquoted(s), err.Error()))
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
			item.problem("duplicate value %v; remove one of them", got)
		default:
			out = append(out, got)
		}
	}
	return out
}

// resolved is what an alias stands for, and any other node itself.
func resolved(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// scalar is the text of a plain value as the file has it. A tag of YAML's own
// changes nothing, since the reader of the value decides what it is.
func scalar(n *yaml.Node) (string, bool) {
	return n.Value, n.Kind == yaml.ScalarNode && !isNull(n) && (n.Tag == "" || strings.HasPrefix(n.Tag, "!!")) && n.Tag != "!!binary"
}

func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "nothing"
	case n.Tag != "" && !strings.HasPrefix(n.Tag, "!!") || n.Tag == "!!binary":
		return "a value with the tag " + n.Tag
	}
	return "a single value"
}

// join adds a key to a path; one that could be mistaken is quoted.
func join(path, key string) string {
	if key == "" || strings.ContainsFunc(key, func(r rune) bool {
		return r > 0x7e || !isAlnum(byte(r)) && r != '_' && r != '-'
	}) {
		if i := strings.IndexAny(key, " \t:=\"'"); i >= 0 &&
			(strings.HasPrefix(path, "logins") || regexp.MustCompile(secretLike).MatchString(key)) {
			key = key[:i] + "…" // a value without its colon, or the space after it: a secret maybe
		}
		key = fmt.Sprintf("%q", key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}
