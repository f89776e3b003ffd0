package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kerbagent/kerbagent/internal/bootstrap"
	"github.com/kerbagent/kerbagent/internal/report"
)

func (o *bootstrapOptions) destroy(s streams) *cobra.Command {
	plan := false
	c := &cobra.Command{
		Use:   "destroy --plan",
		Short: "Print the commands that take down what bootstrap made; delete nothing",
		Long: `destroy --plan reads what this file's bootstrap has made, by its tags, and prints in
reverse order the commands that delete it, for a person to read, check and run. It
deletes nothing itself. What kerbagent did not make is left out.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !plan {
				return errors.New("kerbagent deletes nothing at AWS; destroy --plan prints the commands")
			}
			opts, err := o.options(c.Context(), s)
			if err != nil {
				return o.end(s, bootstrap.Report{}, err)
			}
			lines, err := bootstrap.Teardown(c.Context(), opts)
			if err != nil {
				return o.end(s, bootstrap.Report{}, err)
			}
			for _, line := range lines {
				if _, err := fmt.Fprintln(s.out, report.Terminal(line)); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&plan, "plan", false, "print the commands")
	return c
}
