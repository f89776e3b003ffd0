package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kerbagent/kerbagent/internal/agent"
	"github.com/kerbagent/kerbagent/internal/report"
)

func newTrace(s streams) *cobra.Command {
	var o krb5confOptions
	c := &cobra.Command{
		Use:   "trace USER@REALM DATABASE",
		Short: "Say which line of the krb5.conf decides what about a login",
		Long: `trace says what libraries would do for a login, before any packet: the realm, its
KDCs and their order, the way to the database's realm, the names and encryption
types, each with the line that decides it. MIT and gokrb5 are shown in full,
Heimdal and Java where they do something else than MIT.

DATABASE is one of kerbagent.yaml, or a host name. kerbagent's own logins take
their values from its configuration, not from the krb5.conf.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return errors.New("name the user and the database: kerbagent trace USER@REALM DATABASE")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			f, cfg, err := o.find(s)
			if err != nil {
				return err
			}
			t, err := f.Trace(cfg, args[0], args[1])
			if err != nil {
				return err
			}
			_, err = io.WriteString(s.out, traced(f.Main(), t))
			return err
		},
	}
	c.Flags().StringVar(&o.config, "config", "", "configuration `file`")
	c.Flags().StringVar(&o.path, "path", "", "the krb5.conf `file` (default: the one that is configured or read)")
	return c
}

// traced prints MIT and gokrb5 in full, and of the others what differs from MIT.
func traced(path string, t agent.Trace) string {
	var b strings.Builder
	user := t.User
	if t.Realm != "" {
		user += "@" + t.Realm
	}
	fmt.Fprintf(&b, "%s at %s, by %s; nothing was asked\n", report.Terminal(user), report.Terminal(t.Host), report.Terminal(path))
	mit := t.Readers[0]
	for _, r := range t.Readers {
		steps, like := r.Steps, ""
		if r.Reader == "heimdal" || r.Reader == "java" {
			steps, like = mit.Differences(r), ", where it does something else than mit"
		}
		fmt.Fprintf(&b, "\n%s%s\n", r.Reader, like)
		if r.Err != nil {
			b.WriteString("  does not take the file: " + report.Terminal(r.Err.Error()) + "\n")
			if r.Reader != "heimdal" { // which goes on with what it has
				continue
			}
		}
		for _, s := range steps {
			fmt.Fprintf(&b, "  %s: %s\n      %s\n", report.Terminal(s.What), report.Terminal(s.Value), report.Terminal(s.Place))
		}
		if len(steps) == 0 {
			b.WriteString("  nothing\n")
		}
	}
	return b.String()
}
