package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/awsview"
	"github.com/kerbagent/kerbagent/internal/bootstrap"
	"github.com/kerbagent/kerbagent/internal/check"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/krb5file"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/probe"
)

// bootstrapOptions are the flags that all verbs share.
type bootstrapOptions struct {
	config, region, profile string
	stateDir                string
	output                  string
	takeLock, yes           bool
	noService               bool
	waitLock                time.Duration
}

func newBootstrap(s streams) *cobra.Command {
	var o bootstrapOptions
	c := &cobra.Command{
		Use:   "bootstrap",
		Short: "Set up the AWS side: from an empty account to a verified login",
		Long: `bootstrap performs the manual steps 1 to 7 of the Aurora user guide: directory, trust,
role, users, cluster, database users, and this host's files. It checks what exists
before it changes anything, waits for slow AWS operations, and can be interrupted and
run again at any moment. At the end it logs the users in.

  kerbagent bootstrap plan     show what exists and what would be done; change nothing
  kerbagent bootstrap apply    show the plan, ask for confirmation, then apply
  kerbagent bootstrap status   show the progress
  kerbagent bootstrap policy   print the IAM policy that it needs
  kerbagent bootstrap client   set up a further host, once the first one is done
  kerbagent bootstrap destroy --plan   print the commands that delete what it created
  kerbagent bootstrap export terraform   print what it created as code, with import blocks (or: cloudformation)
  kerbagent bootstrap rotate   set new passwords in the directory
  kerbagent bootstrap          the same as apply; without a terminal it applies immediately, WITHOUT asking

It changes only the AWS account that the file names (bootstrap.account). If the
credentials are for another account, or the file names none, it exits with status 3.

It reads the bootstrap part of kerbagent.yaml:

  bootstrap:
    account: "123456789012"
    region: us-east-1
    directory: {name: corp.example.com, short_name: CORP, vpc: vpc-…, subnets: [subnet-…, subnet-…],
                admin_password: "secretsmanager:kerbagent/corp/admin"}
    users: [{name: alice, password: "credential:alice"}]
    cluster: {mode: modify, identifier: orders, primary_password: "secretsmanager:orders#password"}
    database_users: [{user: alice, grants: ["SELECT ON orders.*"]}]

EXIT STATUS
  0  done, and a login verified
  1  waiting for somebody else, or interrupted: run it again
  2  failed: the output names the step and what to do
  3  usage or configuration
  4  AWS credentials are missing or expired: run it again with new ones
  5  a permission is missing: the output names it, with a policy that allows it
  6  another bootstrap holds the lock`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.apply(c.Context(), s, false) },
	}
	f := c.PersistentFlags()
	f.StringVar(&o.config, "config", config.DefaultFile, "configuration `file`")
	f.StringVar(&o.region, "region", "", "AWS `region`, if the configuration names none")
	f.StringVar(&o.profile, "profile", "", "`name` of a profile of the AWS configuration")
	f.StringVar(&o.stateDir, "state-dir", "", "`directory` for bootstrap's state file; only its owner may write there "+
		"(default: "+bootstrapStateDir()+")")
	f.StringVarP(&o.output, "output", "o", "human", "how to print the result, as `FORMAT`: human or json")
	enumerated(c, "output", "human", "json")
	f.BoolVar(&o.yes, "yes", false, "apply without asking for confirmation")
	f.DurationVar(&o.waitLock, "wait-lock", 0, "`duration` to wait for a bootstrap that holds the lock, for example 30m (default: do not wait, "+
		"exit with status 6)")
	f.BoolVar(&o.noService, "no-service", false, "leave this host's daemon unchanged: do not pass passwords to it, do not start it")
	f.BoolVar(&o.takeLock, "take-lock", false, "take over the lock of a bootstrap that no longer runs")
	c.AddCommand(o.plan(s), o.status(s), o.policy(s), o.applyVerb(s), o.client(s), o.rotate(s), o.destroy(s), o.export(s))
	return c
}

func (o *bootstrapOptions) plan(s streams) *cobra.Command {
	return &cobra.Command{Use: "plan", Short: "Show what exists and what would be done; change nothing", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.look(c.Context(), s, true)
		}}
}

func (o *bootstrapOptions) status(s streams) *cobra.Command {
	return &cobra.Command{Use: "status", Short: "Show the progress", Args: noArgs, RunE: func(c *cobra.Command, _ []string) error {
		return o.look(c.Context(), s, false)
	}}
}

