package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/audit"
	"github.com/kerbagent/kerbagent/internal/check"
	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/internal/host"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/internal/recorder"
	"github.com/kerbagent/kerbagent/internal/rehearsal"
	"github.com/kerbagent/kerbagent/internal/report"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/exchange"
)

// checkOptions are the flags of check.
type checkOptions struct {
	config        string
	flags         config.Flags
	output        output
	stateDir      string
	ignoreBreaker bool
	instances     bool
	aws           bool
	rehearsal     string
	only          only
	app           asApp
}

func newCheck(s streams) *cobra.Command {
	var o checkOptions
	c := &cobra.Command{
		Use:   "check",
		Short: "Check every step of the login once, from DNS to a logged-in user",
		Long: `check asks every DNS server, KDC and kpasswd server of the realm, over UDP and
TCP separately, and the database. It performs a test login and reports one verdict:
ok, or the first step that is broken, with its cause and its remedy.

Without flags it reads kerbagent.yaml. The flags that say what to check (--realm,
--database, --user, --password-file, --keytab, --ccache, --database-ca, --database-tls,
--dns-server, --kdc, --probe-timeout) replace the file: with any of them it is ignored:

  kerbagent check --realm CORP.EXAMPLE.COM --user alice --password-file pw \
      --database orders.cluster-abc123.us-east-1.rds.amazonaws.com --database-ca bundle.pem

With --only it runs only some of the steps, and the verdict is about these alone.

  kerbagent check --only dns,kdc

With --as-app it checks as an application would: logins go to the KDCs that the
application's Kerberos library finds in the application's krb5.conf. Names are resolved
as this host does, also where the application runs in a container. The database is the
one that kerbagent.yaml lists for this application under applications; if it lists none,
the file must have only one database. kerbagent logs in with its own secret for that
database. If you add --with-its-credentials, it logs in with the application's cache or
keytab instead. Both flags need the right to inspect that process.

  kerbagent check --as-app orders.service

With --aws it also shows what AWS reports about the databases' clusters, read with this
host's AWS credentials. AWS's reports never replace what the probes found.

A password or keytab that the directory refuses is not tried again, in this run or a
later one, until the password or the keys change. A new file with the same password or
the same keys is no change. If the account was repaired instead, for example unlocked, run check once with
--ignore-breaker.

If kerbagent run has recorded failures in the state directory, check also shows since
when a login fails and when it last worked. This does not change the verdict.

EXIT STATUS
  0  all well
  1  degraded: something is broken, logins still work
  2  failed: a login is broken; or a login is paused, because it was refused or its last
     attempts got no answer; or a path that every login needs is broken
  3  unknown: nothing could be asked (usage, configuration, internal error), the
     run was interrupted or reached --timeout, or nothing was found broken but a login
     was not tried, for example because another process is trying that account. With
     --aws also: AWS could not be read, and everything else is well. A check that has
     no user, or whose --only does not name login, has no login to try, and can exit 0`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c, s) },
	}
	o.output.register(c)
	o.output.quiet(c)
	f := c.Flags()
	f.StringVar(&o.config, "config", "", "configuration `file` (default "+config.DefaultFile+")")
	f.StringArrayVar(&o.flags.Realms, "realm", nil, "Kerberos `realm`; repeatable; list the database's own realm first")
	f.StringVar(&o.flags.Database, "database", "", "the database, as `host[:port]`; default port 3306")
	f.StringVar(&o.flags.User, "user", "", "`user` or user@REALM for the test login (requires --database); without it only the network path is checked")
	f.StringVar(&o.flags.PasswordFile, "password-file", "", "`file` containing exactly the password (no trailing newline); without it check prompts")
	f.StringVar(&o.flags.Keytab, "keytab", "", "keytab `file` with the user's keys")
	f.StringVar(&o.flags.CCache, "ccache", "", "credential cache `file` with a ticket")
	f.StringVar(&o.flags.DatabaseCA, "database-ca", "", "PEM `file` with the database's CA (default: the system's)")
	f.StringVar(&o.flags.DatabaseTLS, "database-tls", "", "TLS `mode` for the database connection: verify-full (default), verify-ca, require or off")
	f.StringArrayVar(&o.flags.DNSServers, "dns-server", nil, "IP `address` of a DNS server of the realm; repeatable")
	f.StringArrayVar(&o.flags.KDCs, "kdc", nil, "`host` name or address of a KDC of the realm; repeatable (default: found by DNS)")
	f.DurationVar(&o.flags.ProbeTimeout, "probe-timeout", 0, "time limit for one probe, for example 5s (default 5s)")
	f.DurationVar(&o.flags.Timeout, "timeout", 30*time.Second, "time limit for the whole check, for example 30s")
	f.StringVar(&o.stateDir, "state-dir", "", "`directory` for the record of attempts (default: "+defaultStateDir()+")")
	f.BoolVar(&o.ignoreBreaker, "ignore-breaker", false,
		"CAUTION: this can lock the account. Retry a secret although the directory refused it before")
	f.BoolVar(&o.instances, "instances", false,
		"also log in to every instance of the database's cluster, with the same ticket; "+
			"without this flag each is asked only whether it would accept the login")
	f.BoolVar(&o.aws, "aws", false, "also show what the AWS API reports about the cluster, its instances, the directory and security groups "+
		"(read only; docs/aws.md)")
	o.only.register(c)
	o.app.register(c)
	f.StringVar(&o.rehearsal, "rehearsal", "", "check the realm that kerbagent rehearse --serve serves in this `directory`")
	enumerated(c, "database-tls", "verify-full", "verify-ca", "require", "off")
	return c
}

