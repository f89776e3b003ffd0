//go:build linux

package audit

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/kerbagent/kerbagent/config"
)

// maxSockets is how many lines of one namespace's list of connections are read, in bytes.
const maxSockets = 16 << 20

// survey is one audit under way.
type survey struct {
	o         Options
	databases []target
	keep      bool              // credentials are kept, for the one who asked for them
	saw       func(*inspection) // hears of each that was judged; nil: nobody

	dials  sync.Mutex
	dialed map[string]func() error // what came of a connection, by network namespace and server
}

// target is a database with the addresses that this host finds for it.
type target struct {
	config.Database
	addrs []netip.Addr
}

func newSurvey(ctx context.Context, o Options) *survey {
	s := &survey{o: o}
	if o.Config == nil {
		return s
	}
	for _, db := range o.Config.Databases {
		t := target{Database: db}
		if addr, err := netip.ParseAddr(db.Host); err == nil {
			t.addrs = []netip.Addr{addr}
		} else if o.Addresses != nil {
			t.addrs, _ = o.Addresses(ctx, db.Host) // without an address none of its connections can be told
		}
		s.databases = append(s.databases, t)
	}
	return s
}

// selected opens the processes that are looked at, and lists the units of the
// configuration that have none. The caller closes them. All others are closed as soon as they were
// seen: a host may have more processes than this one may open.
func (s *survey) selected(ctx context.Context) (chosen []*Process, absent []string, err error) {
	groups, err := s.groups()
	if err != nil {
		return nil, nil, err
	}
	sockets := map[string]map[string]string{} // by network namespace: the inode of a socket → the database
	err = everyProcess(ctx, func(p *Process) bool {
		s.connect(p, sockets)
		member := false
		for i := range groups {
			if groups[i].has(p) {
				groups[i].members, member = append(groups[i].members, p), true
			}
		}
		p.named = member
		if !member && !s.o.Named() && (p.database != "" || s.o.All && p.hasKerberos()) && !p.isKerbagent() {
			chosen = append(chosen, p)
			return true
		}
		return member
	})
	for _, g := range groups {
		switch {
		case len(g.members) > 0:
			chosen = append(chosen, g.chosen(chosen)...)
		case g.application:
			absent = append(absent, g.what)
		case err == nil:
			err = fmt.Errorf("%s: %w", g.what, ErrNoProcess)
		}
	}
	for _, g := range groups {
		for _, p := range g.members {
			if !slices.Contains(chosen, p) {
				p.close()
			}
		}
	}
	return chosen, absent, err
}

// chosen lists the members that log in, or all where none has done so far. Who
// was chosen before is left out.
func (g group) chosen(before []*Process) []*Process {
	logsIn := func(p *Process) bool { return g.whole || p.database != "" || p.hasKerberos() }
	all := !slices.ContainsFunc(g.members, logsIn)
	var out []*Process
	for _, p := range g.members {
		switch {
		case slices.Contains(before, p):
		case all || logsIn(p):
			out = append(out, p)
		}
	}
	return out
}

// group is what one flag selects.
type group struct {
	what    string
	has     func(*Process) bool
	members []*Process
	whole   bool // each of them, whatever it has loaded

	application bool // of the configuration: it need not be running
}

func (s *survey) groups() ([]group, error) {
	var out []group
	add := func(what string, has func(*Process) bool) *group {
		out = append(out, group{what: what, has: has})
		return &out[len(out)-1]
	}
	for _, pid := range s.o.PIDs {
		add(fmt.Sprintf("process %d", pid), func(p *Process) bool { return p.PID == pid }).whole = true
	}
	if s.o.Config != nil && !s.o.Named() {
		for _, a := range s.o.Config.Applications {
			add(a.Unit, func(p *Process) bool { return p.Unit == a.Unit }).application = true
		}
	}
	for _, unit := range s.o.Units {
		if !strings.Contains(unit, ".") {
			unit += ".service"
		}
		add("unit "+unit, func(p *Process) bool { return p.Unit == unit })
	}
	uids, err := s.uids()
	for _, name := range s.o.Users {
		add("user "+name, func(p *Process) bool { return p.Who.UID == uids[name] })
	}
	for _, id := range s.o.Containers {
		add("container "+id, func(p *Process) bool { return p.Container != "" && strings.HasPrefix(p.Container, strings.ToLower(id)) })
	}
	return out, err
}

