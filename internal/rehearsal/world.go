package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/krb5/krb5test"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
	"github.com/kerbagent/kerbagent/probe"
)

// The world's names.
const (
	corpRealm    = "CORP.EXAMPLE.COM" // the directory that the database is joined to
	onpremRealm  = "ONPREM.LOCAL"     // trusted by it
	rdsZone      = "us-east-1.rds.amazonaws.com"
	databaseHost = "orders.cluster-abc123." + rdsZone
	readerHost   = "orders.cluster-ro-abc123." + rdsZone
	customHost   = "reports.cluster-custom-abc123." + rdsZone // of the last reader alone
	instanceZone = ".abc123." + rdsZone
	instanceHost = "orders-1" + instanceZone // what the cluster's name is a CNAME of
	databaseSPN  = "mysql/" + databaseHost
)

// Its users, with passwords that are good for nothing else.
const (
	alicePassword = "Rehearsal-Alice-1"
	etlPassword   = "Rehearsal-Etl-1"
	carolPassword = "Rehearsal-Carol-1"
)

// plan of addresses: any address of 127/8 works on Linux without set-up.
func plan() (dc1, dc2, onprem, database, resolver netip.Addr) {
	return netip.AddrFrom4([4]byte{127, 77, 0, 10}), netip.AddrFrom4([4]byte{127, 77, 0, 11}), netip.AddrFrom4([4]byte{127, 77, 2, 10}),
		netip.AddrFrom4([4]byte{127, 77, 3, 20}), netip.AddrFrom4([4]byte{127, 77, 4, 2})
}

// Options of a world.
type Options struct {
	Fault   diagnose.Code // to be played; empty for a healthy world
	Dialect Dialect       // of the KDCs; empty for Windows
}

// Dialect is whose words the KDCs use: they differ in what they say of an
// account that may not log in.
type Dialect string

// The dialects.
const (
	Windows Dialect = "windows"
	Samba   Dialect = "samba"
	MIT     Dialect = "mit"
)

func (d Dialect) of() (krb5test.Dialect, config.Kind, error) {
	switch d {
	case "", Windows:
		return krb5test.Windows, config.ActiveDirectory, nil
	case Samba:
		return krb5test.Samba, config.ActiveDirectory, nil
	case MIT:
		return krb5test.MIT, config.MIT, nil
	}
	return 0, "", fmt.Errorf("no dialect %q; there are %s, %s and %s", string(d), Windows, Samba, MIT)
}

// World is everything that the ladder climbs, running.
type World struct {
	dir          string // of secrets and state, private
	path         Path
	corp, onprem *krb5test.Realm
	trust        *krb5test.Trust // of corp in onprem's users; nil: none
	dc1, dc2     *controller     // of corp
	dcOnprem     *controller
	resolver     *dnsServer
	database     *mysqltest.Server   // the cluster's writer, orders-1
	readers      []*mysqltest.Server // orders-2 and orders-3
	cluster      *mysqltest.Cluster
	keytab       dbKeytab    // the database's
	kind         config.Kind // of the realms
	settings     settings
	config       *config.Config
	clientKeytab []byte           // for others' clients
	playing      diagnose.Code    // the fault; empty for none
	changes      int              // of the users' passwords
	clock        func() time.Time // of the servers; nil: time.Now
	ends         []func() error
}

// Start builds the world and plays the fault. Whoever starts it closes it.
func Start(ctx context.Context, o Options) (*World, error) {
	fault, err := find(o.Fault)
	if err != nil {
		return nil, err
	}
	return startWith(ctx, o.Dialect, func(w *World) error {
		w.playing = o.Fault
		return fault.play(w)
	})
}

// startWith builds a world, changed by play.
func startWith(ctx context.Context, d Dialect, play func(*World) error) (*World, error) {
	return startAt(ctx, d, nil, play)
}

// startAt starts a world whose servers have the given clock.
func startAt(ctx context.Context, d Dialect, clock func() time.Time, play func(*World) error) (*World, error) {
	dialect, kind, err := d.of()
	if err != nil {
		return nil, err
	}
	w := &World{kind: kind, clock: clock}
	steps := []func() error{
		w.makeDir,
		func() error { return w.makeRealms(dialect) },
		w.startControllers,
		w.startDNS,
		w.startDatabase,
		func() error { return w.configure(kind) },
		func() error { return play(w) },
		w.makeTrust,
		w.readConfig,
	}
	for _, step := range steps {
		if err := errors.Join(ctx.Err(), step()); err != nil {
			return nil, errors.Join(fmt.Errorf("starting the rehearsal: %w", err), w.Close())
		}
	}
	return w, nil
}

// Close ends all servers and removes the secrets.
func (w *World) Close() error {
	err := endAll(w.ends)
	w.ends = nil
	return err
}

// Config is what `kerbagent check` would read from a file.
func (w *World) Config() *config.Config { return w.config }

// Dialer is the network between the agent and the world.
func (w *World) Dialer() probe.Dialer { return &w.path }

// Now is the agent's clock: the host's own. Where clocks differ, the world's are off.
func (w *World) Now() func() time.Time { return time.Now }

// Resolver is where the host's resolver listens.
func (w *World) Resolver() netip.AddrPort { return w.resolver.addr }

// StateDir is a private folder for what the agent keeps on disk.
func (w *World) StateDir() string { return filepath.Join(w.dir, "state") }

func (w *World) makeDir() error {
	dir, err := os.MkdirTemp("", "kerbagent-rehearsal-") // 0700
	if err != nil {
		return err
	}
	w.dir = dir
	w.ends = append(w.ends, func() error { return os.RemoveAll(dir) })
	return os.Mkdir(w.StateDir(), 0o700)
}

