package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/spelling"
)

func newExplain(s streams) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "explain CODE... | ERROR TEXT | -",
		Short: "Show what a finding or an error means, what is seen and what to do",
		Long: `explain shows what a finding's code means. Given the text of an error, as kinit, Java
or a database client prints it, or - for a text or a KRB5_TRACE on the standard input,
it shows what the error says, the codes that may be behind it, and what to look at.`,
		Example: `  kerbagent explain kdc-tcp-blocked
  kerbagent explain "Server not found in Kerberos database"
  KRB5_TRACE=/dev/stderr kinit alice 2>&1 | kerbagent explain -`,
		Args: func(c *cobra.Command, args []string) error {
			if all && len(args) > 0 {
				return errors.New("--all lists every code, and takes none")
			}
			if len(args) == 0 && !all {
				return fmt.Errorf("name one or more finding codes, such as kdc-silent, or an error's text; --all lists the codes")
			}
			return nil
		},
		ValidArgsFunction: cobra.FixedCompletions(codes(), cobra.ShellCompDirectiveNoFileComp),
		RunE: func(_ *cobra.Command, args []string) error {
			if all {
				return explainAll(s.out)
			}
			rules, err := rulesOf(args)
			if err != nil {
				return explainText(s, args, err)
			}
			for i, r := range rules {
				if i > 0 {
					fmt.Fprintln(s.out)
				}
				if err := explain(s.out, r); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&all, "all", false, "list every code")
	return c
}

// rulesOf returns the rules of codes.
func rulesOf(args []string) ([]diagnose.Rule, error) {
	rules := make([]diagnose.Rule, len(args))
	for i, code := range args {
		code = strings.ToLower(code)
		var ok bool
		if rules[i], ok = diagnose.Lookup(diagnose.Code(code)); !ok {
			if whole := strings.ToLower(strings.Join(args, "-")); slices.Contains(codes(), whole) {
				code = whole // explain kdc hung
			}
			return nil, unknownCode(code)
		}
	}
	return rules, nil
}

// unknownCode names the code that was probably meant.
func unknownCode(code string) error {
	if slices.Contains(codes(), code) {
		return fmt.Errorf("a finding code is one word; did you mean %s?", code)
	}
	near := spelling.Nearest(code, codes())
	within := slices.DeleteFunc(codes(), func(known string) bool { return !strings.Contains(known, code) })
	if near == "" && len(within) > 0 && len(within) <= 5 {
		near = strings.Join(within, " or ")
	}
	if near == "" {
		return fmt.Errorf("unknown finding code %q; kerbagent explain --all lists them", code)
	}
	return fmt.Errorf("unknown finding code %q; did you mean %s?", code, near)
}

func codes() []string {
	var out []string
	for _, r := range diagnose.Catalogue() {
		out = append(out, string(r.Code))
	}
	return out
}

func explainAll(w io.Writer) error {
	for _, r := range diagnose.Catalogue() {
		title, _, _, _ := r.Print()
		if _, err := fmt.Fprintf(w, "%-26s %-8s %s\n", r.Code, r.Severity, title); err != nil {
			return err
		}
	}
	return nil
}

// explainWidth is how many columns a line has; a command may have more.
const explainWidth = 100

func explain(w io.Writer, r diagnose.Rule) error {
	title, means, _, remedy := r.Print()
	_, seen := r.Example()
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s)\n", r.Code, severity(r))
	put(&b, "", title)
	for _, part := range []struct{ head, text string }{
		{"what it means", means}, {"what is seen, for example", seen}, {"what to do (a finding has its own values instead of <...>)", remedy}, {"not shown if one of these is found to be its cause", deeper(r)},
	} {
		if part.text != "" {
			b.WriteString("\n" + part.head + "\n")
			put(&b, "  ", part.text)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// severity is a rule's, and what it turns into.
func severity(r diagnose.Rule) string {
	switch {
	case r.Severity == diagnose.Error && strings.HasPrefix(string(r.Code), "app-"):
		return "error; a warning beside logins of kerbagent's own that all work"
	case r.Severity == diagnose.Error:
		return "error; a warning while every login works"
	case r.Severity == diagnose.Warning && !strings.HasPrefix(string(r.Code), "app-"):
		return "warning; an error where it breaks a login"
	}
	return string(r.Severity)
}

// deeper lists the codes that a rule's findings are folded under.
func deeper(r diagnose.Rule) string {
	if len(r.DependsOn) > len(diagnose.Catalogue())/2 {
		return "nearly every other code: this one stands for failures that none of them describes"
	}
	var out []string
	for _, c := range r.DependsOn {
		out = append(out, string(c))
	}
	return strings.Join(out, ", ")
}

// put writes a text between words into lines. A line of it that begins with
// spaces is a command, and stays whole.
func put(b *strings.Builder, indent, text string) {
	for _, l := range strings.Split(text, "\n") {
		if strings.HasPrefix(l, " ") {
			b.WriteString(indent + l + "\n")
			continue
		}
		line := indent
		for _, word := range strings.Fields(l) {
			if len(line) > len(indent) && len([]rune(line))+1+len([]rune(word)) > explainWidth {
				b.WriteString(line + "\n")
				line = indent
			}
			if len(line) > len(indent) {
				line += " "
			}
			line += word
		}
		b.WriteString(line + "\n")
	}
}
