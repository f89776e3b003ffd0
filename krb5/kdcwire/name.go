package kdcwire

import (
	"github.com/kerbagent/kerbagent/krb5/der"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// maxComponents bounds the parts of a name; real ones have two or three.
const maxComponents = 16

// nameInto reads a PrincipalName (RFC 4120 §5.2.2) and drops its name type,
// which RFC 4120 §6.2 makes no part of the identity.
func nameInto(out *[]string) func(*cryptobyte.String) bool {
	return func(f *cryptobyte.String) bool {
		var s cryptobyte.String
		var nameType int64
		return f.ReadASN1(&s, asn1.SEQUENCE) &&
			der.Field(&s, 0, der.Int(&nameType)) &&
			der.Field(&s, 1, func(list *cryptobyte.String) bool {
				var parts cryptobyte.String
				if !list.ReadASN1(&parts, asn1.SEQUENCE) {
					return false
				}
				for !parts.Empty() {
					var part string
					if len(*out) == maxComponents || !der.ReadString(&parts, &part) {
						return false
					}
					*out = append(*out, part)
				}
				return true
			}) && s.Empty()
	}
}