func (o *bootstrapOptions) applyVerb(s streams) *cobra.Command {
	return &cobra.Command{Use: "apply", Short: "Show the plan, ask for confirmation, then make what is missing and log in", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.apply(c.Context(), s, true)
		}}
}

// forObserve is the policy of who reads what AWS reports.
const forObserve = "observe"

func (o *bootstrapOptions) policy(s streams) *cobra.Command {
	var readOnly bool
	var account, purpose string
	c := &cobra.Command{Use: "policy", Short: "Print the IAM policy that the configuration needs; calls nothing", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if purpose == forObserve { // of check --aws and aws.observe: it is the same for every configuration
				_, err := fmt.Fprintln(s.out, bootstrap.ReadPolicy(awsview.Actions()))
				return err
			}
			cfg, err := o.load()
			if err != nil {
				return err
			}
			if readOnly {
				purpose = string(bootstrap.ForStatus)
			}
			if !slices.Contains([]bootstrap.Purpose{bootstrap.ForApply, bootstrap.ForStatus, bootstrap.ForRotate, bootstrap.ForClient},
				bootstrap.Purpose(purpose)) {
				return fmt.Errorf("--for: %w", oneOf(purpose, "apply", "status", "rotate", "client", "observe"))
			}
			account = cmp.Or(account, cfg.Account)
			region := cmp.Or(cfg.Region, o.region, os.Getenv("AWS_REGION"))
			if region == "" {
				return errors.New("no AWS Region is set: set bootstrap.region or pass --region")
			}
			for _, warning := range bootstrap.PolicyWarnings(cfg) {
				fmt.Fprintln(s.err, "warning: "+warning)
			}
			_, err = fmt.Fprintln(s.out, bootstrap.Policy(cfg, region, account, bootstrap.Purpose(purpose)))
			return err
		}}
	c.Flags().StringVar(&purpose, "for", string(bootstrap.ForApply),
		"`purpose` of the policy: apply, status (plan and status change nothing), rotate, client, or observe (check --aws and aws.observe; "+
			"needs no file)")
	c.Flags().BoolVar(&readOnly, "read-only", false, "the same as --for status")
	c.Flags().StringVar(&account, "account", "", "`number` of the AWS account (default: bootstrap.account, else the policy is valid in any)")
	return c
}

func (o *bootstrapOptions) load() (*config.Bootstrap, error) {
	if o.output != "human" && o.output != "json" {
		return nil, fmt.Errorf("--output %q is neither human nor json", o.output)
	}
	cfg, err := config.LoadBootstrap(o.config)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w; write it first (kerbagent bootstrap --help has an example), or name another file with --config", err)
	}
	return cfg, err
}

// options connects to AWS and to everything else of this host.
func (o *bootstrapOptions) options(ctx context.Context, s streams) (bootstrap.Options, error) {
	cfg, err := o.load()
	if err != nil {
		return bootstrap.Options{}, err
	}
	clients, err := bootstrap.Connect(ctx, cmp.Or(o.region, cfg.Region), o.profile, o.mfaCode(ctx, s))
	if err != nil {
		return bootstrap.Options{}, err
	}
	host, err := os.Hostname()
	if err != nil {
		return bootstrap.Options{}, fmt.Errorf("asking for this host's name: %w", err)
	}
	var service bootstrap.Service
	if !o.noService {
		service = hostService(ctx)
	}
	dir := cmp.Or(o.stateDir, bootstrapStateDir())
	former := ""
	if o.stateDir == "" {
		former = defaultStateDir()
	}
	return bootstrap.Options{
		Config: cfg, AWS: clients, StateDir: dir, FormerStateDir: former, Host: host, TakeLock: o.takeLock, WaitLock: o.waitLock,
		Now: time.Now, Sleep: sleep, Service: service, ServiceFiles: serviceFiles(),
		Accounts: bootstrap.OpenDirectory, Login: recordedLogin(dir), SQL: bootstrap.OpenDatabase, Krb5Conf: bootstrapKrb5Conf(ctx),
		Verify: func(ctx context.Context, cfg *config.Config, prompted func(config.Login) ([]byte, error)) ([]probe.Result,
			diagnose.Report, error) {
			env, err := hostEnv(cfg, dir, ledger.Options{})
			if err != nil {
				return nil, diagnose.Report{}, err
			}
			env.Prompted = prompted
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			results := check.Run(ctx, cfg, env)
			return results, check.Explain(cfg, results, env.Now()), nil
		},
	}, nil
}

