package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/check"
	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/internal/host"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/internal/recorder"
	"github.com/kerbagent/kerbagent/internal/report"
	"github.com/kerbagent/kerbagent/probe/exchange"
)

// Bounds of a bundle.
const (
	bundleTimeout = 30 * time.Second
	maxAnswer     = 16 << 20 // of the daemon's: 10,000 results
)

// collect gathers what can be had. What cannot is said, and costs nothing else.
func (o *bundleOptions) collect(ctx context.Context) *bundle {
	b := &bundle{hide: o.hideUsers}
	cfg := o.configuration(b)
	if o.check {
		o.freshReport(ctx, b, cfg)
	} else {
		o.daemonReport(ctx, b)
	}
	o.failures(ctx, b)
	o.krb5conf(b, cfg)
	o.host(b)
	o.state(b)
	return b
}

// configuration adds the file and where its secrets are; nil where it is not good.
func (o *bundleOptions) configuration(b *bundle) *config.Config {
	text, err := config.ReadFile(o.config)
	if err != nil {
		b.lacks("config.yaml", err)
		return nil
	}
	b.add("config.yaml", "the configuration, without comments; it says where secrets are, and has none", []byte(config.Redact(o.config, text)))
	cfg, err := config.Load(o.config)
	if err != nil {
		b.lacks("secrets.txt", errors.New("the configuration is not good: kerbagent config check"))
		return nil
	}
	b.hide = b.hide || cfg.HideUsers
	var secrets strings.Builder
	b.users = cfg.Users()
	for _, l := range cfg.Logins {
		fmt.Fprintf(&secrets, "%s: %s %s: %s\n", l.Principal(), l.SecretKind, l.Secret, whereabouts(l.Secret))
	}
	if boot, err := config.LoadBootstrap(o.config); cfg.Bootstrap != nil && err == nil {
		for _, u := range boot.Users {
			b.user(u.Name + "@" + boot.Directory.Realm())
		}
		for _, u := range boot.DatabaseUsers {
			b.user(u.Principal())
		}
	}
	b.add("secrets.txt", "whether the files with secrets are there, and their modes; they were not opened", []byte(secrets.String()))
	return cfg
}

// user adds one whose name is hidden, where names are.
func (b *bundle) user(principal string) {
	if !slices.Contains(b.users, principal) {
		b.users = append(b.users, principal)
	}
}

// whereabouts reports what a secret's file is, but for its size: that of a
// password file is the password's.
func whereabouts(ref config.SecretRef) string {
	path, err := ref.Path()
	if err != nil {
		return err.Error()
	}
	info, err := os.Stat(path)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s%s, changed %s", info.Mode(), owner(info), info.ModTime().UTC().Format(time.RFC3339))
}

func (o *bundleOptions) freshReport(ctx context.Context, b *bundle, cfg *config.Config) {
	if cfg == nil {
		b.lacks("report.json", errors.New("the configuration is missing or invalid"))
		return
	}
	resolver := cfg.Resolver
	var err error
	if len(resolver) == 0 {
		if resolver, err = discover.HostResolver(resolvConf); err != nil {
			b.lacks("report.json", err)
			return
		}
	}
	env := check.Env{Dialer: exchange.HostDialer(), Now: time.Now, HostClock: host.ClockState, Resolver: resolver}
	env.Ledger, env.LedgerErr = ledger.Open(o.stateDir, ledger.Options{})
	ctx, cancel := context.WithTimeout(ctx, bundleTimeout)
	defer cancel()
	started := time.Now()
	results := check.Run(ctx, cfg, env)
	var out bytes.Buffer
	in := report.Input{Report: check.Explain(cfg, results, env.Now()), Results: results, Started: started, Elapsed: time.Since(started)}
	if err := report.JSON(&out, in); err != nil {
		b.lacks("report.json", err)
		return
	}
	b.addReport("findings and results of a check just now", out.Bytes())
}

// daemonReport asks the running daemon for its report.
func (o *bundleOptions) daemonReport(ctx context.Context, b *bundle) {
	text, err := o.ask(ctx, "/api/v1/report")
	if err != nil {
		b.lacks("report.json", err)
		return
	}
	b.addReport("findings and results of the running daemon", text)
}

// addReport adds a report, and learns who is named in it.
func (b *bundle) addReport(about string, text []byte) {
	var r struct {
		Results []struct {
			Evidence struct{ User string }
		}
	}
	if err := json.Unmarshal(text, &r); err != nil {
		b.lacks("report.json", fmt.Errorf("it is not a report: %w", err))
		return
	}
	for _, res := range r.Results {
		if strings.Contains(res.Evidence.User, "@") { // not one that the daemon hides
			b.user(res.Evidence.User)
		}
	}
	b.add("report.json", about, text)
}

// failures adds what the flight recorder has: from the disk, since whoever
// makes a bundle with hidden users must not get the names of earlier ones,
// else from the daemon.
func (o *bundleOptions) failures(ctx context.Context, b *bundle) {
	const name, about = "failures.json", "the last failures, across restarts"
	records, err := recorder.Open(o.stateDir, recorder.Options{HideUsers: b.hide})
	if err == nil && len(records.Records()) > 0 {
		text, err := json.MarshalIndent(records.Records(), "", "  ")
		if err != nil {
			b.lacks(name, err)
			return
		}
		b.add(name, about, text)
		return
	}
	if err == nil {
		err = fmt.Errorf("there are none in %s", o.stateDir)
	}
	if b.hide || o.check {
		b.lacks(name, err)
		return
	}
	text, asked := o.ask(ctx, "/api/v1/failures")
	if asked != nil {
		b.lacks(name, errors.Join(err, asked))
		return
	}
	b.add(name, about, text)
}
