package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newMan is for those who make packages: a page for each command, of what its
// --help says. cobra's own generator takes the texts for Markdown, and loses
// their tables and line ends.
func newMan() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the man pages into a directory",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE:   func(c *cobra.Command, args []string) error { return writeManPages(c.Root(), args[0]) },
	}
}

// writeManPages writes the page of a command, and of those below it.
func writeManPages(c *cobra.Command, dir string) error {
	path := filepath.Join(dir, manName(c)+".1")
	if err := os.WriteFile(path, []byte(manPage(c)), 0o644); err != nil {
		return fmt.Errorf("writing a man page: %w", err)
	}
	for _, sub := range subcommands(c) {
		if err := writeManPages(sub, dir); err != nil {
			return err
		}
	}
	return nil
}

func manName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// subcommands are those that --help names.
func subcommands(c *cobra.Command) (out []*cobra.Command) {
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			out = append(out, sub)
		}
	}
	return out
}

// manPage is a page in the language of man(7). It has no date: the same version
// makes the same page.
func manPage(c *cobra.Command) string {
	var b strings.Builder
	flags := c.LocalFlags() // before the use line, which counts them
	name := roff(manName(c))
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"kerbagent %s\"\n", strings.ToUpper(name), roff(version()))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n.SH SYNOPSIS\n.B %s\n.SH DESCRIPTION\n", name, roff(c.Short), roff(c.UseLine()))
	manText(&b, cmp.Or(c.Long, c.Short+"."))
	if subs := subcommands(c); len(subs) > 0 {
		b.WriteString(".SH COMMANDS\n")
		for _, sub := range subs {
			fmt.Fprintf(&b, ".TP\n.BR %s (1)\n%s\n", roff(manName(sub)), roff(sub.Short))
		}
	}
	if c.HasAvailableFlags() {
		b.WriteString(".SH OPTIONS\n")
	}
	option := func(f *pflag.Flag) { manOption(&b, f) }
	flags.VisitAll(option)
	c.InheritedFlags().VisitAll(option)
	b.WriteString(".SH SEE ALSO\n")
	if c.HasParent() {
		fmt.Fprintf(&b, ".BR %s (1),\n", roff(manName(c.Parent())))
	}
	b.WriteString("/usr/share/doc/kerbagent\n")
	return b.String()
}

// manText writes a command's long text: paragraphs are filled, indented lines
// stay as they are, and a line in capitals is a heading.
func manText(b *strings.Builder, text string) {
	indented, paragraph := false, false
	for line := range strings.Lines(strings.TrimSpace(text) + "\n") {
		line = strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "\t", "  ") // cobra's own texts
		if in := strings.HasPrefix(line, "  "); line != "" && in != indented {
			b.WriteString(map[bool]string{true: ".RS 2\n.nf\n", false: ".fi\n.RE\n"}[in])
			indented = in
		}
		heading := !indented && line != "" && line == strings.ToUpper(line)
		if paragraph && line != "" && !heading {
			b.WriteString(".PP\n")
		}
		switch paragraph = line == ""; {
		case heading:
			b.WriteString(".SH " + roff(line) + "\n")
		case line != "":
			b.WriteString(roff(strings.TrimPrefix(line, "  ")) + "\n")
		}
	}
	if indented {
		b.WriteString(".fi\n.RE\n")
	}
}

func manOption(b *strings.Builder, f *pflag.Flag) {
	value, usage := pflag.UnquoteUsage(f)
	b.WriteString(".TP\n")
	if f.Shorthand != "" {
		b.WriteString("\\fB" + roff("-"+f.Shorthand) + "\\fR, ")
	}
	b.WriteString("\\fB" + roff("--"+f.Name) + "\\fR \\fI" + roff(value) + "\\fR\n" + roff(usage))
	switch f.DefValue {
	case "", "false", "0", "0s", "[]":
	default:
		b.WriteString(" (default " + roff(f.DefValue) + ")")
	}
	b.WriteString("\n")
}

// roff escapes a text for man(7).
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\(rs`, "-", `\-`).Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	var b strings.Builder
	for _, r := range s {
		if r < 0x80 {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\[u%04X]`, r) // groff reads bytes, unless preconv went before it
		}
	}
	return b.String()
}
