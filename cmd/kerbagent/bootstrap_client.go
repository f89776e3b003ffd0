package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kerbagent/kerbagent/internal/bootstrap"
)

const unitName = "kerbagent.service"

func (o *bootstrapOptions) client(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "client",
		Short: "Set up a further host: its files, its daemon, and a verified login",
		Long: `client sets up a further host after bootstrap has completed on another one. With the
same file it finds directory and cluster, writes kerbagent.yaml and krb5.conf, passes
the passwords that are in Secrets Manager to the daemon as systemd credentials, starts
it, and logs the users in. It changes nothing at AWS, takes no lock, and needs neither
Admin's password nor the primary user's ("bootstrap policy --for client").`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			opts, err := o.options(c.Context(), s)
			if err != nil {
				return o.end(s, bootstrap.Report{}, err)
			}
			_, tty := terminal(s.err)
			p := &bootstrapProgress{w: s.err, tty: tty}
			opts.Progress = p.event
			rep, err := bootstrap.Client(c.Context(), opts)
			p.close()
			return o.end(s, rep, err)
		},
	}
}

func serviceFiles() bootstrap.ServiceFiles {
	return bootstrap.ServiceFiles{Credentials: "/etc/kerbagent/credentials", DropIn: "/etc/systemd/system/" + unitName + ".d/bootstrap.conf"}
}

// hostService returns the daemon as systemd has it; nil where there is no systemd,
// no such unit, or no right to it.
func hostService(ctx context.Context) bootstrap.Service {
	if _, err := os.Stat("/run/systemd/system"); err != nil || os.Geteuid() != 0 {
		return nil
	}
	if _, err := systemctl(ctx, "cat", unitName); err != nil {
		return nil
	}
	return systemdService{}
}

type systemdService struct{}

// Since asks systemd.
func (systemdService) Since(ctx context.Context) (time.Time, bool, error) {
	out, err := systemctl(ctx, "show", unitName, "--timestamp=unix", "--property=ActiveState,ActiveEnterTimestamp")
	if err != nil {
		return time.Time{}, false, err
	}
	property := map[string]string{} // in the order that systemd likes
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		property[key] = value
	}
	if state := property["ActiveState"]; state != "active" && state != "reloading" {
		return time.Time{}, false, nil
	}
	at := property["ActiveEnterTimestamp"]
	n, err := strconv.ParseInt(strings.TrimPrefix(at, "@"), 10, 64)
	if err != nil {
		return time.Time{}, false, fmt.Errorf("systemd says that %s is active since %q", unitName, at)
	}
	return time.Unix(n, int64(time.Second-1)), true, nil // to the second is as fine as it is known
}

// Restart reads the units again, and starts this one with them.
func (systemdService) Restart(ctx context.Context) error {
	for _, args := range [][]string{{"daemon-reload"}, {"enable", unitName}, {"restart", unitName}} {
		if _, err := systemctl(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

func systemctl(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "systemctl", args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		err = errors.New(strings.TrimSpace(string(exit.Stderr)))
	}
	if err != nil {
		return "", fmt.Errorf("systemctl %s: %w", strings.Join(args, " "), err)
	}
	return string(out), nil
}
