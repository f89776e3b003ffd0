// Package ldaptest is the LDAP side of a domain controller in memory, for tests: the
// root entry, a bind with Kerberos that is sealed from then on, and users. A lab
// test (TestLabUserCanLogIn) makes the same requests of Samba.
package ldaptest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"

	ber "github.com/go-asn1-ber/asn1-ber"

	"github.com/kerbagent/kerbagent/krb5/krb5test"
)

// Codes of results, and the tags of requests and replies (RFC 4511 §4).
const (
	Success        = 0
	bindInProgress = 14
	invalidLogin   = 49
	noSuchObject   = 32

	bindRequest, BindReply     = 0, 1
	searchRequest, Entry, done = 3, 4, 5
	modifyRequest, modifyReply = 6, 7
	addRequest, addReply       = 8, 9
)

// Lie returns what is sent in place of a reply in clear: turn 0 is the root entry, 1
// the AP-REP, 2 the offer of security layers, 3 the end of the bind. For nil the
// connection ends.
type Lie func(turn int, id int64, reply []byte) []byte

// Directory is a domain controller. Serve starts it.
type Directory struct {
	realm    *krb5test.Realm
	host     string
	acceptor *krb5test.Acceptor
	listener net.Listener

	mu    sync.Mutex
	users map[string]string // userAccountControl by sAMAccountName
	lie   Lie
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

// Serve listens on loopback as host, a domain controller of the realm.
func Serve(realm *krb5test.Realm, host string) (*Directory, error) {
	realm.AddService("ldap/" + host)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &Directory{realm: realm, host: host, acceptor: realm.Acceptor("ldap/" + host), listener: l, users: map[string]string{}, conns: map[net.Conn]bool{}}
	d.wg.Go(d.serve)
	return d, nil
}

// Addr is where it listens.
func (d *Directory) Addr() netip.AddrPort { return d.listener.Addr().(*net.TCPAddr).AddrPort() }

// SetLie makes it lie from now on.
func (d *Directory) SetLie(lie Lie) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lie = lie
}

// Users returns the userAccountControl of each user by name.
func (d *Directory) Users() map[string]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := map[string]string{}
	for name, control := range d.users {
		out[name] = control
	}
	return out
}

// Close ends all conversations.
func (d *Directory) Close() {
	_ = d.listener.Close()
	d.mu.Lock()
	for c := range d.conns {
		_ = c.Close()
	}
	d.mu.Unlock()
	d.wg.Wait()
}

func (d *Directory) serve() {
	for {
		c, err := d.listener.Accept()
		if err != nil {
			return
		}
		d.mu.Lock()
		d.conns[c] = true
		d.mu.Unlock()
		d.wg.Go(func() {
			_ = (&conversation{Directory: d, conn: c}).talk() // its client says what was wrong
			_ = c.Close()
			d.mu.Lock()
			delete(d.conns, c)
			d.mu.Unlock()
		})
	}
}

// conversation is one connection.
type conversation struct {
	*Directory
	conn    net.Conn
	context *krb5test.Context
	sealed  bool
	turn    int
	binds   int
}

func (c *conversation) talk() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("not a request: %v", v)
		}
	}()
	for {
		request, err := c.next()
		if err != nil {
			return err
		}
		id, ok := request.Children[0].Value.(int64)
		if !ok {
			return errors.New("a message without a number")
		}
		replies, bound, err := c.answer(id, request.Children[1])
		if err != nil {
			return err
		}
		if err := c.send(id, replies); err != nil {
			return err
		}
		c.sealed = c.sealed || bound
	}
}

