package bootstrap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/renameio/v2"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
)

// clientStep is the guide's step 7: the files of this host, and the login that
// a bootstrap ends with.
type clientStep struct {
	*world
	vault vault

	asked    bool      // the check was begun, in this run
	verified string    // what it said; empty: not yet
	since    time.Time // of the wait for domain controllers; zero: there was none
}

func (s *clientStep) name() string { return "client" }

func (s *clientStep) look(ctx context.Context) (view, error) {
	c := s.Config.Client
	v := view{is: c.Config + " and " + c.Krb5Conf}
	check := change{what: "check that the path to the database is good"}
	if users := s.checked(); len(users) > 0 {
		check.what = "log in as " + strings.Join(users, ", ") + ", and check every step of that"
	}
	if s.cluster.host == "" {
		v.do = []change{{what: "write " + c.Config}, {what: "write " + c.Krb5Conf}, check}
		return v, nil
	}
	text, needed, err := s.configText()
	if err != nil {
		return v, err
	}
	if needed {
		v.do = append(v.do, change{what: "write " + c.Config, act: func(context.Context) error { return writeConfig(c.Config, text) }})
	}
	cfg, err := config.Parse(c.Config, text)
	if err != nil {
		return v, fmt.Errorf("what would be written to %s: %w", c.Config, err)
	}
	stale, apply, err := s.Krb5Conf(cfg, c.Krb5Conf)
	if err != nil {
		return v, fmt.Errorf("planning %s: %w", c.Krb5Conf, err)
	}
	if stale {
		v.do = append(v.do, change{what: "write " + c.Krb5Conf, act: func(context.Context) error { return apply() }})
	}
	if s.asked && s.verified == "" && len(v.do) == 0 {
		v.wait, err = s.verify(ctx, cfg)
	}
	if s.verified != "" {
		v.is = s.verified
		return v, nil
	}
	check.act = func(context.Context) error { s.asked = true; return nil } // by the next look, which may have to wait
	v.do = append(v.do, check)
	return v, err
}

// checked are the users whose login is verified: those whose secret is known.
func (s *clientStep) checked() []string {
	var out []string
	for _, l := range s.logins() {
		out = append(out, l.Principal())
	}
	return out
}

// logins are the database users whose secret this host can have.
func (s *clientStep) logins() []login {
	var out []login
	for _, u := range s.Config.DatabaseUsers {
		l := login{user: u, kind: u.SecretKind, ref: u.Secret.String()}
		i := slices.IndexFunc(s.Config.Users, func(d config.BootstrapUser) bool { return d.Name == u.User && u.Realm == s.Config.Directory.Realm() })
		switch {
		case !u.Secret.IsZero():
		case i < 0:
			continue
		case s.Config.Users[i].Password.Manager != "":
			// The agent reads files and credentials: whoever runs it hands this one over.
			l.kind, l.ref, l.password = config.PasswordFile, "credential:"+u.User, s.Config.Users[i].Password
		default:
			l.kind, l.ref = config.PasswordFile, s.Config.Users[i].Password.String()
		}
		if !slices.ContainsFunc(out, func(o login) bool { return o.Principal() == l.Principal() }) {
			out = append(out, l)
		}
	}
	return out
}

// login is one line of logins in kerbagent.yaml.
type login struct {
	user     config.BootstrapDatabaseUser
	kind     config.SecretKind
	ref      string
	password config.BootstrapSecret // in Secrets Manager; zero: ref is all there is
}

// Principal is user@REALM.
func (l login) Principal() string { return l.user.Principal() }

// verify runs check for every login, with passwords of Secrets Manager in
// memory. A wait is for users whom a domain controller has not heard of yet.
func (s *clientStep) verify(ctx context.Context, cfg *config.Config) (*Wait, error) {
	passwords := map[string]config.BootstrapSecret{}
	for _, l := range s.logins() {
		if l.password.Manager != "" {
			passwords[l.Principal()] = l.password
		}
	}
	run := *cfg
	run.Logins = slices.Clone(cfg.Logins)
	for i, l := range run.Logins {
		if _, ok := passwords[l.Principal()]; ok {
			run.Logins[i].SecretKind, run.Logins[i].Secret = config.Prompt, config.SecretRef{}
		}
	}
	results, rep, err := s.Verify(ctx, &run, func(l config.Login) ([]byte, error) {
		secret, err := s.vault.read(ctx, passwords[l.Principal()])
		return secret.Reveal(), err
	})
	if err != nil {
		return nil, fmt.Errorf("checking the logins: %w", err)
	}
	if users := s.spreading(results, rep); len(users) > 0 && s.waits(rep) {
		return &Wait{For: "every domain controller to know " + strings.Join(users, ", ") + " (one has said that it does not yet)",
			Usual: "15 seconds to a few minutes", Every: 15 * time.Second, Budget: spreadBudget}, nil
	}
	if rep.Verdict == diagnose.VerdictFailed {
		f := rep.Findings[0]
		return nil, advise("kerbagent check has the whole of it, kerbagent explain "+string(f.Code)+" what it means", "%s: %s", f.Code, f.Title)
	}
	s.verified = "no login is configured: the path is good"
	if users := s.checked(); len(users) > 0 {
		s.verified = "logged in: " + strings.Join(users, ", ")
	}
	if rep.Verdict == diagnose.VerdictDegraded {
		s.verified += " (degraded: " + string(rep.Findings[0].Code) + ")"
	}
	return nil, nil
}

