package client

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/kerbagent/kerbagent/krb5/kdcwire"
)

// TGT logs user in over TCP. The realm's addresses are asked without
// credentials, the next one 250 ms after the one before or as soon as that one
// fails, until one has answered. The AS-REQ with credentials then goes to that
// address, once, and nowhere else, whatever comes of it. A KDC that wants no
// preauthentication gets none.
//
// The error is a *StepError or joins several, one for each address.
func (c *Client) TGT(ctx context.Context, user Principal, s Secret) (*Session, error) {
	realm := user.Realm
	addrs, err := c.locate(ctx, realm)
	if err != nil {
		return nil, err
	}
	as := NewAS(user, ASOptions{Now: c.Now, ETypes: preferred(s, user), AllowRC4: c.AllowRC4, Salted: c.Salted, nonce: c.nonce})
	request, err := as.Request()
	if err != nil {
		return nil, &StepError{Step: StepAS, Realm: realm, Err: err}
	}
	won, err := c.race(ctx, realm, StepAS, msgASRep, addrs, request)
	if err != nil {
		return nil, err
	}
	t, err := as.Finish(won.reply, s)
	var required *kdcwire.KRBError
	switch {
	case errors.As(err, &required) && required.Code == codePreauthRequired:
		_ = won.conn.Close()
		return c.preauthenticate(ctx, as, won, required, s)
	case err != nil:
		won.close()
		return nil, &StepError{Step: StepAS, Realm: realm, Addr: won.conn.Addr(), Err: err}
	}
	won.spare.drop()
	return c.session(t, realm, won.conn), nil
}

// preauthenticate does the exchange that counts against the account, over the
// winner's spare connection.
func (c *Client) preauthenticate(ctx context.Context, as *AS, won attempt, required *kdcwire.KRBError, s Secret) (*Session, error) {
	realm, addr := as.user.Realm, won.conn.Addr()
	request, err := as.Preauthenticated(required, s)
	if err != nil {
		won.spare.drop()
		return nil, &StepError{Step: StepPreauth, Realm: realm, Addr: addr, Err: err}
	}
	conn, connect, err := won.spare.take()
	if err != nil {
		c.observe(connect)
		return nil, err
	}
	t, err := c.proveOnce(ctx, as, conn, request, s)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c.session(t, realm, conn), nil
}

func (c *Client) proveOnce(ctx context.Context, as *AS, conn *kdcwire.Conn, request []byte, s Secret) (*Ticket, error) {
	realm := as.user.Realm
	if c.BeforePreauth != nil {
		if err := c.BeforePreauth(); err != nil {
			return nil, &StepError{Step: StepPreauth, Realm: realm, Addr: conn.Addr(), Err: err}
		}
	}
	reply, step, err := c.exchange(ctx, conn, realm, StepPreauth, msgASRep, request)
	c.observe(step)
	if err != nil {
		return nil, err
	}
	t, err := as.Finish(reply, s)
	if err != nil {
		return nil, &StepError{Step: StepPreauth, Realm: realm, Addr: conn.Addr(), Err: err}
	}
	return t, nil
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

func (c *Client) timeout() time.Duration {
	if c.Timeout <= 0 {
		return 5 * time.Second
	}
	return c.Timeout
}
