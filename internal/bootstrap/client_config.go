package bootstrap

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/google/renameio/v2"

	"github.com/kerbagent/kerbagent/config"
)

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
			return nil, false, advise("add what is missing by hand; it would be:\n"+block, "%s is not kerbagent bootstrap's, and lacks %s",
				path, lacking)
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
	fmt.Fprintf(&b, "%s\nrealms:\n  %s:\n    kind: aws-managed-ad\n    dns_servers: [%s]\n", beginMark, d.Realm(),
		quoted(s.directory.addresses))
	if t := s.Config.Trust; t != nil {
		fmt.Fprintf(&b, "  %s:\n    kind: active-directory\n    dns_servers: [%s]\n    trusted_by: [%s]\n", t.Realm(),
			quoted(t.DNSServers), d.Realm())
	}
	fmt.Fprintf(&b, "databases:\n  %s:\n    endpoint: %q\n    realm: %s\n", s.Config.Cluster.Identifier,
		fmt.Sprintf("%s:%d", s.cluster.host, s.cluster.port), d.Realm())
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

// writeConfig replaces the file where it really is, and leaves it whose it was:
// the daemon runs as another user, and reads it by its group maybe.
func writeConfig(path string, text []byte) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	// Readable for the daemon's user: no secret is in it.
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithPermissions(0o644),
		renameio.WithExistingPermissions())
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
