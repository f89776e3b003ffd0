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
		Short: "Print the commands that delete what bootstrap created; delete nothing",
		Long: `destroy --plan finds the resources that bootstrap created with this file, by their tags,
and prints the commands that delete them, in reverse order, for a person to review and
run. It deletes nothing itself, and leaves out what kerbagent did not create.`,
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
