package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/check"
	"github.com/kerbagent/kerbagent/internal/krb5file"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/internal/report"
	"github.com/kerbagent/kerbagent/internal/spelling"
	"github.com/kerbagent/kerbagent/probe"
)

// liveTimeout is for a login of which nothing answers: each half of it waits
// for its own.
const liveTimeout = 30 * time.Second

// traceOptions are the flags of trace.
type traceOptions struct {
	file     krb5confOptions
	output   output
	live     bool
	stateDir string
}

func newTrace(s streams) *cobra.Command {
	var o traceOptions
	c := &cobra.Command{
		Use:   "trace USER@REALM DATABASE",
		Short: "Show which line of the krb5.conf decides each part of a login",
		Long: `trace shows what each Kerberos library would do for a login, without sending a
packet: the realm, its KDCs and their order, the way to the database's realm, the
names and the encryption types. It shows the line that decides each of them. MIT and gokrb5 are shown in full,
Heimdal and Java only where they differ from MIT.

DATABASE is the name of a database in kerbagent.yaml, or a host name. kerbagent's own logins take
their values from its configuration, not from the krb5.conf.

--live also performs one real login of kerbagent.yaml (with the same lockout
protection as check) and shows the observed values next to the predicted ones.

EXIT STATUS with --live
  0  logged in
  1  not tried: kerbagent check says why
  2  tried, and it failed
  3  usage, configuration`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return errors.New("name the user and the database: kerbagent trace USER@REALM DATABASE")
			}
			if !strings.Contains(args[0], "@") && strings.Contains(args[1], "@") {
				return fmt.Errorf("name the user first, then the database; did you mean kerbagent trace %s %s?", args[1], args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.Context(), s, args[0], args[1]) },
	}
	o.output.register(c)
	c.Flags().StringVar(&o.file.config, "config", "", "configuration `file`")
	c.Flags().StringVar(&o.file.path, "path", "", "the krb5.conf `file` (default: krb5_conf.path, else KRB5_CONFIG, else /etc/krb5.conf)")
	c.Flags().BoolVar(&o.live, "live", false, "also log in once, and show what was observed next to what was predicted")
	c.Flags().StringVar(&o.stateDir, "state-dir", "", "`directory` for the record of attempts (default: "+defaultStateDir()+")")
	return c
}

func (o *traceOptions) run(ctx context.Context, s streams, user, database string) error {
	if o.output == "nagios" {
		return errors.New("trace prints human or json: for nagios there is kerbagent check")
	}
	f, cfg, err := o.file.find(s)
	if err != nil {
		return err
	}
	warnOfUnknown(s.err, cfg, database)
	t, err := f.Trace(cfg, user, database)
	if err != nil {
		return err
	}
	if o.live {
		if err := o.logIn(ctx, s, cfg, user, database, &t); err != nil {
			return err
		}
	}
	if o.output == "json" {
		err = tracedJSON(s.out, f.Main(), t)
	} else {
		_, err = io.WriteString(s.out, traced(f.Main(), t))
	}
	if err != nil {
		return fmt.Errorf("writing the trace: %w", err)
	}
	if t.Live == nil || t.Live.Outcome == probe.OK {
		return nil
	}
	return exitError(map[probe.Outcome]int{probe.Skipped: 1, probe.Failed: 2}[t.Live.Outcome])
}

// warnOfUnknown reports that a name is no database of the configuration, which has some.
func warnOfUnknown(w io.Writer, cfg *config.Config, database string) {
	if cfg == nil || len(cfg.Databases) == 0 {
		return
	}
	var names []string
	for _, d := range cfg.Databases {
		if d.Name == database || strings.EqualFold(d.Host, database) || d.Endpoint() == database {
			return
		}
		names = append(names, d.Name)
	}
	fmt.Fprintf(w, "kerbagent: warning: %q is not a database in kerbagent.yaml; treating it as a host name", database)
	if near := spelling.Nearest(database, names); near != "" {
		fmt.Fprintf(w, "; did you mean %q?", near)
	}
	fmt.Fprintln(w)
}

