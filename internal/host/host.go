// Package host resolves names as the programs on this host do: by the order and
// actions of nsswitch.conf, /etc/hosts, resolv.conf with its search list and
// timeouts, and in the address order of the C library (gai.conf). It says which
// source had the answer, what was passed over before it, and how long a program
// would have waited; it does not wait that long itself.
//
// It follows glibc 2.36 (nsswitch.conf(5), resolv.conf(5), gai.conf(5), RFC 6724),
// and its tests hold it against getent, which is glibc.
package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// The sources that this package reads itself; others are asked by way of getent.
const (
	SourceAddress = "address" // the name is an address
	SourceFiles   = "files"   // /etc/hosts
	SourceDNS     = "dns"
)

// Resolver resolves names by the files of one root directory.
type Resolver struct {
	// Dialer reaches the name servers.
	Dialer probe.Dialer
	// Patience is how long a name server is waited for: the next one is asked
	// meanwhile, so that this is spent once at most. Default: 5 s, as programs have it.
	Patience time.Duration

	root     string
	services []service
	hosts    []hostLine
	noHosts  bool // there is no such file
	multi    bool // host.conf
	dns      resolvConf
	order    addressOrder
}

// Answer is what a program gets for a name.
type Answer struct {
	Addrs  []netip.Addr   // in the order in which programs try them
	Source string         // which service of nsswitch.conf had it
	Name   string         // the name that was found: the search list may have added to it
	Server netip.AddrPort // the name server that answered; of SourceDNS alone
	TTL    time.Duration  // the TTL of the DNS answer; 0: not known
	Wait   time.Duration  // how long a program waits for this answer
	Passed []Passed       // the sources before it that had no answer
	Err    error          // why there is no address
	// Temporary says that getaddrinfo fails with EAI_AGAIN: what was asked last has failed, and did not say
	// that there is no such name. libkrb5 ends an exchange there (sendto_kdc.c, translate_ai_error). Of records
	// it says that no name server gave a usable answer.
	Temporary bool
}

// Passed is a source or a name server that was passed over.
type Passed struct {
	Source string
	Server netip.AddrPort // the DNS server that was asked; only for SourceDNS
	Name   string         // the name that was asked for
	What   string         // the result in words: "no answer", "NXDOMAIN"
	Wait   time.Duration  // how long a program waits for it
}

// status is how a service ended, as nsswitch.conf(5) names it.
type status string

const (
	success  status = "SUCCESS"
	notFound status = "NOTFOUND"
	unavail  status = "UNAVAIL"
	tryAgain status = "TRYAGAIN"
)

// errNoAddress is wrapped by the error of every Answer without an address.
var errNoAddress = errors.New("no address")

// hedge is how long a name server has before the next one is asked as well, and
// grace how long it has while the next one has answered already: a program would
// take a late answer all the same, up to its timeout.
const (
	hedge = 300 * time.Millisecond
	grace = 2500 * time.Millisecond
)

// Read reads how names are resolved below a root directory, "/" for this host.
// Files that are not there have their defaults.
func Read(root string, d probe.Dialer) (*Resolver, error) {
	r := &Resolver{Dialer: d, Patience: 5 * time.Second, root: root}
	etc := func(name string) string { return filepath.Join(root, "etc", name) }
	var errs [5]error
	r.services, errs[0] = readNSSwitch(etc("nsswitch.conf"))
	r.hosts, r.noHosts, errs[1] = readHosts(etc("hosts"))
	r.multi, errs[2] = readMulti(etc("host.conf"))
	r.dns, errs[3] = readResolvConf(etc("resolv.conf"))
	r.order, errs[4] = readGAIConf(etc("gai.conf"))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("reading how this host resolves names: %w", err)
	}
	return r, nil
}

