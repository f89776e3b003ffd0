package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A page says all that --help says, and nothing in it is taken for a macro.
func TestManPages(t *testing.T) {
	dir := t.TempDir()
	root := newRoot(streams{in: os.Stdin, out: t.Output(), err: t.Output()})
	if err := writeManPages(root, dir); err != nil {
		t.Fatal(err)
	}
	macros := []string{"TH", "SH", "B", "BR", "PP", "TP", "RS", "RE", "nf", "fi"}
	var each func(*cobra.Command)
	each = func(c *cobra.Command) {
		name := manName(c) + ".1"
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			return
		}
		var text []string
		for line := range strings.Lines(string(b)) {
			macro, isMacro := strings.CutPrefix(strings.Fields(line)[0], ".")
			if isMacro && !slices.Contains(macros, macro) {
				t.Errorf("%s: macro %q", name, line)
			}
			line = strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(line, ".SH "), ".BR "), ".B ")
			line = strings.NewReplacer(`\(rs`, `\`, `\-`, "-", `\&`, "", `\fB`, "", `\fI`, "", `\fR`, "", `\[u2026]`, "…").Replace(line)
			if !isMacro || !strings.HasPrefix(line, ".") {
				text = append(text, strings.Fields(line)...)
			}
		}
		got := strings.Join(text, " ")
		want := []string{c.Short, c.UseLine(), c.Long}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			_, usage := pflag.UnquoteUsage(f)
			want = append(want, "--"+f.Name, usage)
		})
		for _, w := range want {
			if w = strings.Join(strings.Fields(w), " "); !strings.Contains(got, w) {
				t.Errorf("%s lacks %q", name, w)
			}
		}
		for _, sub := range subcommands(c) {
			each(sub)
		}
	}
	each(root)
	if _, err := os.Stat(filepath.Join(dir, "kerbagent-krb5conf-apply.1")); err != nil {
		t.Error(err)
	}
}

func TestRoff(t *testing.T) {
	for in, want := range map[string]string{
		".conf files":  `\&.conf files`,
		"'quoted'":     `\&'quoted'`,
		`pw \`:         `pw \(rs`,
		"subnet-…":     `subnet\-\[u2026]`,
		"--web.listen": `\-\-web.listen`,
	} {
		if got := roff(in); got != want {
			t.Errorf("roff(%q) = %q, want %q", in, got, want)
		}
	}
}
