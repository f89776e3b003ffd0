package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/report"
)

func newConfig(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Check kerbagent.yaml, write a first one, print its schema",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return fmt.Errorf("say what to do: check, init or schema; see %s --help", c.CommandPath())
		},
	}
	c.AddCommand(newConfigCheck(s), newConfigInit(s), newConfigSchema(s))
	return c
}

func newConfigCheck(s streams) *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "check",
		Short: "Say everything that is wrong with the configuration",
		Long: `check reads kerbagent.yaml as run does, asks nobody, and reads no secret. It says
everything that is wrong at once, with line, column and excerpt; and of a good
file what its writer may not expect.

EXIT STATUS
  0  the file is good
  3  it is not, or cannot be read, or is for a bootstrap that has not been run`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return checkConfig(s, path) },
	}
	c.Flags().StringVar(&path, "config", config.DefaultFile, "configuration `file`")
	return c
}

func checkConfig(s streams, path string) error {
	cfg, err := config.Load(path)
	var all *config.Errors
	unmade := errors.As(err, &all) && all.Unmade
	if unmade || cfg != nil && cfg.Bootstrap != nil {
		_, err = config.LoadBootstrap(path)
	}
	if errors.As(err, &all) {
		// One problem has several lines: the prefix of an error would stand before the first alone.
		fmt.Fprintf(s.err, "%v\nkerbagent: %s: %s\n", all, path, count(len(all.Problems), "problem"))
		return exitError(exitUsage)
	}
	if err != nil {
		return err
	}
	if unmade { // a reload of the service asks check, and run cannot use this
		fmt.Fprintf(s.out, "%s is good for kerbagent bootstrap, and for nothing else before that has added the realms\n", path)
		return exitError(exitUsage)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s is good: %s, %s, %s\n", path, count(len(cfg.Realms), "realm"), count(len(cfg.Databases), "database"), count(len(cfg.Logins), "login"))
	for _, n := range cfg.Notes() {
		b.WriteString("note: " + report.Terminal(n) + "\n")
	}
	_, err = fmt.Fprint(s.out, b.String())
	return err
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

func newConfigSchema(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of kerbagent.yaml, for editors",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := s.out.Write(config.Schema())
			return err
		},
	}
}
