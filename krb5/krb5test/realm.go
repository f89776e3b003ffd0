package krb5test

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"
)

// Dialect is whose words the servers of a realm use.
type Dialect int

// The dialects.
const (
	Samba   Dialect = iota // Samba 4.17 with its Heimdal KDC, as measured
	MIT                    // MIT krb5kdc 1.20, as measured
	Windows                // Active Directory, as MS-KILE §2.2.1 and §3.3.5.6 describe it
)

// Encryption types (RFC 3961, RFC 3962, RFC 4757, RFC 8009).
const (
	AES256       int32 = 18
	AES128       int32 = 17
	RC4          int32 = 23
	AES128SHA256 int32 = 19
	AES256SHA384 int32 = 20
)

// Options of a realm. The zero value is a Samba domain on the host's clock.
type Options struct {
	Now       func() time.Time // nil: time.Now
	Dialect   Dialect
	ETypes    []int32       // keys that each principal gets, best first; nil: AES256, AES128 and RC4
	MaxLife   time.Duration // of a ticket; 0: 10 hours
	MaxRenew  time.Duration // 0: 7 days
	MaxSkew   time.Duration // 0: 5 minutes
	Admin     string        // a user who may set the passwords of others; empty: nobody may
	KeySecret string        // the realm's own keys are made of it, so that a recorded conversation can be played again; empty: random
}

// Realm is the database of one realm. Its methods may be used while servers
// serve it.
type Realm struct {
	name    string
	options Options

	mu         sync.Mutex
	principals map[string]*principal // by name; see Realm.find
	referrals  []referral            // realms that trust this one
	inbound    map[string]*principal // realms that this one trusts: keys of krbtgt/HERE@THERE
}

// NewRealm makes a realm that knows only krbtgt and kadmin/changepw.
func NewRealm(name string, o Options) *Realm {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.ETypes == nil {
		o.ETypes = []int32{AES256, AES128, RC4}
	}
	if o.MaxLife == 0 {
		o.MaxLife = 10 * time.Hour
	}
	if o.MaxRenew == 0 {
		o.MaxRenew = 7 * 24 * time.Hour
	}
	if o.MaxSkew == 0 {
		o.MaxSkew = 5 * time.Minute
	}
	if o.KeySecret == "" {
		o.KeySecret = randomSecret()
	}
	r := &Realm{
		name: name, options: o,
		principals: map[string]*principal{},
		inbound:    map[string]*principal{},
	}
	r.add("krbtgt/"+name, r.ownSecret("krbtgt"), true)
	r.add("kadmin/changepw", r.ownSecret("kadmin/changepw"), true)
	return r
}

// Name is the realm's name, as given.
func (r *Realm) Name() string { return r.name }

// AddUser adds a user, or replaces the one of that name.
func (r *Realm) AddUser(name, password string, o ...Option) {
	r.add(name, password, false, o...)
}

// AddService adds a service with random keys, or replaces the one of that name.
func (r *Realm) AddService(spn string, o ...Option) {
	r.add(spn, r.ownSecret(spn), true, o...)
}

// Change puts options on a principal that exists, at once. Its password stays.
func (r *Realm) Change(name string, o ...Option) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.find(name)
	if p == nil {
		return fmt.Errorf("changing principal: no %q in %s", name, r.name)
	}
	for _, opt := range o {
		opt.apply(p)
	}
	p.setKeys(p.password)
	return nil
}

// SetPassword changes a principal's keys, with the next kvno, and clears
// PasswordExpired and MustChange as a real change does.
func (r *Realm) SetPassword(name, password string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.find(name)
	if p == nil {
		return fmt.Errorf("setting password: no %q in %s", name, r.name)
	}
	p.kvno++
	if p.state == PasswordExpired || p.state == MustChange {
		p.state = Good
	}
	p.passwordExpires = time.Time{}
	p.setKeys(password)
	return nil
}

// KeyVersion returns the kvno of a principal's keys, 0 where there is none.
func (r *Realm) KeyVersion(name string) int {
	p, _ := r.lookup(name)
	return p.kvno
}

// Remove deletes a principal.
func (r *Realm) Remove(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.find(name); p != nil {
		delete(r.principals, p.name)
	}
}

// Failures is how many wrong passwords in a row a user has had, and whether
// the account is locked.
func (r *Realm) Failures(name string) (count int, locked bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.find(name)
	if p == nil {
		return 0, false
	}
	return p.failures, p.state == Locked
}

func (r *Realm) add(name, password string, service bool, o ...Option) {
	p := newPrincipal(name, r.name, service, r.options.ETypes)
	for _, opt := range o {
		opt.apply(p)
	}
	p.setKeys(password)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.principals[name] = p
}

// ownSecret is what a key that nobody types is made of.
func (r *Realm) ownSecret(purpose string) string {
	return r.options.KeySecret + "/" + r.name + "/" + purpose
}

func randomSecret() string {
	var b [16]byte
	rand.Read(b[:]) // never fails, says crypto/rand
	return hex.EncodeToString(b[:])
}

// find looks a name up; r.mu is held. A directory does not mind the case, MIT does.
func (r *Realm) find(name string) *principal {
	if p := r.principals[name]; p != nil || r.options.Dialect == MIT {
		return p
	}
	for n, p := range r.principals {
		if strings.EqualFold(n, name) {
			return p
		}
	}
	return nil
}

// lookup returns a copy, so that a request sees one state of the principal.
func (r *Realm) lookup(name string) (principal, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.find(name)
	if p == nil {
		return principal{}, false
	}
	c := *p
	c.keys = maps.Clone(p.keys)
	return c, true
}

// isName reports whether s names this realm, in this dialect.
func (r *Realm) isName(s string) bool {
	return s == r.name || r.options.Dialect != MIT && strings.EqualFold(s, r.name)
}
