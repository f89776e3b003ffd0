package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/kerbagent/kerbagent/internal/spelling"
)

// Bounds of durations: below, a probe is a flood; above, a typing error.
const (
	minInterval = time.Second
	maxInterval = 24 * time.Hour
	minTimeout  = 100 * time.Millisecond
	maxTimeout  = time.Minute
	maxHosts    = 1_000_000
	maxWarn     = 10 * 366 * 24 * time.Hour
)

// The keys of kerbagent.yaml, object by object: what fields reads and what
// schema.json describes.
func topKeys() []string {
	return []string{"realms", "databases", "logins", "applications", "krb5_conf", "probes", "fleet", "warn", "aws", "resolver",
		"hide_users", "bootstrap"}
}
func realmKeys() []string {
	return []string{"kind", "dns_servers", "kdcs", "kpasswd_servers", "srv_ports", "trusted_by", "allow_rc4"}
}
func databaseKeys() []string {
	return []string{"endpoint", "realm", "tls", "allowed_services", "spn", "spn_hosts", "max_connect_errors", "instances", "instance_pattern"}
}
func tlsKeys() []string { return []string{"mode", "ca_file"} }
func loginKeys() []string {
	return []string{"user", "database", "password_file", "password_command", "keytab", "ccache", "as", "interval"}
}
func krb5ConfKeys() []string { return []string{"path", "mode", "style"} }
func probesKeys() []string   { return []string{"interval", "timeout"} }
func fleetKeys() []string    { return []string{"hosts", "requests_per_second"} }
func warnKeys() []string     { return []string{"password_expiry", "certificate_expiry"} }

// config reads the whole file. It goes on after a problem, so that all are found.
func (d *document) config(root value, dir string) *Config {
	top := root.fields(topKeys()...)
	if !mapping(root) {
		return nil
	}
	c := &Config{
		Probes: d.probes(top["probes"]),
		Fleet:  d.fleet(top["fleet"]),
		Warn:   d.warn(top["warn"]),
		AWS:    d.aws(top["aws"]),
		Resolver: readAll(top["resolver"], "10.0.0.2", func(s string) (netip.AddrPort, error) {
			return parseAddrPort(s, PortDNS)
		}),
		HideUsers: readOr(top["hide_users"], false, parseBool),
	}
	c.Realms = d.realms(top["realms"], top["bootstrap"].set())
	c.Databases = d.databases(top["databases"], c.Realms, dir)
	c.Logins = d.logins(top["logins"], c, dir)
	c.Applications = d.applications(top["applications"], c)
	c.Krb5Conf = d.krb5Conf(top["krb5_conf"], dir)
	d.share(c, top["fleet"])
	if top["bootstrap"].set() {
		c.Bootstrap = []byte(strings.Join(d.lines, "\n"))
	}
	return c
}

