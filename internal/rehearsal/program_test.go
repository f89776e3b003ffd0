package rehearsal

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/kerbagent/kerbagent/krb5/krb5test"
)

// program is a database client on the rehearsal's host, as the truth about
// logins: it has nothing in common with the ladder. It resolves names as glibc
// does, with the host's resolver alone; finds KDCs as libkrb5 does without a
// krb5.conf, by SRV; gets tickets as krb5test.Program does; and speaks MySQL in
// plain bytes.
type program struct {
	w    *World
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	at    string                // host:port of the database; empty: its endpoint
	clock time.Duration         // of the host, ahead of the real time
	hosts map[string]netip.Addr // /etc/hosts
}

// The program's patience. glibc waits 5 s twice, libkrb5 1 s over UDP and 10 s
// over TCP, the connector 10 s; here everything is on loopback.
const (
	programDNS     = 700 * time.Millisecond
	programHedge   = 150 * time.Millisecond
	programKDC     = 1500 * time.Millisecond
	programConnect = 1500 * time.Millisecond
)

// fate is what became of one login.
type fate struct {
	works bool
	at    int    // how far it got
	err   string // and why not further
	took  time.Duration
}

// The programs in the order in which a login needs them.
const (
	atKinit = iota
	atResolve
	atConnect
	atSwitch
	atKvno
	atToken
	atEnd
)

func (p program) login(ctx context.Context, user, password string, kt []byte) (f fate) {
	began := time.Now()
	at, err := p.try(ctx, user, password, kt)
	f = fate{works: err == nil, at: at, took: time.Since(began)}
	if err != nil {
		f.err = err.Error()
	}
	return f
}

func (p program) try(ctx context.Context, user, password string, kt []byte) (at int, err error) {
	name, realm, _ := strings.Cut(user, "@")
	krb := &krb5test.Program{Dial: p.dial, KDCs: p.kdcs, Wait: programHedge, Patience: programKDC, Clock: p.clock}
	tgt, err := krb.Kinit(ctx, name, realm, password, kt)
	if err != nil {
		return atKinit, err
	}
	host, port, _ := net.SplitHostPort(cmp.Or(p.at, p.w.endpoint()))
	addrs, err := p.resolve(ctx, host)
	if err != nil {
		return atResolve, err
	}
	var conn net.Conn
	for _, a := range addrs { // as libmysqlclient and Connector/C: the next address where one does not connect
		dialing, cancel := context.WithTimeout(ctx, programConnect)
		conn, err = p.dial(dialing, "tcp", net.JoinHostPort(a.String(), port))
		cancel()
		if err == nil {
			break
		}
	}
	if err != nil {
		return atConnect, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(programConnect))
	db := &mysqlProgram{conn: conn, r: bufio.NewReader(conn)}
	spn, of, err := db.switched(name, host, p.w.instanceCAs())
	if err != nil {
		return atSwitch, err
	}
	if of != realm { // libmysqlclient wants a ticket of user@REALM, as the switch names the realm
		return atSwitch, fmt.Errorf("no ticket of %s@%s", name, of)
	}
	service, serviceRealm, _ := strings.Cut(spn, "@")
	ticket, err := krb.Kvno(ctx, tgt, service, serviceRealm)
	if err != nil {
		return atKvno, err
	}
	token, err := krb.Token(ticket)
	if err != nil {
		return atToken, err
	}
	_ = db.conn.SetDeadline(time.Now().Add(programConnect))
	if err := db.finish(token); err != nil {
		return atToken, err
	}
	return atEnd, nil
}

// kdcs are those of the SRV records, over UDP and TCP, in their order.
func (p program) kdcs(ctx context.Context, realm string) ([]netip.AddrPort, error) {
	m, err := p.ask(ctx, "_kerberos._udp."+strings.ToLower(realm), dns.TypeSRV)
	if err == nil && len(m.Answer) == 0 {
		m, err = p.ask(ctx, "_kerberos._tcp."+strings.ToLower(realm), dns.TypeSRV)
	}
	if err != nil {
		return nil, err
	}
	var out []netip.AddrPort
	for _, rr := range m.Answer {
		srv, ok := rr.(*dns.SRV)
		if !ok {
			continue
		}
		addrs, err := p.addresses(ctx, srv.Target)
		if err != nil {
			continue
		}
		for _, a := range addrs {
			out = append(out, netip.AddrPortFrom(a, srv.Port))
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no KDC")
	}
	return out, nil
}

// resolve is getaddrinfo with "files" before "dns"; libkrb5 asks DNS alone for the hosts of SRV records.
func (p program) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, ok := p.hosts[host]; ok {
		return []netip.Addr{addr}, nil
	}
	return p.addresses(ctx, host)
}

