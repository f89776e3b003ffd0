package client

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/kerbagent/kerbagent/krb5/kdcwire"
)

// TGT logs user in. The realm's addresses are asked without credentials, the next
// one 250 ms after the one before or as soon as that one fails, until one has
// answered. The AS-REQ with credentials then goes to that address, over TCP
// where any KDC answers over TCP, and nowhere else but for BeforeSecond. A KDC that wants no
// preauthentication gets none.
//
// The error is a *StepError or joins several, one for each address.
func (c *Client) TGT(ctx context.Context, user Principal, s Secret) (*Session, error) {
	addrs, err := c.locate(ctx, user.Realm)
	if err != nil {
		return nil, err
	}
	w := &ascent{c: c, addrs: addrs, secret: s,
		as: NewAS(user, ASOptions{Now: c.Now, TimeSync: c.TimeSync, ETypes: c.permitted(preferred(s, user)), AllowRC4: c.AllowRC4, Salted: c.Salted,
			nonce: c.nonce})}
	if w.request, err = w.as.Request(); err != nil {
		return nil, w.fail(StepAS, netip.AddrPort{}, err)
	}
	won, err := w.firstAnswer(ctx)
	if err != nil {
		return nil, err
	}
	return w.goOn(ctx, won, c.BeforePreauth)
}

func (c *Client) session(t *Ticket, realm string, conn *kdcwire.Conn) *Session {
	s := c.FromTicket(t)
	s.conns[realm] = conn
	return s
}

// preferred puts the encryption types that the secret has keys of in front:
// a KDC picks the first of the list that it has a key for.
func preferred(s Secret, user Principal) []int32 {
	all := DefaultETypes()
	have := s.etypes(user, all)
	return append(have, slices.DeleteFunc(all, func(e int32) bool { return slices.Contains(have, e) })...)
}

// permitted leaves out what the krb5.conf does. Where it permits nothing that this package knows, all are asked for.
func (c *Client) permitted(types []int32) []int32 {
	if !slices.ContainsFunc(types, func(e int32) bool { return slices.Contains(c.Permitted, e) }) {
		return types
	}
	return slices.DeleteFunc(types, func(e int32) bool { return !slices.Contains(c.Permitted, e) })
}

// locate asks the Locator. The error is a *StepError.
func (c *Client) locate(ctx context.Context, realm string) ([]netip.AddrPort, error) {
	var l Locator = DNSLocator{}
	if c.Locator != nil {
		l = c.Locator
	}
	addrs, err := l.KDCs(ctx, realm)
	if err == nil && len(addrs) == 0 {
		err = ErrNoKDC
	}
	if err != nil {
		return nil, &StepError{Step: StepLocate, Realm: realm, Err: err}
	}
	return addrs, nil
}

func (c *Client) observe(steps ...Step) {
	if c.Observe == nil {
		return
	}
	for _, s := range steps {
		c.Observe(s)
	}
}

func (c *Client) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

func (c *Client) patience() time.Duration { return cmp.Or(c.Patience, c.timeout()) }

func (c *Client) timeout() time.Duration {
	if c.Timeout <= 0 {
		return 5 * time.Second
	}
	return c.Timeout
}
