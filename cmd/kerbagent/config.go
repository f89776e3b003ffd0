package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
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
	var load bool
	c := &cobra.Command{
		Use:   "check",
		Short: "Report all errors in the configuration",
		Long: `check reads kerbagent.yaml as run does. It asks no server and reads no secret.
It reports all errors at once, with line, column and excerpt. It also reports
files that are named there and cannot be used, and warns about valid settings
that may surprise you.

With --load it looks up the servers' names in DNS, and prints how many requests a
second each KDC and DNS server gets from kerbagent run: from this host, and from all
hosts of the fleet (fleet.hosts). It asks no other server.

EXIT STATUS
  0  valid
  3  invalid, unreadable, or names a CA file that cannot be used; or contains
     only bootstrap: and bootstrap has not been run`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := checkConfig(s, path)
			if err != nil || !load || cfg == nil {
				return err
			}
			return printLoad(c.Context(), s.out, cfg)
		},
	}
	c.Flags().BoolVar(&load, "load", false, "print what run costs each server, in requests a second")
	c.Flags().StringVar(&path, "config", config.DefaultFile, "configuration `file`")
	return c
}

// checkConfig reads a configuration and reports on it.
func checkConfig(s streams, path string) (*config.Config, error) {
	cfg, err := config.Load(path)
	var all *config.Errors
	unmade := errors.As(err, &all) && all.Unmade
	if unmade || cfg != nil && cfg.Bootstrap != nil {
		_, err = config.LoadBootstrap(path)
	}
	if errors.As(err, &all) {
		// One problem has several lines: the prefix of an error would stand before the first alone.
		fmt.Fprintf(s.err, "%v\nkerbagent: %s: %s\n", all, path, count(len(all.Problems), "problem"))
		return nil, exitError(exitUsage)
	}
	if err != nil {
		return nil, err
	}
	if unmade { // a reload of the service asks check, and run cannot use this
		fmt.Fprintf(s.out, "%s is valid for kerbagent bootstrap. Other commands will work once bootstrap has added realms:\n", path)
		return nil, exitError(exitUsage)
	}
	if broken := unusable(cfg); len(broken) > 0 {
		for _, why := range broken {
			fmt.Fprintf(s.err, "%s\n", report.Terminal(why))
		}
		fmt.Fprintf(s.err, "kerbagent: %s: %s\n", path, count(len(broken), "problem"))
		return nil, exitError(exitUsage)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s is valid: %s, %s, %s\n", path, count(len(cfg.Realms), "realm"), count(len(cfg.Databases), "database"),
		count(len(cfg.Logins), "login"))
	for _, l := range cfg.Logins {
		if path, err := l.Secret.Path(); err == nil && path != "" {
			const warning = "warning: the login of %s will fail: %s %s\n"
			switch info, err := os.Stat(path); {
			case errors.Is(err, fs.ErrNotExist):
				fmt.Fprintf(&b, warning, report.Terminal(l.Principal()), "there is no file", report.Terminal(path))
			case err == nil && info.IsDir():
				fmt.Fprintf(&b, warning, report.Terminal(l.Principal()), "a directory is no secret:", report.Terminal(path))
			}
		}
	}
	for _, n := range cfg.Notes() {
		b.WriteString("note: " + report.Terminal(n) + "\n")
	}
	_, err = fmt.Fprint(s.out, b.String())
	return cfg, err
}

// unusable reports what a well-formed configuration names that cannot be used.
func unusable(cfg *config.Config) []string {
	var out []string
	for _, db := range cfg.Databases {
		if _, err := db.TLS.Roots(); err != nil {
			out = append(out, fmt.Sprintf("databases.%s.tls.ca_file: no certificate will verify: %v", db.Name, err))
		}
	}
	return out
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
