package audit

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"github.com/kerbagent/kerbagent/config"
)

// maxSockets is how many lines of one namespace's list of connections are read, in bytes.
const maxSockets = 16 << 20

// survey is one audit under way.
type survey struct {
	o         Options
	databases []target
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

// selected opens the processes that are looked at, with what could not be
// looked at. The caller closes them.
func (s *survey) selected(ctx context.Context) (chosen []*Process, unread []string, err error) {
	uids, err := s.uids()
	if err != nil {
		return nil, nil, err
	}
	all, unread, err := s.everyProcess(ctx)
	if err != nil {
		return nil, unread, err
	}
	keep := map[*Process]bool{}
	defer func() {
		for _, p := range all {
			if !keep[p] {
				p.close()
			}
		}
	}()
	take := func(p *Process) {
		if !keep[p] {
			keep[p], chosen = true, append(chosen, p)
		}
	}
	connected := s.connected(all)
	groups := s.groups(all, uids)
	for _, group := range groups {
		for _, p := range group.members {
			p.named = true
		}
	}
	for _, group := range groups {
		if len(group.members) == 0 && group.application {
			unread = append(unread, group.what+" is not running")
			continue
		}
		if len(group.members) == 0 {
			return chosen, unread, fmt.Errorf("%s: %w", group.what, ErrNoProcess)
		}
		for _, p := range group.members {
			if group.whole || connected[p] || p.hasKerberos() {
				take(p)
			}
		}
		if !slices.ContainsFunc(group.members, func(p *Process) bool { return keep[p] }) {
			for _, p := range group.members { // none has logged in so far
				take(p)
			}
		}
	}
	if !s.o.Named() {
		for _, p := range all {
			if connected[p] || s.o.All && p.hasKerberos() {
				take(p)
			}
		}
	}
	return chosen, unread, nil
}

// group is what one flag selects.
type group struct {
	what    string
	members []*Process
	whole   bool // each of them, whatever it has loaded

	application bool // of the configuration: it need not be running
}

func (s *survey) groups(all []*Process, uids map[string]uint32) []group {
	where := func(what string, whole bool, is func(*Process) bool) group {
		g := group{what: what, whole: whole}
		for _, p := range all {
			if is(p) {
				g.members = append(g.members, p)
			}
		}
		return g
	}
	var out []group
	for _, pid := range s.o.PIDs {
		out = append(out, where(fmt.Sprintf("process %d", pid), true, func(p *Process) bool { return p.PID == pid }))
	}
	if s.o.Config != nil && !s.o.Named() {
		for _, a := range s.o.Config.Applications {
			g := where(a.Unit, false, func(p *Process) bool { return p.Unit == a.Unit })
			g.application = true
			out = append(out, g)
		}
	}
	for _, unit := range s.o.Units {
		if !strings.Contains(unit, ".") {
			unit += ".service"
		}
		out = append(out, where("unit "+unit, false, func(p *Process) bool { return p.Unit == unit }))
	}
	for _, name := range s.o.Users {
		out = append(out, where("user "+name, false, func(p *Process) bool { return p.Who.UID == uids[name] }))
	}
	for _, id := range s.o.Containers {
		out = append(out, where("container "+id, false, func(p *Process) bool {
			return p.Container != "" && strings.HasPrefix(p.Container, strings.ToLower(id))
		}))
	}
	return out
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

// everyProcess opens all processes of the host but this one and the kernel's.
func (s *survey) everyProcess(ctx context.Context) (all []*Process, unread []string, err error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, nil, err
	}
	names, err := proc.Readdirnames(-1)
	proc.Close()
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == os.Getpid() || ctx.Err() != nil {
			continue
		}
		p, err := openProcess(pid)
		switch {
		case err == nil:
			all = append(all, p)
		case slices.Contains(s.o.PIDs, pid) && !errors.Is(err, fs.ErrNotExist):
			unread = append(unread, fmt.Sprintf("process %d: %v", pid, err))
		}
	}
	slices.SortFunc(all, func(a, b *Process) int { return a.PID - b.PID })
	return all, unread, ctx.Err()
}

func (p *Process) hasKerberos() bool {
	l, err := p.libraries()
	return err == nil && (l.kerberos() || l.client.plugin() != "")
}

// connected finds the processes with a connection to a database of the
// configuration. The list of connections is read once for each network
// namespace, and descriptors only where it has one.
func (s *survey) connected(all []*Process) map[*Process]bool {
	out := map[*Process]bool{}
	if len(s.databases) == 0 {
		return out
	}
	sockets := map[string]map[string]string{} // by namespace: the inode of a socket → the database
	for _, p := range all {
		ns, err := p.link("ns/net")
		if err != nil {
			continue
		}
		if _, had := sockets[ns]; !had {
			sockets[ns] = s.socketsOf(p)
		}
		if len(sockets[ns]) == 0 {
			continue
		}
		for _, inode := range p.sockets() {
			if db := sockets[ns][inode]; db != "" {
				p.database, out[p] = db, true
				break
			}
		}
	}
	return out
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
	host, port, found := strings.Cut(f[2], ":")
	b, err := hex.DecodeString(host)
	n, portErr := strconv.ParseUint(port, 16, 16)
	if !found || err != nil || portErr != nil || len(b)%4 != 0 {
		return remote, "", false
	}
	for i := 0; i < len(b); i += 4 {
		slices.Reverse(b[i : i+4])
	}
	addr, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), f[9], ok
}
