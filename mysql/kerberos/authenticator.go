package kerberos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/mysql"
)

// Mutual decides whether the server must prove that it holds the service's key.
type Mutual int

// The ways. MySQL's own C client does not ask for a proof; Connector/Python does.
const (
	Prefer  Mutual = iota // ask; a server that gives no proof is taken, a wrong proof is not
	Require               // ask; without a proof the login is given up
	Off                   // do not ask
)

// SPNError reports that the server announced a service principal that no ticket is
// asked for.
type SPNError struct {
	SPN client.Principal // with the realm that it would have been asked in
	Err error            // why; nil where AllowSPN said no
}

// Error names the principal.
func (e *SPNError) Error() string {
	s := fmt.Sprintf("the server announces %q, which is not allowed", e.SPN)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the reason.
func (e *SPNError) Unwrap() error { return e.Err }

// RealmError reports that the account is for users of another realm.
type RealmError struct {
	Announced string // the realm that the server announced
	Want      string // the user's
}

// Error names both realms.
func (e *RealmError) Error() string {
	return fmt.Sprintf("the account is for users of realm %q, not %q", e.Announced, e.Want)
}

// ErrNoProof reports that the server let the user in without proving itself, where
// Mutual is Require.
var ErrNoProof = errors.New("the server did not prove that it holds the service's key")

// Options of an Authenticator.
type Options struct {
	// User is who logs in; the realm is set.
	User client.Principal
	// Session is called once the server has announced its service principal
	// and that is an allowed one. It may wait for a login that is under way.
	// The caller closes the session, after the authenticator is done.
	Session func(context.Context) (*client.Session, error)
	// AllowSPN decides whether a ticket is asked for; the principal has a
	// realm. nil is AllowIn(User.Realm).
	AllowSPN func(client.Principal) bool
	// AllowHost is asked after AllowSPN with the principal's host; see Hosts. nil
	// allows any.
	AllowHost func(host string) error
	// ServiceRealm returns the realm of a host (without a port, in lower case)
	// for a principal that was announced without one. nil is the user's realm,
	// whose KDCs may refer to another.
	ServiceRealm func(host string) string
	Mutual       Mutual
	Now          func() time.Time // nil: time.Now
}

// AllowIn allows the services mysql and mariadb in the given realms: the default
// of what a ticket is asked for.
func AllowIn(realms ...string) func(client.Principal) bool {
	return func(spn client.Principal) bool {
		service, host, ok := strings.Cut(spn.Name, "/")
		known := strings.EqualFold(service, "mysql") || strings.EqualFold(service, "mariadb")
		return ok && host != "" && known && slices.Contains(realms, spn.Realm)
	}
}

// Authenticator answers for both Kerberos plugins, once. The fields are there to
// read after, also where it failed.
type Authenticator struct {
	Announcement Announcement
	Service      client.Principal // what the ticket was asked for: the announced one, with its realm
	Ticket       *client.Ticket   // nil until it was given
	Hops         []client.Hop     // the TGS exchanges on the way to Service
	Proven       bool             // the server's AP-REP verified

	o         Options
	initiator *client.Initiator
}

var _ mysql.Authenticator = (*Authenticator)(nil)

// NewAuthenticator makes one for one login.
func NewAuthenticator(o Options) *Authenticator {
	if o.AllowSPN == nil {
		o.AllowSPN = AllowIn(o.User.Realm)
	}
	if o.ServiceRealm == nil {
		o.ServiceRealm = func(string) string { return o.User.Realm }
	}
	return &Authenticator{o: o}
}

// Start reads the switch, checks what is announced, gets the ticket and makes
// the first token. Its error is a *NotKerberosError, an *SPNError, a *RealmError,
// what Session returned, or a *client.StepError.
func (a *Authenticator) Start(ctx context.Context, plugin string, data []byte) ([]byte, error) {
	var err error
	if a.Announcement, err = ParseSwitch(plugin, data); err != nil {
		return nil, err
	}
	a.Service = a.Announcement.SPN
	if a.Service.Realm == "" {
		a.Service.Realm = a.o.ServiceRealm(strings.ToLower(a.Announcement.Host()))
	}
	if !a.o.AllowSPN(a.Service) {
		return nil, &SPNError{SPN: a.Service}
	}
	if a.o.AllowHost != nil {
		if err := a.o.AllowHost(a.Announcement.Host()); err != nil {
			return nil, &SPNError{SPN: a.Service, Err: err}
		}
	}
	if r := a.Announcement.UserRealm; r != "" && r != a.o.User.Realm {
		return nil, &RealmError{Announced: r, Want: a.o.User.Realm}
	}
	session, err := a.o.Session(ctx)
	if err != nil {
		return nil, fmt.Errorf("getting a ticket granting ticket: %w", err)
	}
	a.Ticket, a.Hops, err = session.ServiceTicket(ctx, a.Service)
	if err != nil {
		return nil, fmt.Errorf("getting a ticket for %q: %w", a.Service, err)
	}
	a.initiator, err = client.NewInitiator(a.Ticket, a.o.Mutual != Off, a.o.Now)
	if err != nil {
		return nil, fmt.Errorf("making the token: %w", err)
	}
	return a.initiator.Token(), nil
}

// Next verifies the server's proof. There is nothing to send after it.
func (a *Authenticator) Next(_ context.Context, data []byte) ([]byte, error) {
	if a.initiator == nil || a.o.Mutual == Off || a.Proven {
		return nil, fmt.Errorf("%w: the server goes on where the login is complete", mysql.ErrMalformed)
	}
	// MySQL puts a 01 before a token, MariaDB does not; a token begins with 60.
	if len(data) > 1 && data[0] == 1 {
		data = data[1:]
	}
	if err := a.initiator.Verify(data); err != nil {
		return nil, fmt.Errorf("verifying the server's proof: %w", err)
	}
	a.Proven = true
	return nil, nil
}

// Err is to be asked after the server's OK: ErrNoProof where a proof was
// required and none came.
func (a *Authenticator) Err() error {
	if a.o.Mutual == Require && !a.Proven {
		return ErrNoProof
	}
	return nil
}
