package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kerbagent/kerbagent/internal/bootstrap"
)

func (o *bootstrapOptions) export(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "export terraform|cloudformation",
		Short: "Print what bootstrap created as code for another tool",
		Long: `export prints the resources that bootstrap created with this file, as code for Terraform
(with import blocks, for version 1.5 or later) or CloudFormation (a template for a stack
that imports existing resources; Metadata.ResourcesToImport is the list for
create-change-set). It reads AWS and changes nothing. No password is in the output.

  kerbagent bootstrap export terraform > kerberos.tf
  kerbagent bootstrap export cloudformation > kerberos.json

The output names what is not included. Review the plan of the other tool before you apply
it: it must only import.`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("name one format: %[1]s terraform, or %[1]s cloudformation", c.CommandPath())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			format := bootstrap.Format(args[0])
			if format != bootstrap.Terraform && format != bootstrap.CloudFormation {
				return fmt.Errorf("unknown format %q: it is terraform or cloudformation", args[0])
			}
			opts, err := o.options(c.Context(), s)
			if err != nil {
				return o.end(s, bootstrap.Report{}, err)
			}
			text, err := bootstrap.Export(c.Context(), opts, format)
			if err != nil {
				return o.end(s, bootstrap.Report{}, err)
			}
			_, err = fmt.Fprint(s.out, text)
			return err
		},
		ValidArgs: []string{string(bootstrap.Terraform), string(bootstrap.CloudFormation)},
	}
	return c
}
