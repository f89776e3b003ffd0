//go:build lab

package conf

import (
	"slices"
	"strings"
)

// dump prints a tree as profile_flush_to_buffer does: that is how the tests
// hold it against libkrb5.
func (s *section) dump(b *strings.Builder, level int) {
	sorted := slices.Clone(s.entries)
	slices.SortStableFunc(sorted, func(x, y entry) int { return strings.Compare(x.name, y.name) })
	tabs := strings.Repeat("\t", level)
	for _, e := range sorted {
		if e.sub == nil {
			b.WriteString(tabs + e.name + " = " + quoteValue(e.value) + "\n")
		}
	}
	for _, e := range sorted {
		if e.sub == nil {
			continue
		}
		final := ""
		if e.sub.final {
			final = "*"
		}
		if level == 0 {
			b.WriteString("[" + e.name + "]" + final + "\n")
			e.sub.dump(b, 1)
			b.WriteString("\n")
			continue
		}
		b.WriteString(tabs + e.name + " = {\n")
		e.sub.dump(b, level+1)
		b.WriteString(tabs + "}" + final + "\n")
	}
}

// quoteValue writes a value as libkrb5 does.
func quoteValue(v string) string {
	if v != "" && !isSpace(v[0]) && !isSpace(v[len(v)-1]) && !strings.ContainsAny(v, "\n\t\b") {
		return v
	}
	return `"` + strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\t", `\t`, "\b", `\b`).Replace(v) + `"`
}
