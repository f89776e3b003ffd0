package aduser

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/kerbagent/kerbagent/krb5/client"
)

// What is appended in clear to the bind's last answer is not read before the
// connection is sealed, and then is no sealed message. It used to be read as an
// answer of the sealed conversation.
func TestNothingIsReadBetweenBindAndSeal(t *testing.T) {
	answer := []byte{0x30, 0x84, 0, 0, 0, 7, 2, 1, 4, 0x61, 2, 0x0a, 0}
	forged := append([]byte{0x30, 0x81, 3}, 2, 1, 5)
	for _, seals := range []bool{true, false} {
		here, there := net.Pipe()
		c := newSealedConn(here)
		go func() { _, _ = there.Write(append(bytes.Clone(answer), forged...)) }()
		c.answerIsLast()
		r := bufio.NewReader(c) // as go-ldap reads
		got := make([]byte, len(answer))
		if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, answer) {
			t.Fatalf("the answer: %x, %v", got, err)
		}
		next := make(chan error, 1)
		go func() {
			b, err := r.ReadByte()
			if err == nil {
				err = errors.New("read " + string(b))
			}
			next <- err
		}()
		if seals {
			c.seal(&client.Context{}, 1024)
		} else if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		err := <-next
		if want := "sealed buffer of"; seals && !bytes.Contains([]byte(err.Error()), []byte(want)) || !seals && !errors.Is(err, net.ErrClosed) {
			t.Errorf("sealed %v: %v", seals, err)
		}
		_ = here.Close()
		_ = there.Close()
	}
}

// Messages of before the seal are bounded, and come whole.
func TestPlainMessages(t *testing.T) {
	for name, c := range map[string]struct {
		in   []byte
		good bool
	}{
		"short": {[]byte{0x30, 1, 5}, true}, "long form": {[]byte{0x30, 0x82, 0, 1, 5}, true}, "too long": {[]byte{0x30, 0x84, 0x7f, 0, 0, 0}, false},
		"a length of five bytes": {[]byte{0x30, 0x85, 0, 0, 0, 0, 1, 5}, false}, "indefinite": {[]byte{0x30, 0x80, 5, 0, 0}, false}, "cut": {[]byte{0x30, 5, 1}, false},
	} {
		if got, err := readPlain(bytes.NewReader(c.in)); (err == nil) != c.good || c.good && !bytes.Equal(got, c.in) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
}
