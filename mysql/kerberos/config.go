package kerberos

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	gomysql "github.com/go-sql-driver/mysql"
	"github.com/kerbagent/kerbagent/krb5/client"
)

// Dialer opens connections, to KDCs and to the database. *net.Dialer is one.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Config describes who logs in, and to which server. User, Realm, Addr and exactly one of Password,
// PasswordFile, Keytab and CCache are needed.
type Config struct {
	User  string // the user's name as in CREATE USER
	Realm string // the realm in upper case, as the directory spells it
	// Principal is the Kerberos name, without a realm, where it is not User:
	// MariaDB's IDENTIFIED VIA gssapi AS '…' allows that.
	Principal string

	Password     []byte // byte for byte; copied
	PasswordFile string // its whole content is the password: a line end is an error, not cut off
	Keytab       string // path
	CCache       string // path of a FILE credential cache that something else fills

	// AllowRC4 lets a password be proved with RC4 where the KDC offers nothing else.
	// Whoever hears the proof tests millions of passwords a second.
	AllowRC4 bool

	Addr string // host or host:port of the database; 3306 where there is none

	// TLS changes how TLS is done, e.g. by RootCAs. nil is the system's CAs.
	// Where ServerName is empty it is Addr's host.
	TLS *tls.Config
	// WithoutTLS logs in and works in the clear.
	WithoutTLS bool

	// Realms are the further realms, beside Realm, that the database's service
	// may be of: where a trust leads.
	Realms []string
	// AllowSPN replaces the check of the announced service principal.
	AllowSPN func(client.Principal) bool
	// SPNHosts are further hosts, beside Addr's, that the announced principal may be
	// of. A host that neither Addr, nor an RDS name of its cluster, nor the server's
	// certificate speaks for is taken, and a later other one refused; with StrictSPN
	// it is refused at once. See Hosts. AllowSPN replaces this too.
	SPNHosts  []string
	StrictSPN bool
	// ServiceRealm returns the realm of a host whose principal was announced
	// without one, as [domain_realm] does; nil is Realm.
	ServiceRealm func(host string) string
	Mutual       Mutual

	// KDCs names the KDCs of a realm, each as host or host:port. A realm that
	// is not in it is looked up with Locator.
	KDCs map[string][]string
	// Locator finds KDCs; nil asks DNS for SRV records.
	Locator client.Locator
	Dialer  Dialer // nil: a net.Dialer

	// Timeout bounds getting a ticket granting ticket, with waiting for a turn, and
	// then the login at the database: each may take so long. 0 is 15 s. Each KDC
	// gets at most 5 s of it.
	Timeout time.Duration

	// Driver is what the driver does once logged in; nil is mysql.NewConfig().
	Driver *gomysql.Config
	Now    func() time.Time // nil: time.Now

	hosts Hosts
}

// defaultTimeout leaves room for a dead KDC and a trust; a server gives up ten
// seconds after its switch by itself.
const defaultTimeout = 15 * time.Second

// checked returns the configuration with its defaults, or all that is wrong
// with it.
func (c Config) checked() (Config, error) {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	if c.User == "" {
		bad("field User is missing")
	}
	if c.Principal == "" {
		c.Principal = c.User
	}
	if strings.Contains(c.Principal, "@") {
		bad("field Principal %q must be a name without a realm", c.Principal)
	}
	switch {
	case c.Realm == "":
		bad("field Realm is missing")
	case c.Realm != strings.ToUpper(c.Realm):
		bad("field Realm %q is not in upper case", c.Realm)
	}
	secrets := 0
	for _, given := range []bool{c.Password != nil, c.PasswordFile != "", c.Keytab != "", c.CCache != ""} {
		if given {
			secrets++
		}
	}
	if secrets != 1 {
		bad("exactly one of Password, PasswordFile, Keytab and CCache is needed, not %d", secrets)
	}
	if c.Password != nil && len(c.Password) == 0 {
		bad("field Password is empty")
	}
	host, err := c.setAddr()
	if err != nil {
		errs = append(errs, err)
	}
	if c.AllowSPN == nil {
		c.hosts = Hosts{Endpoint: host, Also: slices.Clone(c.SPNHosts), Strict: c.StrictSPN}
	}
	if err := c.setTLS(host); err != nil {
		errs = append(errs, err)
	}
	if err := c.setDriver(); err != nil {
		errs = append(errs, err)
	}
	if c.Mutual < Prefer || c.Mutual > Off {
		bad("field Mutual is none of Prefer, Require and Off")
	}
	if c.Timeout < 0 {
		bad("field Timeout is negative")
	}
	if len(errs) > 0 {
		return Config{}, fmt.Errorf("kerberos.Config: %w", errors.Join(errs...))
	}
	c.setDefaults()
	return c, nil
}

func (c *Config) setDefaults() {
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Dialer == nil {
		c.Dialer = &net.Dialer{}
	}
	if c.AllowSPN == nil {
		c.AllowSPN = AllowIn(append([]string{c.Realm}, c.Realms...)...)
	}
	if c.Locator == nil {
		c.Locator = client.DNSLocator{}
	}
	if len(c.KDCs) > 0 {
		c.Locator = given{c.KDCs, c.Locator}
	}
	c.Password = append([]byte(nil), c.Password...)
}

// setAddr completes Addr and returns its host.
func (c *Config) setAddr() (string, error) {
	if c.Addr == "" {
		return "", errors.New("field Addr is missing")
	}
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil { // no port
		host, port = strings.Trim(c.Addr, "[]"), "3306"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" {
		return "", fmt.Errorf("field Addr %q is neither a host nor host:port", c.Addr)
	}
	c.Addr = net.JoinHostPort(host, port)
	return host, nil
}

func (c *Config) setTLS(host string) error {
	if c.WithoutTLS {
		if c.TLS != nil {
			return errors.New("field TLS is set beside WithoutTLS")
		}
		return nil
	}
	if c.TLS == nil {
		c.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	c.TLS = c.TLS.Clone()
	if c.TLS.ServerName == "" {
		c.TLS.ServerName = host
	}
	return nil
}

// setDriver takes a copy of the driver's configuration and clears the way for
// our login.
func (c *Config) setDriver() error {
	base := gomysql.NewConfig()
	if c.Driver != nil {
		base = c.Driver.Clone()
	}
	var errs []error
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"User", base.User != ""},
		{"Passwd", base.Passwd != ""},
		{"Net", base.Net != "" && base.Net != "tcp"},
		{"Addr", base.Addr != "" && base.Addr != "127.0.0.1:3306"}, // ParseDSN fills this in
		{"TLS", base.TLS != nil || base.TLSConfig != "" && base.TLSConfig != "false"},
		{"DialFunc", base.DialFunc != nil},
		{"AllowAllFiles", base.AllowAllFiles},
	} {
		if f.set {
			errs = append(errs, fmt.Errorf("field Driver.%s cannot be used here", f.name))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	base.User = c.User
	base.Net, base.Addr = "tcp", c.Addr
	base.Timeout = 0 // ours bounds the login
	base.AllowFallbackToPlaintext = false
	// The driver sends a collation in its login packet, which the server never
	// sees; as SET NAMES it does.
	if charset, _, ok := strings.Cut(base.Collation, "_"); ok {
		if err := base.Apply(gomysql.Charset(charset, base.Collation)); err != nil {
			return err
		}
	}
	c.Driver = base
	return nil
}
