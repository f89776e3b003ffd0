package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/kerbagent/kerbagent/internal/check"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/internal/rehearsal"
)

// rehearseTimeout is enough for the slowest fault: two halves of a login that
// each wait for their timeout.
const rehearseTimeout = 30 * time.Second

func newRehearse(s streams) *cobra.Command {
	var (
		o       output
		fault   string
		dialect string
		serve   string
		list    bool
		play    string
	)
	c := &cobra.Command{
		Use:   "rehearse",
		Short: "Run the checks against a realm that is simulated in this process, healthy or with a fault",
		Long: `rehearse starts DNS servers, domain controllers, kpasswd servers and a database
in this process, on loopback, two realms with a trust, and runs the normal
check against them. It needs no servers, no account and no root.

  kerbagent rehearse                          all is well
  kerbagent rehearse --list                   the faults that can be played
  kerbagent rehearse --fault kdc-tcp-blocked  show what that fault looks like
  kerbagent rehearse --serve DIR              stay up for kinit, dig and mysql
  kerbagent run --rehearsal DIR               the daemon, on the realm that is served
  kerbagent rehearse --play CODE DIR          change its fault while it runs; none heals it`,
		Args: func(c *cobra.Command, args []string) error {
			if play != "" && len(args) == 1 {
				return nil
			}
			return noArgs(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if list {
				return listFaults(s.out)
			}
			if play != "" {
				return playOn(c.Context(), play, append(args, serve)[0], s.out)
			}
			world, err := rehearsal.Start(c.Context(), rehearsal.Options{Fault: diagnose.Code(fault), Dialect: rehearsal.Dialect(dialect)})
			if err != nil {
				return err
			}
			defer world.Close()
			if serve != "" {
				return stayUp(c, world, serve, s.out)
			}
			env := check.Env{Dialer: world.Dialer(), Now: world.Now(), Resolver: []netip.AddrPort{world.Resolver()}}
			env.Ledger, env.LedgerErr = ledger.Open(world.StateDir(), ledger.Options{})
			return climb(c.Context(), world.Config(), env, world.StateDir(), rehearseTimeout, nil, o, s)
		},
	}
	o.register(c)
	o.quiet(c)
	c.Flags().StringVar(&fault, "fault", "", "play the fault that leads to this finding `code`")
	c.Flags().StringVar(&dialect, "dialect", string(rehearsal.Windows), "`KDC` whose error messages about accounts are imitated: windows, samba or mit")
	c.Flags().StringVar(&serve, "serve", "", "write client files to this `directory`, which must be new, empty or of an earlier rehearsal, and stay up until interrupted")
	c.Flags().BoolVar(&list, "list", false, "list the faults that can be played")
	c.Flags().StringVar(&play, "play", "", "change the fault of the rehearsal that is served in DIR to this `code`, or to none")
	enumerated(c, "fault", faultCodes()...)
	enumerated(c, "play", append(faultCodes(), healthy)...)
	enumerated(c, "dialect", string(rehearsal.Windows), string(rehearsal.Samba), string(rehearsal.MIT))
	return c
}

func faultCodes() []string {
	var out []string
	for _, f := range rehearsal.Catalogue() {
		out = append(out, string(f.Code))
	}
	return out
}

func listFaults(w io.Writer) error {
	for _, f := range rehearsal.Catalogue() {
		if _, err := fmt.Fprintf(w, "%-26s %s\n", f.Code, f.Summary); err != nil {
			return err
		}
	}
	return nil
}

// stayUp serves other programs until the command is interrupted.
func stayUp(c *cobra.Command, world *rehearsal.World, dir string, w io.Writer) error {
	files, err := world.WriteClientFiles(dir)
	if err != nil {
		return err
	}
	wait, err := world.Control(c.Context(), dir)
	if err != nil {
		return err
	}
	defer wait()
	if _, err := io.WriteString(w, files.Text); err != nil {
		return err
	}
	<-c.Context().Done()
	return nil
}

// healthy is what --play takes for no fault.
const healthy = "none"

// playOn changes the fault of the rehearsal that another process serves in dir.
func playOn(ctx context.Context, code, dir string, w io.Writer) error {
	if dir == "" {
		return errors.New("--play requires the directory that kerbagent rehearse --serve serves: kerbagent rehearse --play CODE DIR")
	}
	served, err := rehearsal.Find(ctx, dir)
	if err != nil {
		return err
	}
	if code == healthy {
		if err := served.Play(ctx, ""); err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s: healthy\n", dir)
		return err
	}
	if err := served.Play(ctx, diagnose.Code(code)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s: playing %s\n", dir, code)
	return err
}
