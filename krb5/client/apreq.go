package client

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// authenticator is what an Authenticator (RFC 4120 §5.5.1) has beside the
// client's name.
type authenticator struct {
	time     time.Time
	sumType  int32
	checksum []byte // nil: none
	subkey   *sessionKey
	sequence uint32
}

// apRequest makes an AP-REQ (RFC 4120 §5.5.1). The authenticator names the
// client with the client's own realm, wherever the ticket is from: with the
// issuer's, a KDC two realms away answers KRB_AP_ERR_BADMATCH.
func apRequest(t *Ticket, usage uint32, options uint32, a authenticator) ([]byte, error) {
	plain, err := message(msgAuthenticator, func(b *cryptobyte.Builder) {
		addInt(b, 0, version)
		addRealm(b, 1, t.Client.Realm)
		addName(b, 2, t.Client)
		if a.checksum != nil {
			addField(b, 3, func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					addInt(b, 0, int64(a.sumType))
					addBytes(b, 1, a.checksum)
				})
			})
		}
		addInt(b, 4, microseconds(a.time))
		addTime(b, 5, a.time)
		if a.subkey != nil {
			addKey(b, 6, *a.subkey)
		}
		addInt(b, 7, int64(a.sequence))
	})
	if err != nil {
		return nil, fmt.Errorf("encoding authenticator: %w", err)
	}
	sealed, err := encrypt(t.secret().key, plain, usage)
	if err != nil {
		return nil, fmt.Errorf("sealing authenticator: %w", err)
	}
	return message(msgAPReq, func(b *cryptobyte.Builder) {
		addInt(b, 0, version)
		addInt(b, 1, msgAPReq)
		addFlags(b, 2, options)
		addField(b, 3, func(b *cryptobyte.Builder) { b.AddBytes(t.secret().raw) })
		addField(b, 4, func(b *cryptobyte.Builder) { addEncrypted(b, sealed) })
	})
}

// randomSequence has 30 bits: old peers read it as signed and count it up.
func randomSequence() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return binary.BigEndian.Uint32(b[:]) >> 2
}