// keep writes a file that only this user reads.
func (w *World) keep(name string, content []byte) (string, error) {
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		return "", err
	}
	return path, os.Rename(path+".new", path) // a daemon may be reading
}

func (w *World) makeRealms(dialect krb5test.Dialect) error {
	o := krb5test.Options{Dialect: dialect, Now: w.clock, ETypes: []int32{krb5test.AES256, krb5test.AES128}}
	w.corp, w.onprem = krb5test.NewRealm(corpRealm, o), krb5test.NewRealm(onpremRealm, o)
	w.addAccounts()
	return nil
}

// addAccounts adds users, service and trust, or makes them what they were.
func (w *World) addAccounts() {
	w.corp.AddUser("alice", w.password(alicePassword))
	w.corp.AddUser("etl", w.password(etlPassword))
	w.corp.AddService(databaseSPN)
	w.onprem.AddUser("carol", w.password(carolPassword))
	w.trust = &krb5test.Trust{}
}

// makeTrust comes after the fault, since a trust cannot be taken back.
func (w *World) makeTrust() error {
	if w.trust != nil {
		w.corp.Trusts(w.onprem, *w.trust)
	}
	return nil
}

func (w *World) startControllers() error {
	ip1, ip2, ipOnprem, _, _ := plan()
	w.dc1 = &controller{name: "dc1.corp.example.com", addrs: []netip.Addr{ip1}}
	w.dc2 = &controller{name: "dc2.corp.example.com", addrs: []netip.Addr{ip2}}
	w.dcOnprem = &controller{name: "dc1.onprem.local", addrs: []netip.Addr{ipOnprem}}
	if hasIPv6() {
		w.dc1.addrs = append(w.dc1.addrs, netip.IPv6Loopback())
	}
	for _, c := range w.controllers() {
		realm := w.corp
		if c == w.dcOnprem {
			realm = w.onprem
		}
		ends, err := c.serve(realm)
		if err != nil {
			return fmt.Errorf("starting %s: %w", c.name, err)
		}
		w.ends = append(w.ends, ends...)
		for _, a := range c.addrs {
			w.path.alias(netip.AddrPortFrom(a, config.PortKDC), netip.AddrPortFrom(a, c.kdcPort))
			w.path.alias(netip.AddrPortFrom(a, config.PortKpasswd), netip.AddrPortFrom(a, c.kpasswdPort))
		}
	}
	return nil
}

func (w *World) controllers() []*controller { return []*controller{w.dc1, w.dc2, w.dcOnprem} }

func hasIPv6() bool {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		return false
	}
	l.Close()
	return true
}

func (w *World) startDNS() error {
	corp, onprem := directoryZone(corpRealm, w.dc1, w.dc2), directoryZone(onpremRealm, w.dcOnprem)
	_, _, _, ipDatabase, ipResolver := plan()
	rds := newZone(rdsZone, "ns1."+rdsZone)
	rds.add(alias(databaseHost, instanceHost), address(instanceHost, ipDatabase))
	for i, ip := range readerAddresses() {
		rds.add(address(readerName(i)+instanceZone, ip), address(readerHost, ip))
	}
	rds.add(alias(customHost, readerName(1)+instanceZone))
	start := func(ip netip.Addr, resolving bool, zones ...*zone) (*dnsServer, error) {
		s, err := startDNS(ip, resolving, zones...)
		if err == nil {
			w.ends = append(w.ends, s.close)
		}
		return s, err
	}
	var err1, err2, err3, err4 error
	w.dc1.dns, err1 = start(w.dc1.ip(), false, corp)
	w.dc2.dns, err2 = start(w.dc2.ip(), false, corp)
	w.dcOnprem.dns, err3 = start(w.dcOnprem.ip(), false, onprem)
	w.resolver, err4 = start(ipResolver, true, corp, onprem, rds)
	return errors.Join(err1, err2, err3, err4)
}

func (w *World) startDatabase() error {
	_, _, _, ip, _ := plan()
	w.keytab.renew(w.corp)
	w.cluster = &mysqltest.Cluster{}
	healCluster(w)
	s, err := w.startInstance("orders-1", netip.AddrPortFrom(ip, 0))
	if err != nil {
		return fmt.Errorf("starting the database: %w", err)
	}
	w.database = s
	for i, ip := range readerAddresses() { // all instances of a cluster have one port
		s, err := w.startInstance(readerName(i), netip.AddrPortFrom(ip, w.database.Addr().Port()))
		if err != nil {
			return fmt.Errorf("starting a reader: %w", err)
		}
		w.readers = append(w.readers, s)
	}
	return nil
}

// directoryZone is the zone that a realm's domain controllers register.
func directoryZone(realm string, dcs ...*controller) *zone {
	domain := strings.ToLower(realm)
	z := newZone(domain, dcs[0].name)
	for _, c := range dcs {
		for _, a := range c.addrs {
			z.add(address(domain, a), address(c.name, a))
		}
		for _, t := range []string{"_udp", "_tcp"} {
			z.add(service("_kerberos."+t+"."+domain, c.name, c.kdcPort), service("_kpasswd."+t+"."+domain, c.name, c.kpasswdPort))
		}
		const ldap = 389 // asked for in DNS only: nothing listens
		z.add(service("_ldap._tcp."+domain, c.name, ldap), service("_ldap._tcp.dc._msdcs."+domain, c.name, ldap),
			service("_kerberos._tcp.dc._msdcs."+domain, c.name, c.kdcPort))
	}
	return z
}
