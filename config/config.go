// Package config reads kerbagent.yaml, or the flags of `kerbagent check`, into
// one checked Config. Whoever holds a Config need not check it again: every
// host, address, port, duration and reference in it is good, and every default
// is filled in.
//
// A file is read strictly. An unknown key is an error; all errors are reported
// at once, each with its YAML path, its place and an excerpt. No secret stands
// in the file: a [SecretRef] says where one is, and [SecretRef.Password] reads
// it, byte for byte.
//
// The package is a leaf. It imports nothing of kerbagent, asks no server, and
// never resolves a name.
package config

import (
	"net/netip"
	"strings"
	"time"
)

// Defaults of what a file or the flags leave out.
const (
	DefaultFile              = "/etc/kerbagent/kerbagent.yaml"
	DefaultKrb5ConfPath      = "/etc/krb5.conf"
	DefaultProbeInterval     = 50 * time.Second // a fault at a KDC or a DNS server is found within a minute
	DefaultProbeTimeout      = 5 * time.Second
	DefaultLoginInterval     = 5 * time.Minute     // an account survives a day of it, at any lockout threshold
	DefaultPasswordExpiry    = 14 * 24 * time.Hour // time enough to rotate by hand
	DefaultCertificateExpiry = 30 * 24 * time.Hour // time enough to roll a CA bundle out to a fleet
	DefaultMaxConnectErrors  = 100                 // MySQL's and MariaDB's own default
)

// MaxLoginsAnHour is how often an account's password or keytab is tried within
// an hour at most, whatever intervals its logins have.
const MaxLoginsAnHour = 20

// Ports that a value without one stands for.
const (
	PortDNS     = 53
	PortKDC     = 88
	PortKpasswd = 464
	PortMySQL   = 3306
)

// Config is what kerbagent is to do, checked and complete. It is not changed
// after Load, Parse or FromFlags has returned it.
type Config struct {
	Realms       []Realm       // at least one, in the order of the file
	Databases    []Database    // may be empty: then only the realms are probed
	Logins       []Login       // may be empty: then no login is tried
	Applications []Application // may be empty: then no program is watched
	Krb5Conf     *Krb5Conf     // nil where the file has no krb5_conf: then the host's file is nobody's business
	Probes       Probes
	Fleet        Fleet
	Warn         Warn
	AWS          AWS
	Resolver     []netip.AddrPort // this host's DNS servers; empty for those of /etc/resolv.conf, which the agent reads
	HideUsers    bool             // no output shows a user's name
	Bootstrap    []byte           // the whole file where it has a bootstrap part, nil otherwise; that part is not looked into here, and its reader needs the lines of the rest to point at its own
}

// Realm finds a realm by its exact name.
func (c *Config) Realm(name string) (Realm, bool) {
	for _, r := range c.Realms {
		if r.Name == name {
			return r, true
		}
	}
	return Realm{}, false
}

// Database finds a database by its name in the file.
func (c *Config) Database(name string) (Database, bool) {
	for _, d := range c.Databases {
		if d.Name == name {
			return d, true
		}
	}
	return Database{}, false
}

// Kind is the KDC implementation that serves a realm: probes expect different things of each.
type Kind string

// The kinds of realm. Active Directory is the default: Aurora MySQL takes
// logins from nothing else.
const (
	AWSManagedAD    Kind = "aws-managed-ad"
	ActiveDirectory Kind = "active-directory"
	MIT             Kind = "mit"
	Heimdal         Kind = "heimdal" // its kpasswdd has no TCP
)

// Realm is one Kerberos realm and the servers that are its own.
type Realm struct {
	Name           string           // as configured, case kept: CORP.EXAMPLE.COM
	Kind           Kind             // never empty
	DNSServers     []netip.AddrPort // the realm's own DNS servers; empty where none is configured
	KDCs           []HostPort       // empty: found by SRV, else the addresses of Domain
	KpasswdServers []HostPort       // empty: as KDCs; where KDCs are configured, their hosts on port 464
	SRVPorts       []uint16         // ports beside 88 and 464 that SRV records may name
	AllowRC4       bool             // a password may be proved with RC4
	TrustedBy      []string         // realms whose services this realm's users may reach, all configured
}

// Domain is the realm's DNS domain: its name in lower case.
func (r Realm) Domain() string { return strings.ToLower(r.Name) }

