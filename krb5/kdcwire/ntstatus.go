package kdcwire

import (
	"encoding/binary"

	"github.com/kerbagent/kerbagent/krb5/der"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// extendedError is KERB_ERR_TYPE_EXTENDED (MS-KILE §2.2.2). PA-PW-SALT has the
// same number, and Samba puts the structure into METHOD-DATA under that.
const extendedError = 3

// bareStatus is KERB_AP_ERR_TYPE_NTSTATUS: four bytes of status and nothing more. It
// has not been seen; wireshark's dissector knows it.
const bareStatus = 1

// extendedErrorSize is the size of KERB-EXT-ERROR: status, reserved, flags
// (MS-KILE §2.2.1).
const extendedErrorSize = 12

// maxTypedData bounds the list that e-data may hold.
const maxTypedData = 32

// NTStatus is Windows' reason for the error, out of e-data (MS-KILE §2.2.1).
// It comes as METHOD-DATA from Samba, and as KERB-ERROR-DATA, TYPED-DATA or
// METHOD-DATA from Windows.
func (e *KRBError) NTStatus() (uint32, bool) {
	in := cryptobyte.String(e.EData)
	var s cryptobyte.String
	if !in.ReadASN1(&s, asn1.SEQUENCE) {
		return 0, false
	}
	if !s.PeekASN1Tag(asn1.SEQUENCE) {
		return extended(s) // KERB-ERROR-DATA: one element, not a list of them
	}
	for range maxTypedData {
		var item cryptobyte.String
		if !s.ReadASN1(&item, asn1.SEQUENCE) {
			return 0, false
		}
		if status, ok := extended(item); ok {
			return status, true
		}
	}
	return 0, false
}

// extended reads a type and a value, which TYPED-DATA tags 0 and 1, PA-DATA
// and KERB-ERROR-DATA 1 and 2.
func extended(item cryptobyte.String) (uint32, bool) {
	first := uint8(1)
	if item.PeekASN1Tag(der.Explicit(0)) {
		first = 0
	}
	var dataType int64
	var value []byte
	ok := der.Field(&item, first, der.Int(&dataType)) &&
		der.Field(&item, first+1, der.Bytes(&value))
	full := dataType == extendedError && len(value) == extendedErrorSize
	if bare := dataType == bareStatus && len(value) == 4; !ok || !full && !bare {
		return 0, false
	}
	status := binary.LittleEndian.Uint32(value)
	// A salt of twelve bytes looks alike, but is text: only an NTSTATUS of
	// severity error has the two highest bits set (MS-ERREF §2.3).
	const severityError = 0xC000_0000
	return status, status&severityError == severityError
}
