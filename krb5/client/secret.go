package client

import (
	"bytes"
	"fmt"
	"slices"
	"sync"

	"github.com/kerbagent/kerbagent/krb5/keys"
)

// Secret is what a login proves itself with: a password or a keytab. Nothing
// prints it.
type Secret interface {
	// Kind is "password" or "keytab".
	Kind() string

	// etypes is those of wanted that there is a key for, in that order.
	etypes(user Principal, wanted []int32) []int32
	// key makes the user's key; kvno is 0 where the KDC names none.
	key(user Principal, h keyHint, kvno uint32) (sessionKey, error)
}

// Password makes a secret of a password, byte for byte.
func Password(pw []byte) Secret {
	return &password{bytes: hide(slices.Clone(pw))}
}

// FromKeytab makes a secret of a keytab. Of several versions of a key the
// newest is used for preauthentication.
func FromKeytab(kt *keys.Keytab) Secret { return &keytab{kt} }

// hidden returns a secret. It is a function because fmt prints of those no more
// than an address, whatever the verb and whatever holds it; a pointer is
// followed for a verb that does not fit.
type hidden[T any] func() T

func hide[T any](v T) hidden[T] { return func() T { return v } }

type password struct {
	bytes hidden[[]byte]

	// The key that was made last: deriving it is most of a login's CPU, and a
	// reply needs the one that the request did.
	mu   sync.Mutex
	hint keyHint
	last hidden[sessionKey]
}

func (*password) Kind() string { return "password" }

// Format prints the kind alone, whatever the verb.
func (p *password) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, p.Kind()) }

func (*password) etypes(_ Principal, wanted []int32) []int32 {
	return slices.DeleteFunc(slices.Clone(wanted), func(e int32) bool { return !supported(e) })
}

func (p *password) key(_ Principal, h keyHint, _ uint32) (sessionKey, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last != nil && p.hint.etype == h.etype && p.hint.salt == h.salt && bytes.Equal(p.hint.params, h.params) {
		return p.last(), nil
	}
	key, err := stringToKey(h.etype, p.bytes(), h.salt, h.params)
	if err != nil {
		return sessionKey{}, err
	}
	p.hint, p.last = h, hide(key)
	return key, nil
}

type keytab struct{ kt *keys.Keytab }

func (*keytab) Kind() string { return "keytab" }

// Format prints the kind alone, whatever the verb.
func (k *keytab) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, k.Kind()) }

func (k *keytab) etypes(user Principal, wanted []int32) []int32 {
	have := k.kt.ETypes(user.Name, user.Realm)
	return slices.DeleteFunc(slices.Clone(wanted), func(e int32) bool { return !supported(e) || !slices.Contains(have, e) })
}

func (k *keytab) key(user Principal, h keyHint, kvno uint32) (sessionKey, error) {
	e, ok := k.kt.Find(user.Name, user.Realm, h.etype, kvno)
	if !ok {
		return sessionKey{}, fmt.Errorf("keytab entry of %s for encryption type %d: %w", user, h.etype, ErrNoKey)
	}
	return sessionKey{etype: h.etype, value: e.Key()}, nil
}
