// Command front makes a MariaDB one instance of an Aurora cluster: it answers at the instance's addresses, ends TLS there,
// and passes everything on to the server's socket as it is, with the client's address in front (HAProxy's PROXY protocol).
// The server itself greets, takes the ticket, counts and refuses.
//
// What only Aurora has (information_schema.replica_host_status, @@aurora_server_id, @@aurora_version) gets the name of its
// stand-in in the server (bin/db-accounts.sh), so that a real server reads the statement, computes and checks rights.
//
//	front -name NAME -socket FILE -tls PREFIX ADDR:PORT...
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"net"
	"net/netip"
	"regexp"

	"github.com/kerbagent/kerbagent/internal/bootstrap/mysqlfront"
)

// version is @@aurora_version.
const version = "3.08.2"

func main() {
	log.SetFlags(log.Lmicroseconds)
	f := &front{}
	flag.StringVar(&f.name, "name", "", "identifier of the instance")
	flag.StringVar(&f.socket, "socket", "", "socket of the server behind it")
	flag.StringVar(&f.tls, "tls", "", "its certificate and key: `PREFIX`.pem and PREFIX.key, read for each connection")
	flag.Parse()
	failed := make(chan error)
	for _, at := range flag.Args() {
		l, err := net.Listen("tcp", at)
		if err != nil {
			log.Fatal(err)
		}
		go func() { failed <- f.serve(l) }()
	}
	log.Print("ready")
	log.Fatal(<-failed)
}

type front struct{ name, socket, tls string }

func (f *front) serve(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			if err := f.pass(c); err != nil {
				log.Print(err)
			}
		}()
	}
}

// pass brings a client to the server.
func (f *front) pass(c net.Conn) error {
	up, err := net.Dial("unix", f.socket)
	if err != nil {
		return err
	}
	defer up.Close()
	from, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return err
	}
	to, err := netip.ParseAddrPort(c.LocalAddr().String())
	if err != nil {
		return err
	}
	family := "TCP6"
	if from.Addr().Unmap().Is4() {
		family = "TCP4"
	}
	if _, err := fmt.Fprintf(up, "PROXY %s %s %s %d %d\r\n", family, from.Addr().Unmap(), to.Addr().Unmap(), from.Port(), to.Port()); err != nil {
		return err
	}
	return mysqlfront.Relay(c, up, &tls.Config{GetCertificate: f.certificate}, f.translate)
}

func (f *front) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c, err := tls.LoadX509KeyPair(f.tls+".pem", f.tls+".key")
	return &c, err
}

// translate puts names that the server has in the place of Aurora's.
func (f *front) translate(statement string) string {
	for _, n := range []struct{ aurora, here string }{
		{`information_schema\.replica_host_status`, "aurora.replica_host_status"},
		{`@@aurora_server_id`, "'" + f.name + "'"},
		{`@@aurora_version`, "'" + version + "'"},
	} {
		statement = regexp.MustCompile(`(?i)`+n.aurora).ReplaceAllString(statement, n.here)
	}
	return statement
}
