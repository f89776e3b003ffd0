// Package krb5file is the krb5.conf of this host: which file is meant, what it
// should be, what it is, and what each library makes of it for one login. It
// asks no server.
package krb5file

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/lint"
	"github.com/kerbagent/kerbagent/internal/ownership"
	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/apply"
	"github.com/kerbagent/kerbagent/krb5/conf/site"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/krb5conf"
)

// File is one krb5.conf: where it is, how much of it is kerbagent's, and
// what the configured logins need of it.
type File struct {
	main  string   // the file that programs read
	roots []string // the files that programs read in place of main; several where KRB5_CONFIG is a list
	owned string   // the file that kerbagent writes: main, or the snippet that main includes
	style site.Style
	byEnv bool // KRB5_CONFIG says which file it is
	alien bool // programs on this host do not read it: it was named by --path alone
	known bool // there is a configuration, so there is something to write
	keeps bool // kerbagent is to keep the file, not only to judge it
	site  site.Site
	from  string     // the configuration's own path
	order site.Order // the order of the KDCs; nil where none was passed
}

// Wish is what was asked for by flags, beside the configuration.
type Wish struct {
	Config     *config.Config // nil where there is none
	ConfigFile string         // its path, for messages
	Path       string         // --path, absolute
	Style      string         // --style
	KRB5Config string         // the environment variable KRB5_CONFIG
}

// Find reports which file is meant. Path comes first; then the one that
// the configuration has; then what libkrb5 reads.
func Find(w Wish) (File, error) {
	f := File{style: site.WholeFile}
	var configured *config.Krb5Conf
	if w.Config != nil {
		f.known, f.from, f.site, configured = true, w.ConfigFile, SiteOf(w.Config), w.Config.Krb5Conf
	}
	switch {
	case configured != nil && w.Style != "" && w.Style != string(configured.Style):
		return f, fmt.Errorf("--style %s: %s has krb5_conf.style %s; change it there, or leave the flag out", w.Style, w.ConfigFile, configured.Style)
	case configured != nil:
		f.style, f.keeps = site.Style(configured.Style), configured.Mode == config.Krb5Maintain
	case w.Style != "":
		f.style = site.Style(w.Style)
	}
	f.owned = w.Path
	if f.owned == "" && configured != nil {
		f.owned = configured.Path
	}
	read := conf.PathsOf(cmp.Or(w.KRB5Config, config.DefaultKrb5ConfPath))
	f.alien = w.Config == nil && w.Path != "" && !slices.Contains(read, w.Path)
	if f.style == site.Snippet {
		f.main, f.roots, f.byEnv = read[0], read, true
		if f.owned == "" {
			return f, errors.New("--style snippet needs the file that is to be written: give --path, e.g. --path /etc/krb5.conf.d/kerbagent.conf")
		}
		if f.owned == f.main {
			return f, fmt.Errorf("%s is the main krb5.conf, and style snippet is for a file that it includes: give --path or krb5_conf.path such a one, e.g. /etc/krb5.conf.d/kerbagent.conf", f.main)
		}
		return f, nil
	}
	f.roots = []string{f.owned}
	if f.owned == "" {
		f.owned, f.roots, f.byEnv = read[0], read, true
	}
	f.main = f.owned
	return f, nil
}

// SiteOf returns what the configured logins need of a krb5.conf.
func SiteOf(cfg *config.Config) site.Site {
	var s site.Site
	for _, r := range cfg.Realms {
		realm := site.Realm{Name: r.Name, Domain: r.Domain(), TrustedBy: r.TrustedBy}
		for _, k := range r.KDCs {
			realm.KDCs = append(realm.KDCs, k.String())
		}
		s.Realms = append(s.Realms, realm)
	}
	for _, d := range cfg.Databases {
		s.Databases = append(s.Databases, site.Database{Host: d.Host, Realm: d.Realm})
	}
	for _, l := range cfg.Logins {
		if d, ok := cfg.Database(l.Database); ok {
			s.Logins = append(s.Logins, site.Login{Realm: l.Realm, Host: d.Host})
		}
	}
	return s
}

// Path is the file that kerbagent writes.
func (f File) Path() string { return f.owned }

// Main is the file that programs read: Path, but for a snippet.
func (f File) Main() string { return f.main }

