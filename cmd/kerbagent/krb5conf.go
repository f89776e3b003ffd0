package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/krb5file"
	"github.com/kerbagent/kerbagent/internal/report"
)

// krb5confOptions are the flags that all verbs share.
type krb5confOptions struct {
	config string
	path   string
	style  string
}

func newKrb5Conf(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "krb5conf",
		Short: "Check, write and restore the krb5.conf that programs on this host read",
		Long: `krb5conf checks and writes krb5.conf. It knows how MIT, Heimdal, Java and gokrb5 read it.

  kerbagent krb5conf lint      report what is wrong with the file; needs no configuration
  kerbagent krb5conf show      print the file that kerbagent.yaml calls for
  kerbagent krb5conf diff      print what apply would change
  kerbagent krb5conf apply     write the file, and keep a backup
  kerbagent krb5conf rollback  restore the file from before the last apply

The file is --path, else krb5_conf.path of kerbagent.yaml, else the one that
KRB5_CONFIG names, else /etc/krb5.conf.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return fmt.Errorf("say what to do: lint, show, diff, apply or rollback; see %s --help", c.CommandPath())
		},
	}
	var o krb5confOptions
	f := c.PersistentFlags()
	f.StringVar(&o.config, "config", "", "configuration `file` (default "+config.DefaultFile+")")
	f.StringVar(&o.path, "path", "", "the krb5.conf `file` (default: krb5_conf.path, else KRB5_CONFIG, else /etc/krb5.conf)")
	f.StringVar(&o.style, "style", "", "how much of the file kerbagent manages (if not set in kerbagent.yaml): `file`, block or snippet")
	enumerated(c, "style", "file", "block", "snippet")
	c.AddCommand(newKrb5ConfLint(s, &o), o.show(s), o.diff(s), o.apply(s), o.rollback(s))
	return c
}

// find returns the file that is meant, and the configuration where there is one.
func (o *krb5confOptions) find(s streams) (krb5file.File, *config.Config, error) {
	switch o.style {
	case "", string(config.Krb5File), string(config.Krb5Block), string(config.Krb5Snippet):
	default:
		return krb5file.File{}, nil, fmt.Errorf("--style: %w", oneOf(o.style, "file", "block", "snippet"))
	}
	w := krb5file.Wish{ConfigFile: o.config, Style: o.style, KRB5Config: os.Getenv("KRB5_CONFIG")}
	if w.ConfigFile == "" {
		w.ConfigFile = config.DefaultFile
	}
	if o.path != "" {
		var err error
		if w.Path, err = filepath.Abs(o.path); err != nil {
			return krb5file.File{}, nil, fmt.Errorf("finding %s: %w", o.path, err)
		}
	}
	cfg, err := config.Load(w.ConfigFile)
	switch {
	case err == nil:
		w.Config = cfg
	case o.config != "" || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission):
		return krb5file.File{}, nil, err
	case errors.Is(err, fs.ErrPermission):
		fmt.Fprintf(s.err, "kerbagent: %s is not readable for you, so nothing is known of realms and databases\n", w.ConfigFile)
	}
	f, err := krb5file.Find(w)
	return f, w.Config, err
}

// verb makes a command that works on the file.
func (o *krb5confOptions) verb(s streams, use, short string, run func(context.Context, krb5file.File) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: noArgs, RunE: func(c *cobra.Command, _ []string) error {
		f, _, err := o.find(s)
		if err != nil {
			return err
		}
		return run(c.Context(), f)
	}}
}

func (o *krb5confOptions) show(s streams) *cobra.Command {
	return o.verb(s, "show", "Print the file that kerbagent.yaml calls for", func(_ context.Context, f krb5file.File) error {
		text, err := f.Text()
		if err != nil {
			return err
		}
		_, err = io.WriteString(s.out, text)
		return err
	})
}

func (o *krb5confOptions) diff(s streams) *cobra.Command {
	c := o.verb(s, "diff", "Print what apply would change", func(_ context.Context, f krb5file.File) error {
		c, err := f.Change()
		if err != nil || !c.Needed() {
			return err
		}
		old := c.Path
		if !c.Existed {
			old = "/dev/null"
		}
		d := diff.Diff(old, []byte(c.Old), c.Path, []byte(c.New))
		_, d, _ = bytes.Cut(d, []byte("\n")) // a first line that is diff's own
		if _, err := s.out.Write(d); err != nil {
			return err
		}
		return exitError(1)
	})
	c.Long = "diff prints what apply would change, as a unified diff.\n\nEXIT STATUS\n  0  nothing would change\n  1  something would change\n  3  it is not known, or apply would refuse to write the file"
	return c
}

func (o *krb5confOptions) apply(s streams) *cobra.Command {
	var order string
	c := o.verb(s, "apply", "Write the file, and keep a backup", func(ctx context.Context, f krb5file.File) error {
		if order != "" {
			var err error
			if f, err = f.OrderedBy(order); err != nil {
				return err
			}
		}
		c, err := f.Apply(ctx)
		if err != nil {
			return err
		}
		if !c.Needed() {
			_, err := fmt.Fprintf(s.out, "%s is what it should be; nothing was written\n", report.Terminal(c.Path))
			return err
		}
		how := "MIT's library takes it"
		if !c.Asked {
			how = "MIT's library was not asked: its tools (ktutil) are not installed, or another user may write the file"
		}
		kept := "there was no such file before"
		switch {
		case c.Existed && c.Backup == "":
			kept = "only the order of KDCs is another one, so no copy of the old file was made"
		case c.Existed:
			kept = "the file as it was: " + report.Terminal(c.Backup)
		}
		_, err = fmt.Fprintf(s.out, "wrote %s\n  %s\n  %s\n  to undo: kerbagent krb5conf rollback\n", report.Terminal(c.Path), how, kept)
		return err
	})
	c.Long = `apply writes what kerbagent.yaml calls for: the whole file, a block in it, or a
snippet that it includes (krb5_conf.style). It checks the new text first, also with
MIT's library if its tools are installed. It keeps the old file next to the new one.
The change is one rename, so no program sees half of it.

With krb5_conf.mode: maintain, the KDCs keep the order that they have in the file.
The daemon measures the KDCs, and passes another order with --order.`
	c.Flags().StringVar(&order, "order", "", "put the KDCs in the order of this `file`, which the daemon writes; for kerbagent-krb5conf.service")
	return c
}

func (o *krb5confOptions) rollback(s streams) *cobra.Command {
	return o.verb(s, "rollback", "Restore the file from before the last apply", func(ctx context.Context, f krb5file.File) error {
		c, err := f.Rollback(ctx)
		if err != nil {
			return err
		}
		did := "put back"
		if c.Removed {
			did = "removed, as it had not been there:"
		}
		lacks := ""
		if c.Lacks != nil {
			lacks = "  it lacks what configured logins need: " + report.Terminal(strings.ReplaceAll(c.Lacks.Error(), "\n", "; ")) + "\n"
		}
		_, err = fmt.Fprintf(s.out, "%s %s\n  the replaced version was saved as %s\n%s", did, report.Terminal(c.Path),
			report.Terminal(c.Backup), lacks)
		return err
	})
}
