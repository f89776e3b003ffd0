//go:build lab

package reader

import (
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf"
)

// dump prints a tree as profile_flush_to_buffer does: that is how the tests
// hold it against libkrb5.
func (s *Section) dump(b *strings.Builder, level int) {
	sorted := slices.Clone(s.Entries)
	slices.SortStableFunc(sorted, func(x, y Entry) int { return strings.Compare(x.Name, y.Name) })
	tabs := strings.Repeat("\t", level)
	for _, e := range sorted {
		if e.Sub == nil {
			b.WriteString(tabs + e.Name + " = " + quoteValue(e.Value) + "\n")
		}
	}
	for _, e := range sorted {
		if e.Sub == nil {
			continue
		}
		final := ""
		if e.Sub.final {
			final = "*"
		}
		if level == 0 {
			b.WriteString("[" + e.Name + "]" + final + "\n")
			e.Sub.dump(b, 1)
			b.WriteString("\n")
			continue
		}
		b.WriteString(tabs + e.Name + " = {\n")
		e.Sub.dump(b, level+1)
		b.WriteString(tabs + "}" + final + "\n")
	}
}

// quoteValue writes a value as libkrb5 does.
func quoteValue(v string) string {
	if v != "" && !conf.IsSpace(v[0]) && !conf.IsSpace(v[len(v)-1]) && !strings.ContainsAny(v, "\n\t\b") {
		return v
	}
	return `"` + strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\t", `\t`, "\b", `\b`).Replace(v) + `"`
}
