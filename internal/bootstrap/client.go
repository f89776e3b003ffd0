package bootstrap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/diagnose"
)

// clientStep is the guide's step 7: the files of this host, and the login that
// a bootstrap ends with.
type clientStep struct {
	*world
	vault vault

	verified string // what the check said, in this run; empty: not asked yet
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
	if s.verified != "" {
		v.is = s.verified
		return v, nil
	}
	check.act = func(ctx context.Context) error { return s.verify(ctx, cfg) }
	v.do = append(v.do, check)
	return v, nil
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

// verify runs check for every login, with passwords of Secrets Manager in memory.
func (s *clientStep) verify(ctx context.Context, cfg *config.Config) error {
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
	rep, err := s.Verify(ctx, &run, func(l config.Login) ([]byte, error) {
		secret, err := s.vault.read(ctx, passwords[l.Principal()])
		return secret.Reveal(), err
	})
	if err != nil {
		return fmt.Errorf("checking the logins: %w", err)
	}
	if rep.Verdict == diagnose.VerdictFailed {
		f := rep.Findings[0]
		return advise("kerbagent check has the whole of it, kerbagent explain "+string(f.Code)+" what it means", "%s: %s", f.Code, f.Title)
	}
	s.verified = "no login is configured: the path is good"
	if users := s.checked(); len(users) > 0 {
		s.verified = "logged in: " + strings.Join(users, ", ")
	}
	if rep.Verdict == diagnose.VerdictDegraded {
		s.verified += " (degraded: " + string(rep.Findings[0].Code) + ")"
	}
	return nil
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

func writeConfig(path string, text []byte) error {
	// Readable for the daemon's user: no secret is in it.
	if err := renameio.WriteFile(path, text, 0o644, renameio.WithExistingPermissions()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

func (s *clientStep) needs() []permission { return nil }
