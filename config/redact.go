package config

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Redact returns a file's configuration again, for a ticket: what its keys say,
// without its comments. A configuration that Parse takes holds no secret, only
// references, but nobody knows what a comment holds. A bootstrap part that
// ParseBootstrap refuses is left out; of a file that Parse refuses, nothing is
// given but what is wrong with it, without the lines.
func Redact(name string, b []byte) string {
	var out bytes.Buffer
	if _, err := Parse(name, b); err != nil {
		out.WriteString("# Not shown, as it is not valid:\n" + problems(err))
		return out.String()
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil || len(doc.Content) == 0 {
		return "# Not shown: it cannot be read a second time.\n"
	}
	withoutComments(&doc)
	top := doc.Content[0]
	for i := 0; i+1 < len(top.Content); i += 2 {
		if top.Content[i].Value != "bootstrap" {
			continue
		}
		if _, err := ParseBootstrap(filepath.Clean(name), b); err != nil {
			out.WriteString("# The bootstrap part is not shown, as it is not valid:\n" + problems(err))
			top.Content = slices.Delete(top.Content, i, i+2)
			break
		}
	}
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(top); err != nil {
		return "# Not shown: it cannot be written again.\n"
	}
	return out.String()
}

func withoutComments(n *yaml.Node) {
	n.HeadComment, n.LineComment, n.FootComment = "", "", ""
	if isNull(n) {
		n.Value = "null"
	}
	for i, c := range n.Content {
		withoutComments(c)
		if n.Kind == yaml.MappingNode && i%2 == 1 && n.Content[i-1].Value == "password_command" {
			for _, word := range c.Content[min(1, len(c.Content)):] { // an argument may be a token
				word.Value, word.Style = "...", yaml.DoubleQuotedStyle
			}
		}
	}
}

// problems lists what is wrong by its place alone: a message may quote a value.
func problems(err error) string {
	var all *Errors
	if !errors.As(err, &all) {
		return "# it cannot be read\n"
	}
	var b strings.Builder
	for _, p := range all.Problems {
		fmt.Fprintf(&b, "# line %d: %s\n", p.Line, p.Path)
	}
	return b.String()
}
