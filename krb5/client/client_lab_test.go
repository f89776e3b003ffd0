//go:build lab

package client

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "record the transcripts in testdata anew")

func labState() string {
	if s := os.Getenv("LAB_STATE"); s != "" {
		return s
	}
	return "/var/tmp/krb-lab"
}

// TestWalksLab walks against the real KDCs, and records with -update.
func TestWalksLab(t *testing.T) {
	for _, w := range walks() {
		t.Run(w.name, func(t *testing.T) {
			now := time.Now().UTC().Truncate(time.Microsecond)
			rec := &recorder{tr: transcript{now: now}}
			c := &Client{
				Dialer:  rec,
				Locator: byRealm(w.kdc),
				Now:     func() time.Time { return now },
				nonce: func() uint32 {
					n := randomNonce()
					rec.tr.nonces = append(rec.tr.nonces, n)
					return n
				},
			}
			w.check(t, c, w.secret(t, filepath.Join(labState(), "keytabs")))
			if *update && !t.Failed() {
				rec.tr.save(t, w.name)
			}
		})
	}
}

// TestDNSLocatorLab walks from the names alone, over the host's resolver, and
// goes on with the ticket alone.
func TestDNSLocatorLab(t *testing.T) {
	c := &Client{}
	session, err := c.TGT(t.Context(), Principal{"carol", "ONPREM.LOCAL"}, Password([]byte("Carol-Passw0rd1")))
	if err != nil {
		t.Fatal(err)
	}
	session.Close()
	again := c.FromTicket(session.Ticket())
	defer again.Close()
	ticket, hops, err := again.ServiceTicket(t.Context(), mustPrincipal(t, rdsName))
	if err != nil || len(hops) != 2 {
		t.Errorf("got %v over %+v, %v", ticket, hops, err)
	}
}

// mariadb is the lab's database, without TLS.
const mariadb = "10.77.3.20:3306"

// TestMariaDBProvesItself has a real acceptor take our token and verifies its
// AP-REP. With -update it records both.
func TestMariaDBProvesItself(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Microsecond)
	rec := &recorder{tr: transcript{now: now}}
	c := &Client{Dialer: rec, Locator: byRealm{"CORP.EXAMPLE.COM": corpDC1}, Now: func() time.Time { return now }, nonce: func() uint32 {
		n := randomNonce()
		rec.tr.nonces = append(rec.tr.nonces, n)
		return n
	}}
	ticket := proofTicket(t, c)
	initiator, err := NewInitiator(ticket, true, c.Now)
	if err != nil {
		t.Fatal(err)
	}
	db, err := net.DialTimeout("tcp", mariadb, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := readPacket(db); err != nil { // the greeting
		t.Fatal(err)
	}
	const caps = 1 | 0x200 | 0x8000 | 0x80000 // LONG_PASSWORD, PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH
	login := binary.LittleEndian.AppendUint32(nil, caps)
	login = binary.LittleEndian.AppendUint32(login, 1<<24)
	login = append(append(login, 33), make([]byte, 23)...)
	login = append(login, "alice\x00\x00auth_gssapi_client\x00"...)
	writePacket(t, db, 1, login)
	if p, err := readPacket(db); err != nil || p[0] != 0xfe {
		t.Fatalf("auth switch = %q, %v", p, err)
	}
	writePacket(t, db, 3, initiator.Token())
	apRep, err := readPacket(db)
	if err != nil {
		t.Fatal(err)
	}
	if err := initiator.Verify(apRep); err != nil {
		t.Errorf("%v: %q", err, apRep)
	}
	if p, err := readPacket(db); err != nil || p[0] != 0 {
		t.Errorf("end = %q, %v", p, err)
	}
	writePacket(t, db, 0, []byte{1}) // COM_QUIT
	if *update && !t.Failed() {
		rec.tr.apRep = apRep
		rec.tr.save(t, "mariadb-proof")
	}
}

func readPacket(c net.Conn) ([]byte, error) {
	var header [4]byte
	if _, err := io.ReadFull(c, header[:]); err != nil {
		return nil, err
	}
	b := make([]byte, int(header[0])|int(header[1])<<8|int(header[2])<<16)
	_, err := io.ReadFull(c, b)
	return b, err
}

func writePacket(t *testing.T, c net.Conn, seq byte, b []byte) {
	t.Helper()
	if _, err := c.Write(append([]byte{byte(len(b)), byte(len(b) >> 8), byte(len(b) >> 16), seq}, b...)); err != nil {
		t.Fatal(err)
	}
}

// byRealm is a Locator out of a table.
type byRealm map[string]string

func (m byRealm) KDCs(_ context.Context, realm string) ([]netip.AddrPort, error) {
	if addr, ok := m[realm]; ok {
		return []netip.AddrPort{netip.MustParseAddrPort(addr)}, nil
	}
	return nil, ErrNoKDC
}

// recorder keeps what goes over its connections, frame by frame.
type recorder struct {
	tr transcript
}

func (r *recorder) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &recorded{TCPConn: c.(*net.TCPConn), r: r}, nil
}

// recorded stays a TCP connection, so that the client can see that the KDC has
// closed it. The client writes a request in one piece.
type recorded struct {
	*net.TCPConn
	r       *recorder
	pending []byte
}

func (c *recorded) Write(b []byte) (int, error) {
	// A request that crossed the KDC's close was not answered; this one is the
	// same once more.
	answered := len(c.r.tr.packets) &^ 1
	c.r.tr.packets = append(c.r.tr.packets[:answered], slices.Clone(b[4:]))
	return c.TCPConn.Write(b)
}

func (c *recorded) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
	c.pending = append(c.pending, b[:n]...)
	if frame, ok := bytes.CutPrefix(c.pending, binary.BigEndian.AppendUint32(nil, uint32(max(0, len(c.pending)-4)))); ok {
		c.r.tr.packets = append(c.r.tr.packets, slices.Clone(frame))
		c.pending = nil
	}
	return n, err
}