func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		for _, flag := range []string{"path", "config", "fault"} { // the one that most likely was left out
			if c.Flags().Lookup(flag) != nil && (flag == "fault" || strings.ContainsAny(args[0], "/.")) {
				return fmt.Errorf("unexpected argument %q: %s takes flags only; did you mean --%s %s?", args[0], c.CommandPath(), flag, args[0])
			}
		}
		return fmt.Errorf("unexpected argument %q: %s takes flags only; see %s --help", args[0], c.CommandPath(), c.CommandPath())
	}
	return nil
}

// fewCollections lets the heap grow to 16 MiB, five times what a check holds, until garbage is collected: a check is
// over before that, and collections would take a sixth of its CPU.
const fewCollections = 400

func (o *checkOptions) run(c *cobra.Command, s streams) error {
	if _, set := os.LookupEnv("GOGC"); !set {
		defer debug.SetGCPercent(debug.SetGCPercent(fewCollections))
	}
	if err := o.checkLimits(c); err != nil {
		return o.output.unknown(s, err)
	}
	var served *rehearsal.Served
	if o.rehearsal != "" {
		var err error
		if served, err = rehearsal.Find(c.Context(), o.rehearsal); err != nil {
			return o.output.unknown(s, err)
		}
		o.config, o.stateDir = served.Config(), cmp.Or(o.stateDir, served.StateDir())
	}
	cfg, err := o.load(c)
	if err != nil {
		return o.output.unknown(s, err)
	}
	var view audit.View
	switch {
	case o.app.name != "":
		if view, err = o.app.look(c.Context(), cfg); err == nil {
			cfg, err = o.app.narrowed(cfg, view)
		}
	case o.app.credentials:
		err = errWithoutApp
	}
	if err != nil {
		return o.output.unknown(s, err)
	}
	if err := o.only.possible(cfg); err != nil {
		return o.output.unknown(s, err)
	}
	prompted, err := askPasswords(c.Context(), o.only.logins(cfg), s)
	if err != nil {
		return o.output.unknown(s, err)
	}
	env, err := hostEnv(cfg, o.stateDir, ledger.Options{IgnoreBreaker: o.ignoreBreaker})
	if err != nil {
		return o.output.unknown(s, err)
	}
	env.Prompted, env.Only, env.Instances = prompted, o.only, o.instances
	if o.app.name != "" {
		o.app.in(&env, view)
		fmt.Fprintf(s.err, "kerbagent: in the place of %s, with %s as the library %s reads it\n", report.Terminal(view.Name),
			report.Terminal(view.Facts.Krb5Conf), view.Facts.Reader)
	}
	if served != nil {
		env.Dialer = served
	}
	if o.ignoreBreaker {
		fmt.Fprintln(s.err, "kerbagent: --ignore-breaker: a secret that was refused before is tried again; this can lock the account")
	}
	stateDir := cmp.Or(o.stateDir, defaultStateDir())
	var more func() []probe.Result
	if o.aws {
		more = askAWS(c.Context(), cfg, stateDir)
	}
	return climb(c.Context(), cfg, env, stateDir, o.flags.Timeout, more, o.output, s)
}

