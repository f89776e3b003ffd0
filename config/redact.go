package config

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"
)

// Redact gives a file's configuration again, for a ticket: what its keys say,
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
	var top yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(b, &top, yaml.UseOrderedMap()); err != nil {
		return "# Not shown: it cannot be read a second time.\n"
	}
	for i, item := range top {
		if item.Key != "bootstrap" {
			continue
		}
		if _, err := ParseBootstrap(filepath.Clean(name), b); err != nil {
			out.WriteString("# The bootstrap part is not shown, as it is not valid:\n" + problems(err))
			top = append(top[:i:i], top[i+1:]...)
			break
		}
	}
	text, err := yaml.Marshal(top)
	if err != nil {
		return "# Not shown: it cannot be written again.\n"
	}
	out.Write(text)
	return out.String()
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
