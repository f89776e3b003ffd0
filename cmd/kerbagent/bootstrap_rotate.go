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
		Short: "Give passwords of the directory new values: of Admin, or of users of the configuration",
		Long: `rotate gives each account that is named a new password: Admin, or users of
bootstrap.users. It is for passwords in Secrets Manager. The new value is stored as
AWSPENDING, set in the directory, verified by one login, and only then made
AWSCURRENT: nobody who reads the secret gets a password that is not valid yet.

It can be ended and run again at any moment: it goes on with the value that it has.

Whoever still holds the old password tries it once more and is refused. Hand out the
new one at once: a daemon that has it as a systemd credential is restarted.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, names []string) error { return o.rotateThem(c.Context(), s, names) },
	}
}

func (o *bootstrapOptions) rotateThem(ctx context.Context, s streams, names []string) error {
	opts, err := o.options(ctx, s)
	if err != nil {
		return o.end(s, bootstrap.Report{}, err)
	}
	if term.IsTerminal(int(s.in.Fd())) && !o.yes {
		fmt.Fprintf(s.err, "This gives %s a new password in the directory, at once. Whoever holds the old one is refused from then on.\n",
			strings.Join(names, ", "))
		if !agreed(ctx, s) {
			return errors.New("nothing was done; with --yes it does not ask")
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
