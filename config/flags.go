package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Flags is what `kerbagent check` takes without a file. The zero value of a
// field is a flag that was not given.
type Flags struct {
	Realms       []string // --realm; the first is the directory that the database is joined to
	Database     string   // --database HOST[:PORT]
	User         string   // --user; without @REALM it is of the first realm
	PasswordFile string   // --password-file
	Keytab       string   // --keytab
	CCache       string   // --ccache
	DatabaseCA   string   // --database-ca
	DatabaseTLS  string   // --database-tls
	DNSServers   []string // --dns-server: servers of the first realm
	KDCs         []string // --kdc: of the first realm
	ProbeTimeout time.Duration
	Timeout      time.Duration // --timeout of the whole check: only held against ProbeTimeout here
}

// FlagError is one flag that is no good.
type FlagError struct {
	Flag string // with its dashes: "--user"
	Err  error
}

// Error names the flag.
func (e *FlagError) Error() string { return e.Flag + ": " + printable(e.Err.Error()) }

// Unwrap returns what is wrong.
func (e *FlagError) Unwrap() error { return e.Err }

// FromFlags makes the Config that a file with the same content would give. Its
// error joins a *FlagError for each flag that is no good. A user without a
// secret gets SecretKind Prompt.
//
// The user's realm is added where no --realm names it; it counts as trusted by
// the database's realm, since otherwise there would be nothing to try.
func FromFlags(f Flags) (*Config, error) {
	b := &flagBuilder{}
	c := &Config{
		Probes: Probes{Interval: DefaultProbeInterval, Timeout: DefaultProbeTimeout},
		Warn:   Warn{PasswordExpiry: DefaultPasswordExpiry, CertificateExpiry: DefaultCertificateExpiry},
	}
	b.timeouts(f, c)
	for _, s := range f.Realms {
		b.realm(c, "--realm", s)
	}
	user, userRealm := b.user(c, f)
	if len(f.Realms) == 0 && len(c.Realms) == 0 {
		b.failf("--realm", "is missing; name the Kerberos realm, e.g. --realm CORP.EXAMPLE.COM")
	}
	if len(c.Realms) > 0 {
		r := &c.Realms[0]
		r.DNSServers = flagList(b, "--dns-server", f.DNSServers, func(s string) (netip.AddrPort, error) { return parseAddrPort(s, PortDNS) })
		r.KDCs = flagList(b, "--kdc", f.KDCs, func(s string) (HostPort, error) { return parseHostPort(s, PortKDC) })
		r.KpasswdServers = kpasswdOf(r.KDCs)
	}
	b.database(c, f)
	b.login(c, f, user, userRealm)
	if len(b.errs) > 0 {
		return nil, errors.Join(b.errs...)
	}
	return c, nil
}

type flagBuilder struct{ errs []error }

func (b *flagBuilder) failf(flag, format string, args ...any) {
	b.errs = append(b.errs, &FlagError{flag, fmt.Errorf(format, args...)})
}

// without records an error for each given flag that requires another one.
func (b *flagBuilder) without(other string, flags [][2]string) {
	for _, f := range flags {
		if f[1] != "" {
			b.failf(f[0], "requires %s", other)
		}
	}
}