// addresses is getaddrinfo's part in DNS: both families, loopback's IPv6 first (RFC 6724).
func (p program) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	var out []netip.Addr
	var last error
	for _, qtype := range []uint16{dns.TypeAAAA, dns.TypeA} {
		m, err := p.ask(ctx, host, qtype)
		if err != nil {
			last = err
			continue
		}
		for _, rr := range m.Answer {
			switch rr := rr.(type) {
			case *dns.A:
				a, _ := netip.AddrFromSlice(rr.A.To4())
				out = append(out, a)
			case *dns.AAAA:
				a, _ := netip.AddrFromSlice(rr.AAAA)
				out = append(out, a)
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has no address: %w", host, errors.Join(last, errors.New("not found")))
	}
	return out, nil
}

// ask is what glibc's stub does with one server: UDP, once more, TCP where the answer was cut.
func (p program) ask(ctx context.Context, name string, qtype uint16) (*dns.Msg, error) {
	q := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
	var m *dns.Msg
	var err error
	for range 2 {
		if m, err = p.exchange(ctx, "udp", q); err == nil {
			break
		}
	}
	if err == nil && m.Truncated {
		m, err = p.exchange(ctx, "tcp", q)
	}
	if err == nil && m.Rcode != dns.RcodeSuccess {
		err = errors.New(dns.RcodeToString[m.Rcode])
	}
	return m, err
}

func (p program) exchange(ctx context.Context, network string, q *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, programDNS)
	defer cancel()
	conn, err := p.dial(ctx, network, p.w.Resolver().String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(programDNS))
	c := &dns.Conn{Conn: conn}
	if err := c.WriteMsg(q); err != nil {
		return nil, err
	}
	return c.ReadMsg()
}

// mysqlProgram is the protocol's connection phase, as much of it as a login needs.
type mysqlProgram struct {
	conn net.Conn
	r    *bufio.Reader
	seq  byte
}

func (c *mysqlProgram) read() ([]byte, error) {
	var h [4]byte
	if _, err := io.ReadFull(c.r, h[:]); err != nil {
		return nil, err
	}
	c.seq = h[3] + 1
	b := make([]byte, int(h[0])|int(h[1])<<8|int(h[2])<<16)
	if _, err := io.ReadFull(c.r, b); err != nil {
		return nil, err
	}
	if len(b) > 2 && b[0] == 0xff {
		return nil, fmt.Errorf("ERROR %d", binary.LittleEndian.Uint16(b[1:]))
	}
	return b, nil
}

func (c *mysqlProgram) write(b []byte) error {
	_, err := c.conn.Write(append([]byte{byte(len(b)), byte(len(b) >> 8), byte(len(b) >> 16), c.seq}, b...))
	return err
}

// switched goes from the greeting over TLS to the auth switch.
func (c *mysqlProgram) switched(user, host string, ca []byte) (spn, realm string, err error) {
	greeting, err := c.read()
	if err != nil {
		return "", "", err
	}
	version, rest, ok := strings.Cut(string(greeting), "\x00")
	if !ok || len(version) < 2 || version[0] != 10 || len(rest) < 15 {
		return "", "", errors.New("no greeting")
	}
	if binary.LittleEndian.Uint16([]byte(rest[13:]))&0x800 == 0 {
		return "", "", errors.New("no TLS there")
	}
	// LONG_PASSWORD, PROTOCOL_41, SSL, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH
	head := binary.LittleEndian.AppendUint32(nil, 0x1|0x200|0x800|0x2000|0x8000|0x80000)
	head = binary.LittleEndian.AppendUint32(head, 1<<24)
	head = append(head, 45)
	head = append(head, make([]byte, 23)...)
	if err := c.write(head); err != nil {
		return "", "", err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	secure := tls.Client(c.conn, &tls.Config{ServerName: host, RootCAs: pool, MinVersion: tls.VersionTLS12})
	if err := secure.Handshake(); err != nil {
		return "", "", err
	}
	c.conn, c.r = secure, bufio.NewReader(secure)
	c.seq++
	if err := c.write(append(head, user+"\x00\x00authentication_kerberos_client\x00"...)); err != nil {
		return "", "", err
	}
	b, err := c.read()
	if err != nil {
		return "", "", err
	}
	plugin, data, _ := strings.Cut(string(b[1:]), "\x00")
	if b[0] != 0xfe || plugin != "authentication_kerberos_client" {
		return "", "", fmt.Errorf("switched to %s", plugin)
	}
	take := func() (s string) {
		if len(data) >= 2 {
			if n := int(data[0]) | int(data[1])<<8; len(data) >= 2+n {
				s, data = data[2:2+n], data[2+n:]
			}
		}
		return s
	}
	return take(), take(), nil
}

func (c *mysqlProgram) finish(token []byte) error {
	if err := c.write(token); err != nil {
		return err
	}
	b, err := c.read()
	if err == nil && (len(b) == 0 || b[0] != 0) {
		err = errors.New("no OK")
	}
	return err
}
