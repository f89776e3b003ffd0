package client

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

var (
	// ErrReplyKey means that a reply does not decrypt with the key that it
	// should: a wrong password, a stale keytab, or a forged reply.
	ErrReplyKey = errors.New("the reply does not decrypt with the expected key")
	// ErrNoKey means that the secret has no key of an encryption type that the
	// KDC offers: the keytab lacks it, or nothing is in common.
	ErrNoKey = errors.New("no key of an encryption type that the KDC offers")
	// ErrRC4 means that a password would be proved with RC4, which ASOptions do not
	// allow: whoever hears the proof tests millions of passwords a second.
	ErrRC4 = errors.New("the KDC offers no encryption type for the password but RC4")
	// ErrWeakKey means that a KDC wants a proof of the password with a key that is
	// quicker to guess by than any KDC's: too few rounds, or no salt.
	ErrWeakKey = errors.New("the KDC asks for a weak key")
	// ErrIterations means that the KDC wants more rounds of PBKDF2 than a peer
	// may cost, or says so in a way that cannot be read.
	ErrIterations = errors.New("string-to-key parameters out of bounds")
	// ErrUnproven means that an AP-REP does not prove that the server holds
	// the service's key.
	ErrUnproven = errors.New("the server did not prove itself")
	// ErrLoop means that referrals lead back to a realm that was asked before,
	// or over too many realms.
	ErrLoop = errors.New("referrals do not end")
	// ErrNoKDC means that the Locator found no address for a realm.
	ErrNoKDC = errors.New("no KDC known for the realm")
	// ErrNoTicket means that a credential cache holds no ticket granting
	// ticket of its own principal's realm.
	ErrNoTicket = errors.New("no ticket granting ticket in the credential cache")
)

// MismatchError means that a reply is for something else than what was asked.
// A KDC that answers with the realm in another case is seen by Field "crealm"
// or "realm" with Want and Got equal but for case.
type MismatchError struct {
	Field string // "cname", "crealm", "sname", "realm", "nonce"
	Want  string
	Got   string // what the peer said: hostile text
}

// Error quotes both sides.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("the reply is for another %s: asked %q, got %q", e.Field, e.Want, e.Got)
}

// The steps of the walk.
const (
	StepLocate  = "locate"      // the Locator's work; no address
	StepConnect = "kdc-connect" // TCP
	StepAS      = "as"          // AS-REQ without credentials
	StepPreauth = "as-preauth"  // AS-REQ with credentials
	StepTGS     = "tgs"
)

// StepError reports at which step, in which realm and at which address the walk
// failed. Err is the typed cause.
type StepError struct {
	Step  string
	Realm string         // the realm whose KDCs were asked
	Addr  netip.AddrPort // zero where no address was involved
	Err   error
}

// Error reads "as in CORP.EXAMPLE.COM at 10.0.0.10:88: …".
func (e *StepError) Error() string {
	if !e.Addr.IsValid() {
		return fmt.Sprintf("%s in %s: %v", e.Step, e.Realm, e.Err)
	}
	return fmt.Sprintf("%s in %s at %s: %v", e.Step, e.Realm, e.Addr, e.Err)
}

// Unwrap returns the cause.
func (e *StepError) Unwrap() error { return e.Err }

// inOneLine joins errors, of which some may be nil, as errors.Join does, but
// in one line, as errors are shown.
func inOneLine(errs ...error) error {
	var all error
	for _, err := range errs {
		switch {
		case err == nil:
		case all == nil:
			all = err
		default:
			all = fmt.Errorf("%w; %w", all, err)
		}
	}
	return all
}

// NoEntryError means that a keytab has no key of the user at all, of whatever type:
// it is another principal's, or the user is spelt otherwise. It is an ErrNoKey.
type NoEntryError struct {
	User Principal
	Has  []string // the principals of the keytab, those spelt most like the user first
}

// Error names the first principals of the keytab.
func (e *NoEntryError) Error() string {
	const most = 3
	has := strings.Join(e.Has[:min(len(e.Has), most)], ", ")
	if n := len(e.Has) - most; n > 0 {
		has += fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("the keytab has no entry for %s; it has %s", e.User, has)
}

// Unwrap is ErrNoKey.
func (e *NoEntryError) Unwrap() error { return ErrNoKey }
