package client

import (
	"fmt"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/krb5/keys"
)

// Ticket is a ticket with its session key, which nothing prints.
type Ticket struct {
	Client Principal
	Server Principal // as the KDC wrote it into the ticket: a referral names another krbtgt than was asked for
	EType  int32     // the ticket's encryption: the service's key
	// KeyType is the session key's encryption type.
	KeyType int32
	KVNO    int // version of the service's key; 0 where the ticket does not say

	// Ahead is how far the KDC's clock was ahead of this host's when the user logged in,
	// in whole seconds: whoever uses the ticket goes by that clock. 0 where this host's
	// own counts.
	Ahead time.Duration

	// ReplyEType and ReplyKVNO are of the key that the AS-REP was encrypted
	// with: the client's. 0 for a ticket from a TGS or a cache.
	ReplyEType int32
	ReplyKVNO  int
	// ProofEType is of the key that the user was proved with in the AS-REQ; 0 where
	// the KDC wanted no proof, and for a ticket from elsewhere.
	ProofEType int32

	AuthTime  time.Time
	StartTime time.Time // AuthTime where the KDC gave none
	EndTime   time.Time
	RenewTill time.Time // zero where it cannot be renewed
	// KeyExpiration is key-expiration as the AS-REP has it (RFC 4120 §5.4.2);
	// zero where there is none. Windows and Samba set it far ahead for
	// passwords that never expire.
	KeyExpiration time.Time
	// PasswordExpiry is when the password expires: last-req of type 6, else
	// KeyExpiration. Zero where it never does or the KDC does not say.
	PasswordExpiry time.Time
	// AccountExpiry is last-req of type 7, or zero.
	AccountExpiry time.Time

	secret hidden[ticketSecret]
}

// ticketSecret is what makes a ticket usable.
type ticketSecret struct {
	key sessionKey
	raw []byte // the Ticket in DER, sent as it was received
}

// String names client, server and end.
func (t *Ticket) String() string {
	return fmt.Sprintf("ticket of %s for %s until %s", t.Client, t.Server, t.EndTime.Format(time.RFC3339))
}

// Referral reports to which realm the ticket leads: it is a krbtgt/OTHER that
// the KDCs of another realm issued.
func (t *Ticket) Referral() (realm string, ok bool) {
	realm, ok = t.grants()
	return realm, ok && realm != t.Server.Realm
}

// grants returns the realm whose TGS accepts this ticket; ok is false for a
// ticket that is not a ticket-granting ticket.
func (t *Ticket) grants() (realm string, ok bool) {
	realm, ok = strings.CutPrefix(t.Server.Name, "krbtgt/")
	return realm, ok && realm != "" && !strings.Contains(realm, "/")
}

// CachedTGT takes the ticket granting ticket of the cache's own principal and
// realm out of a credential cache: the one that ends last.
func CachedTGT(cc *keys.CCache) (*Ticket, error) {
	var best *keys.Credential
	for i, c := range cc.Credentials {
		if c.Client == cc.Client && c.ClientRealm == cc.Realm && c.Server == "krbtgt/"+cc.Realm && c.ServerRealm == cc.Realm &&
			(best == nil || c.EndTime.After(best.EndTime)) {
			best = &cc.Credentials[i]
		}
	}
	if best == nil {
		return nil, ErrNoTicket
	}
	raw, err := parseTicket(best.Ticket())
	if err != nil {
		return nil, fmt.Errorf("reading cached ticket: %w", err)
	}
	return &Ticket{
		Client:    Principal{Name: best.Client, Realm: best.ClientRealm},
		Server:    Principal{Name: best.Server, Realm: best.ServerRealm},
		EType:     raw.enc.etype,
		KeyType:   best.KeyType,
		KVNO:      int(raw.enc.kvno),
		AuthTime:  best.AuthTime,
		StartTime: best.StartTime,
		EndTime:   best.EndTime,
		RenewTill: best.RenewTill,
		Ahead:     cc.Ahead,
		secret:    hide(ticketSecret{key: sessionKey{etype: best.KeyType, value: best.Key()}, raw: raw.der}),
	}, nil
}