// checkLimits refuses a time in which nothing can be asked.
func (o *checkOptions) checkLimits(c *cobra.Command) error {
	if o.flags.Timeout <= 0 {
		return fmt.Errorf("--timeout %v: write a time above zero, for example 30s", o.flags.Timeout)
	}
	if c.Flags().Changed("probe-timeout") && o.flags.ProbeTimeout <= 0 {
		return fmt.Errorf("--probe-timeout %v: write a time above zero, for example 5s", o.flags.ProbeTimeout)
	}
	return nil
}

// hostEnv is the world as this host has it.
func hostEnv(cfg *config.Config, stateDir string, o ledger.Options) (check.Env, error) {
	env := check.Env{Dialer: exchange.HostDialer(), Now: time.Now, HostClock: host.ClockState, Resolver: cfg.Resolver}
	if len(env.Resolver) == 0 {
		var err error
		if env.Resolver, err = discover.HostResolver("/etc/resolv.conf"); err != nil {
			return env, err
		}
	}
	if stateDir == "" {
		stateDir = defaultStateDir()
	}
	env.Ledger, env.LedgerErr = ledger.Open(stateDir, o)
	return env, nil
}

// climb runs the ladder once and prints what it saw, and since when it fails by
// a daemon's records in stateDir, where there are any. more returns results that the
// ladder has not; it may be nil.
func climb(ctx context.Context, cfg *config.Config, env check.Env, stateDir string, timeout time.Duration, more func() []probe.Result,
	o output, s streams) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("--timeout of %v reached", timeout))
	defer cancel()
	live := o.live(s.err, cfg.HideUsers)
	if live != nil {
		env.Progress = live
	}
	started := time.Now()
	results := check.Run(ctx, cfg, env)
	if live != nil {
		live.Close()
	}
	if err := only(env.Only).answered(results); err != nil {
		return o.unknown(s, err)
	}
	if more != nil {
		results = append(results, more()...)
	}
	found := check.Explain(cfg, results, env.Now())
	only(env.Only).unexplained(found.Findings)
	return o.print(s.out, report.Input{Report: found, Results: results, Only: env.Only,
		Past:    recorder.History(stateDir, time.Now(), missable(cfg)),
		Started: started, Elapsed: time.Since(started), HideUsers: cfg.HideUsers, Users: cfg.Users()})
}

// missable returns how long a daemon may not have seen a failure that goes on: it
// asks again after an interval, and writes that down after a minute at most.
func missable(cfg *config.Config) time.Duration {
	longest := cfg.Probes.Interval
	for _, l := range cfg.Logins {
		longest = max(longest, l.Interval)
	}
	return 2*longest + time.Minute
}

// load takes the flags, or the file where there are none.
func (o *checkOptions) load(c *cobra.Command) (*config.Config, error) {
	var given string
	for _, name := range []string{"realm", "database", "user", "password-file", "keytab", "ccache", "database-ca", "database-tls", "dns-server", "kdc", "probe-timeout"} {
		if c.Flags().Changed(name) {
			given = name
			break
		}
	}
	if o.rehearsal != "" && (given != "" || c.Flags().Changed("config")) {
		return nil, fmt.Errorf("--rehearsal does not go together with --%s", cmp.Or(given, "config"))
	}
	if given != "" && o.config != "" {
		return nil, fmt.Errorf("--config and --%s do not go together: give one or the other", given)
	}
	if given != "" {
		return o.fromFlags()
	}
	path := o.config
	if path == "" {
		path = config.DefaultFile
	}
	cfg, err := config.Load(path)
	if errors.Is(err, fs.ErrNotExist) && o.config == "" {
		return nil, fmt.Errorf("there is no %s, and no flags were given; try: kerbagent check --realm REALM --database HOST --user USER",
			config.DefaultFile)
	}
	return cfg, err
}

// fromFlags takes the flags. A CA file is looked at here, since whoever typed
// its name is there to correct it.
func (o *checkOptions) fromFlags() (*config.Config, error) {
	cfg, err := config.FromFlags(o.flags)
	if err != nil {
		return nil, err
	}
	for _, db := range cfg.Databases {
		if _, err := db.TLS.Roots(); err != nil {
			return nil, fmt.Errorf("--database-ca: %w", err)
		}
	}
	return cfg, nil
}

// defaultStateDir is systemd's where there is one, root's, or the user's own.
func defaultStateDir() string {
	if dir := os.Getenv("STATE_DIRECTORY"); dir != "" {
		return dir
	}
	if os.Geteuid() == 0 {
		return "/var/lib/kerbagent"
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "kerbagent")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "/var/lib/kerbagent"
	}
	return filepath.Join(home, ".local", "state", "kerbagent")
}
