package mysql_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/mysql"
)

// script is a peer that says what it is told and listens to nothing.
type script struct {
	io.Reader
	net.Conn
}

func (s script) Read(b []byte) (int, error)  { return s.Reader.Read(b) }
func (s script) Write(b []byte) (int, error) { return len(b), nil }
func (s script) SetDeadline(time.Time) error { return nil }
func (s script) Close() error                { return nil }

type packet struct {
	seq     byte
	payload []byte
}

func says(packets ...packet) *mysql.Conn {
	var all []byte
	for _, p := range packets {
		all = mysql.AppendPacket(all, p.seq, p.payload)
	}
	return mysql.NewConn(script{Reader: bytes.NewReader(all)})
}

func hello(caps mysql.Capability) []byte {
	return (&mysql.Greeting{
		Version: "8.0.39", ConnectionID: 7, Capabilities: caps, Charset: 45, Status: 2,
		Scramble: []byte("12345678901234567890"), Plugin: "mysql_native_password",
	}).Marshal()
}

const usual = mysql.LongPassword | mysql.Protocol41 | mysql.SecureConn | mysql.PluginAuth | mysql.LenencAuth | mysql.DeprecateEOF

func switchTo(plugin, data string) []byte {
	return (&mysql.Switch{Plugin: plugin, Data: []byte(data)}).Marshal()
}

// toSwitch goes as far as the switch.
func toSwitch(t *testing.T, c *mysql.Conn) (*mysql.Switch, error) {
	t.Helper()
	if _, err := c.Greeting(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c.Respond(t.Context(), "alice", nil)
}

func TestHostileGreeting(t *testing.T) {
	cut := hello(usual)
	long := []byte{10}
	long = append(long, strings.Repeat("a", 300)...)
	for name, c := range map[string]*mysql.Conn{
		"empty packet":         says(packet{0, nil}),
		"only a version":       says(packet{0, []byte{10}}),
		"endless version":      says(packet{0, long}),
		"cut short":            says(packet{0, cut[:40]}),
		"no end of the plugin": says(packet{0, cut[:len(cut)-1]}),
		"bytes after it":       says(packet{0, append(bytes.Clone(cut), 'x')}),
		"protocol 9":           says(packet{0, append([]byte{9}, cut[1:]...)}),
		"sequence number":      says(packet{3, cut}),
		"too large":            mysql.NewConn(script{Reader: strings.NewReader("\x01\x00\x01\x00" + strings.Repeat("x", 1<<16+1))}),
		"ERR without a number": says(packet{0, []byte{0xff, 1}}),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := c.Greeting(t.Context()); !errors.Is(err, mysql.ErrNotMySQL) {
				t.Errorf("got %v", err)
			}
			if _, err := c.Respond(t.Context(), "alice", nil); err == nil {
				t.Error("went on")
			}
		})
	}
}

// Greetings of before MySQL 5.5 are MySQL's, and too old: not malformed.
func TestTooOld(t *testing.T) {
	// MySQL 4.0 greets without the second part of the scramble.
	first := append([]byte("\x0a4.0.27\x00\x07\x00\x00\x0012345678\x00\x2c\x20\x08\x02\x00"), make([]byte, 13)...)
	// MySQL 5.0: CLIENT_SECURE_CONNECTION, thirteen zero bytes, twelve of the scramble.
	second := append([]byte("\x0a5.0.51a\x00\x07\x00\x00\x0012345678\x00\x2c\xa2\x08\x02\x00"), make([]byte, 13)...)
	for name, greeting := range map[string][]byte{
		"4.0": first, "5.0": append(second, "123456789012\x00"...), "flags of 5.1": hello(usual &^ mysql.PluginAuth),
	} {
		t.Run(name, func(t *testing.T) {
			c := says(packet{0, greeting}, packet{2, (&mysql.ServerError{Number: 1045, State: "28000"}).Marshal()})
			g, err := c.Greeting(t.Context())
			if !errors.Is(err, mysql.ErrTooOld) || g == nil || g.Version == "" {
				t.Fatalf("got %+v, %v", g, err)
			}
			if _, err := c.Respond(t.Context(), "alice", nil); err == nil {
				t.Error("went on")
			}
			serverError(t, c.Abandon(t.Context(), nil), 1045)
			if !c.Finished() {
				t.Error("the end counts")
			}
		})
	}
}

