package mysql

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// KerberosPlugin is named in the login packet, so that nothing that derives from
// a password is ever sent. The server names its own choice in the switch.
const KerberosPlugin = "authentication_kerberos_client"

// Greeting reads the server's first packet. An ERR in its place (1129 host
// blocked, 1130 host not allowed, 1040 too many connections) is a *ServerError;
// anything that is not MySQL's is ErrNotMySQL. With ErrTooOld it returns the
// greeting too; only Abandon is possible then.
func (c *Conn) Greeting(ctx context.Context) (*Greeting, error) {
	err := c.step(ctx, DoingGreeting, func() error {
		if c.stage != fresh {
			return errOrder
		}
		b, err := c.readAuth()
		if errors.Is(err, ErrMalformed) {
			return fmt.Errorf("%w: %w", ErrNotMySQL, err)
		}
		if err != nil {
			return err
		}
		if len(b) > 0 && b[0] == headErr {
			e, err := parseError(b)
			if err != nil {
				c.broken = ErrNotMySQL
				return fmt.Errorf("%w: %w", ErrNotMySQL, err)
			}
			c.end(e)
			return e
		}
		c.greeting, err = ParseGreeting(b)
		if err != nil {
			c.broken = ErrNotMySQL
			return fmt.Errorf("%w: %w", ErrNotMySQL, err)
		}
		// Bit 0 is what tells MariaDB to talk as MySQL does, without its own
		// flags: so it is set whatever the greeting has.
		c.caps = c.greeting.Capabilities&wanted | LongPassword
		c.stage = greeted
		if !c.greeting.Capabilities.Has(required) { // before TLS: such a server may have none, which is not the point
			c.stage = untrusted
			return ErrTooOld
		}
		return nil
	})
	if err != nil && !errors.Is(err, ErrTooOld) {
		return nil, err
	}
	return c.greeting, err
}

// request asks for more capabilities in the coming login packet, where the
// server has them. Only those that change nothing here may be asked for.
func (c *Conn) request(more Capability) {
	c.caps |= more & (FoundRows | MultiStatements) & c.greeting.Capabilities
}

// Respond sends the login packet for user: no password, no database, the plugin
// name of Kerberos. It returns the server's switch, whatever plugin it names:
// an account that does not exist is switched too, to any plugin. attrs are
// shown in performance_schema.session_connect_attrs where the server keeps it.
func (c *Conn) Respond(ctx context.Context, user string, attrs map[string]string) (*Switch, error) {
	err := c.step(ctx, DoingLogin, func() error {
		if c.stage != greeted {
			return errOrder
		}
		if user == "" || len(user) > maxName || strings.ContainsRune(user, 0) {
			return errors.New("the user name is empty, too long or has a NUL in it")
		}
		if err := c.write((&LoginPacket{
			Capabilities: c.caps, User: user, Plugin: KerberosPlugin, Attrs: attrs,
		}).Marshal()); err != nil {
			return err
		}
		c.stage = asked
		r, err := c.readReply()
		switch {
		case err != nil:
			return err
		case r.Kind != Another:
			c.pending = &Switch{Plugin: c.greeting.Plugin} // for Abandon
			if r.Kind == More {
				c.stage = switched
			}
			return ErrNoSwitch
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return c.pending, nil
}

// Answer sends one authentication packet and reads the next one of the server's.
// An empty token sends nothing: it waits for what the server says by itself,
// which is the OK after an AP-REP. An ERR is a *ServerError.
func (c *Conn) Answer(ctx context.Context, token []byte) (*Reply, error) {
	var r *Reply
	err := c.step(ctx, DoingAnswer, func() error {
		if c.stage != switched && c.stage != answered {
			return errOrder
		}
		if len(token) > 0 {
			if err := c.write(token); err != nil {
				return err
			}
		}
		c.stage = answered
		var err error
		r, err = c.readReply()
		return err
	})
	return r, err
}
