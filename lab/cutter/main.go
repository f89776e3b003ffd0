// Command cutter stands between clients and a TCP service and ends their connections at a moment, or after a
// number of bytes, as a middlebox, a restart or a fail-over does; or it lets answers go late.
//
//	cutter -listen ADDR:PORT,... -to ADDR:PORT (-after BYTES | -at DURATION) -how rst|fin|hang
//	cutter -listen ADDR:PORT,... -to ADDR:PORT -slow DURATION
package main

import (
	"flag"
	"io"
	"log"
	"net"
	"strings"
	"time"
)

func main() {
	listen := flag.String("listen", "", "addresses, each with a port, separated by commas")
	var c cutter
	flag.StringVar(&c.to, "to", "", "the service")
	flag.Int64Var(&c.after, "after", -1, "end a connection once the service has said so many bytes")
	flag.DurationVar(&c.at, "at", 0, "end it so long after it began")
	flag.StringVar(&c.how, "how", "rst", "rst, fin or hang")
	flag.DurationVar(&c.slow, "slow", 0, "let each answer go so much later")
	flag.Parse()
	failed := make(chan error)
	for _, a := range strings.Split(*listen, ",") {
		l, err := net.Listen("tcp", a)
		if err != nil {
			log.Fatal(err)
		}
		go func() { failed <- c.serve(l) }()
	}
	log.Print("ready")
	log.Fatal(<-failed)
}

type cutter struct {
	to, how  string
	after    int64
	at, slow time.Duration
}

func (c cutter) serve(l net.Listener) error {
	for {
		client, err := l.Accept()
		if err != nil {
			return err
		}
		go c.pass(client.(*net.TCPConn))
	}
}

// pass lets a connection through until its end has come.
func (c cutter) pass(client *net.TCPConn) {
	defer client.Close()
	server, err := net.DialTimeout("tcp", c.to, 10*time.Second)
	if err != nil {
		log.Print(err)
		return
	}
	defer server.Close()
	over := make(chan bool, 2) // true: the connection's end has come
	go func() {
		_, _ = io.Copy(server, client)
		over <- false
	}()
	go func() { over <- c.answers(client, server) }()
	var clock <-chan time.Time
	if c.at > 0 {
		clock = time.After(c.at)
	}
	cut := true
	select {
	case cut = <-over:
	case <-clock:
	}
	switch {
	case !cut:
	case c.how == "rst":
		_ = client.SetLinger(0)
	case c.how == "hang": // until the client has enough of it
		_ = server.Close()
		_, _ = io.Copy(io.Discard, client)
	}
}

// answers passes on what the service says, and reports whether that is all that it may say.
func (c cutter) answers(client io.Writer, server io.Reader) bool {
	if c.after >= 0 {
		n, _ := io.CopyN(client, server, c.after)
		return n == c.after
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		time.Sleep(c.slow)
		if n > 0 {
			if _, err := client.Write(buf[:n]); err != nil {
				return false
			}
		}
		if err != nil {
			return false
		}
	}
}