// Site returns what the configured logins need of the file.
func (f File) Site() site.Site { return f.site }

// Outside returns what is not kerbagent's of a text of the file, or of the main
// file where kerbagent writes a snippet. In style file all of it is kerbagent's.
func (f File) Outside(text string) string {
	switch f.style {
	case site.Block:
		outside, _ := site.Without(text) // whoever read the text has found its markers to be in order
		return outside
	case site.Snippet:
		outside, _, _ := (conf.Disk{}).ReadFile(f.main)
		return outside
	}
	return ""
}

// Ordered returns the file with its KDCs in an order that comes from outside the
// configuration: a permutation of those that it names, in mode maintain.
func (f File) Ordered(o site.Order) (File, error) {
	if !f.keeps {
		return f, errors.New("an order of KDCs is for krb5_conf.mode maintain, and the configuration has another")
	}
	if _, err := f.site.InOrder(o); err != nil {
		return f, fmt.Errorf("%w: it is made from another version of kerbagent.yaml; reload the daemon", err)
	}
	f.order = o
	return f, nil
}

// OrderedBy is Ordered with what the daemon has left in a file. The process that
// runs this may write what the daemon may not, so it takes nothing but the order
// from there, and the rest from a configuration that is nobody else's to write.
func (f File) OrderedBy(path string) (File, error) {
	if err := ownership.Guarded(f.from, os.Geteuid()); err != nil {
		return f, fmt.Errorf("the configuration decides what is written, so it must be root's alone: %w", err)
	}
	o, err := apply.ReadOrder(path)
	if err != nil {
		return f, err
	}
	return f.Ordered(o)
}

// OrderNow returns the order that the KDCs have in the file now.
func (f File) OrderNow() site.Order {
	text, _, err := (conf.Disk{}).ReadFile(f.owned)
	if err != nil {
		return nil
	}
	own, _ := site.OwnedText(f.style, text)
	return f.site.OrderIn(own)
}

// Text is what the file should be: all of it, or the part that is kerbagent's.
// In mode maintain the KDCs stay in the order that they have, unless Ordered
// gave another: it is the daemon's business, and no drift.
func (f File) Text() (string, error) {
	if !f.known {
		return "", fmt.Errorf("what should stand in %s is made from kerbagent.yaml, and there is none: write %s, or name one with --config", f.owned, config.DefaultFile)
	}
	order := f.order
	if order == nil && f.keeps {
		order = f.OrderNow()
	}
	ordered, err := f.site.InOrder(order)
	if err != nil {
		return "", err
	}
	return site.Generate(&ordered)
}

// Probe looks at the file. What kerbagent would write is compared only where
// it keeps the file, or has written it before.
func (f File) Probe(world func(*conf.Set) (lint.Env, *krb5conf.Ticket), onIssue func(probe.Result), now func() time.Time) (krb5conf.Probe, error) {
	want := ""
	if f.known {
		text, err := f.Text()
		if err != nil {
			return krb5conf.Probe{Path: f.main, Now: now}, err
		}
		if f.keeps || f.wrote(text) {
			want = text
		}
	}
	judge := func(set *conf.Set) ([]krb5conf.Issue, *krb5conf.Ticket) {
		env, ticket := world(set)
		switch {
		case f.alien && env.CCacheName == "": // this host's daemons and caches have nothing to do with it
			env, ticket = lint.Env{UID: env.UID, KCM: true}, nil
		case f.alien:
			env.KRB5Config = ""
		case f.byEnv: // what it names is what is judged
			env.KRB5Config = ""
		}
		return lint.Issues(lint.Input{Set: set, Path: f.main, Site: f.site, Env: env,
			Want: want, Style: f.style, Snippet: f.owned, Orders: f.keeps}), ticket
	}
	return krb5conf.Probe{Path: f.main, Roots: f.roots, Realm: f.site.Default(), Judge: judge, OnIssue: onIssue, Now: now}, nil
}

// wrote reports whether the file has the line by which kerbagent begins its text.
func (f File) wrote(text string) bool {
	have, _, err := (conf.Disk{}).ReadFile(f.owned)
	mark, _, _ := strings.Cut(text, "\n")
	return err == nil && strings.Contains(have, mark)
}