// realms reads all of them; toBeMade says that they may come of a bootstrap yet.
func (d *document) realms(v value, toBeMade bool) []Realm {
	if d.unmade = !v.set() && toBeMade; d.unmade {
		d.add(nil, "realms", "is missing; `kerbagent bootstrap` adds it when it has made what the bootstrap part says")
		return nil
	}
	if !v.set() {
		d.add(nil, "realms", "is missing; name at least one realm, e.g. realms: {CORP.EXAMPLE.COM: {kind: active-directory}}")
		return nil
	}
	before := len(d.problems)
	entries := v.entries("a realm, e.g. CORP.EXAMPLE.COM: {kind: active-directory}")
	var out []Realm
	trust := map[string]value{}
	for _, e := range entries {
		name, err := parseRealm(e.key)
		if err != nil {
			d.add(e.at, e.path, err.Error())
			continue
		}
		if i := slices.IndexFunc(out, func(r Realm) bool { return strings.EqualFold(r.Name, name) }); i >= 0 {
			d.add(e.at, e.path, fmt.Sprintf("differs from %s only in its case; leave one of them", out[i].Name))
			continue
		}
		r := Realm{Name: name, Kind: ActiveDirectory}
		var trusted value
		if !e.empty() {
			f := e.fields(realmKeys()...)
			r.Kind = readOr(f["kind"], ActiveDirectory, parseKind)
			r.DNSServers = readAll(f["dns_servers"], "10.0.1.10", func(s string) (netip.AddrPort, error) { return parseAddrPort(s, PortDNS) })
			r.KDCs = readAll(f["kdcs"], "dc1.corp.example.com", func(s string) (HostPort, error) { return parseHostPort(s, PortKDC) })
			r.KpasswdServers = readAll(f["kpasswd_servers"], "dc1.corp.example.com", func(s string) (HostPort, error) { return parseHostPort(s, PortKpasswd) })
			if !f["kpasswd_servers"].set() {
				r.KpasswdServers = kpasswdOf(r.KDCs)
			}
			r.SRVPorts = readAll(f["srv_ports"], "1088", parsePort)
			r.AllowRC4 = readOr(f["allow_rc4"], false, parseBool)
			trusted = f["trusted_by"]
		}
		if upper := strings.ToUpper(name); name != upper && (r.Kind == ActiveDirectory || r.Kind == AWSManagedAD) {
			d.add(e.at, e.path,
				fmt.Sprintf("is not in upper case, as the realm of an Active Directory always is; write %s (or, if it is none, its kind)", upper))
			r.Name = upper // what else refers to it is judged by the name that is to be written
		}
		trust[r.Name] = trusted
		out = append(out, r)
	}
	if len(entries) == 0 && len(d.problems) == before {
		v.problem("is empty; name at least one realm")
	}
	for i := range out {
		if list, ok := trust[out[i].Name]; ok {
			out[i].TrustedBy = readAll(list, "CORP.EXAMPLE.COM", func(s string) (string, error) {
				if s == out[i].Name {
					return "", fmt.Errorf("%q is this realm itself", s)
				}
				return s, knownRealm(s, out)
			})
		}
	}
	return out
}

// some lists the first few names.
func some(names []string) string {
	const most = 8
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// known names what is configured, or what was probably meant.
func known(s string, names []string) string {
	if near := spelling.Nearest(s, names); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "configured: " + some(names)
}

// empty reports whether a key stands there with nothing after it: for a realm and
// a switch-like section that is enough.
func (v value) empty() bool { return v.set() && isNull(resolved(v.node)) }

// knownRealm is nil where a realm of that name is configured.
func knownRealm(s string, realms []Realm) error {
	names := make([]string, len(realms))
	for i, r := range realms {
		if r.Name == s {
			return nil
		}
		if strings.EqualFold(r.Name, s) {
			return fmt.Errorf("%q is not a realm of this file; write %s: realms have case", s, r.Name)
		}
		names[i] = r.Name
	}
	if len(names) == 0 {
		return nil // said already: there are no realms
	}
	return fmt.Errorf("%q is not in realms; %s", s, known(s, names))
}

func (d *document) databases(v value, realms []Realm, dir string) []Database {
	var out []Database
	for _, e := range v.entries("a database, e.g. orders: {endpoint: db1.corp.example.com:3306}") {
		odd := func(r rune) bool { return r <= ' ' || r > 0x7e || r == '@' || r == '/' }
		if e.key == "" || len(e.key) > 128 || strings.ContainsFunc(e.key, odd) {
			d.add(e.at, e.path, "is not a good name for a database; use letters, digits, - and .")
			continue
		}
		f := e.fields(databaseKeys()...)
		db := Database{
			Name:             e.key,
			TLS:              d.tls(f["tls"], dir),
			AllowedServices:  readAll(f["allowed_services"], "mysql", parseService),
			MaxConnectErrors: readOr(f["max_connect_errors"], DefaultMaxConnectErrors, parseCount),
		}
		db.StrictSPN = readOr(f["spn"], spnRemember, func(s string) (string, error) { return parseWord(s, spnRemember, spnStrict) }) == spnStrict
		db.SPNHosts = readAll(f["spn_hosts"], "db1.corp.example.com", func(s string) (string, error) {
			hp, err := parseHostPort(s, PortMySQL)
			return strings.ToLower(hp.Host), err
		})
		if hp, ok := read(f["endpoint"], func(s string) (HostPort, error) { return parseHostPort(s, PortMySQL) }); ok {
			db.Host, db.Port = hp.Host, hp.Port
		} else if !f["endpoint"].set() {
			d.add(e.at, e.path, "has no endpoint; write endpoint: HOST:3306")
		}
		d.instances(f["instances"], f["instance_pattern"], &db)
		if !f["allowed_services"].set() {
			db.AllowedServices = defaultServices()
		} else if seq := resolved(f["allowed_services"].node); seq.Kind == yaml.SequenceNode && len(seq.Content) == 0 {
			f["allowed_services"].problem("names no service; leave it out for %s", strings.Join(defaultServices(), " and "))
		}
		switch {
		case f["realm"].set():
			db.Realm, _ = read(f["realm"], func(s string) (string, error) { return s, knownRealm(s, realms) })
		case len(realms) == 1:
			db.Realm = realms[0].Name
		case len(realms) > 1:
			d.add(e.at, e.path, "has no realm; write the one of the directory that the database is joined to, e.g. realm: "+realms[0].Name)
		}
		out = append(out, db)
	}
	return out
}

// What spn says of an announced service whose host nothing speaks for.
const (
	spnRemember = "remember"
	spnStrict   = "strict"
)

// defaultServices are the services that MySQL and MariaDB servers announce.
func defaultServices() []string { return []string{"mysql", "mariadb"} }

func parseCount(s string) (int, error) {
	base := 10
	if strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0o") {
		base = 0 // YAML 1.2 §10.3.2
	}
	n, err := strconv.ParseInt(s, base, 32)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is not a number from 1", s)
	}
	return int(n), nil
}

