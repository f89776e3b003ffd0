//go:build lab

// Package labtest is what tests need of the lab: where it keeps things, its
// faults, a program on the client host, and the packets there. A test that uses
// it has the build tag lab, runs as root in the lab's client namespace, and fails
// where the lab is not up. It imports nothing of kerbagent but lab/capture.
package labtest

import (
	"bytes"
	"cmp"
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/lab/capture"
)

// Addresses of the lab's hosts; lab/README.md has the table. The IPv6 address of
// 10.77.N.H is fd77:0:0:N::H.
const (
	DC1      = "10.77.0.10" // dc1.corp.example.com
	DC2      = "10.77.1.11" // dc2.corp.example.com
	OnPrem   = "10.77.2.10" // dc1.onprem.local
	Database = "10.77.3.20" // db1.corp.example.com, and Endpoint
	Resolver = "10.77.4.2"
	MIT      = "10.77.5.10" // kdc.mit.test
	Heimdal  = "10.77.6.10" // kdc.heim.test
	Client   = "10.77.9.100"
	Client6  = "fd77:0:0:9::100"

	Endpoint = "mycluster.cluster-abc123.us-east-1.rds.amazonaws.com"
)

// name is what the names of this lab's namespaces begin with.
func name() string {
	return cmp.Or(os.Getenv("LAB_NAME"), "lab")
}

// ClientHost returns the path of the client host's network namespace.
func ClientHost() string { return "/run/netns/" + name() + "-cl" }

// State returns the path of something under LAB_STATE.
func State(elem ...string) string {
	root := os.Getenv("LAB_STATE")
	if root == "" {
		root = "/var/tmp/krb-" + name()
	}
	return filepath.Join(append([]string{root}, elem...)...)
}

// CA is the file of the database's CA.
func CA() string { return State("db", "tls", "ca.pem") }

// Keytab is the file of keytab NAME: alice, carol, stale, mysql, wrong, default.
func Keytab(name string) string { return State("keytabs", name+".keytab") }

// Secret is the file of password NAME: user (all of CORP, MIT.TEST and
// HEIM.TEST), carol, wrong.
func Secret(name string) string { return State("secrets", name) }

// Up fails the test unless the lab is up and the test runs on its client host.
func Up(t testing.TB) {
	t.Helper()
	here, err := os.Stat("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	if there, err := os.Stat(ClientHost()); err != nil || !os.SameFile(here, there) {
		t.Fatal("this test runs on the lab's client host: make test-lab PACKAGES=./x")
	}
	Run(t, "status")
}

// Run runs lab.sh and returns what it prints.
func Run(t testing.TB, args ...string) string {
	t.Helper()
	out, err := run(args...)
	if err != nil {
		t.Fatalf("lab.sh %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func run(args ...string) (string, error) {
	// long enough for both domain controllers to start under another clock on a busy machine
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	script, err := script()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, script, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return string(out) + errs.String(), err
	}
	return string(out), nil // what is said beside it is for people: a loaded machine says more
}

// script finds lab/lab.sh from the package folder that a test runs in.
func script() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		path := filepath.Join(dir, "lab", "lab.sh")
		if _, err := os.Stat(path); err == nil || dir == filepath.Dir(dir) {
			return path, err
		}
	}
}

// Break makes what a finding code is about (lab.sh break --list has them, some
// with variants: "kpasswd-blocked:udp"; "none" is the healthy lab) and returns
// the flags that `kerbagent check` is to be run with. The test's end heals.
func Break(t testing.TB, code string) []string {
	t.Helper()
	healAtEnd(t)
	return strings.Fields(Run(t, "break", code))
}

// Fault makes a single fault, as lab.sh has it: Fault(t, "fault", "drop", "udp",
// "88", "dc1"), Fault(t, "dc", "freeze", "dc1"). The test's end heals.
func Fault(t testing.TB, args ...string) {
	t.Helper()
	healAtEnd(t)
	Run(t, args...)
}

func healAtEnd(t testing.TB) {
	t.Cleanup(func() {
		if out, err := run("heal"); err != nil {
			t.Errorf("lab.sh heal: %v\n%s", err, out)
		}
	})
}

// Recording is what passes the client's network card.
type Recording struct {
	t    testing.TB
	cmd  *exec.Cmd
	file string
}

// Record begins to write down the client's packets.
func Record(t testing.TB) *Recording {
	t.Helper()
	r := &Recording{t: t, file: filepath.Join(t.TempDir(), "packets.pcap")}
	r.cmd = exec.Command("tcpdump", "--immediate-mode", "-U", "-s", "128", "-Z", "root", "-i", "eth0", "-w", r.file, "udp or tcp")
	ready, err := r.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.stop() })
	// "tcpdump: listening on eth0, ..." is its first line
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		t.Fatalf("tcpdump does not listen: %v", err)
	}
	return r
}

func (r *Recording) stop() {
	if r.cmd == nil {
		return
	}
	if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
		r.t.Errorf("stopping tcpdump: %v", err)
	}
	if err := r.cmd.Wait(); err != nil {
		r.t.Errorf("stopping tcpdump: %v", err)
	}
	r.cmd = nil
}

// Stop ends the recording and returns the packets, for [capture.RoundTrips].
//
// tcpdump drops what it has not read yet when it is told to end, so it is told
// once it has written a datagram that is sent after all others.
func (r *Recording) Stop() []capture.Packet {
	r.t.Helper()
	discard := netip.AddrPortFrom(netip.MustParseAddr(DC1), 9)
	last, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(discard))
	if err == nil {
		_, err = last.Write([]byte("last"))
	}
	if err != nil {
		r.t.Fatal(err)
	}
	defer last.Close()
	is := func(p capture.Packet) bool { return p.Flow.Transport == "udp" && p.Flow.Other == discard }
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(5 * time.Second); ; <-look.C {
		if packets, err := r.packets(); err == nil && slices.ContainsFunc(packets, is) {
			break
		}
		if time.Now().After(deadline) {
			r.t.Fatal("tcpdump does not write what is sent")
		}
	}
	r.stop()
	packets, err := r.packets()
	if err != nil {
		r.t.Fatal(err)
	}
	return slices.DeleteFunc(packets, is)
}

// packets returns what is written by now.
func (r *Recording) packets() ([]capture.Packet, error) {
	f, err := os.Open(r.file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return capture.Read(f, netip.MustParseAddr(Client), netip.MustParseAddr(Client6))
}
