package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
)

// only is the --only flag: the rungs that are asked; empty for all.
type only []probe.Kind

func (o *only) register(c *cobra.Command) {
	c.Flags().Var(o, "only", "check only these `steps`, separated by commas: "+rungs(probe.Rungs())+" (default: all)")
	if err := c.RegisterFlagCompletionFunc("only", completeRungs); err != nil {
		panic(err) // the flag is registered beside the call
	}
}

// Set takes a list of rungs; a second one adds to the first.
func (o *only) Set(s string) error {
	for word := range strings.SplitSeq(s, ",") {
		kind := probe.Kind(strings.TrimSpace(word))
		if !slices.Contains(probe.Rungs(), kind) {
			return oneOf(word, strings.Split(rungs(probe.Rungs()), ", ")...)
		}
		if !slices.Contains(*o, kind) {
			*o = append(*o, kind)
		}
	}
	return nil
}

// String is the list.
func (o *only) String() string { return strings.ReplaceAll(rungs(*o), " ", "") }

// Type is the word in the help.
func (o *only) Type() string { return "RUNGS" }

// has says whether a rung is asked.
func (o only) has(k probe.Kind) bool { return len(o) == 0 || slices.Contains(o, k) }

// logins returns the logins that are tried.
func (o only) logins(cfg *config.Config) []config.Login {
	if !o.has(probe.Login) {
		return nil
	}
	return cfg.Logins
}

// possible says which of the rungs cannot be asked with this configuration.
func (o only) possible(cfg *config.Config) error {
	switch {
	case len(o) == 0:
	case o.has(probe.Krb5Conf) && cfg.Krb5Conf == nil:
		return errors.New("--only krb5conf: no krb5_conf is configured; kerbagent krb5conf lint needs no configuration")
	case o.has(probe.Login) && len(cfg.Logins) == 0:
		return errors.New("--only login: no login is configured")
	case o.has(probe.Database) && len(cfg.Databases) == 0:
		return errors.New("--only database: no database is configured")
	}
	return nil
}

// answered says of which rung no question could be made.
func (o only) answered(results []probe.Result) error {
	for _, k := range o {
		if !slices.ContainsFunc(results, func(r probe.Result) bool { return r.ID.Kind == k }) {
			return fmt.Errorf("--only %s: there was nothing to ask", k)
		}
	}
	return nil
}

// unexplained changes the remedy of failures without an explanation: a rung
// that was not asked may have it.
func (o only) unexplained(findings []diagnose.Finding) {
	for i, f := range findings {
		if len(o) > 0 && (f.Code == "login-failed" || f.Code == "probe-failed") {
			findings[i].Remedy = "Check all steps: one that was left out by --only may explain it.\n    kerbagent check"
		}
	}
}

func rungs(kinds []probe.Kind) string {
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = string(k)
	}
	return strings.Join(words, ", ")
}

// completeRungs completes the last word of a list.
func completeRungs(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	before := typed[:strings.LastIndex(typed, ",")+1]
	var out []string
	for _, k := range probe.Rungs() {
		if !slices.Contains(strings.Split(before, ","), string(k)) {
			out = append(out, before+string(k))
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}