// spreadBudget is how long a domain controller may not know a user yet. Those of
// one site tell each other within 15 seconds to some minutes; after this, what a
// check says is the truth.
const spreadBudget = 10 * time.Minute

// waits says whether there is time left to wait for a domain controller. One that
// still lacks a user then is a finding; where the logins work, not the end of all.
func (s *clientStep) waits(rep diagnose.Report) bool {
	if s.since.IsZero() {
		s.since = s.Now()
	}
	return rep.Verdict == diagnose.VerdictFailed || s.Now().Sub(s.since) < spreadBudget
}

// spreading are the users without whom all would be well, and whom a domain
// controller does not have yet as they were made: a check may ask another one
// than made them. It knows no such user, and then looks like one of another
// realm; or, where it was told between two of our requests, a disabled one. The
// logins may work all the same, by the other one.
//
// To ask again harms nothing: both are answers to a request without a password
// (Windows' are; Samba asks for it before it says that a user is disabled, which
// then is no such answer).
// A password that is refused is never waited for. It cannot come of this, since
// a user is disabled until it has its password; and each try would count.
func (s *clientStep) spreading(results []probe.Result, rep diagnose.Report) []string {
	for _, f := range rep.Findings {
		if f.Severity == diagnose.Error && !slices.Contains([]diagnose.Code{"principal-unknown", "kdc-wrong-realm", "account-disabled", "account-revoked"}, f.Code) {
			return nil
		}
	}
	var out []string
	for _, r := range results {
		if r.ID.Kind != probe.Login || r.Outcome != probe.Failed {
			continue
		}
		user := r.Facts[probe.FactUser]
		unheard := r.Facts[probe.FactFailedAt] == probe.AtAS && (r.Reason == probe.ReasonKRBClientUnknown || r.Reason == probe.ReasonKRBRevoked)
		if !unheard || !s.isNew(user) {
			return nil
		}
		out = append(out, user)
	}
	if len(out) > 0 || !slices.ContainsFunc(rep.Findings, func(f diagnose.Finding) bool { return f.Code == "kdc-wrong-realm" }) {
		return out
	}
	for _, r := range results {
		user := r.Facts[probe.FactUser]
		switch {
		case r.ID.Kind != probe.KDC:
		case r.Reason == probe.ReasonKRBWrongRealm: // that one it is
			return nil
		case r.Facts[probe.FactKRBCode] == "6" && s.isNew(user) && !slices.Contains(out, user):
			out = append(out, user)
		}
	}
	return out
}

// isNew says of a user@REALM that it was made by this run, or a moment ago.
func (s *clientStep) isNew(user string) bool {
	given := s.state.Done[givenPassword(user)] // never: no user of ours
	return !given.Before(s.began) || s.Now().Sub(given) < spreadBudget
}

// The lines that a bootstrap writes into kerbagent.yaml stand between these.
const (
	beginMark = "# begin: written by kerbagent bootstrap"
	endMark   = "# end: written by kerbagent bootstrap"
)