// bootstrapStateDir is bootstrap's own: the daemon's directory is the daemon's, who
// may put there what it likes.
func bootstrapStateDir() string {
	if dir := defaultStateDir(); os.Getenv("STATE_DIRECTORY") == "" {
		return dir + "-bootstrap"
	}
	return defaultStateDir()
}

// mfaCode returns how the code of a profile with MFA is asked for; nil where there
// is no terminal.
func (o *bootstrapOptions) mfaCode(ctx context.Context, s streams) func() (string, error) {
	if !term.IsTerminal(int(s.in.Fd())) {
		return nil
	}
	return func() (string, error) {
		fmt.Fprint(s.err, "MFA code of the AWS profile: ")
		code, err := ask(ctx, s.in, false)
		return strings.TrimSpace(string(code)), err
	}
}

// recordedLogin tries a new password with the care that every login takes: it is
// written down before it is sent. A refusal counts as an answer that got lost,
// since a domain controller may not have the new password yet: two of them, and
// the ledger holds the next one back for a while.
func recordedLogin(dir string) bootstrap.Login {
	return func(ctx context.Context, as bootstrap.LoginAs) error {
		l, err := ledger.Open(dir, ledger.Options{})
		if err != nil {
			return err
		}
		attempt, err := l.Account(as.User + "@" + as.Realm).Begin(as.Password.Reveal())
		if err != nil {
			return err
		}
		if err := bootstrap.LoginToDirectory(ctx, as); err != nil {
			return errors.Join(err, attempt.Unanswered())
		}
		return attempt.Accepted()
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// bootstrapKrb5Conf is the krb5.conf of this host, for bootstrap.
func bootstrapKrb5Conf(ctx context.Context) bootstrap.Krb5Conf {
	return func(cfg *config.Config, path string) (bool, func() error, error) {
		f, err := krb5file.Find(krb5file.Wish{Config: cfg, Path: path})
		if err != nil {
			return false, nil, err
		}
		change, err := f.Change()
		if err != nil {
			return false, nil, err
		}
		return change.Needed(), func() error { _, err := f.Apply(ctx); return err }, nil
	}
}

// look prints a plan or the status.
func (o *bootstrapOptions) look(ctx context.Context, s streams, plan bool) error {
	opts, err := o.options(ctx, s)
	if err != nil {
		return o.end(s, bootstrap.Report{}, err)
	}
	rep, err := bootstrap.Plan(ctx, opts)
	if o.output == "human" {
		printBootstrap(s.out, rep, plan)
	}
	return o.end(s, rep, err)
}

// apply makes what is missing. It asks on a terminal; without one it does not, and
// with must it then does nothing.
func (o *bootstrapOptions) apply(ctx context.Context, s streams, must bool) error {
	opts, err := o.options(ctx, s)
	if err != nil {
		return o.end(s, bootstrap.Report{}, err)
	}
	// Without an account in the file there is nothing to ask: Apply refuses.
	if asks := term.IsTerminal(int(s.in.Fd())); !o.yes && (asks || must) && opts.Config.Account != "" {
		rep, err := bootstrap.Plan(ctx, opts)
		if err != nil {
			return o.end(s, rep, err)
		}
		printBootstrap(s.err, rep, true)
		if !asks || !agreed(ctx, s) {
			return errors.New("nothing was done; --yes applies without confirmation")
		}
	}
	_, tty := terminal(s.err)
	p := &bootstrapProgress{w: s.err, tty: tty}
	opts.Progress = p.event
	rep, err := bootstrap.Apply(ctx, opts)
	p.close()
	return o.end(s, rep, err)
}

// agreed asks on the terminal.
func agreed(ctx context.Context, s streams) bool {
	fmt.Fprint(s.err, "\nApply this plan? Only \"yes\" is accepted: ")
	answer, err := ask(ctx, s.in, false)
	return err == nil && strings.EqualFold(strings.TrimSpace(string(answer)), "yes")
}

// end prints what went wrong, and returns the exit code.
func (o *bootstrapOptions) end(s streams, rep bootstrap.Report, err error) error {
	var e *bootstrap.Error
	if err != nil && !errors.As(err, &e) {
		return err
	}
	rep.Schema, rep.Error = 1, e
	if o.output == "json" {
		if err := printBootstrapJSON(s.out, rep); err != nil {
			return err
		}
	} else if e != nil {
		printBootstrapError(s.err, e)
	}
	if e != nil {
		return exitError(e.Exit)
	}
	return nil
}
