package krb5test

import (
	"slices"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Option describes a user or a service: a State, ETypes, SessionETypes, KVNO,
// Salt, LockAfter or PasswordExpires.
type Option interface{ apply(*principal) }

// State is why a principal may not do what it wants.
type State string

// The states. Good is where everything starts.
const (
	Good            State = ""
	Disabled        State = "disabled"
	Locked          State = "locked"           // by wrong passwords
	Expired         State = "expired"          // the account
	PasswordExpired State = "password-expired" // by age
	MustChange      State = "must-change"      // at the next logon
	LogonHours      State = "logon-hours"      // not at this hour
	Workstation     State = "workstation"      // not from this host
	PolicyDenied    State = "policy-denied"    // KDC_ERR_POLICY: an authentication policy, for a service selective authentication
	NoPreauth       State = "no-preauth"       // a TGT without proof: the account may be roasted
	Duplicate       State = "duplicate"        // of a service: two accounts hold the SPN
)

// ETypes are the encryption types that a principal has keys of, best first.
type ETypes []int32

// SessionETypes are further types that a service takes for session keys: a
// directory issues AES session keys for a service whose tickets it encrypts with RC4.
type SessionETypes []int32

// KVNO is the version of the principal's keys; 2 unless it is given.
type KVNO int

// Salt replaces the salt of the realm's and the principal's name, as an
// account has that was renamed.
type Salt string

// LockAfter locks an account after so many wrong passwords.
type LockAfter int

// PasswordExpires is when the password will; AS-REP tells it.
type PasswordExpires time.Time

func (s State) apply(p *principal)           { p.state = s }
func (e ETypes) apply(p *principal)          { p.etypes = e }
func (e SessionETypes) apply(p *principal)   { p.sessionETypes = e }
func (k KVNO) apply(p *principal)            { p.kvno = max(int(k), 1) }
func (s Salt) apply(p *principal)            { p.salt = string(s) }
func (l LockAfter) apply(p *principal)       { p.lockAfter = int(l) }
func (t PasswordExpires) apply(p *principal) { p.passwordExpires = time.Time(t) }

// principal is an entry of the database.
type principal struct {
	name            string // components joined by "/"
	service         bool
	state           State
	etypes          []int32
	sessionETypes   []int32
	kvno            int
	salt            string
	password        string
	keys            map[int32]types.EncryptionKey // one for each of etypes
	lockAfter       int
	failures        int
	passwordExpires time.Time
}

func newPrincipal(name, realm string, service bool, etypes []int32) *principal {
	return &principal{
		name: name, service: service, etypes: etypes,
		kvno: 2,                                         // what a directory has after the account and then its password were made
		salt: realm + strings.ReplaceAll(name, "/", ""), // RFC 4120 §4
	}
}

// setKeys makes the keys of a password. For an encryption type that gokrb5 does
// not know there is none. What a service's keys are made of is random already,
// and nobody else derives them: one round of RFC 3962's 4,096 is enough.
func (p *principal) setKeys(password string) {
	p.password, p.keys = password, map[int32]types.EncryptionKey{}
	for _, e := range p.etypes {
		et, err := crypto.GetEtype(e)
		if err != nil {
			continue
		}
		rounds := et.GetDefaultStringToKeyParams()
		if p.service && rounds != "" {
			rounds = "00000001"
		}
		k, err := et.StringToKey(password, p.salt, rounds)
		if err != nil {
			continue
		}
		p.keys[e] = types.EncryptionKey{KeyType: e, KeyValue: k}
	}
}

// best is the key that a ticket for the principal is encrypted with.
func (p *principal) best() (types.EncryptionKey, bool) {
	for _, e := range p.etypes {
		if k, ok := p.keys[e]; ok {
			return k, true
		}
	}
	return types.EncryptionKey{}, false
}

// sessionEType picks the first of the wanted types that the service takes.
func (p *principal) sessionEType(wanted []int32) (int32, bool) {
	for _, e := range wanted {
		if _, err := crypto.GetEtype(e); err != nil {
			continue
		}
		if slices.Contains(p.etypes, e) || slices.Contains(p.sessionETypes, e) {
			return e, true
		}
	}
	return 0, false
}
