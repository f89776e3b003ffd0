package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/kerbagent/kerbagent/internal/bootstrap"
)

func (o *bootstrapOptions) rotate(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "rotate NAME...",
		Short: "Set new passwords in the directory: for Admin, or for users of the configuration",
		Long: `rotate sets a new password for each named account: Admin, or users of bootstrap.users.
The passwords must be in Secrets Manager. The new value is stored as AWSPENDING, set in
the directory, and verified by one login. Only then it becomes AWSCURRENT, so that no
reader of the secret gets a password that is not valid yet.

It can be interrupted and run again at any moment: it continues with the same value.

Each program that still holds the old password tries it once more and is refused.
Distribute the new one immediately; restart a daemon that has it as a systemd credential.`,
		Args: func(c *cobra.Command, names []string) error {
			if len(names) == 0 {
				return fmt.Errorf("name the accounts that get a new password: %s Admin, or names of users of the configuration", c.CommandPath())
			}
			return nil
		},
		RunE: func(c *cobra.Command, names []string) error { return o.rotateThem(c.Context(), s, names) },
	}
}

func (o *bootstrapOptions) rotateThem(ctx context.Context, s streams, names []string) error {
	opts, err := o.options(ctx, s)
	if err != nil {
		return o.end(s, bootstrap.Report{}, err)
	}
	if term.IsTerminal(int(s.in.Fd())) && !o.yes {
		fmt.Fprintf(s.err, "This sets a new password for %s in the directory immediately. From then on the directory refuses the old one.\n",
			strings.Join(names, ", "))
		if !agreed(ctx, s) {
			return errors.New("nothing was done; --yes applies without confirmation")
		}
	}
	_, tty := terminal(s.err)
	p := &bootstrapProgress{w: s.err, tty: tty}
	opts.Progress = p.event
	rep, err := bootstrap.Rotate(ctx, opts, names)
	p.close()
	if o.output == "human" {
		printBootstrap(s.out, rep, false)
	}
	return o.end(s, rep, err)
}
