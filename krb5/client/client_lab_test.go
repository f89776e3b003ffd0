//go:build lab

package client

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
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
	c.r.tr.packets = append(c.r.tr.packets, slices.Clone(b[4:]))
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
