package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/report"
)

// bundleOptions are the flags of support-bundle.
type bundleOptions struct {
	config    string
	stateDir  string
	url       string
	urlCA     string
	file      string
	check     bool
	hideUsers bool
}

func newBundle(s streams) *cobra.Command {
	var o bundleOptions
	c := &cobra.Command{
		Use:   "support-bundle",
		Short: "Make an archive for a support case, without any secret",
		Long: `support-bundle puts into one .tar.gz what somebody else needs to understand a
fault: the configuration, the report, the last failures, the krb5.conf files, and
the host's resolver, clock and kernel. No password, key or ticket is in it: files
with secrets are not opened. Host and user names are in it (see --hide-users). The
output lists the files in the archive.

The report is the daemon's, or with --check a fresh one: that tries the logins,
as kerbagent check does. If the daemon uses TLS, pass an https --url with a name of
its certificate. A daemon that wants a user and a password cannot be asked: use
--check.

EXIT STATUS
  0  written; the output names what is missing in it
  3  not written`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), s) },
	}
	f := c.Flags()
	f.StringVar(&o.config, "config", config.DefaultFile, "configuration `file`")
	f.StringVar(&o.stateDir, "state-dir", "", "the daemon's state `directory` (default: "+defaultStateDir()+")")
	f.StringVar(&o.url, "url", "http://127.0.0.1:10088", "`address` of the running daemon")
	f.StringVar(&o.urlCA, "url-ca", "", "`file` with the CA of the daemon's certificate, or with the certificate, for an https --url (default: the system's CAs)")
	f.BoolVar(&o.check, "check", false, "run the checks now instead of asking the daemon for its report")
	f.BoolVar(&o.hideUsers, "hide-users", false, "write user-1, user-2 and so on instead of user names, as hide_users: true does")
	f.StringVarP(&o.file, "output", "o", "", "`file` to write; it must not exist yet (default: kerbagent-support-HOST-TIME.tar.gz)")
	c.MarkFlagsMutuallyExclusive("check", "url")
	c.MarkFlagsMutuallyExclusive("check", "url-ca")
	return c
}

func (o *bundleOptions) run(ctx context.Context, s streams) error {
	now := time.Now().UTC()
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	name := fmt.Sprintf("kerbagent-support-%s-%s", host, now.Format("20060102T150405Z"))
	if o.file == "" {
		o.file = name + ".tar.gz"
	}
	if _, err := os.Lstat(o.file); !errors.Is(err, fs.ErrNotExist) { // before anybody is asked
		return fmt.Errorf("%s is there already, and is left as it is: name another file with -o", o.file)
	}
	u, err := url.Parse(o.url)
	if err != nil || u.User != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("--url must be an address like http://127.0.0.1:10088, without a user and a password")
	}
	if o.urlCA != "" && u.Scheme != "https" {
		return errors.New("--url-ca is for a --url that begins with https://")
	}
	if o.stateDir == "" {
		o.stateDir = defaultStateDir()
	}
	b := o.collect(ctx)
	b.add("README.txt", "this list", []byte(b.list()))
	if err := b.write(o.file, name, now); err != nil {
		return fmt.Errorf("writing the bundle: %w", err)
	}
	hint := "; --hide-users takes users out"
	if b.hide {
		hint = "" // they are out
	}
	abs, err := filepath.Abs(o.file)
	if err != nil {
		abs = o.file
	}
	_, err = fmt.Fprintf(s.out, "wrote %s\n%s\nLook through it before you send it: names and addresses of hosts are in it%s.\n",
		report.Terminal(abs), b.list(), hint)
	return err
}

// list reports what is in the bundle, and what is not and why.
func (b *bundle) list() string {
	var out strings.Builder
	for _, i := range b.items {
		fmt.Fprintf(&out, "  %-28s %s\n", report.Terminal(i.name), report.Terminal(i.about))
	}
	if len(b.missing) > 0 {
		out.WriteString("not in it:\n")
	}
	for _, m := range b.missing {
		fmt.Fprintf(&out, "  %-28s %s\n", report.Terminal(m.name), report.Terminal(m.about))
	}
	return out.String()
}