func flagList[T comparable](b *flagBuilder, flag string, list []string, parse func(string) (T, error)) []T {
	var out []T
	for _, s := range list {
		v, err := parse(s)
		if err != nil {
			b.failf(flag, "%w", err)
		} else if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

func (b *flagBuilder) timeouts(f Flags, c *Config) {
	if f.ProbeTimeout != 0 {
		if f.ProbeTimeout < minTimeout || f.ProbeTimeout > maxTimeout {
			b.failf("--probe-timeout", "%q is out of range; write %s to %s", f.ProbeTimeout, short(minTimeout), short(maxTimeout))
		}
		c.Probes.Timeout = f.ProbeTimeout
		// A check runs once and has no beat; the Config keeps its promise all the same.
		c.Probes.Interval = max(DefaultProbeInterval, 2*f.ProbeTimeout)
	}
	if f.Timeout < 0 {
		b.failf("--timeout", "%q is out of range; write one like 30s", f.Timeout)
	} else if f.Timeout != 0 && f.Timeout < c.Probes.Timeout {
		b.failf("--timeout", "the whole check (%s) cannot be shorter than one probe (%s); give --probe-timeout too", short(f.Timeout),
			short(c.Probes.Timeout))
	}
}

// realm adds a realm and returns the name as it stands in the Config.
func (b *flagBuilder) realm(c *Config, flag, s string) string {
	name, err := parseRealm(s)
	if err != nil {
		b.failf(flag, "%w", err)
		return ""
	}
	for _, r := range c.Realms {
		if r.Name == name {
			return name
		}
		if strings.EqualFold(r.Name, name) {
			b.failf(flag, "%q differs from %s only in its case: realms have case", s, r.Name)
			return ""
		}
	}
	c.Realms = append(c.Realms, Realm{Name: name, Kind: ActiveDirectory})
	return name
}

func (b *flagBuilder) user(c *Config, f Flags) (name, realm string) {
	if f.User == "" {
		b.without("--user", [][2]string{{"--password-file", f.PasswordFile}, {"--keytab", f.Keytab}, {"--ccache", f.CCache}})
		return "", ""
	}
	name, realm, err := parseUser(f.User)
	switch {
	case err != nil:
		b.failf("--user", "%w", err)
		return "", ""
	case realm != "":
		return name, b.realm(c, "--user", realm)
	case len(c.Realms) > 0:
		return name, c.Realms[0].Name
	}
	return name, ""
}

func (b *flagBuilder) database(c *Config, f Flags) {
	if f.Database == "" {
		b.without("--database", [][2]string{{"--user", f.User}, {"--database-tls", f.DatabaseTLS}, {"--database-ca", f.DatabaseCA}})
		return
	}
	hp, err := parseHostPort(f.Database, PortMySQL)
	if err != nil {
		b.failf("--database", "%w", err)
	}
	db := Database{Name: hp.String(), Host: hp.Host, Port: hp.Port, TLS: TLS{Mode: VerifyFull}, AllowedServices: defaultServices(),
		MaxConnectErrors: DefaultMaxConnectErrors}
	if len(c.Realms) > 0 {
		db.Realm = c.Realms[0].Name
	}
	if f.DatabaseTLS != "" {
		if db.TLS.Mode, err = parseTLSMode(f.DatabaseTLS); err != nil {
			b.failf("--database-tls", "%w", err)
		}
	}
	if f.DatabaseCA != "" {
		if db.TLS.Mode != "" && !db.TLS.Mode.verifies() {
			b.failf("--database-ca", "has no use with --database-tls %s, which checks no certificate", db.TLS.Mode)
		}
		if db.TLS.CAFile, err = parsePath(f.DatabaseCA, ""); err != nil {
			b.failf("--database-ca", "%w", err)
		}
	}
	c.Databases = []Database{db}
}

func (b *flagBuilder) login(c *Config, f Flags, user, realm string) {
	if user == "" || realm == "" || len(c.Databases) == 0 {
		return
	}
	l := Login{User: user, Realm: realm, Database: c.Databases[0].Name, SecretKind: Prompt,
		Interval:   max(DefaultLoginInterval, c.Probes.Interval),
		Configured: len(f.KDCs)+len(f.DNSServers) > 0}
	for _, one := range []struct {
		flag, given string
		kind        SecretKind
		parse       func(s, dir string) (SecretRef, error)
	}{
		{"--password-file", f.PasswordFile, PasswordFile, parseSecretRef},
		{"--keytab", f.Keytab, Keytab, parseSecretRef},
		{"--ccache", f.CCache, CCache, parseCCacheRef},
	} {
		if one.given == "" {
			continue
		}
		if l.SecretKind != Prompt {
			b.failf(one.flag, "a login has one secret: --password-file, --keytab or --ccache")
			continue
		}
		ref, err := one.parse(one.given, "")
		if err != nil {
			b.failf(one.flag, "%w", err)
		}
		l.SecretKind, l.Secret = one.kind, ref
	}
	for i := range c.Realms {
		if c.Realms[i].Name == realm && c.Databases[0].Realm != realm {
			c.Realms[i].TrustedBy = []string{c.Databases[0].Realm}
		}
	}
	c.Logins = []Login{l}
}
