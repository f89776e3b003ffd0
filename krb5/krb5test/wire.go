package krb5test

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// maxRequest caps a request before it is parsed. The large ones that a probe
// sends hold a few thousand bytes, a ticket with a real PAC up to 64 KiB.
const maxRequest = 128 << 10

// KRB-ERROR codes, RFC 4120 §7.5.9.
const (
	errNameExpired     int32 = 1
	errClientUnknown   int32 = 6
	errServerUnknown   int32 = 7
	errNotUnique       int32 = 8
	errNeverValid      int32 = 11
	errPolicy          int32 = 12
	errBadOption       int32 = 13
	errETypeNoSupport  int32 = 14
	errNoSupportPAData int32 = 16
	errRevoked         int32 = 18
	errKeyExpired      int32 = 23
	errPreauthFailed   int32 = 24
	errPreauthRequired int32 = 25
	errBadIntegrity    int32 = 31
	errTicketExpired   int32 = 32
	errTicketNotYet    int32 = 33
	errRepeat          int32 = 34
	errNotUs           int32 = 35
	errBadMatch        int32 = 36
	errSkew            int32 = 37
	errMessageType     int32 = 40
	errModified        int32 = 41
	errBadKeyVersion   int32 = 44
	errBadChecksum     int32 = 50
	errUnavailable     int32 = 29
	errResponseTooBig  int32 = 52
	errGeneric         int32 = 60
)

// Preauthentication data types, RFC 4120 §7.5.2.
const (
	paTGSReq       int32 = 1
	paEncTimestamp int32 = 2
	paPWSalt       int32 = 3
	paETypeInfo    int32 = 11
	paETypeInfo2   int32 = 19
)

var errNotRequest = errors.New("not a KDC request")

// kdcRequest is an AS-REQ or TGS-REQ (RFC 4120 §5.4.1).
type kdcRequest struct {
	kind    Kind // KindAS or KindTGS; KindASPreauth where an encrypted timestamp is in it
	padata  types.PADataSequence
	body    messages.KDCReqBody
	rawBody []byte // what a TGS-REQ's checksum covers
}

// envelope is KDC-REQ without its body, which is wanted as it was sent.
type envelope struct {
	PVNO    int                  `asn1:"explicit,tag:1"`
	MsgType int                  `asn1:"explicit,tag:2"`
	PAData  types.PADataSequence `asn1:"explicit,optional,tag:3"`
	Body    asn1.RawValue        `asn1:"explicit,tag:4"`
}

// parseRequest reads a request. RFC 4120 §5.10: the application tag tells what it is.
func parseRequest(b []byte) (*kdcRequest, error) {
	if len(b) < 2 || len(b) > maxRequest {
		return nil, errNotRequest
	}
	var q kdcRequest
	switch int(b[0]) {
	case 0x60 | asnAppTag.ASREQ:
		q.kind = KindAS
	case 0x60 | asnAppTag.TGSREQ:
		q.kind = KindTGS
	default:
		return nil, errNotRequest
	}
	tag := int(b[0] & 0x1f)
	var e envelope
	rest, err := asn1.UnmarshalWithParams(b, &e, fmt.Sprintf("application,explicit,tag:%d", tag))
	if err != nil {
		return nil, fmt.Errorf("reading request: %w", err)
	}
	if len(rest) > 0 || e.PVNO != 5 || e.MsgType != tag {
		return nil, errNotRequest
	}
	if err := unmarshalBody(&q.body, e.Body.Bytes); err != nil {
		return nil, fmt.Errorf("reading request body: %w", err)
	}
	q.padata, q.rawBody = e.PAData, e.Body.Bytes
	if q.kind == KindAS && q.padata.Contains(paEncTimestamp) {
		q.kind = KindASPreauth
	}
	return &q, nil
}

// unmarshalBody is gokrb5's, which indexes past the end of an additional ticket
// that is cut short.
func unmarshalBody(body *messages.KDCReqBody, b []byte) (err error) {
	defer func() {
		if recover() != nil {
			err = errNotRequest
		}
	}()
	return body.Unmarshal(b)
}

// flag reads one of the request's KDC options.
func (q *kdcRequest) flag(bit int) bool { return types.IsFlagSet(&q.body.KDCOptions, bit) }

// padataOf returns the value of the first padata of a type.
func padataOf(pas types.PADataSequence, kind int32) ([]byte, bool) {
	for _, pa := range pas {
		if pa.PADataType == kind {
			return pa.PADataValue, true
		}
	}
	return nil, false
}

// nameOf joins a principal's components, as the database's keys are.
func nameOf(n types.PrincipalName) string { return strings.Join(n.NameString, "/") }

// seal encrypts the DER of v, under an application tag where tag is not 0.
func seal(v any, tag int, key types.EncryptionKey, usage uint32, kvno int) (types.EncryptedData, error) {
	b, err := asn1.Marshal(v)
	if err != nil {
		return types.EncryptedData{}, fmt.Errorf("encoding: %w", err)
	}
	if tag != 0 {
		b = asn1tools.AddASNAppTag(b, tag)
	}
	ed, err := crypto.GetEncryptedData(b, key, usage, kvno)
	if err != nil {
		return types.EncryptedData{}, fmt.Errorf("encrypting: %w", err)
	}
	return ed, nil
}

var errShort = errors.New("ciphertext too short or of another type")

// open decrypts. gokrb5 slices without looking at the length, so it is looked
// at here: confounder, one byte at least, checksum.
func open(ed types.EncryptedData, key types.EncryptionKey, usage uint32) ([]byte, error) {
	et, err := crypto.GetEtype(key.KeyType)
	if err != nil {
		return nil, fmt.Errorf("decrypting: %w", err)
	}
	if ed.EType != key.KeyType || len(key.KeyValue) != et.GetKeyByteSize() ||
		len(ed.Cipher) <= et.GetConfounderByteSize()+et.GetHMACBitLength()/8 {
		return nil, errShort
	}
	b, err := crypto.DecryptEncPart(ed, key, usage)
	if err != nil {
		return nil, fmt.Errorf("decrypting: %w", err)
	}
	return b, nil
}

// newKey makes a session key.
func newKey(etype int32) (types.EncryptionKey, error) {
	et, err := crypto.GetEtype(etype)
	if err != nil {
		return types.EncryptionKey{}, fmt.Errorf("making session key: %w", err)
	}
	return types.GenerateEncryptionKey(et)
}

// stamp splits a time into what Kerberos sends: seconds and microseconds.
func stamp(t time.Time) (time.Time, int) {
	t = t.UTC()
	return t.Truncate(time.Second), t.Nanosecond() / 1000
}
