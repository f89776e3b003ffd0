//go:build linux

package audit

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf"
)

// names are the settings by which glibc resolves names, of one file system.
// Nothing is asked: an audit sends no packet.
type names struct {
	servers []netip.Addr            // of resolv.conf(5)
	hosts   map[string][]netip.Addr // of hosts(5), by name in lower case
	dns     bool                    // nsswitch.conf(5) lets DNS be asked
}

const (
	maxServers = 3 // as many nameservers as glibc asks (resolv.conf(5), MAXNS)
	resolvConf = "/etc/resolv.conf"
	hostsFile  = "/etc/hosts"
	nsswitch   = "/etc/nsswitch.conf"
)

// readNames reads the settings. A file that is not there has its default.
func readNames(files conf.Source) (names, error) {
	n := names{hosts: map[string][]netip.Addr{}, dns: true}
	var errs []error
	read := func(name string, line func(words []string)) {
		text, _, err := files.ReadFile(name)
		if err != nil && !missing(err) {
			errs = append(errs, err)
			return
		}
		for l := range strings.Lines(text) {
			l, _, _ = strings.Cut(l, "#")
			if words := strings.Fields(l); len(words) > 0 {
				line(words)
			}
		}
	}
	read(resolvConf, func(w []string) {
		if a, err := netip.ParseAddr(w[min(1, len(w)-1)]); w[0] == "nameserver" && err == nil && len(n.servers) < maxServers {
			n.servers = append(n.servers, a)
		}
	})
	read(hostsFile, func(w []string) {
		a, err := netip.ParseAddr(w[0])
		for _, name := range w[1:] {
			if name = strings.ToLower(name); err == nil {
				n.hosts[name] = append(n.hosts[name], a.Unmap())
			}
		}
	})
	read(nsswitch, func(w []string) {
		if rest, ok := strings.CutPrefix(strings.Join(w, " "), "hosts:"); ok {
			sources := strings.Fields(rest)
			n.dns = slices.Contains(sources, "dns") || slices.Contains(sources, "resolve")
		}
	})
	if len(n.servers) == 0 {
		n.servers = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})} // resolv.conf(5)
	}
	return n, errors.Join(errs...)
}

// judgeNames reports where a program with a file system or a network of its own
// resolves names by settings that cannot work, or that are not this host's.
func judgeNames(c *inspection) {
	if !c.p.Namespaces["mnt"] && !c.p.Namespaces["net"] || c.s.o.Config == nil || c.database.Host == "" {
		return
	}
	theirs, err := readNames(c.root)
	if closed(err) {
		c.resolver(Error, resolvConf, "its user may not read all of /etc/resolv.conf, /etc/hosts and /etc/nsswitch.conf")
		return
	}
	if err != nil {
		c.note("how the program resolves names: %v", err)
		return
	}
	if judgePinned(c, theirs) {
		return
	}
	ours, err := readNames(conf.Disk{})
	if err != nil {
		c.note("how this host resolves names: %v", err)
		return
	}
	if !theirs.dns && ours.dns {
		c.resolver(Error, nsswitch, "the line hosts: of its nsswitch.conf lets no name be asked by DNS")
		return
	}
	if c.p.Namespaces["net"] && !slices.ContainsFunc(theirs.servers, c.answers) {
		c.resolver(Error, resolvConf, fmt.Sprintf("its nameservers (%s) are loopback addresses of its own network, where nothing listens",
			joined(theirs.servers)))
		return
	}
	realm, _ := c.s.o.Config.Realm(c.database.Realm)
	known := ours.servers
	for _, s := range realm.DNSServers {
		known = append(known, s.Addr())
	}
	// the container's own resolver, asked by nobody else
	loopback := slices.ContainsFunc(theirs.servers, netip.Addr.IsLoopback) && c.p.Namespaces["net"]
	if c.byDNS && !loopback && !slices.ContainsFunc(theirs.servers, func(a netip.Addr) bool { return slices.Contains(known, a) }) {
		c.resolver(Warning, resolvConf,
			fmt.Sprintf("it finds KDCs by DNS and its nameservers (%s) are neither this host's nor the realm's own; whether they know %s was not asked",
				joined(theirs.servers), strings.ToLower(c.database.Realm)))
	}
}

// judgePinned reports whether the program's hosts file has another address for
// the database than this host finds: then its resolver is not asked.
func judgePinned(c *inspection, theirs names) bool {
	pinned := theirs.hosts[strings.ToLower(c.database.Host)]
	at := slices.IndexFunc(c.s.databases, func(t target) bool { return t.Name == c.database.Name })
	if len(pinned) == 0 || at < 0 {
		return false
	}
	found := c.s.databases[at].addrs
	if len(found) > 0 && !slices.ContainsFunc(pinned, func(a netip.Addr) bool { return slices.Contains(found, a) }) {
		c.resolver(Error, hostsFile, fmt.Sprintf("its hosts file has %s for %s, where this host finds %s", joined(pinned), c.database.Host,
			joined(found)))
	}
	return true
}

// answers reports whether a nameserver may answer in the program's network: any
// that is not loopback, and of those one at which a socket waits. Docker's, at
// 127.0.0.11, is bound to another port than 53.
func (c *inspection) answers(server netip.Addr) bool {
	if !server.IsLoopback() {
		return true
	}
	for _, file := range []string{"net/udp", "net/udp6"} {
		text, err := c.p.read(file, maxSockets)
		if err != nil {
			return true // not seen
		}
		for line := range bytes.Lines(text) {
			local, ok := parseLocal(string(line))
			if ok && (local.Addr() == server || local.Addr().IsUnspecified() && local.Port() == 53) {
				return true
			}
		}
	}
	return false
}

// parseLocal reads the local address of a line of /proc/net/udp (proc(5)).
func parseLocal(line string) (netip.AddrPort, bool) {
	f := strings.Fields(line)
	if len(f) < 10 {
		return netip.AddrPort{}, false
	}
	return parseAddrPort(f[1])
}

func joined(addrs []netip.Addr) string {
	var out []string
	for _, a := range addrs {
		out = append(out, a.String())
	}
	return strings.Join(out, ", ")
}

func (c *inspection) resolver(s Severity, place, why string) {
	c.add(Issue{Code: "app-container-resolver", Severity: s, Place: place,
		Cause: fmt.Sprintf("The program has its own settings for name resolution, and %s.", why),
		Fix:   "give the container this host's resolver, or one that forwards the realm's domain; if its krb5.conf names the KDCs and its hosts file the database, it does not need DNS"})
}
