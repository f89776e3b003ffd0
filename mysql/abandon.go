package mysql

import (
	"context"
	"crypto/rand"
	"fmt"
)

// nobody is the user name of a login packet that is meant to be refused.
const nobody = "kerbagent-nobody"

// Abandon ends a login that shall not succeed without harm to this host: it
// answers the server with random bytes until it says OK or ERR. sw is what the
// server asked for last, nil where no login packet has been sent, or the caller's
// last packet awaits its answer. The connection is closed in the end, with
// COM_QUIT where the server let it in.
//
// It returns the *ServerError that ended the conversation (1045 most often),
// ErrOpenAccount where the server accepted junk, nil where it had said OK to the
// caller's own token or the conversation had ended before.
//
// The server takes the junk for a wrong password: an account that a password
// plugin guards sees a failed login (FAILED_LOGIN_ATTEMPTS, PAM's own count).
// So whoever met such a switch does not come back for that user.
func (c *Conn) Abandon(ctx context.Context, sw *Switch) error {
	switch c.stage {
	case ready:
		return c.Quit(ctx)
	case ended:
		return c.Close()
	}
	defer c.Close()
	return c.step(ctx, "abandoning the login", func() error {
		if c.stage == fresh {
			return errOrder
		}
		return c.refuse(sw)
	})
}

// refuse talks junk until the server has had enough.
func (c *Conn) refuse(sw *Switch) error {
	honest := c.stage == answered // the server speaks next, and it may well say OK
	if c.stage == greeted || c.stage == untrusted {
		// Twenty bytes are what mysql_native_password takes for a scramble.
		// Thirteen, say, are ERROR 1043, which counts.
		if err := c.write((&LoginPacket{
			Capabilities: c.caps, User: nobody, Plugin: "mysql_native_password", Response: junk(20),
		}).Marshal()); err != nil {
			return err
		}
	} else if !honest && c.stage != asked {
		if sw == nil {
			sw = c.pending
		}
		if err := c.write(c.opening(sw)); err != nil {
			return err
		}
	}
	for {
		r, err := c.readReply()
		if err != nil {
			return err
		}
		var answer []byte
		switch r.Kind {
		case OK:
			if err := c.quit(); err != nil {
				return err
			}
			if honest {
				return nil
			}
			return ErrOpenAccount
		case Another:
			sw = r.Switch
			answer = c.opening(sw)
		case More:
			if honest {
				continue // an AP-REP: the plugin has said its last word
			}
			answer = c.followUp(sw, r.Data)
		}
		honest = false
		if err := c.write(answer); err != nil {
			return err
		}
	}
}

// opening is a first packet of the form that the plugin expects.
func (c *Conn) opening(sw *Switch) []byte {
	switch sw.Plugin {
	case "caching_sha2_password":
		return junk(32)
	case "sha256_password":
		if c.tls {
			return password()
		}
		return []byte{1} // asks for the public key
	case "client_ed25519":
		return junk(64)
	case "mysql_old_password":
		return append(readable(8), 0)
	case "mysql_clear_password", "dialog":
		return password()
	case "parsec":
		return nil // an empty packet asks for the salt
	default: // mysql_native_password, Kerberos in all its names, anything else
		return junk(20)
	}
}

// followUp answers what the plugin wants next.
func (c *Conn) followUp(sw *Switch, data []byte) []byte {
	const fullAuthentication = 4
	plugin := ""
	if sw != nil {
		plugin = sw.Plugin
	}
	switch plugin {
	case "caching_sha2_password":
		switch {
		case len(data) != 1 || data[0] != fullAuthentication:
			return junk(256) // a password under the public key that has come
		case c.tls:
			return password()
		default:
			return []byte{2} // asks for the public key
		}
	case "sha256_password":
		return junk(256)
	case "dialog", "mysql_clear_password":
		return password()
	case "parsec":
		return junk(32 + 64) // nonce and signature
	default:
		return junk(20)
	}
}

// password is a wrong one in the form that plugins take in the clear.
func password() []byte { return append(readable(20), 0) }

// junk is n random bytes: never anything that derives from a secret.
func junk(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// readable is n random letters, for where a NUL would end the text early.
func readable(n int) []byte {
	return fmt.Appendf(nil, "%x", junk(n))[:n]
}
