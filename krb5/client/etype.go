package client

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"unicode/utf16"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/crypto/etype"
	//lint:ignore SA1019 RFC 4757 is built on MD4, and a ticket of that type is a finding
	"golang.org/x/crypto/md4"
)

// Encryption types (RFC 3961 §8, RFC 3962, RFC 8009, RFC 4757).
const (
	aes128SHA1   = 17
	aes256SHA1   = 18
	aes128SHA256 = 19
	aes256SHA384 = 20
	rc4HMAC      = 23
)

// DefaultETypes are the encryption types that are asked for, the best first.
// RC4 is last, and there at all so that a service whose ticket has it can be
// reported.
func DefaultETypes() []int32 {
	return []int32{aes256SHA1, aes128SHA1, aes256SHA384, aes128SHA256, rc4HMAC}
}

// Key usage numbers (RFC 4120 §7.5.1).
const (
	usageASReqTimestamp = 1
	usageASRepEncPart   = 3
	usageTGSReqChecksum = 6
	usageTGSReqAuth     = 7
	usageTGSRepEncPart  = 8
	usageAPReqAuth      = 11
	usageAPRepEncPart   = 12
	usagePrivEncPart    = 13
)

// sessionKey is a key of a known type.
type sessionKey struct {
	etype int32
	value []byte
}

// encrypted is an EncryptedData (RFC 4120 §5.2.9).
type encrypted struct {
	etype  int32
	kvno   int64 // 0 where there is none
	cipher []byte
}

// algorithm returns gokrb5's implementation of the types above, and of no other:
// it has 3DES too, which panics on input that is not a multiple of a block.
func algorithm(id int32) (etype.EType, error) {
	switch id {
	case aes128SHA1, aes256SHA1, aes128SHA256, aes256SHA384, rc4HMAC:
		return crypto.GetEtype(id)
	default:
		return nil, fmt.Errorf("encryption type %d is not supported", id)
	}
}

// keySize is the length of a key in bytes. gokrb5 says 24 for aes256-sha384,
// which is the size of the keys that it derives for checksums (RFC 8009 §6).
func keySize(id int32) int {
	if id == aes256SHA1 || id == aes256SHA384 {
		return 32
	}
	return 16
}

func supported(id int32) bool {
	_, err := algorithm(id)
	return err == nil
}

// decrypt opens what a peer sent. gokrb5 slices without looking: a ciphertext
// shorter than confounder and checksum would panic, and so would a key of the
// wrong size. recover stands behind these guards.
func decrypt(key sessionKey, e encrypted, usage uint32) (plain []byte, err error) {
	alg, err := algorithm(key.etype)
	if err != nil {
		return nil, err
	}
	if e.etype != key.etype {
		return nil, fmt.Errorf("encrypted with type %d instead of %d: %w", e.etype, key.etype, ErrReplyKey)
	}
	if len(e.cipher) < alg.GetConfounderByteSize()+alg.GetHMACBitLength()/8 || len(key.value) != keySize(key.etype) {
		return nil, fmt.Errorf("ciphertext of %d bytes with a key of %d: %w", len(e.cipher), len(key.value), ErrReplyKey)
	}
	defer func() {
		if v := recover(); v != nil {
			plain, err = nil, fmt.Errorf("decrypting %d bytes of type %d went wrong: %w", len(e.cipher), e.etype, ErrReplyKey)
		}
	}()
	plain, err = alg.DecryptMessage(key.value, e.cipher, usage)
	if err != nil {
		return nil, ErrReplyKey // gokrb5 says no more than that the checksum is wrong
	}
	return plain, nil
}

func encrypt(key sessionKey, plain []byte, usage uint32) (encrypted, error) {
	alg, err := algorithm(key.etype)
	if err != nil {
		return encrypted{}, err
	}
	_, cipher, err := alg.EncryptMessage(key.value, plain, usage)
	if err != nil {
		return encrypted{}, fmt.Errorf("encrypting: %w", err)
	}
	return encrypted{etype: key.etype, cipher: cipher}, nil
}

// maxIterations bounds the rounds of PBKDF2, which the KDC chooses: a million
// take about half a second. The defaults are 4,096 and 32,768.
const maxIterations = 1_000_000

// stringToKey makes a key of a password (RFC 3961 §3).
func stringToKey(id int32, password []byte, salt string, params []byte) (sessionKey, error) {
	alg, err := algorithm(id)
	if err != nil {
		return sessionKey{}, err
	}
	if id == rc4HMAC {
		return sessionKey{etype: id, value: ntHash(password)}, nil
	}
	s2k := alg.GetDefaultStringToKeyParams()
	if len(params) > 0 {
		if len(params) != 4 {
			return sessionKey{}, fmt.Errorf("string-to-key parameters of %d bytes: %w", len(params), ErrIterations)
		}
		// 0 stands for 2^32 (RFC 3962 §4).
		if n := binary.BigEndian.Uint32(params); n == 0 || n > maxIterations {
			return sessionKey{}, fmt.Errorf("%d rounds: %w", n, ErrIterations)
		}
		s2k = hex.EncodeToString(params)
	}
	value, err := alg.StringToKey(string(password), salt, s2k)
	if err != nil {
		return sessionKey{}, fmt.Errorf("deriving the key of the password: %w", err)
	}
	return sessionKey{etype: id, value: value}, nil
}

// ntHash is the RC4 key of a password (RFC 4757 §2): MD4 over its UTF-16.
// gokrb5's own is wrong for what is not ASCII.
func ntHash(password []byte) []byte {
	h := md4.New()
	for _, u := range utf16.Encode([]rune(string(password))) {
		h.Write([]byte{byte(u), byte(u >> 8)})
	}
	return h.Sum(nil)
}