// configText is kerbagent.yaml as it should be. needed: it is not so yet.
func (s *clientStep) configText() (text []byte, needed bool, err error) {
	path := s.Config.Client.Config
	have, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, false, fmt.Errorf("reading %s: %w", path, err)
	}
	block := s.block()
	before, rest, marked := bytes.Cut(have, []byte(beginMark+"\n"))
	if marked {
		_, after, ended := bytes.Cut(rest, []byte(endMark+"\n"))
		if !ended {
			return nil, false, advise("mend it by hand", "%s has the line %q and not the one that ends it", path, beginMark)
		}
		text = slices.Concat(before, []byte(block), after)
		return text, !bytes.Equal(text, have), nil
	}
	cfg, err := config.Parse(path, have)
	if err == nil {
		if lacking := s.lacking(cfg); lacking != "" {
			return nil, false, advise("add what is missing by hand; it would be:\n"+block, "%s is not kerbagent bootstrap's, and lacks %s", path, lacking)
		}
		return have, false, nil
	}
	// A file with nothing but its bootstrap part gets the rest.
	if len(have) > 0 && !bytes.HasSuffix(have, []byte("\n")) {
		have = append(have, '\n')
	}
	text = append(have, block...)
	if _, err := config.Parse(path, text); err != nil {
		return nil, false, fmt.Errorf("adding to %s: %w", path, err)
	}
	return text, true, nil
}

// lacking names what somebody else's kerbagent.yaml does not have.
func (s *clientStep) lacking(cfg *config.Config) string {
	if _, ok := cfg.Realm(s.Config.Directory.Realm()); !ok {
		return "the realm " + s.Config.Directory.Realm()
	}
	i := slices.IndexFunc(cfg.Databases, func(d config.Database) bool { return d.Host == s.cluster.host })
	if i < 0 {
		return "the database " + s.cluster.host
	}
	for _, l := range s.logins() {
		if !slices.ContainsFunc(cfg.Logins, func(c config.Login) bool {
			return c.Principal() == l.Principal() && c.Database == cfg.Databases[i].Name
		}) {
			return "the login of " + l.Principal()
		}
	}
	return ""
}

// block is the part of kerbagent.yaml that is made of what was built. All of it
// was checked when it was read, or is AWS's own, and is quoted.
func (s *clientStep) block() string {
	var b strings.Builder
	d := s.Config.Directory
	fmt.Fprintf(&b, "%s\nrealms:\n  %s:\n    kind: aws-managed-ad\n    dns_servers: [%s]\n", beginMark, d.Realm(), quoted(s.directory.addresses))
	if t := s.Config.Trust; t != nil {
		fmt.Fprintf(&b, "  %s:\n    kind: active-directory\n    dns_servers: [%s]\n    trusted_by: [%s]\n", t.Realm(), quoted(t.DNSServers), d.Realm())
	}
	fmt.Fprintf(&b, "databases:\n  %s:\n    endpoint: %q\n    realm: %s\n", s.Config.Cluster.Identifier, fmt.Sprintf("%s:%d", s.cluster.host, s.cluster.port), d.Realm())
	if ca := s.Config.Cluster.CAFile; ca != "" {
		fmt.Fprintf(&b, "    tls: {mode: verify-full, ca_file: %q}\n", ca)
	}
	if logins := s.logins(); len(logins) > 0 {
		b.WriteString("logins:\n")
		for _, l := range logins {
			key := map[config.SecretKind]string{config.PasswordFile: "password_file", config.Keytab: "keytab", config.CCache: "ccache"}[l.kind]
			fmt.Fprintf(&b, "  - {user: %q, database: %s, %s: %q}", l.Principal(), s.Config.Cluster.Identifier, key, l.ref)
			if l.password.Manager != "" {
				fmt.Fprintf(&b, " # its password is in Secrets Manager: %s", l.password.Manager)
			}
			b.WriteByte('\n')
		}
	}
	fmt.Fprintf(&b, "krb5_conf: {path: %q}\n%s\n", s.Config.Client.Krb5Conf, endMark)
	return b.String()
}

func quoted[T fmt.Stringer](list []T) string {
	var out []string
	for _, a := range list {
		out = append(out, fmt.Sprintf("%q", a.String()))
	}
	return strings.Join(out, ", ")
}

// writeConfig replaces the file where it really is, and leaves it whose it was:
// the daemon runs as another user, and reads it by its group maybe.
func writeConfig(path string, text []byte) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	// Readable for the daemon's user: no secret is in it.
	f, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o644), renameio.WithExistingPermissions())
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer f.Cleanup()
	if was, err := os.Stat(path); err == nil {
		sys, _ := was.Sys().(*syscall.Stat_t)
		if err := f.Chown(int(sys.Uid), int(sys.Gid)); err != nil {
			return fmt.Errorf("writing %s: %w", path, err)
		}
		// A change of owner may take bits away.
		if err := f.Chmod(was.Mode().Perm()); err != nil {
			return fmt.Errorf("writing %s: %w", path, err)
		}
	}
	if _, err := f.Write(text); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := f.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

func (s *clientStep) needs() []permission { return nil }
