package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/audit"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/report"
)

// auditOptions are the flags of audit.
type auditOptions struct {
	output  output
	config  string
	targets audit.Targets
	report  string
}

func newAudit(s streams) *cobra.Command {
	var o auditOptions
	c := &cobra.Command{
		Use:   "audit",
		Short: "Show what the applications on this host will do at their next Kerberos login, and what is wrong with it",
		Long: `audit looks at running programs from outside, as their user and in their
container. It shows which krb5.conf their Kerberos library reads and which realm
this file leads to for the database. It also shows their credential cache, keytab
and client plugin.
It sends nothing (except with --network, which opens connections), uses no credential
and does not touch the programs.

Without a flag it looks at the applications of kerbagent.yaml and at every
program with a connection to one of its databases. Root sees every program; anybody else only their own.

EXIT STATUS
  0  nothing was found that would stop a login
  1  warnings
  2  the next login of an application fails
  3  nothing could be inspected: usage, configuration, no such program`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), s) },
	}
	f := c.Flags()
	f.StringVar(&o.config, "config", "", "configuration `FILE` (default "+config.DefaultFile+")")
	f.StringArrayVar(&o.targets.Units, "unit", nil, "programs of this systemd `UNIT`, for example orders.service; repeatable")
	f.IntSliceVar(&o.targets.PIDs, "pid", nil, "the program with this process `NUMBER`; repeatable")
	f.StringArrayVar(&o.targets.Users, "user", nil, "programs that run as this `USER` (name or number); repeatable")
	f.StringArrayVar(&o.targets.Containers, "container", nil, "programs of the container with this `ID` or the beginning of it; repeatable")
	f.BoolVar(&o.targets.All, "all", false, "also inspect programs that have loaded a Kerberos library but have no connection to a database")
	f.BoolVar(&o.targets.Network, "network", false,
		"also try connections to the database and the KDCs from the network namespace of each program; sends packets, requires root")
	f.StringVar(&o.report, "report", "", "write what was seen to this `FILE` for the daemon, instead of printing it; the exit status is then 0 whatever was found")
	o.output.register(c)
	return c
}

func (o *auditOptions) run(ctx context.Context, s streams) error {
	if o.targets.Network && o.report != "" {
		return o.output.unknown(s, errors.New("--network is for use by hand: it does not go together with --report"))
	}
	if o.targets.Network && os.Geteuid() != 0 {
		return o.output.unknown(s, errors.New("--network requires root"))
	}
	cfg, err := o.load()
	if err != nil {
		return o.output.unknown(s, err)
	}
	started := time.Now()
	seen, err := audit.Run(ctx, audit.Options{Targets: o.targets, Config: cfg, Addresses: addressesOf, Systemd: audit.Systemctl,
		Now: time.Now})
	if err == nil && o.report != "" {
		if err = audit.WriteReport(o.report, seen, started); err == nil {
			return nil
		}
	}
	if err == nil && len(seen.Applications) == 0 {
		err = fmt.Errorf("no program with a connection to a configured database was found; name one with --unit, --pid, --user or --container, or give --all: %w", audit.ErrNoProcess)
		switch {
		case len(seen.Absent) > 0:
			err = fmt.Errorf("%s is not running: %w", seen.Absent[0], audit.ErrNoProcess)
		case len(seen.Unread) > 0:
			err = fmt.Errorf("%s; run audit as root, which may inspect every program", seen.Unread[0])
		}
	}
	if err != nil {
		return o.output.unknown(s, err)
	}
	in := report.Input{Results: audit.Results(seen, time.Now), Started: started, Elapsed: time.Since(started)}
	in.Report = diagnose.Explain(diagnose.Snapshot{Results: in.Results, Now: started})
	if cfg != nil {
		in.HideUsers = cfg.HideUsers
	}
	if o.output != "human" {
		return o.output.print(s.out, in)
	}
	width, tty := terminal(s.out)
	look := report.Options{Color: tty && os.Getenv("NO_COLOR") == "", Width: width}
	if err := report.Applications(s.out, in, seen.Unread, look); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if code := report.ExitCode(in.Report.Verdict); code != 0 {
		return exitError(code)
	}
	return nil
}

// load reads the configuration, which may be absent where programs are named:
// then nothing is known of databases and realms.
func (o *auditOptions) load() (*config.Config, error) {
	path := o.config
	if path == "" {
		path = config.DefaultFile
	}
	cfg, err := config.Load(path)
	unread := errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
	if unread && o.config == "" && (o.targets.Named() || o.targets.All) {
		return nil, nil
	}
	return cfg, err
}

func addressesOf(ctx context.Context, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, err
}
