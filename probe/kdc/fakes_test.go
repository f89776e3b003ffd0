package kdc

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/kerbagent/kerbagent/probe"
)

// recorded is an answer that a real KDC gave over UDP in the lab; over TCP it
// was the same but for the length in front.
func recorded(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".hex")
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// recode is a recorded KRB-ERROR with another error-code of one byte.
func recode(t testing.TB, name string, code byte) []byte {
	t.Helper()
	b := recorded(t, name)
	field := []byte{0xa6, 3, 2, 1}
	i := bytes.Index(b, field)
	if i < 0 {
		t.Fatal("no error-code in", name)
	}
	b[i+len(field)] = code
	return b
}

// withStatus is a recorded KRB-ERROR without e-data, with Windows' KERB-ERROR-DATA
// (MS-KILE §2.2.1) as its e-data.
func withStatus(t testing.TB, name string, status uint32) []byte {
	t.Helper()
	in := cryptobyte.String(recorded(t, name))
	var app, seq cryptobyte.String
	application := asn1.Tag(30 | 0x40).Constructed()
	if !in.ReadASN1(&app, application) || !app.ReadASN1(&seq, asn1.SEQUENCE) {
		t.Fatal("no KRB-ERROR in", name)
	}
	field := func(b *cryptobyte.Builder, n uint8, f cryptobyte.BuilderContinuation) {
		b.AddASN1(asn1.Tag(n).ContextSpecific().Constructed(), f)
	}
	var data, out cryptobyte.Builder
	data.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		field(b, 1, func(b *cryptobyte.Builder) { b.AddASN1Int64(3) })
		field(b, 2, func(b *cryptobyte.Builder) {
			b.AddASN1OctetString(append(binary.LittleEndian.AppendUint32(nil, status), 0, 0, 0, 0, 1, 0, 0, 0))
		})
	})
	out.AddASN1(application, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(seq)
			field(b, 12, func(b *cryptobyte.Builder) { b.AddASN1OctetString(data.BytesOrPanic()) })
		})
	})
	return out.BytesOrPanic()
}

// serve answers each request with what answer makes of it, on a loopback port.
// nil is silence.
func serve(t testing.TB, transport probe.Transport, answer func(request []byte) []byte) netip.AddrPort {
	t.Helper()
	if transport == probe.TCP {
		return listen(t, func(c net.Conn) {
			var length [4]byte
			if _, err := io.ReadFull(c, length[:]); err != nil {
				return
			}
			request := make([]byte, binary.BigEndian.Uint32(length[:]))
			if _, err := io.ReadFull(c, request); err != nil {
				return
			}
			if reply := answer(request); reply != nil {
				c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(reply))), reply...))
			}
		})
	}
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply := answer(bytes.Clone(buf[:n])); reply != nil {
				pc.WriteTo(reply, from)
			}
		}
	}()
	return netip.MustParseAddrPort(pc.LocalAddr().String())
}

// listen runs handle for each TCP connection and leaves closing to it.
func listen(t testing.TB, handle func(c net.Conn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var kept held
	t.Cleanup(func() { l.Close(); kept.close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			kept.keep(c)
			go handle(c)
		}
	}()
	return netip.MustParseAddrPort(l.Addr().String())
}

// closed is a loopback port where nobody listens.
func closed(t *testing.T) netip.AddrPort {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	return netip.MustParseAddrPort(pc.LocalAddr().String())
}

// held keeps connections that nobody refers to: the garbage collector would
// close them, and a silent server would be seen to hang up.
type held struct {
	mu    sync.Mutex
	conns []net.Conn
}

func (h *held) keep(c net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conns = append(h.conns, c)
}

func (h *held) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.conns {
		c.Close()
	}
}
