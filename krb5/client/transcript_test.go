package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/krb5/keys"
)

// A transcript is what one walk and one real server said to each other. The
// lab test records them (-update), the others replay them: with the same
// clock and nonces the client has to come to the same result.
type transcript struct {
	now     time.Time
	nonces  []uint32
	packets [][]byte // request, reply, request, …
	apRep   []byte   // the service's answer to a token that was made at now
}

func transcriptPath(name string) string { return filepath.Join("testdata", name+".txt") }

// save writes one line for each thing, so that a diff can be read.
func (tr *transcript) save(t *testing.T, name string) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "now %s\n", tr.now.Format(time.RFC3339Nano))
	for _, n := range tr.nonces {
		fmt.Fprintf(&b, "nonce %d\n", n)
	}
	for i, p := range tr.packets {
		fmt.Fprintf(&b, "%c %x\n", "><"[i%2], p)
	}
	if tr.apRep != nil {
		fmt.Fprintf(&b, "ap-rep %x\n", tr.apRep)
	}
	if err := os.WriteFile(transcriptPath(name), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func loadTranscript(t testing.TB, name string) *transcript {
	t.Helper()
	b, err := os.ReadFile(transcriptPath(name))
	if err != nil {
		t.Fatal(err)
	}
	tr := new(transcript)
	in := bufio.NewScanner(bytes.NewReader(b))
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		word, value, _ := strings.Cut(in.Text(), " ")
		switch word {
		case "now":
			tr.now, err = time.Parse(time.RFC3339Nano, value)
		case "nonce":
			var n uint64
			n, err = strconv.ParseUint(value, 10, 32)
			tr.nonces = append(tr.nonces, uint32(n))
		case ">", "<":
			var p []byte
			p, err = hex.DecodeString(value)
			tr.packets = append(tr.packets, p)
		case "ap-rep":
			tr.apRep, err = hex.DecodeString(value)
		}
		if err != nil {
			t.Fatalf("%s: %q: %v", name, in.Text(), err)
		}
	}
	return tr
}

// client replays the transcript: every connection continues it where the last
// one stopped.
func (tr *transcript) client(t testing.TB) *Client {
	t.Helper()
	nonces := tr.nonces
	server := &replay{t: t, tr: tr}
	return &Client{
		Dialer:  server,
		Locator: fixed{netip.MustParseAddrPort("192.0.2.1:88")},
		Now:     func() time.Time { return tr.now },
		nonce: func() uint32 {
			if len(nonces) == 0 {
				t.Fatal("the walk takes more exchanges than the transcript has")
			}
			n := nonces[0]
			nonces = nonces[1:]
			return n
		},
	}
}

// replay is a KDC that says what a transcript says.
type replay struct {
	t  testing.TB
	tr *transcript

	mu   sync.Mutex
	next int // index of the next request
}

func (r *replay) DialContext(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	go r.serve(far)
	return near, nil
}

func (r *replay) serve(c net.Conn) {
	defer c.Close()
	for {
		request, err := readFrame(c)
		if err != nil {
			return
		}
		r.mu.Lock()
		i := r.next
		r.next += 2
		r.mu.Unlock()
		if i+1 >= len(r.tr.packets) {
			r.t.Errorf("request %d is not in the transcript", i/2)
			return
		}
		// The first request has nothing random in it but the nonce.
		if i == 0 && request[0] == 0x6a && !bytes.Equal(request, r.tr.packets[0]) {
			r.t.Errorf("first request\n got %x\nwant %x", request, r.tr.packets[0])
		}
		if err := writeFrame(c, r.tr.packets[i+1]); err != nil {
			return
		}
	}
}

func readFrame(c io.Reader) ([]byte, error) {
	var header [4]byte
	if _, err := io.ReadFull(c, header[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(header[:]))
	_, err := io.ReadFull(c, b)
	return b, err
}

func writeFrame(c io.Writer, b []byte) error {
	_, err := c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))
	return err
}

// fixed is a Locator that knows the same addresses for every realm.
type fixed []netip.AddrPort

func (f fixed) KDCs(context.Context, string) ([]netip.AddrPort, error) { return f, nil }

// labPassword is the password of the lab's users that have no name of their own.
const labPassword = "Alice-Passw0rd1"

func mustPrincipal(t testing.TB, s string) Principal {
	t.Helper()
	p, err := ParsePrincipal(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustKeytab(t testing.TB, path string) *keys.Keytab {
	t.Helper()
	kt, err := keys.ReadKeytab(path)
	if err != nil {
		t.Fatal(err)
	}
	return kt
}