func (c *conversation) next() (*ber.Packet, error) {
	if !c.sealed {
		return ber.ReadPacket(c.conn)
	}
	var size [4]byte
	if _, err := io.ReadFull(c.conn, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > 1<<20 {
		return nil, errors.New("too much at once")
	}
	token := make([]byte, n)
	if _, err := io.ReadFull(c.conn, token); err != nil {
		return nil, err
	}
	message, err := c.context.Open(token)
	if err != nil {
		return nil, err
	}
	return ber.DecodePacketErr(message)
}

func (c *conversation) send(id int64, replies []byte) error {
	if c.sealed {
		token, err := c.context.Seal(replies)
		if err != nil {
			return err
		}
		replies = append(binary.BigEndian.AppendUint32(nil, uint32(len(token))), token...)
	} else {
		c.mu.Lock()
		lie := c.lie
		c.mu.Unlock()
		if lie != nil {
			if replies = lie(c.turn, id, replies); replies == nil {
				return io.EOF
			}
		}
		c.turn++
	}
	_, err := c.conn.Write(replies)
	return err
}

// answer works through one request; bound says that the bind ends with it.
func (c *conversation) answer(id int64, op *ber.Packet) (reply []byte, bound bool, err error) {
	switch op.Tag {
	case bindRequest:
		code, creds := c.bind(op)
		return Result(id, BindReply, code, creds), code == Success, nil
	case searchRequest:
		return c.search(id, op), false, nil
	case addRequest:
		return Result(id, addReply, c.add(op), nil), false, nil
	case modifyRequest:
		return Result(id, modifyReply, c.modify(op), nil), false, nil
	}
	return nil, false, io.EOF // an unbind, or what nobody asks
}

// bind is a step of RFC 4752 §3.1 (server's side).
func (c *conversation) bind(op *ber.Packet) (code int64, creds []byte) {
	auth := op.Children[2]
	var token []byte
	if len(auth.Children) > 1 {
		token = auth.Children[1].ByteValue
	}
	c.binds++
	var err error
	switch c.binds {
	case 1:
		if _, creds, c.context, err = c.acceptor.AcceptContext(token); err == nil {
			return bindInProgress, creds
		}
	case 2:
		// All three layers, and buffers of 16 MiB: what Samba 4.17 offers.
		if creds, err = c.context.Sign([]byte{7, 0xff, 0xff, 0xff}); err == nil {
			return bindInProgress, creds
		}
	case 3:
		if choice, err := c.context.Open(token); err == nil && len(choice) >= 4 && choice[0] == 4 {
			return Success, nil
		}
	}
	return invalidLogin, nil
}

func (c *conversation) search(id int64, op *ber.Packet) []byte {
	base, _ := op.Children[0].Value.(string)
	if base == "" {
		domain := strings.ToLower(c.realm.Name())
		return slices.Concat(EntryOf(id, "", map[string]string{"dnsHostName": c.host, "defaultNamingContext": "DC=" + strings.ReplaceAll(domain, ".", ",DC=")}),
			Result(id, done, Success, nil))
	}
	if !c.sealed {
		return Result(id, done, noSuchObject, nil) // AD answers nobody else
	}
	var out []byte
	wanted := op.Children[6].Children[1].Children[1].Data.String()
	for name, control := range c.Users() {
		if strings.EqualFold(name, wanted) {
			set := "0"
			if n := c.realm.KeyVersion(name); n > 2 { // a new account has 2, and no password yet
				set = strconv.Itoa(133_000_000_000_000_000 + n)
			}
			out = EntryOf(id, "CN="+name+","+base, map[string]string{"sAMAccountName": name, "userAccountControl": control, "pwdLastSet": set, "objectClass": "user"})
		}
	}
	return append(out, Result(id, done, Success, nil)...)
}

// values returns the attributes of a list of them, the first value of each.
func values(list []*ber.Packet) map[string]string {
	out := map[string]string{}
	for _, a := range list {
		out[a.Children[0].Data.String()] = a.Children[1].Children[0].Data.String()
	}
	return out
}

func (c *conversation) add(op *ber.Packet) int64 {
	attributes := values(op.Children[1].Children)
	name := attributes["sAMAccountName"]
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users[name] != "" {
		return 68 // entryAlreadyExists
	}
	c.users[name] = attributes["userAccountControl"]
	c.realm.AddUser(name, "none yet", krb5test.Disabled)
	return Success
}

func (c *conversation) modify(op *ber.Packet) int64 {
	name, _, _ := strings.Cut(strings.TrimPrefix(op.Children[0].Data.String(), "CN="), ",")
	changes := values([]*ber.Packet{op.Children[1].Children[0].Children[1]})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users[name] == "" {
		return noSuchObject
	}
	c.users[name] = changes["userAccountControl"]
	if n, err := strconv.Atoi(c.users[name]); err == nil && n&2 == 0 {
		_ = c.realm.Change(name, krb5test.Good) // it is there
	}
	return Success
}

func text(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

func message(id int64, tag ber.Tag, parts ...*ber.Packet) []byte {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	for _, p := range parts {
		op.AppendChild(p)
	}
	m := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	m.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	m.AppendChild(op)
	return m.Bytes()
}

// Result is an LDAPResult, with the server's credentials of a bind where there are any.
func Result(id int64, tag ber.Tag, code int64, creds []byte) []byte {
	parts := []*ber.Packet{ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, code, ""), text(""), text("")}
	if creds != nil {
		parts = append(parts, ber.NewString(ber.ClassContext, ber.TypePrimitive, 7, string(creds), ""))
	}
	return message(id, tag, parts...)
}

// EntryOf is a SearchResultEntry.
func EntryOf(id int64, dn string, attributes map[string]string) []byte {
	list := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	for name, value := range attributes {
		a := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
		set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		set.AppendChild(text(value))
		a.AppendChild(text(name))
		a.AppendChild(set)
		list.AppendChild(a)
	}
	return message(id, Entry, text(dn), list)
}
