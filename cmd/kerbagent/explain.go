package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kerbagent/kerbagent/internal/diagnose"
)

func newExplain(s streams) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "explain CODE",
		Short: "Say what a finding means, its cause and its remedy",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 && !all || len(args) != 0 && all {
				return fmt.Errorf("name one finding code, or give --all for the list")
			}
			return nil
		},
		ValidArgsFunction: cobra.FixedCompletions(codes(), cobra.ShellCompDirectiveNoFileComp),
		RunE: func(_ *cobra.Command, args []string) error {
			if all {
				return explainAll(s.out)
			}
			rule, ok := diagnose.Lookup(diagnose.Code(args[0]))
			if !ok {
				return fmt.Errorf("there is no finding code %q; kerbagent explain --all lists them", args[0])
			}
			return explain(s.out, rule)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "list every code")
	return c
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

func explain(w io.Writer, r diagnose.Rule) error {
	title, means, cause, remedy := r.Print()
	var deeper []string
	for _, c := range r.DependsOn {
		deeper = append(deeper, string(c))
	}
	text := fmt.Sprintf("%s (%s)\n%s\n\nwhat it means\n  %s\n\nwhat is seen\n  %s\n\nwhat to do\n  %s\n", r.Code, r.Severity, title, means, cause, remedy)
	if len(deeper) > 0 {
		text += "\nnot shown behind\n  " + strings.Join(deeper, ", ") + "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}
