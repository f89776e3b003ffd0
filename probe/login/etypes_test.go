package login_test

import (
	"testing"

	"github.com/kerbagent/kerbagent/probe"
)

// A krb5.conf that permits only encryption types which the KDC has no keys of makes kinit end with "KDC has no support for
// encryption type" (error 14, seen with kinit 1.20.1 and Samba), so a login asks for what the file permits. The file's order is not its matter,
// and types that kerbagent does not have are no reason not to try.
func TestALoginAsksForThePermittedEncryptionTypes(t *testing.T) {
	const aes128, aes256, aes128SHA2, camellia = 17, 18, 19, 26
	for _, tt := range []struct {
		permitted []int32
		reason    probe.Reason
		proof     string
	}{{nil, "", "18"}, {[]int32{aes128, aes256}, "", "18"}, {[]int32{aes128}, "", "17"}, {[]int32{camellia}, "", "18"}, {[]int32{aes128SHA2}, probe.ReasonKRBEType, ""}} {
		p := newRig(t).probe("alice", password)
		p.ETypes = func() []int32 { return tt.permitted }
		if res := p.Run(t.Context()); res.Reason != tt.reason || res.Facts[probe.FactProofType] != tt.proof {
			t.Errorf("permitted %v: %s %v, proof by type %q; want %s, %q", tt.permitted, res.Reason, res.Err, res.Facts[probe.FactProofType], tt.reason, tt.proof)
		}
	}
}
