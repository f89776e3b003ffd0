package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/daemon"
	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/internal/host"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/internal/rehearsal"
	"github.com/kerbagent/kerbagent/internal/web"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/exchange"
)

// runOptions are the flags of run.
type runOptions struct {
	config    string
	stateDir  string
	logLevel  string
	logFormat string
	rehearsal string
	metrics   string
	classic   bool
	listen    web.ListenOptions
	web       web.Options
}

func newRun(s streams) *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the checks continuously, with metrics and a status page (the daemon)",
		Long: `run repeats the probes of check continuously, each on its own interval. It serves
a status page, /metrics for Prometheus, the report as JSON and the last failures.
With krb5_conf.mode: maintain it also decides the order of the KDCs in krb5.conf;
a separate privileged process writes the file.

run stays in the foreground and installs no service. The package's service,
kerbagent.service, runs it in the background, from each start of the host on.

A password or keytab that the directory refuses is not tried again until the password
or the keys change, and no account is tried more than 20 times an hour. Paused logins
are shown. If the account was repaired instead, kerbagent check --ignore-breaker
tries it once.

SIGHUP reloads the configuration; an invalid one changes nothing.
SIGTERM ends it within two seconds.

EXIT STATUS
  0  it was told to stop
  3  it could not start: usage, configuration, or another kerbagent run uses
     the state directory. If a listen address is in use, run starts all the same,
     and tries to listen again every 10 seconds`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.rehearsal != "" && c.Flags().Changed("config") {
				return errors.New("--config and --rehearsal do not go together: give one or the other")
			}
			return o.run(c.Context(), s, c.Flags().Changed("state-dir"))
		},
	}
	f := c.Flags()
	f.StringVar(&o.config, "config", config.DefaultFile, "configuration `file`")
	f.StringVar(&o.stateDir, "state-dir", defaultStateDir(), "`directory` for the record of attempts and the last failures")
	f.StringVar(&o.rehearsal, "rehearsal", "", "watch the realm that kerbagent rehearse --serve serves in this `directory`, with the configuration and the state that are there")
	f.StringVar(&o.logLevel, "log-level", "info", "minimum log `level`: debug, info, warn or error")
	enumerated(c, "log-level", "debug", "info", "warn", "error")
	f.StringVar(&o.logFormat, "log-format", "text", "log `format`: text or json; the log goes to stderr")
	enumerated(c, "log-format", "text", "json")
	f.StringVar(&o.metrics, "metrics", "lean", "`level` of metrics: lean (at most 200 series in the usual set-up) or full (every target, reason and stage)")
	enumerated(c, "metrics", "lean", "full")
	f.BoolVar(&o.classic, "metrics-classic", false,
		"also export classic buckets for the lean histograms, for a Prometheus that cannot read native histograms")
	f.StringArrayVar(&o.listen.Addresses, "web.listen-address", []string{"127.0.0.1:10088"}, "`address` to serve HTTP on; repeatable")
	f.BoolVar(&o.listen.SystemdSocket, "web.systemd-socket", false,
		"serve on the sockets that systemd passes, instead of --web.listen-address")
	f.StringVar(&o.listen.ConfigFile, "web.config.file", "", "`file` with TLS and basic-auth settings, in the format of Prometheus exporters")
	f.StringArrayVar(&o.web.Hosts, web.HostsFlag, nil, "additional Host header `name` to accept (besides the host's own name, localhost and IP addresses); repeatable")
	f.BoolVar(&o.web.Lifecycle, web.LifecycleFlag, false, "allow POST /-/reload")
	return c
}

// rehearsed turns to the realm that another process serves.
func (o *runOptions) rehearsed(ctx context.Context, ownState bool) (probe.Dialer, error) {
	served, err := rehearsal.Find(ctx, o.rehearsal)
	if err != nil {
		return nil, err
	}
	o.config = served.Config()
	if !ownState {
		o.stateDir = served.StateDir()
	}
	return served, nil
}

func (o *runOptions) run(ctx context.Context, s streams, ownState bool) error {
	log, err := newLog(s.err, o.logLevel, o.logFormat)
	if err != nil {
		return err
	}
	if o.metrics != "lean" && o.metrics != "full" {
		return fmt.Errorf("--metrics %q: must be lean or full", o.metrics)
	}
	name, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("asking for this host's name: %w", err)
	}
	var dialer probe.Dialer = exchange.HostDialer()
	if o.rehearsal != "" {
		if dialer, err = o.rehearsed(ctx, ownState); err != nil {
			return err
		}
	}
	hold, err := ledger.Hold(o.stateDir)
	var held *ledger.HeldError
	switch {
	case errors.As(err, &held):
		return fmt.Errorf("%w: stop that one first, or give this one another --state-dir, where attempts are counted separately", err)
	case err != nil: // the daemon tries nothing then, and says so
		log.Warn("a second kerbagent run with this state directory would not be noticed", "error", err)
	default:
		defer hold.Close()
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	if served, ok := dialer.(*rehearsal.Served); ok {
		go served.Watch(ctx, func() { reload(hangup) }) // it ends with the rehearsal, and then every probe fails
	}
	o.listen.Logger = log
	o.web.Hosts = append(slices.Clone(o.web.Hosts), name)
	if note := o.listen.Note(); note != "" {
		log.Warn(note)
	}
	return daemon.Run(ctx, daemon.Options{
		Load:        o.load,
		Resolver:    func() ([]netip.AddrPort, error) { return discover.HostResolver("/etc/resolv.conf") },
		FullMetrics: o.metrics == "full", ClassicMetrics: o.classic,
		Dialer:    dialer,
		Host:      name,
		HostClock: host.ClockState,
		Version:   version(),
		StateDir:  o.stateDir,
		Log:       log,
		Hangup:    hangup,
		Manager:   daemon.Systemd(),
		Web:       o.web,
		Serve:     func(ctx context.Context, h http.Handler) error { return web.Serve(ctx, h, o.listen) },
	})
}

// reload asks for a reload, unless one is due already.
func reload(hangup chan<- os.Signal) {
	select {
	case hangup <- syscall.SIGHUP:
	default:
	}
}

func (o *runOptions) load() (*config.Config, error) {
	cfg, err := config.Load(o.config)
	if errors.Is(err, fs.ErrNotExist) && o.config == config.DefaultFile {
		return nil, fmt.Errorf("there is no %s; kerbagent config init writes a first one", config.DefaultFile)
	}
	return cfg, err
}

// newLog makes the log that people or journald read.
func newLog(w io.Writer, level, format string) (*slog.Logger, error) {
	var o slog.HandlerOptions
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	least, ok := levels[level]
	if !ok {
		return nil, fmt.Errorf("--log-level: %w", oneOf(level, "debug", "info", "warn", "error"))
	}
	o.Level = least
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, &o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, &o)), nil
	}
	return nil, fmt.Errorf("--log-format: %w", oneOf(format, "text", "json"))
}

// version is this build's.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return strings.TrimPrefix(info.Main.Version, "v")
	}
	return "unknown"
}