func (d *document) tls(v value, dir string) TLS {
	f := v.fields(tlsKeys()...)
	t := TLS{Mode: readOr(f["mode"], VerifyFull, parseTLSMode)}
	t.CAFile, _ = read(f["ca_file"], func(s string) (string, error) {
		if !t.Mode.verifies() {
			return "", fmt.Errorf("has no use with mode %s, which checks no certificate; leave one of them out", t.Mode)
		}
		return parsePath(s, dir)
	})
	return t
}

func (d *document) krb5Conf(v value, dir string) *Krb5Conf {
	if !v.set() {
		return nil
	}
	k := &Krb5Conf{Path: DefaultKrb5ConfPath, Mode: Krb5Check, Style: Krb5File}
	if v.empty() {
		return k
	}
	f := v.fields(krb5ConfKeys()...)
	k.Path = readOr(f["path"], k.Path, func(s string) (string, error) { return parsePath(s, dir) })
	k.Mode = readOr(f["mode"], k.Mode, func(s string) (Krb5Mode, error) { return parseWord(s, Krb5Check, Krb5Maintain) })
	k.Style = readOr(f["style"], k.Style, func(s string) (Krb5Style, error) {
		return parseWord(s, Krb5File, Krb5Block, Krb5Snippet)
	})
	return k
}

func (d *document) probes(v value) Probes {
	f := v.fields(probesKeys()...)
	p := Probes{
		Interval: readOr(f["interval"], DefaultProbeInterval, interval),
		Timeout:  readOr(f["timeout"], DefaultProbeTimeout, timeout),
	}
	if p.Timeout >= p.Interval {
		at := f["timeout"]
		if !at.set() {
			at = f["interval"]
		}
		at.problem("the timeout (%s) is not shorter than the interval (%s)", short(p.Timeout), short(p.Interval))
	}
	return p
}

func interval(s string) (time.Duration, error) { return parseDuration(s, minInterval, maxInterval) }
func timeout(s string) (time.Duration, error)  { return parseDuration(s, minTimeout, maxTimeout) }

func (d *document) warn(v value) Warn {
	f := v.fields(warnKeys()...)
	span := func(s string) (time.Duration, error) { return parseDuration(s, 0, maxWarn) }
	return Warn{
		PasswordExpiry:    readOr(f["password_expiry"], DefaultPasswordExpiry, span),
		CertificateExpiry: readOr(f["certificate_expiry"], DefaultCertificateExpiry, span),
	}
}