func (o *traceOptions) logIn(ctx context.Context, s streams, cfg *config.Config, user, database string, t *krb5file.Trace) error {
	if cfg == nil {
		return fmt.Errorf("--live tries a login of kerbagent.yaml, and there is none: write %s, or name one with --config", config.DefaultFile)
	}
	env, err := hostEnv(cfg, o.stateDir, ledger.Options{})
	if err != nil {
		return err
	}
	if env.Prompted, err = askPasswords(ctx, cfg.Logins, s); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	res, err := check.Login(ctx, cfg, env, user, database)
	if err != nil {
		return err
	}
	t.Beside(res)
	return nil
}

// traced prints MIT and gokrb5 in full, and of the others what differs from MIT.
func traced(path string, t krb5file.Trace) string {
	var b strings.Builder
	by := "by " + path
	if t.NoFile {
		by = "by what is built in, since there is no " + path
	}
	fmt.Fprintf(&b, "%s at %s, %s; %s\n", report.Terminal(t.Principal()), report.Terminal(t.Host), report.Terminal(by), happened(t.Live))
	mit := t.Readers[0]
	for _, r := range t.Readers {
		steps, like := r.Steps, ""
		if r.Reader == "heimdal" || r.Reader == "java" {
			steps, like = mit.Differences(r), "; differences from MIT"
		}
		fmt.Fprintf(&b, "\n%s%s\n", r.Reader, like)
		if r.Err != nil {
			b.WriteString("  refuses the file: " + report.Terminal(r.Err.Error()) + "\n")
			if r.Reader != "heimdal" { // which goes on with what it has
				continue
			}
		}
		for _, s := range steps {
			fmt.Fprintf(&b, "  %s: %s\n      %s\n", report.Terminal(s.What), report.Terminal(s.Value), report.Terminal(s.Place))
			if s.Saw != "" {
				b.WriteString("      it was " + report.Terminal(s.Saw) + "\n")
			}
		}
		if len(steps) == 0 {
			b.WriteString("  nothing\n")
		}
	}
	return b.String()
}

// happened reports in a few words how the login went.
func happened(res *probe.Result) string {
	switch {
	case res == nil:
		return "no packet was sent"
	case res.Outcome == probe.OK:
		return fmt.Sprintf("logged in as %s in %d ms", report.Terminal(res.Facts[probe.FactCurrentUser]), res.Duration.Milliseconds())
	case res.Outcome == probe.Skipped:
		return "no login was tried: " + report.Terminal(fmt.Sprint(res.Err))
	}
	return fmt.Sprintf("the login failed: %s: %s", res.Reason, report.Terminal(fmt.Sprint(res.Err)))
}

// traceJSON is `trace -o json`; its names are stable. live has the shape of the
// report's results[].
type traceJSON struct {
	Schema  int             `json:"schema"`
	User    string          `json:"user"`
	Host    string          `json:"host"`
	File    string          `json:"file"`
	NoFile  bool            `json:"no_file"` // there is none: what is built in decides
	Readers []readerJSON    `json:"readers"`
	Live    json.RawMessage `json:"live,omitempty"`
}

type readerJSON struct {
	Reader string     `json:"reader"`
	Error  string     `json:"error"`
	Steps  []stepJSON `json:"steps"`
}

type stepJSON struct {
	What  string `json:"what"`
	Value string `json:"value"`
	Place string `json:"place"`
	Saw   string `json:"saw,omitempty"`
}

func tracedJSON(w io.Writer, path string, t krb5file.Trace) error {
	out := traceJSON{Schema: 1, User: t.Principal(), Host: t.Host, File: path, NoFile: t.NoFile}
	for _, r := range t.Readers {
		reader := readerJSON{Reader: r.Reader, Steps: []stepJSON{}}
		if r.Err != nil {
			reader.Error = r.Err.Error()
		}
		for _, s := range r.Steps {
			reader.Steps = append(reader.Steps, stepJSON(s))
		}
		out.Readers = append(out.Readers, reader)
	}
	if t.Live != nil {
		var err error
		if out.Live, err = report.Result(*t.Live, false, nil); err != nil {
			return err
		}
	}
	return report.Value(w, out)
}