func TestHostileSwitch(t *testing.T) {
	for name, p := range map[string]packet{
		"empty packet":     {2, nil},
		"plugin of no end": {2, []byte("\xfeauthentication_kerberos_client")},
		"endless plugin":   {2, []byte("\xfe" + strings.Repeat("p", 300) + "\x00")},
		"sequence number":  {1, switchTo("auth_gssapi_client", "x")},
		"OK cut short":     {2, []byte{0, 0}},
		"ERR cut short":    {2, []byte{0xff, 0x15}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := toSwitch(t, says(packet{0, hello(usual)}, p)); !errors.Is(err, mysql.ErrMalformed) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestOldPasswordSwitch(t *testing.T) {
	c := says(packet{0, hello(usual)}, packet{2, []byte{0xfe}}, packet{4, (&mysql.ServerError{Number: 1045, State: "28000"}).Marshal()})
	sw, err := toSwitch(t, c)
	if err != nil || sw.Plugin != "mysql_old_password" {
		t.Fatalf("%+v, %v", sw, err)
	}
	serverError(t, c.Abandon(t.Context(), sw), 1045)
}

func TestNoSwitch(t *testing.T) {
	c := says(packet{0, hello(usual)}, packet{2, []byte{0, 0, 0, 2, 0, 0, 0}})
	if _, err := toSwitch(t, c); !errors.Is(err, mysql.ErrNoSwitch) {
		t.Errorf("got %v", err)
	}
	if !c.Finished() {
		t.Error("an OK was read")
	}
	if err := c.Abandon(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// A server that never comes to an end costs eight packets.
func TestEndlessAuthentication(t *testing.T) {
	packets := []packet{{0, hello(usual)}, {2, switchTo("dialog", "\x02Name: ")}}
	for i := range 40 {
		packets = append(packets, packet{byte(4 + 2*i), []byte("\x01\x02More: ")})
	}
	c := says(packets...)
	sw, err := toSwitch(t, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Abandon(t.Context(), sw); !errors.Is(err, mysql.ErrMalformed) {
		t.Errorf("got %v", err)
	}
	if c.Finished() {
		t.Error("finished without OK or ERR")
	}
}

func TestSecondFactorIsASwitch(t *testing.T) {
	c := says(packet{0, hello(usual)}, packet{2, switchTo("auth_gssapi_client", "x")}, packet{4, []byte("\x02webauthn_client\x00data")})
	if _, err := toSwitch(t, c); err != nil {
		t.Fatal(err)
	}
	r, err := c.Answer(t.Context(), []byte("`token"))
	if err != nil || r.Kind != mysql.Another || r.Switch.Plugin != "webauthn_client" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestWords(t *testing.T) {
	long := strings.Repeat("a", 5000)
	c := says(packet{0, (&mysql.ServerError{Number: 1040, State: "08004", Message: long}).Marshal()})
	_, err := c.Greeting(t.Context())
	var e *mysql.ServerError
	if !errors.As(err, &e) || e.State != "08004" || len(e.Message) != 1024 {
		t.Errorf("%v", err)
	}
}

// loggedIn is a connection whose server says these packets to a query.
func loggedIn(t *testing.T, caps mysql.Capability, packets ...[]byte) *mysql.Conn {
	t.Helper()
	all := []packet{{0, hello(caps)}, {2, switchTo("auth_gssapi_client", "x")}, {4, []byte{0, 0, 0, 2, 0, 0, 0}}}
	for i, p := range packets {
		all = append(all, packet{byte(i + 1), p})
	}
	c := says(all...)
	if _, err := toSwitch(t, c); err != nil {
		t.Fatal(err)
	}
	if r, err := c.Answer(t.Context(), []byte("`token")); err != nil || r.Kind != mysql.OK {
		t.Fatalf("%+v, %v", r, err)
	}
	return c
}

func TestQueryAnswers(t *testing.T) {
	column := []byte("\x03def\x00\x00\x00\x01c\x00\x0c-\x00\x90\x01\x00\x00\xfd\x00\x00\x1f\x00\x00")
	end := []byte{0xfe, 0, 0, 2, 0, 0, 0}
	eof := []byte{0xfe, 0, 0, 2, 0}
	row := []byte("\x05alice")
	refused := (&mysql.ServerError{Number: 3024, State: "HY000", Message: "too slow"}).Marshal()
	for name, c := range map[string]struct {
		caps   mysql.Capability
		answer [][]byte
		want   string
		is     error
		number uint16
	}{
		"a row":                  {usual, [][]byte{{1}, column, row, end}, "alice", nil, 0},
		"the first of two":       {usual, [][]byte{{2}, column, column, []byte("\x05alice\xfb"), []byte("\x03bob\x01x"), end}, "alice", nil, 0},
		"with EOF":               {usual &^ mysql.DeprecateEOF, [][]byte{{1}, column, eof, row, eof}, "alice", nil, 0},
		"an empty text":          {usual, [][]byte{{1}, column, {0}, end}, "", nil, 0},
		"NULL":                   {usual, [][]byte{{1}, column, {0xfb}, end}, "", mysql.ErrNoValue, 0},
		"no row":                 {usual, [][]byte{{1}, column, end}, "", mysql.ErrNoValue, 0},
		"no result set":          {usual, [][]byte{{0, 0, 0, 2, 0, 0, 0}}, "", mysql.ErrNoValue, 0},
		"ERR":                    {usual, [][]byte{refused}, "", nil, 3024},
		"ERR between rows":       {usual, [][]byte{{1}, column, row, refused}, "", nil, 3024},
		"wants a local file":     {usual, [][]byte{[]byte("\xfb/etc/passwd")}, "", mysql.ErrMalformed, 0},
		"too many columns":       {usual, [][]byte{{0xfc, 0xff, 0xff}}, "", mysql.ErrMalformed, 0},
		"column cut short":       {usual, [][]byte{{1}, column[:9]}, "", mysql.ErrMalformed, 0},
		"row cut short":          {usual, [][]byte{{1}, column, []byte("\x09alice")}, "", mysql.ErrMalformed, 0},
		"row too long":           {usual, [][]byte{{1}, column, []byte("\x05alice!")}, "", mysql.ErrMalformed, 0},
		"a value of 2^63 bytes":  {usual, [][]byte{{1}, column, []byte("\xfe\xff\xff\xff\xff\xff\xff\xff\x7fx")}, "", mysql.ErrNoValue, 0},
		"an answer of 256 KiB":   {usual, [][]byte{{1}, column, bytes.Repeat([]byte{'x'}, 1<<18)}, "", mysql.ErrMalformed, 0},
		"breaks off":             {usual, [][]byte{{1}, column}, "", io.EOF, 0},
		"empty packet for a row": {usual, [][]byte{{1}, column, nil}, "", mysql.ErrMalformed, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := loggedIn(t, c.caps, c.answer...).Query(context.Background(), "SELECT 1")
			if c.number != 0 {
				serverError(t, err, c.number)
			} else if !errors.Is(err, c.is) || (c.is == nil) != (err == nil) {
				t.Errorf("got error %v, want %v", err, c.is)
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
