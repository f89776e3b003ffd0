package kerberos

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/krb5/keys"
)

// SecretError reports that a secret's file is of no use. It never holds any of its
// content.
type SecretError struct {
	Path string
	What string // what is wrong, in words; empty where Err has it
	Err  error
}

// Error returns the path and what is wrong.
func (e *SecretError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("secret file %s: %v", e.Path, e.Err)
	}
	return fmt.Sprintf("secret file %s %s", e.Path, e.What)
}

// Unwrap returns the cause.
func (e *SecretError) Unwrap() error { return e.Err }

// Longest files that are read. A keytab has some hundred bytes an account, a cache
// some thousand a ticket.
const (
	maxPassword = 1 << 10
	maxKeytab   = 1 << 20
	maxCCache   = 1 << 20
)

// fingerprint tells one state of a secret from another, in memory only.
type fingerprint [sha256.Size]byte

// secretKind is "password", "keytab" or "ccache".
func (c *Config) secretKind() string {
	switch {
	case c.Keytab != "":
		return "keytab"
	case c.CCache != "":
		return "ccache"
	}
	return "password"
}

// readSecret reads the password or keytab afresh.
func (c *Config) readSecret() (client.Secret, fingerprint, error) {
	switch {
	case c.PasswordFile != "":
		b, err := readFile(c.PasswordFile, maxPassword)
		if err != nil {
			return nil, fingerprint{}, err
		}
		if what := misshapen(b); what != "" {
			return nil, fingerprint{}, &SecretError{Path: c.PasswordFile, What: what}
		}
		return client.Password(b), sha256.Sum256(b), nil
	case c.Keytab != "":
		b, err := readFile(c.Keytab, maxKeytab)
		if err != nil {
			return nil, fingerprint{}, err
		}
		kt, err := keys.ParseKeytab(b)
		if err != nil {
			return nil, fingerprint{}, &SecretError{Path: c.Keytab, Err: err}
		}
		return client.FromKeytab(kt), sha256.Sum256(kt.Identity(c.Principal, c.Realm)), nil
	default:
		return client.Password(c.Password), sha256.Sum256(c.Password), nil
	}
}

// misshapen reports why a file's content is hardly a password. A wrong guess here
// would cost the account a failed login, so nothing is cut off.
func misshapen(b []byte) string {
	switch {
	case len(b) == 0:
		return "is empty"
	case bytes.HasPrefix(b, []byte("\xef\xbb\xbf")), bytes.HasPrefix(b, []byte("\xff\xfe")), bytes.HasPrefix(b, []byte("\xfe\xff")):
		return "begins with a byte order mark"
	case bytes.ContainsAny(b, "\r\n"):
		return "has a line end in it: write it without one, as with printf %s"
	default:
		return ""
	}
}

func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO without a writer would block
	if err != nil {
		return nil, &SecretError{Path: path, Err: withoutPath(err)}
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return nil, &SecretError{Path: path, Err: withoutPath(err)}
	} else if !info.Mode().IsRegular() {
		return nil, &SecretError{Path: path, What: "is no regular file"}
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, &SecretError{Path: path, Err: withoutPath(err)}
	}
	if int64(len(b)) > limit {
		return nil, &SecretError{Path: path, What: fmt.Sprintf("has more than %d bytes", limit)}
	}
	return b, nil
}

// withoutPath saves an error from naming the path twice.
func withoutPath(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// readCache takes the ticket granting ticket out of the credential cache.
func (c *Config) readCache(user client.Principal) (*client.Ticket, error) {
	b, err := readFile(c.CCache, maxCCache)
	if err != nil {
		return nil, err
	}
	cc, err := keys.ParseCCache(b)
	if err != nil {
		return nil, &SecretError{Path: c.CCache, Err: err}
	}
	tgt, err := client.CachedTGT(cc)
	if err != nil {
		return nil, &SecretError{Path: c.CCache, Err: err}
	}
	switch {
	case tgt.Client != user:
		return nil, &SecretError{Path: c.CCache, What: fmt.Sprintf("is %s's, not %s's", tgt.Client, user)}
	case !tgt.EndTime.After(c.Now()):
		return nil, &SecretError{Path: c.CCache, What: "has a ticket that expired at " + tgt.EndTime.UTC().Format("2006-01-02 15:04:05Z")}
	}
	return tgt, nil
}