// LookUp resolves a name for a program that asks getaddrinfo for addresses of
// any family that this host has (AI_ADDRCONFIG).
func (r *Resolver) LookUp(ctx context.Context, name string) Answer {
	if a, err := netip.ParseAddr(name); err == nil {
		return Answer{Addrs: []netip.Addr{a}, Source: SourceAddress, Name: name}
	}
	want := families()
	var out Answer
	for _, s := range r.services {
		if s.name == comment {
			out.Temporary = false
			break
		}
		mapped := false
		got, st := r.ask(ctx, s.name, name, want)
		out.Wait += got.Wait
		out.Passed = append(out.Passed, got.Passed...)
		out.Temporary = got.Temporary  // a service after DNS, even one that is not there, makes another error of it
		if st != success && !want.v4 { // AI_V4MAPPED
			got, st = r.ask(ctx, s.name, name, wanted{v4: true})
			out.Wait += got.Wait
			mapped = true
		}
		if st == success {
			got.Wait, got.Passed = out.Wait, out.Passed
			order := r.order
			if mapped { // in IPv6 form all of them are global
				order.scopes4 = table("::/0", 14)
			}
			got.Addrs = order.sort(got.Addrs)
			return got
		}
		if s.name != SourceDNS {
			out.Passed = append(out.Passed, Passed{Source: s.name, Name: name, What: string(st)})
		}
		if s.returns(st) {
			break
		}
	}
	out.Err = fmt.Errorf("%w for %s: %s", errNoAddress, name, sayPassed(out.Passed))
	return out
}

func (r *Resolver) ask(ctx context.Context, service, name string, want wanted) (Answer, status) {
	switch service {
	case SourceFiles:
		return r.inFiles(name, want)
	case SourceDNS:
		return r.inDNS(ctx, name, want)
	}
	return r.elsewhere(ctx, service, name, want)
}

func sayPassed(passed []Passed) string {
	var out []string
	for _, p := range passed {
		where := p.Source
		if p.Server.IsValid() {
			where += " " + p.Server.String()
		}
		out = append(out, where+": "+p.What+" ("+p.Name+")")
	}
	return strings.Join(out, ", ")
}

// wanted holds the address families that are asked for.
type wanted struct{ v4, v6 bool }

func (w wanted) has(a netip.Addr) bool { return a.Unmap().Is4() && w.v4 || !a.Unmap().Is4() && w.v6 }

// families returns those that this host has an address of beside its loopback's;
// both where it has none at all (AI_ADDRCONFIG, as glibc reads it).
func families() wanted {
	addrs, err := net.InterfaceAddrs()
	var w wanted
	for _, a := range addrs {
		p, ok := netip.AddrFromSlice(a.(*net.IPNet).IP)
		p = p.Unmap()
		switch {
		case !ok || p == netip.IPv6Loopback() || p == netip.AddrFrom4([4]byte{127, 0, 0, 1}):
		case p.Is4():
			w.v4 = true
		default:
			w.v6 = true
		}
	}
	if err != nil || !w.v4 && !w.v6 {
		return wanted{true, true}
	}
	return w
}

// elsewhere asks a service that is neither a file nor DNS by way of getent.
func (r *Resolver) elsewhere(ctx context.Context, service, name string, want wanted) (Answer, status) {
	getent, err := exec.LookPath("getent")
	if filepath.Clean(r.root) != "/" || err != nil {
		return Answer{Passed: []Passed{{Source: service, Name: name, What: "not read: there is no getent to ask it"}}}, unavail
	}
	ctx, cancel := context.WithTimeout(ctx, r.Patience)
	defer cancel()
	begun := time.Now()
	text, err := exec.CommandContext(ctx, getent, "-s", "hosts:"+service, "ahosts", "--", name).Output()
	out := Answer{Source: service, Name: name, Wait: time.Since(begun)}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 2 || f[1] != "STREAM" {
			continue
		}
		if a, err := netip.ParseAddr(f[0]); err == nil && want.has(a) {
			out.Addrs = append(out.Addrs, a)
		}
	}
	switch {
	case len(out.Addrs) > 0:
		return out, success
	case err != nil && !speaksFor(r.root, service, name):
		return out, unavail
	}
	return out, notFound
}

// speaksFor reports whether a service that has no answer is there to have one:
// getent does not tell "not found" from "not available".
func speaksFor(root, service, name string) bool {
	switch {
	case service == "resolve": // nss-resolve(8)
		return exists(filepath.Join(root, "run/systemd/resolve/io.systemd.Resolve"))
	case strings.HasPrefix(service, "mdns"): // nss-mdns leaves other names alone
		return strings.HasSuffix(strings.TrimSuffix(name, "."), ".local")
	}
	modules, _ := filepath.Glob(filepath.Join(root, "lib*", "*", "libnss_"+service+".so.2"))
	more, _ := filepath.Glob(filepath.Join(root, "usr/lib*", "libnss_"+service+".so.2"))
	return len(modules)+len(more) > 0
}
