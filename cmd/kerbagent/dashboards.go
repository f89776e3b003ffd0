package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kerbagent/kerbagent/dashboards"
)

func newDashboards(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "dashboards",
		Short: "Write Grafana dashboards and Prometheus rules for many hosts",
	}
	var force bool
	var runbooks string
	export := &cobra.Command{
		Use:   "export DIR",
		Short: "Write dashboards, rules and example configurations into a folder",
		Long: `export writes files that Prometheus, Alertmanager and Grafana can use unchanged:

  grafana/    dashboards
  rules/      recording rules, which the dashboards read, and alerts
  examples/   prometheus (file and EC2 discovery), alertmanager, Grafana provisioning

If one of the files exists and differs, nothing is written (see --force).`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("name the folder to write to: %s DIR", c.CommandPath())
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if u, err := url.Parse(runbooks); runbooks != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
				return fmt.Errorf("--runbook-base %q is not an http or https URL", runbooks)
			}
			written, err := dashboards.Export(args[0], force, runbooks)
			var changed *dashboards.ChangedError
			if errors.As(err, &changed) {
				return fmt.Errorf("nothing was written: these files are there and differ from this version's\n  %s\nwrite to another folder and compare, or overwrite them with --force",
					strings.Join(changed.Files, "\n  "))
			}
			if err != nil {
				return err
			}
			return exported(s, args[0], written)
		},
	}
	export.Flags().StringVar(&runbooks, "runbook-base", "", "base `URL` for links to the pages of findings, as URL/codes/CODE; the address of a kerbagent run works too (default: the project's pages)")
	export.Flags().BoolVar(&force, "force", false, "overwrite files that differ")
	c.AddCommand(export)
	return c
}

// exported reports what was written, and what to do with it.
func exported(s streams, dir string, written []string) error {
	if len(written) == 0 {
		_, err := fmt.Fprintf(s.out, "%s is up to date.\n", dir)
		return err
	}
	for _, path := range written {
		if _, err := fmt.Fprintln(s.out, path); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(s.out, `
Next:
  promtool check rules %[1]s/rules/*.yaml      then name them under rule_files of prometheus.yml and reload it
  copy %[1]s/grafana/*.json to a folder that Grafana is provisioned with (examples/grafana-provisioning.yaml)
  the examples show the scrape job (named kerbagent, please) and an Alertmanager
`, dir)
	return err
}