// Lint looks at the file once, as the user who runs this, and returns what is
// wrong with it, one result an issue, and the file's own first.
func (f File) Lint(ctx context.Context, now func() time.Time) ([]probe.Result, error) {
	var issues []probe.Result
	p, err := f.Probe(HostWorld, func(r probe.Result) { issues = append(issues, r) }, now)
	if err != nil {
		return nil, err
	}
	return append([]probe.Result{probe.Safely(ctx, p)}, issues...), nil
}

// Change returns the change that Apply would make, and writes nothing.
func (f File) Change() (*apply.Change, error) {
	req, err := f.request()
	if err != nil {
		return nil, err
	}
	c, err := apply.Plan(req)
	return c, f.explained(err)
}

// Apply makes the file what it should be. MIT's library is asked about it first,
// where it is there.
func (f File) Apply(ctx context.Context) (*apply.Change, error) {
	req, err := f.request()
	if err != nil {
		return nil, err
	}
	if validate, ok := apply.MITValidator(ctx); ok {
		req.Validate = validate
	}
	c, err := apply.Apply(ctx, req)
	return c, f.explained(err)
}

// Rollback takes the last change back.
func (f File) Rollback(ctx context.Context) (*apply.Change, error) {
	req := apply.Request{Path: f.owned, Style: f.style, Main: f.main, Site: f.site}
	if validate, ok := apply.MITValidator(ctx); ok {
		req.Validate = validate
	}
	c, err := apply.Rollback(ctx, req)
	return c, f.explained(err)
}

func (f File) request() (apply.Request, error) {
	if len(f.roots) > 1 && f.style != site.Snippet {
		return apply.Request{}, fmt.Errorf("KRB5_CONFIG names %d files (%s): say which one with --path", len(f.roots), strings.Join(f.roots, ", "))
	}
	text, err := f.Text()
	return apply.Request{Path: f.owned, Style: f.style, Text: text, Main: f.main, Site: f.site}, err
}

// explained adds the next action to an error that does not say it, and makes one
// line of it.
func (f File) explained(err error) error {
	if err == nil {
		return nil
	}
	next := ""
	var syntax *conf.SyntaxError
	switch {
	case errors.Is(err, fs.ErrPermission):
		next = "run it as a user who may write there, as a rule root"
	case errors.Is(err, apply.ErrNoBackup):
		next = "every apply keeps one next to the file: ls -la " + filepath.Dir(f.owned)
	case errors.Is(err, apply.ErrBusy):
		next = "run it again once that one has ended"
	case errors.Is(err, apply.ErrForeignLink):
		next = "name the file that the link leads to, by krb5_conf.path or --path"
	case errors.Is(err, apply.ErrDangling):
		next = "make the file that it leads to, or remove the link"
	case errors.Is(err, conf.ErrNotFile):
		next = "remove what stands there, or name another file with --path"
	case errors.Is(err, site.ErrMarkers):
		next = "mend the two lines by hand, or remove all of the block and apply again"
	case errors.Is(err, conf.ErrTooLarge), errors.Is(err, conf.ErrBinary), errors.As(err, &syntax):
		next = "see kerbagent krb5conf lint, and mend it by hand"
	case errors.Is(err, fs.ErrNotExist):
		next = "make it, or name another file with --path"
	case errors.Is(err, apply.ErrMounted), errors.Is(err, apply.ErrReadOnly), errors.Is(err, apply.ErrWorldWritable),
		errors.Is(err, apply.ErrChanged), errors.Is(err, apply.ErrNotIncluded), errors.Is(err, apply.ErrSnippetName),
		errors.Is(err, apply.ErrTooOften), errors.Is(err, apply.ErrLockFile), errors.Is(err, context.Canceled):
		// They say it themselves.
	default: // the candidate would not do, for what stands beside our part of it
		next = "mend that by hand; kerbagent krb5conf lint has the lines"
	}
	text := strings.Join(strings.Split(err.Error(), "\n"), "; ")
	if next != "" {
		text += ": " + next
	}
	return &refusal{text, err}
}

// refusal is an error in one line, with what to do next.
type refusal struct {
	text string
	err  error
}

// Error is the whole line.
func (r *refusal) Error() string { return r.text }

// Unwrap returns the error behind it.
func (r *refusal) Unwrap() error { return r.err }
