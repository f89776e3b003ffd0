package aduser

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/kerbagent/kerbagent/krb5/client"
)

// The ports of a domain controller that are used here.
const (
	portLDAP    = 389
	portKDC     = 88
	portKpasswd = 464
)

// Options say which directory, and who asks.
type Options struct {
	Realm       string       // "CORP.EXAMPLE.COM"
	Controllers []netip.Addr // of the domain; tried in turn
	Admin       string       // whose right it is to make users: a name without realm
	Password    []byte       // of Admin
	// OU is where users are made: "OU=Users,OU=CORP,DC=corp,DC=example,DC=com".
	// In AWS Managed Microsoft AD the Admin may write only below OU=<NetBIOS name>.
	OU      string
	Dialer  Dialer           // nil: a net.Dialer
	Now     func() time.Time // nil: time.Now
	Timeout time.Duration    // of each exchange; 0 is 10 s
}

// Dialer opens a connection; *net.Dialer is one.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Directory is an authenticated, sealed conversation with one domain controller.
type Directory struct {
	o       Options
	at      netip.Addr
	base    string // "DC=corp,DC=example,DC=com"
	ldap    *ldap.Conn
	session *client.Session
}

// Open binds as the Admin to the first domain controller that answers, on 389
// and on 88. One password is tried, once: an answer that refuses it ends the search.
func Open(ctx context.Context, o Options) (*Directory, error) {
	if o.Dialer == nil {
		o.Dialer = &net.Dialer{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	var silent error
	for _, at := range o.Controllers {
		root, conn, err := connect(ctx, o, at)
		if err != nil {
			silent = errors.Join(silent, err)
			continue
		}
		d := &Directory{o: o, at: at, base: root.base, ldap: conn.ldap}
		if err := d.bind(ctx, conn, root.host); err != nil {
			d.Close()
			err = cmp.Or(ctx.Err(), err)
			err = fmt.Errorf("binding to %s as %s@%s: %w", at, o.Admin, o.Realm, err)
			if unasked(err) {
				silent = errors.Join(silent, err)
				continue
			}
			return nil, err
		}
		return d, nil
	}
	if silent == nil {
		silent = errors.New("no domain controller is known")
	}
	return nil, fmt.Errorf("connecting to the directory of %s: %w", o.Realm, silent)
}

// Login logs the Admin of o in at the first domain controller that answers on 88,
// and ends there. The password is sent once; what comes before it, to others too.
func Login(ctx context.Context, o Options) error {
	if o.Now == nil {
		o.Now = time.Now
	}
	var silent error
	for _, at := range o.Controllers {
		k := &client.Client{Dialer: o.Dialer, Locator: here(netip.AddrPortFrom(at, portKDC)), Now: o.Now, Timeout: cmp.Or(o.Timeout, 10*time.Second)}
		session, err := k.TGT(ctx, client.Principal{Name: o.Admin, Realm: o.Realm}, client.Password(o.Password))
		if err == nil {
			session.Close()
			return nil
		}
		err = fmt.Errorf("logging in at %s as %s@%s: %w", at, o.Admin, o.Realm, err)
		if !unasked(err) {
			return err
		}
		silent = errors.Join(silent, err)
	}
	return cmp.Or(silent, errors.New("no domain controller is known"))
}

// unasked reports whether a bind ended in silence, before the password was sent.
func unasked(err error) bool {
	var step *client.StepError
	var network net.Error
	if !errors.As(err, &step) || step.Step != client.StepConnect && step.Step != client.StepAS {
		return false
	}
	return step.Step == client.StepConnect || errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// At is the domain controller that it is with.
func (d *Directory) At() netip.Addr { return d.at }

// Close ends the conversation.
func (d *Directory) Close() {
	if d.session != nil {
		d.session.Close()
	}
	_ = d.ldap.Close()
}

// conn is LDAP over a connection that can be sealed.
type conn struct {
	ldap   *ldap.Conn
	sealed *sealedConn
}

// rootDSE is what a domain controller says of itself before a bind.
type rootDSE struct{ host, base string }

func connect(ctx context.Context, o Options, at netip.Addr) (rootDSE, *conn, error) {
	dial, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	nc, err := o.Dialer.DialContext(dial, "tcp", netip.AddrPortFrom(at, portLDAP).String())
	if err != nil {
		return rootDSE{}, nil, err
	}
	c := &conn{sealed: newSealedConn(nc)}
	c.ldap = ldap.NewConn(c.sealed, false)
	c.ldap.SetTimeout(o.Timeout)
	c.ldap.Start()
	defer c.endWith(ctx)()
	root, err := askRoot(c.ldap, o.Realm)
	if err != nil {
		_ = c.ldap.Close()
		return rootDSE{}, nil, fmt.Errorf("asking %s who it is: %w", at, err)
	}
	return root, c, nil
}

// askRoot reads the host name that the service ticket must be for. It is not
// proved yet: a name outside the realm's domain is refused, and the ticket
// proves the rest.
func askRoot(l *ldap.Conn, realm string) (rootDSE, error) {
	res, err := l.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false,
		"(objectClass=*)", []string{"dnsHostName", "defaultNamingContext"}, nil))
	if err != nil {
		return rootDSE{}, err
	}
	if len(res.Entries) != 1 {
		return rootDSE{}, fmt.Errorf("%d root entries", len(res.Entries))
	}
	host, base := res.Entries[0].GetAttributeValue("dnsHostName"), res.Entries[0].GetAttributeValue("defaultNamingContext")
	domain := strings.ToLower(realm)
	if !strings.HasSuffix(strings.ToLower(host), "."+domain) || strings.ContainsAny(host, "/@ ") {
		return rootDSE{}, fmt.Errorf("it calls itself %q, which is no host of %s", host, domain)
	}
	if want := baseDN(realm); !strings.EqualFold(base, want) {
		return rootDSE{}, fmt.Errorf("its domain is %q instead of %s", base, want)
	}
	return rootDSE{strings.ToLower(host), base}, nil
}

// baseDN is the domain's name as LDAP has it.
func baseDN(realm string) string {
	return "DC=" + strings.Join(strings.Split(strings.ToLower(realm), "."), ",DC=")
}

// bind logs the Admin in, and seals what follows.
func (d *Directory) bind(ctx context.Context, c *conn, host string) error {
	k := &client.Client{Dialer: d.o.Dialer, Locator: here(netip.AddrPortFrom(d.at, portKDC)), Now: d.o.Now, Timeout: d.o.Timeout}
	session, err := k.TGT(ctx, client.Principal{Name: d.o.Admin, Realm: d.o.Realm}, client.Password(d.o.Password))
	if err != nil {
		return err
	}
	d.session = session
	ticket, _, err := session.ServiceTicket(ctx, client.Principal{Name: "ldap/" + host, Realm: d.o.Realm})
	if err != nil {
		return err
	}
	defer c.endWith(ctx)()
	g := &gssapi{ticket: ticket, now: d.o.Now, negotiated: c.sealed.answerIsLast}
	if err := c.ldap.GSSAPIBind(g, "", ""); err != nil {
		return err
	}
	if g.max == 0 {
		return errors.New("the bind ended without a sealing layer")
	}
	c.sealed.seal(g.gss, g.max)
	return nil
}

// endWith ends the connection with ctx, which go-ldap does not know, until what it
// returns is called.
func (c *conn) endWith(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() { _ = c.sealed.Close() })
}

// here is a Locator that knows one KDC: users are made where they are looked
// for next, so that replication need not be waited for.
type here netip.AddrPort

// KDCs returns that one address.
func (h here) KDCs(context.Context, string) ([]netip.AddrPort, error) {
	return []netip.AddrPort{netip.AddrPort(h)}, nil
}
