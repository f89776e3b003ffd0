//go:build lab

package daemon

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/lab/labtest"
	"github.com/kerbagent/kerbagent/probe"
)

// faulty is a path that breaks at the client's nth write: 1 answers the
// greeting, 2 ends the TLS handshake, 3 is the login packet, 4 answers the switch.
type faulty struct {
	nth   int
	fault func(net.Conn) error // nil loses what was written
}

func (f faulty) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &faultyConn{Conn: c, faulty: f}, nil
}

type faultyConn struct {
	net.Conn
	faulty
	writes int
}

func (c *faultyConn) Write(b []byte) (int, error) {
	if c.writes++; c.writes < c.nth {
		return c.Conn.Write(b)
	}
	if err := c.fault(c.Conn); err != nil {
		return 0, err
	}
	return len(b), nil
}

// kill runs a probe in a process of its own and kills it at its nth write.
func (h *host) kill(t *testing.T, user string, nth int) (held bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestHarm$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %s %d", envVictim, h.dir, user, h.at.Addr(), nth))
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	said, err := bufio.NewReader(out).ReadString('\n')
	cmd.Process.Kill()
	cmd.Wait()
	held = said == string(probe.ReasonPaused)+"\n"
	if !held && said != "there\n" {
		t.Fatalf("the victim said %q: %v", said, err)
	}
	return held
}

// waitForEnd is the victim: it says how far it is, and waits.
func waitForEnd(t *testing.T, about string) {
	var dir, user, at string
	var nth int
	if _, err := fmt.Sscan(about, &dir, &user, &at, &nth); err != nil {
		t.Fatal(err)
	}
	p := newHost(t, nil, dir, at, "").probe(t, user)
	p.Dialer = faulty{nth, func(net.Conn) error { fmt.Println("there"); select {} }}
	fmt.Println(p.Run(t.Context()).Reason)
}

// console is a root shell of the database.
type console struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Reader
}

func openConsole(t *testing.T) *console {
	t.Helper()
	cmd := exec.Command("mariadb", "--no-defaults", "-S", labtest.State("db", "run", "sock"), "-uroot", "-BNn")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	return &console{t, in, bufio.NewReader(out)}
}

// ask runs one query that gives one number.
func (c *console) ask(sql string) (n int) {
	fmt.Fprintln(c.in, sql+";")
	if _, err := fmt.Fscanln(c.out, &n); err != nil {
		c.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// connectErrors is the server's count against a host, once it has seen the end
// of every connection.
func (c *console) connectErrors(client string) int {
	for end := time.Now().Add(10 * time.Second); c.ask("SELECT COUNT(*) FROM information_schema.processlist WHERE ID <> CONNECTION_ID()") > 0; {
		if time.Now().After(end) {
			c.t.Fatal("the server keeps a connection open")
		}
	}
	return c.counted(client)
}

// counted is the server's count against a host, connections that are open aside.
func (c *console) counted(client string) int {
	return c.ask("SELECT COALESCE(MAX(SUM_CONNECT_ERRORS), 0) FROM performance_schema.host_cache WHERE IP = '" + client + "'")
}