// TLSMode is how thoroughly a database's certificate is verified.
type TLSMode string

// The TLS modes, strictest first.
const (
	VerifyFull TLSMode = "verify-full" // chain, date and host name; the default
	VerifyCA   TLSMode = "verify-ca"   // chain and date
	Require    TLSMode = "require"     // encrypted, not checked
	TLSOff     TLSMode = "off"
)

// TLS is how a database is talked to.
type TLS struct {
	Mode   TLSMode
	CAFile string // PEM bundle; empty for the system's. Set only where Mode verifies
}

// Database is one MySQL-compatible server that takes Kerberos logins.
type Database struct {
	Name             string // its key in the file; host:port where it came from flags
	Host             string // a host name or an IP address, without brackets
	Port             uint16
	Realm            string // the directory that the database is joined to: a configured realm
	TLS              TLS
	SPNHosts         []string // further hosts that an announced SPN may be of, in lower case
	StrictSPN        bool     // an SPN that nothing speaks for is refused, not remembered
	AllowedServices  []string // services of an announced SPN that a ticket may be asked for; never empty
	MaxConnectErrors int      // the server's own max_connect_errors; probing pauses at a quarter of it

	Instances       InstancesMode // where the instances of its cluster are known from
	InstanceNames   []string      // with InstancesNamed: identifiers, or whole host names
	InstancePattern string        // the host name of an instance, with ? for its identifier; empty: as RDS makes it from Host
}

// Endpoint is where to dial: "host:port", an IPv6 address in brackets.
func (d Database) Endpoint() string { return HostPort{d.Host, d.Port}.String() }

// SecretKind is the kind of secret that proves a user's identity.
type SecretKind string

// The kinds of secret.
const (
	PasswordFile SecretKind = "password"
	Keytab       SecretKind = "keytab"
	CCache       SecretKind = "ccache" // a ticket cache that somebody else fills
	Prompt       SecretKind = "prompt" // no secret given with flags: asked on the terminal, by cmd
)

// Login is one user who logs in to one database.
type Login struct {
	User       string // the name without its realm: "alice", "svc/host"
	Realm      string // a configured realm
	Database   string // name of a configured database
	SecretKind SecretKind
	Secret     SecretRef     // zero for Prompt
	Interval   time.Duration // between two tries; longer than LoginTimeout
	// Configured says that the login goes to the servers that this configuration
	// leads to; otherwise to those that programs on this host go to.
	Configured bool
}

// Principal is user@REALM.
func (l Login) Principal() string { return l.User + "@" + l.Realm }

// Krb5Mode says whether kerbagent may write krb5.conf.
type Krb5Mode string

// The modes.
const (
	Krb5Check    Krb5Mode = "check" // read and judge; the default
	Krb5Maintain Krb5Mode = "maintain"
)

// Krb5Style says how much of krb5.conf is kerbagent's.
type Krb5Style string

// The styles.
const (
	Krb5File    Krb5Style = "file"    // the whole file; the default
	Krb5Block   Krb5Style = "block"   // a marked block in somebody's file
	Krb5Snippet Krb5Style = "snippet" // a file of its own in an included directory
)

// Krb5Conf is the krb5.conf that the applications of this host read.
type Krb5Conf struct {
	Path  string // absolute
	Mode  Krb5Mode
	Style Krb5Style
}

// Probes is the beat of everything but logins.
type Probes struct {
	Interval time.Duration // between two questions at a KDC or DNS server; what is asked less often is asked every so many of them
	Timeout  time.Duration // how long one probe may take; shorter than Interval
}

// Seldom is the time between two questions over the ways that programs take
// seldom: DNS over TCP, and kpasswd.
func (p Probes) Seldom() time.Duration { return 6 * p.Interval }

// Rare is the time between two questions for one name, and two large messages.
func (p Probes) Rare() time.Duration { return 12 * p.Interval }

// LoginTimeout is the longest that a login takes: the timeout of a probe for
// the way to ticket and database, and the same again from there on.
func (p Probes) LoginTimeout() time.Duration { return 2 * p.Timeout }

// Warn holds how long before an expiry a warning is due.
type Warn struct {
	PasswordExpiry    time.Duration
	CertificateExpiry time.Duration
}
