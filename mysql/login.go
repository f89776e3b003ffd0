package mysql

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

// Authenticator answers for a plugin. It is used for one login.
type Authenticator interface {
	// Start gets what the server's switch says and returns the first token. An
	// error ends the login: the server is answered with junk instead.
	Start(ctx context.Context, plugin string, data []byte) ([]byte, error)
	// Next gets what the server sent in answer and returns the next token; nil
	// sends nothing and waits for what the server says.
	Next(ctx context.Context, data []byte) ([]byte, error)
}

// Params holds the parameters of a login.
type Params struct {
	User         string
	TLS          *tls.Config // nil: no TLS
	Auth         Authenticator
	Attrs        map[string]string // connection attributes: program_name and the like
	Capabilities Capability        // beyond what a login needs: FoundRows, MultiStatements
}

// ErrSecondSwitch reports that the server wants a second plugin, or a second
// factor. That is not answered.
var ErrSecondSwitch = errors.New("the server asks for a second authentication")

// leaveWithin is how long the server may take to be told goodbye when a login
// fails, even where ctx is done: an unfinished one counts against this host.
const leaveWithin = 2 * time.Second

// Login does all steps on a fresh connection and returns it logged in. On an
// error the connection has been closed, with every packet of the server's
// answered where that was possible.
func Login(ctx context.Context, nc net.Conn, p Params) (*Conn, error) {
	c := NewConn(nc)
	if err := c.LogIn(ctx, p); err != nil {
		return nil, err
	}
	return c, nil
}

// LogIn is Login on a Conn that the caller has, so that its Authenticator can look
// at what has come of it so far.
func (c *Conn) LogIn(ctx context.Context, p Params) error {
	err := c.loginAll(ctx, p)
	if err != nil {
		leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveWithin)
		defer cancel()
		c.Greeting(leave)     // where ctx ended before it was read; nothing otherwise
		c.Abandon(leave, nil) // err says what happened; how the goodbye went adds nothing
	}
	return err
}

func (c *Conn) loginAll(ctx context.Context, p Params) error {
	if _, err := c.Greeting(ctx); err != nil {
		return err
	}
	c.request(p.Capabilities)
	if p.TLS != nil {
		if _, err := c.StartTLS(ctx, p.TLS); err != nil {
			return err
		}
	}
	sw, err := c.Respond(ctx, p.User, p.Attrs)
	if err != nil {
		return err
	}
	token, err := p.Auth.Start(ctx, sw.Plugin, sw.Data)
	for {
		if err != nil {
			return fmt.Errorf("making the answer to %q: %w", sw.Plugin, err)
		}
		var r *Reply
		if r, err = c.Answer(ctx, token); err != nil {
			return err
		}
		switch r.Kind {
		case OK:
			return nil
		case Another:
			return fmt.Errorf("%w: %q", ErrSecondSwitch, r.Switch.Plugin)
		}
		token, err = p.Auth.Next(ctx, r.Data)
	}
}
