package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/dns"
	"github.com/kerbagent/kerbagent/probe/kdc"
	"github.com/kerbagent/kerbagent/probe/kpasswd"
)

// asked is a server whose CPU is measured: all that runs in one namespace of the lab.
type asked struct {
	name, host, realm, address string
	dns                        bool
}

// servers are the two: Samba as Active Directory, and MIT's KDC.
func servers() []asked {
	return []asked{
		{"Samba (domain controller)", "dc1", "CORP.EXAMPLE.COM", "10.77.0.10", true},
		{"MIT (krb5kdc, kadmind)", "mit", "MIT.TEST", "10.77.5.10", false},
	}
}

// kinds are what a host asks of an address: how often a second (docs/fleet.md).
func kinds() []struct {
	name   string
	often  float64
	dns    bool
	logins bool
} {
	return []struct {
		name   string
		often  float64
		dns    bool
		logins bool
	}{
		{"88/udp", 1. / 50, false, false},
		{"88/tcp", 1. / 50, false, false},
		{"53/udp", 1. / 50, true, false},
		{"53/tcp", 1. / 300, true, false},
		{"464/udp", 1. / 300, false, false},
		{"464/tcp", 1. / 300, false, false},
		{"large/udp", 1. / 600, false, false},
		{"large/tcp", 1. / 600, false, false},
		{"login", 1. / 300, false, true}, // the first request, the one with credentials, and one for the service
	}
}

// servers measures what the CPU of a server is for each kind of request, and what that makes
// for a fleet.
func (b bench) servers() error {
	for _, s := range servers() {
		fmt.Printf("\nCPU of %s, user and system, for each of %d requests, one after another; without the kernel's work for the network\n", s.name, b.requests)
		total, logins := 0., 0.
		for _, k := range kinds() {
			if k.dns && !s.dns {
				continue
			}
			each, err := b.costOf(s, k.name)
			if err != nil {
				return err
			}
			fmt.Printf("  %-10s %8.3f ms\n", k.name, each.Seconds()*1000)
			if k.logins {
				logins += each.Seconds() * k.often
			} else {
				total += each.Seconds() * k.often
			}
		}
		for _, hosts := range []float64{2_000, 10_000} {
			fmt.Printf("  %6.0f hosts: %5.1f %% of one core; with one login a host every 5 minutes, all at this server, %5.1f %%\n", hosts, 100*hosts*total, 100*hosts*(total+logins))
		}
	}
	return nil
}

// costOf asks from the client host, and returns what one request cost the server beside what
// it does anyway.
func (b bench) costOf(s asked, kind string) (time.Duration, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	ask := func(n int) error {
		_, err := onClient(self, "-inside", "ask", "-kind", kind, "-to", s.address, "-realm", s.realm, "-state", b.state, "-requests", strconv.Itoa(n))
		return err
	}
	if err := ask(20); err != nil { // caches are warm
		return 0, err
	}
	const idle = 3 * time.Second
	zero, err := spentIn(s.host)
	if err != nil {
		return 0, err
	}
	time.Sleep(idle)
	before, err := spentIn(s.host)
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	if err := ask(b.requests); err != nil {
		return 0, err
	}
	took := time.Since(begun)
	after, err := spentIn(s.host)
	if err != nil {
		return 0, err
	}
	anyway := time.Duration(float64(before-zero) * float64(took) / float64(idle))
	return max(0, after-before-anyway) / time.Duration(b.requests), nil
}

// spentIn returns the CPU of all processes in a namespace of the lab, but for the lab's own:
// /proc/PID/task/TID/schedstat has nanoseconds (sched-stats.rst in Linux' documentation).
func spentIn(host string) (sum time.Duration, err error) {
	namespace := strings.TrimSuffix(clientHost(), "cl") + host
	pids, err := exec.Command("ip", "netns", "pids", namespace).Output()
	if err != nil {
		return 0, fmt.Errorf("listing the processes of %s: %w", namespace, err)
	}
	for _, pid := range strings.Fields(string(pids)) {
		comm, err := os.ReadFile(filepath.Join("/proc", pid, "comm"))
		if err != nil || string(bytes.TrimSpace(comm)) == "dnsd" { // it has ended, or is the lab's
			continue
		}
		stats, err := filepath.Glob(filepath.Join("/proc", pid, "task", "*", "schedstat"))
		if err != nil {
			return 0, err
		}
		for _, stat := range stats {
			text, err := os.ReadFile(stat)
			if err != nil {
				continue
			}
			ns, _, _ := strings.Cut(string(text), " ")
			n, err := strconv.ParseInt(ns, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("reading %s: %w", stat, err)
			}
			sum += time.Duration(n)
		}
	}
	return sum, nil
}

// ask sends requests of one kind, as the daemon's probes and logins do.
func (b bench) ask() error {
	addr, err := netip.ParseAddr(b.to)
	if err != nil {
		return err
	}
	p, err := b.probe(addr)
	if err != nil {
		return err
	}
	secret, err := os.ReadFile(filepath.Join(b.state, "secrets", "user"))
	if err != nil {
		return err
	}
	password := client.Password(secret)
	for range b.requests {
		if p == nil {
			if err := b.ticket(password, addr); err != nil {
				return err
			}
			continue
		}
		if res := p.Run(context.Background()); res.Outcome != probe.OK {
			return fmt.Errorf("asking %s: %s: %w", b.to, res.Reason, res.Err)
		}
	}
	return nil
}

// probe returns what asks a question of the kind; nil for a login.
func (b bench) probe(addr netip.Addr) (probe.Probe, error) {
	user := client.Principal{Name: "alice", Realm: b.realm}
	what, transport, _ := strings.Cut(b.kind, "/")
	at := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(addr, port) }
	over := probe.Transport(transport)
	const limit = 5 * time.Second
	switch what {
	case "88", "large":
		return kdc.Probe{Address: at(88), Transport: over, User: user, Large: what == "large", Dialer: &net.Dialer{}, Timeout: limit}, nil
	case "464":
		return kpasswd.Probe{Address: at(464), Transport: over, Dialer: &net.Dialer{}, Timeout: limit}, nil
	case "53":
		return dns.Probe{Server: at(53), Transport: over, Question: dns.Question{Name: strings.ToLower(b.realm), Type: dns.SOA}, Dialer: &net.Dialer{}, Timeout: limit}, nil
	case "login":
		return nil, nil
	}
	return nil, fmt.Errorf("no kind %q", b.kind)
}

// ticket gets a first ticket and one for the database's service.
func (b bench) ticket(password client.Secret, addr netip.Addr) error {
	c := &client.Client{Locator: only{netip.AddrPortFrom(addr, 88)}, Beside: true}
	session, err := c.TGT(context.Background(), client.Principal{Name: "alice", Realm: b.realm}, password)
	if err != nil {
		return err
	}
	defer session.Close()
	service := "mysql/" + endpoint
	if b.realm == "MIT.TEST" {
		service = "mysql/db.mit.test"
	}
	_, _, err = session.ServiceTicket(context.Background(), client.Principal{Name: service, Realm: b.realm})
	return err
}

// only is a Locator of one address.
type only struct{ addr netip.AddrPort }

// KDCs returns it.
func (o only) KDCs(context.Context, string) ([]netip.AddrPort, error) {
	return []netip.AddrPort{o.addr}, nil
}
