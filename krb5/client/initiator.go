package client

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/kerbagent/kerbagent/krb5/der"
	"github.com/kerbagent/kerbagent/krb5/kdcwire"
	"golang.org/x/crypto/cryptobyte"
)

// The framing of a token (RFC 4121 §4.1, RFC 2743 §3.1): mechanism
// 1.2.840.113554.1.2.2 in DER, then two bytes that say what follows.
const (
	mechKRB5   = "\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"
	tokenAPReq = "\x01\x00"
	tokenAPRep = "\x02\x00"
	tokenError = "\x03\x00"
)

// The authenticator's checksum (RFC 4121 §4.1.1) and the flags in it. The
// plain ones are those that MIT krb5 sets when its caller asks for none.
const (
	checksumGSS      = 0x8003
	channelBindings  = 16 // length of the field, which is zero: none
	flagMutual       = 0x2
	flagConfInteg    = 0x10 | 0x20
	flagTransferable = 0x100
)

// optionMutual is mutual-required, flag 2 of ap-options (RFC 4120 §5.5.1).
const optionMutual = 1 << (31 - 2)

// maxToken bounds an answer: an AP-REP has about 150 bytes, a KRB-ERROR less
// than a message.
const maxToken = 16 << 10

// Initiator is the client's side of one GSS-API context with raw Kerberos (no
// SPNEGO). Each login needs its own: acceptors refuse a token that they have
// seen.
type Initiator struct {
	time     time.Time
	key      hidden[sessionKey]
	subkey   hidden[sessionKey]
	token    hidden[[]byte]
	sequence uint64     // the sequence number of our first message in the context
	proof    *proofPart // what Verify has read
}

// NewInitiator makes the first and only token for the service that the ticket
// is for. With mutual set the server has to prove itself; its answer goes to
// Verify. now may be nil for time.Now.
func NewInitiator(service *Ticket, mutual bool, now func() time.Time) (*Initiator, error) {
	if now == nil {
		now = time.Now
	}
	if service.secret == nil {
		return nil, fmt.Errorf("making a token: %s has no key", service)
	}
	key := service.secret().key
	subkey := sessionKey{etype: key.etype, value: make([]byte, keySize(key.etype))}
	_, _ = rand.Read(subkey.value) // never fails (crypto/rand)

	flags, options := uint32(flagConfInteg|flagTransferable), uint32(0)
	if mutual {
		flags, options = flags|flagMutual, optionMutual
	}
	sum := binary.LittleEndian.AppendUint32(nil, channelBindings)
	sum = append(sum, make([]byte, channelBindings)...)
	sum = binary.LittleEndian.AppendUint32(sum, flags)

	i := &Initiator{time: now().Add(service.Ahead).UTC().Truncate(time.Microsecond), key: hide(key), subkey: hide(subkey)}
	sequence := randomSequence()
	i.sequence = uint64(sequence)
	apReq, err := apRequest(service, usageAPReqAuth, options, authenticator{
		time: i.time, sumType: checksumGSS, checksum: sum, subkey: &subkey, sequence: sequence,
	})
	if err != nil {
		return nil, fmt.Errorf("making a token: %w", err)
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(der.Application(0), func(b *cryptobyte.Builder) {
		b.AddBytes([]byte(mechKRB5 + tokenAPReq))
		b.AddBytes(apReq)
	})
	token, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("making a token: %w", err)
	}
	i.token = hide(token)
	return i, nil
}

// Token is what the server gets. It is good once.
func (i *Initiator) Token() []byte { return i.token() }

// String reports what it is, not what is in it.
func (i *Initiator) String() string { return "GSS initiator, krb5" }

// Verify reads the server's answer to a mutual token and proves that the
// server holds the service's key (RFC 4120 §3.2.5): the answer repeats our
// time under the session key. The error wraps ErrUnproven where it does not,
// is a *kdcwire.KRBError where the server sent one, or wraps
// kdcwire.ErrNotKerberos. Whether an answer came at all is the caller's
// question; an empty one proves nothing.
func (i *Initiator) Verify(b []byte) error {
	if len(b) == 0 {
		return fmt.Errorf("verifying server: no AP-REP: %w", ErrUnproven)
	}
	body, err := tokenBody(b)
	if err != nil {
		return fmt.Errorf("verifying server: %w", err)
	}
	proof, err := openAPRep(body, i.key(), i.time)
	if err != nil {
		return fmt.Errorf("verifying server: %w", err)
	}
	i.proof = proof
	return nil
}

// tokenBody takes the framing off an AP-REP token. A KRB-ERROR token is the
// error.
func tokenBody(b []byte) ([]byte, error) {
	if len(b) > maxToken {
		return nil, errSyntax("token", b)
	}
	in := cryptobyte.String(b)
	var s cryptobyte.String
	if !in.ReadASN1(&s, der.Application(0)) || !in.Empty() {
		return nil, errSyntax("token", b)
	}
	if body, ok := bytes.CutPrefix(s, []byte(mechKRB5+tokenAPRep)); ok {
		return body, nil
	}
	if body, ok := bytes.CutPrefix(s, []byte(mechKRB5+tokenError)); ok {
		e, err := kdcwire.ParseError(body)
		if err != nil {
			return nil, err
		}
		return nil, e
	}
	return nil, errSyntax("token", b)
}
