//go:build !linux

package main

import (
	"context"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/audit"
)

// limit has the commands that stand on Linux say so: the daemon, audit, and what
// writes a krb5.conf or AWS's side.
func limit(root *cobra.Command) {
	for _, path := range [][]string{{"run"}, {"audit"}, {"krb5conf", "apply"}, {"krb5conf", "rollback"}, {"bootstrap"}} {
		c, _, err := root.Find(path)
		if err != nil {
			continue
		}
		for _, c := range append(c.Commands(), c) {
			c.RunE = func(c *cobra.Command, _ []string) error {
				return fmt.Errorf("%s is for Linux; this is %s", c.CommandPath(), runtime.GOOS)
			}
		}
	}
}

// newAudit stands for audit, which reads Linux's /proc.
func newAudit(streams) *cobra.Command {
	return &cobra.Command{Use: "audit", Short: "Show what the applications on this host will do at their next Kerberos login (Linux)", DisableFlagParsing: true}
}

// look stands for what reads Linux's /proc.
func (a *asApp) look(context.Context, *config.Config) (audit.View, error) {
	return audit.View{}, fmt.Errorf("--as-app is for Linux; this is %s", runtime.GOOS)
}