// uids finds the numbers of the users that were named.
func (s *survey) uids() (map[string]uint32, error) {
	out := map[string]uint32{}
	for _, name := range s.o.Users {
		if n, err := strconv.ParseUint(name, 10, 32); err == nil {
			out[name] = uint32(n)
			continue
		}
		u, err := user.Lookup(name)
		if err != nil {
			return nil, err
		}
		out[name] = number(u.Uid)
	}
	return out, nil
}

// everyProcess opens each process of the host but this one and closes it
// again, unless keep says otherwise. A process that has ended meanwhile is
// none.
func everyProcess(ctx context.Context, keep func(*Process) bool) error {
	proc, err := os.Open("/proc")
	if err != nil {
		return err
	}
	names, err := proc.Readdirnames(-1)
	proc.Close()
	if err != nil {
		return err
	}
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	for _, pid := range pids {
		p, err := openProcess(pid)
		switch {
		case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE), errors.Is(err, unix.ENOMEM):
			return fmt.Errorf("this host is out of descriptors or memory: %w", err)
		case err == nil && !keep(p):
			p.close()
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func (p *Process) hasKerberos() bool {
	l, err := p.libraries()
	return err == nil && (l.kerberos() || l.client.plugin() != "")
}

// isKerbagent reports whether it is kerbagent, which is no application: the
// daemon has connections to databases now and then.
func (p *Process) isKerbagent() bool {
	l, err := p.libraries()
	return err == nil && l.kerbagent
}

// connect finds the database that a process has a connection to. The list of
// connections is read once for each network namespace, and descriptors only
// where it has one.
func (s *survey) connect(p *Process, sockets map[string]map[string]string) {
	ns, err := p.link("ns/net")
	if err != nil || len(s.databases) == 0 {
		return
	}
	if _, had := sockets[ns]; !had {
		sockets[ns] = s.socketsOf(p)
	}
	if len(sockets[ns]) == 0 {
		return
	}
	for _, inode := range p.sockets() {
		if db := sockets[ns][inode]; db != "" {
			p.database = db
			return
		}
	}
}

// sockets lists the inodes of a process's sockets.
func (p *Process) sockets() []string {
	dir, err := os.Open(magic(int(p.dir.Fd())) + "/fd")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	var out []string
	for _, name := range names {
		to, err := p.link("fd/" + name)
		if inode, ok := strings.CutPrefix(to, "socket:["); ok && err == nil {
			out = append(out, strings.TrimSuffix(inode, "]"))
		}
	}
	return out
}

// socketsOf lists the connections to databases in the network namespace of a
// process: the inode, and the name of the database.
func (s *survey) socketsOf(p *Process) map[string]string {
	out := map[string]string{}
	for _, name := range []string{"net/tcp", "net/tcp6"} {
		text, err := p.read(name, maxSockets)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			remote, inode, ok := parseSocket(line)
			if !ok {
				continue
			}
			for _, db := range s.databases {
				if remote.Port() == db.Port && slices.Contains(db.addrs, remote.Addr()) {
					out[inode] = db.Name
				}
			}
		}
	}
	return out
}

// parseSocket reads a line of /proc/net/tcp: the address as 32-bit words in
// the host's byte order, which is little-endian on all that Go builds
// kerbagent's packages for (proc(5)).
func parseSocket(line string) (remote netip.AddrPort, inode string, ok bool) {
	f := strings.Fields(line)
	if len(f) < 10 {
		return remote, "", false
	}
	remote, ok = parseAddrPort(f[2])
	return remote, f[9], ok
}

func parseAddrPort(text string) (netip.AddrPort, bool) {
	host, port, found := strings.Cut(text, ":")
	b, err := hex.DecodeString(host)
	n, portErr := strconv.ParseUint(port, 16, 16)
	if !found || err != nil || portErr != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		slices.Reverse(b[i : i+4])
	}
	addr, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), ok
}
