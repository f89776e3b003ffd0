//go:build linux

package audit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kerbagent/kerbagent/krb5/conf/reader"
)

// How long connections out of one program's network are tried, and how many an
// audit makes: a database counts each that is closed before a login, and blocks
// a host at max_connect_errors, 100 where nobody has changed it.
const (
	reachTime = 3 * time.Second
	maxReach  = 16
)

// errMost reports that an audit has made all connections that it makes.
var errMost = fmt.Errorf("%w: an audit makes %d connections at most", ErrUnread, maxReach)

// judgeNetwork reports servers that cannot be reached from the program's network
// namespace: the database, and of the KDCs that its krb5.conf names all.
func (s *survey) judgeNetwork(ctx context.Context, p *Process, app *Application, reading *reader.Reading) {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	for _, db := range s.databases {
		if db.Name == app.Database {
			var servers []netip.AddrPort
			for _, a := range db.addrs {
				servers = append(servers, netip.AddrPortFrom(a, db.Port))
			}
			s.reach(ctx, p, app, "the database "+db.Name, servers)
			s.reach(ctx, p, app, "a KDC of "+db.Realm, s.kdcs(ctx, reading, db.Realm))
		}
	}
}

// kdcs are the addresses of the KDCs that a krb5.conf names, as this host
// resolves them.
func (s *survey) kdcs(ctx context.Context, reading *reader.Reading, realm string) []netip.AddrPort {
	if reading == nil || s.o.Addresses == nil {
		return nil
	}
	var out []netip.AddrPort
	entry, _ := reading.Realm(realm)
	for _, k := range usable(entry.KDCs) {
		addrs := []netip.Addr{}
		if a, err := netip.ParseAddr(k.Host); err == nil {
			addrs = append(addrs, a)
		} else if addrs, err = s.o.Addresses(ctx, k.Host); err != nil {
			continue
		}
		for _, a := range addrs {
			out = append(out, netip.AddrPortFrom(a, uint16(k.Port)))
		}
	}
	return out
}

// reach reports where none of some servers takes a connection.
func (s *survey) reach(ctx context.Context, p *Process, app *Application, what string, servers []netip.AddrPort) {
	if len(servers) == 0 {
		app.Unread = append(app.Unread, "whether its network reaches "+what+": no address of it is known")
		return
	}
	answers := make(chan error, len(servers))
	for _, server := range servers {
		go func() { answers <- s.dialOnce(ctx, p, server) }()
	}
	// All are waited for, also after one connected: each reads the process's
	// folder, which is closed when the audit has ended.
	var errs []string
	var connected bool
	var unseen error
	for range servers {
		switch err := <-answers; {
		case err == nil:
			connected = true
		case notSeen(err):
			unseen = err
		default:
			errs = append(errs, err.Error())
		}
	}
	if connected {
		return
	}
	if unseen != nil {
		app.Unread = append(app.Unread, fmt.Sprintf("whether its network reaches %s: %v", what, unseen))
		return
	}
	app.Issues = append(app.Issues, Issue{Code: "app-network-unreachable", Severity: Error, Place: "its network namespace",
		Cause: fmt.Sprintf("From the program's network, a connection to %s fails: %s.", what, strings.Join(errs, "; ")),
		Fix:   "give the container a route, and allow the connection in its firewall and the security groups"})
}

// dialOnce connects to a server once for each network namespace.
func (s *survey) dialOnce(ctx context.Context, p *Process, server netip.AddrPort) error {
	ns, err := p.link("ns/net")
	if err != nil {
		return denied(err)
	}
	s.dials.Lock()
	try := s.dialed[ns+server.String()]
	if try == nil && len(s.dialed) < maxReach {
		try = sync.OnceValue(func() error { return p.dial(ctx, server) })
		if s.dialed == nil {
			s.dialed = map[string]func() error{}
		}
		s.dialed[ns+server.String()] = try
	}
	s.dials.Unlock()
	if try == nil {
		return errMost
	}
	return try()
}

// dial connects to a server from the program's network namespace and hangs up.
func (p *Process) dial(ctx context.Context, server netip.AddrPort) error {
	ns, err := unix.Openat(int(p.dir.Fd()), "ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return denied(err)
	}
	defer unix.Close(ns)
	done := make(chan error, 1)
	go onLostThread(func() {
		if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
			done <- denied(fmt.Errorf("entering its network namespace: %w", err))
			return
		}
		// One address and no name: the socket is made here, by this thread.
		c, err := (&net.Dialer{FallbackDelay: -1}).DialContext(ctx, "tcp", server.String())
		if err == nil {
			c.Close()
		}
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("%s: no answer in %s", server, reachTime)
		}
		done <- err
	})
	return <-done
}

// onLostThread runs do on a thread that runs nothing else and ends with the
// goroutine, which has it locked (runtime.LockOSThread). The process's first
// thread never ends, and is what /proc/self shows: it is held while another is
// found.
func onLostThread(do func()) {
	runtime.LockOSThread()
	if unix.Gettid() != unix.Getpid() {
		do()
		return
	}
	defer runtime.UnlockOSThread()
	other := make(chan struct{})
	go func() {
		defer close(other)
		runtime.LockOSThread()
		do()
	}()
	<-other
}
