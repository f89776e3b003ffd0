package keys

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// CCache is what a credential cache file holds. It never prints a key.
type CCache struct {
	Client string // default principal: components joined by "/"
	Realm  string // its realm
	// Ahead is how far the KDC's clock was ahead of the host's, where libkrb5 has noted
	// that (kdc_timesync); it goes by the KDC's time when it uses the cache.
	Ahead       time.Duration
	Credentials []Credential
}

// Credential is one ticket of a cache.
type Credential struct {
	Client, ClientRealm string
	Server, ServerRealm string
	KeyType             int32 // the session key's type
	AuthTime            time.Time
	StartTime           time.Time // AuthTime where the file has none
	EndTime             time.Time
	RenewTill           time.Time // zero where it cannot be renewed
	Flags               uint32    // RFC 4120 §5.3, the first flag is the highest bit

	key    material
	ticket material
}

// flagRenewable is flag 8 of RFC 4120 §5.3.
const flagRenewable = 1 << (31 - 8)

// Renewable reports whether the KDC would renew the ticket until RenewTill.
func (c Credential) Renewable() bool { return c.Flags&flagRenewable != 0 }

// Key is a copy of the session key: a secret, for krb5/client only.
func (c Credential) Key() []byte { return c.key.reveal() }

// Ticket is a copy of the ticket in DER, for krb5/client only.
func (c Credential) Ticket() []byte { return c.ticket.reveal() }

// String names client, server and end; neither key nor ticket.
func (c Credential) String() string {
	return fmt.Sprintf("%s@%s for %s@%s until %s", c.Client, c.ClientRealm, c.Server, c.ServerRealm, c.EndTime.Format(time.RFC3339))
}

// String lists the tickets without their keys.
func (cc *CCache) String() string {
	lines := make([]string, len(cc.Credentials))
	for i, c := range cc.Credentials {
		lines[i] = c.String()
	}
	return fmt.Sprintf("ccache of %s@%s [%s]", cc.Client, cc.Realm, strings.Join(lines, ", "))
}

// ReadCCache reads a credential cache of type FILE.
func ReadCCache(path string) (*CCache, error) {
	b, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading credential cache %s: %w", path, err)
	}
	cc, err := ParseCCache(b)
	if err != nil {
		return nil, fmt.Errorf("reading credential cache %s: %w", path, err)
	}
	return cc, nil
}

// configRealm marks entries that are settings of MIT krb5, not tickets.
const configRealm = "X-CACHECONF:"

// ParseCCache reads the content of a credential cache file of version 3 or 4,
// the formats that MIT krb5 documents as "credential cache file format". An
// error is a *FormatError.
func ParseCCache(b []byte) (*CCache, error) {
	r := &reader{b: b}
	version := r.number(2, "version")
	cc := new(CCache)
	switch {
	case r.err != nil:
	case version == 0x504:
		cc.Ahead = clockOffset(r.data(2, "header"))
	case version != 0x503:
		r.pos = 0
		r.fail("not a credential cache of version 3 or 4")
	}
	cc.Client, cc.Realm = readPrincipal(r)
	for r.err == nil && r.rest() > 0 {
		c := readCredential(r, version == 0x503)
		removed := c.EndTime.IsZero() // so MIT krb5 marks an entry that it has removed
		if c.ServerRealm != configRealm && !removed {
			cc.Credentials = append(cc.Credentials, c)
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	return cc, nil
}

// clockOffset reads the one field that a cache's header is known to have: seconds and
// microseconds, signed (tag 1 of MIT krb5's "credential cache file format"). Others are
// passed over.
func clockOffset(header []byte) time.Duration {
	const tagOffset, head = 1, 4
	for len(header) >= head {
		tag, size := binary.BigEndian.Uint16(header), int(binary.BigEndian.Uint16(header[2:]))
		if header = header[head:]; size > len(header) {
			break
		}
		if tag == tagOffset && size == 8 {
			seconds, micros := int32(binary.BigEndian.Uint32(header)), int32(binary.BigEndian.Uint32(header[4:]))
			return time.Duration(seconds)*time.Second + time.Duration(micros)*time.Microsecond
		}
		header = header[size:]
	}
	return 0
}

func readPrincipal(r *reader) (name, realm string) {
	r.number(4, "name type")
	n := r.number(4, "number of name components")
	if n > maxComponents {
		r.fail(fmt.Sprintf("a name of %d components", n))
	}
	realm = string(r.data(4, "realm"))
	var parts []string
	for range n {
		if r.err != nil {
			return "", ""
		}
		parts = append(parts, string(r.data(4, "name")))
	}
	return strings.Join(parts, "/"), realm
}

func readCredential(r *reader, v3 bool) Credential {
	var c Credential
	c.Client, c.ClientRealm = readPrincipal(r)
	c.Server, c.ServerRealm = readPrincipal(r)
	c.KeyType = int32(int16(r.number(2, "key type")))
	if v3 {
		r.number(2, "key type") // version 3 has it twice
	}
	key := r.data(4, "session key")
	c.AuthTime = readTime(r)
	c.StartTime = readTime(r)
	c.EndTime = readTime(r)
	c.RenewTill = readTime(r)
	r.number(1, "is-skey")
	c.Flags = uint32(r.number(4, "ticket flags"))
	skipTyped(r, "address")
	skipTyped(r, "authorization data")
	ticket := r.data(4, "ticket")
	r.data(4, "second ticket")
	if c.StartTime.IsZero() {
		c.StartTime = c.AuthTime
	}
	if want := keySize(c.KeyType); r.err == nil && c.ServerRealm != configRealm && want != 0 && len(key) != want {
		r.fail(fmt.Sprintf("a session key of %d bytes for encryption type %d", len(key), c.KeyType))
	}
	c.key, c.ticket = hide(key), hide(ticket)
	return c
}

// readTime reads seconds since 1970, unsigned as MIT krb5 takes them; 0 is no time.
func readTime(r *reader) time.Time {
	s := r.number(4, "time")
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(s, 0).UTC()
}

// skipTyped passes over a list of a type and data each.
func skipTyped(r *reader, what string) {
	n := r.number(4, what)
	for i := int64(0); i < n && r.err == nil; i++ {
		r.number(2, what)
		r.data(4, what)
	}
}
