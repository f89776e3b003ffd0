package krb5test

import (
	"encoding/binary"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/types"
)

// failure is an error that a KDC answers with.
type failure struct {
	code  int32
	text  string
	edata []byte
	early bool    // a TGS-REQ whose ticket or authenticator was refused
	who   *holder // of a TGS-REQ: whom its ticket names, once that has been read
}

// NTSTATUS values that a directory gives for its refusals (MS-ERREF §2.3.1).
const (
	statusInvalidLogonHours  uint32 = 0xC000006F
	statusInvalidWorkstation uint32 = 0xC0000070
	statusPasswordExpired    uint32 = 0xC0000071
	statusAccountDisabled    uint32 = 0xC0000072
	statusAccountRestriction uint32 = 0xC000006E
	statusAccountExpired     uint32 = 0xC0000193
	statusPasswordMustChange uint32 = 0xC0000224
	statusAccountLockedOut   uint32 = 0xC0000234
)

// refusal reports why the state of a user forbids a login. kadmin/changepw is
// for those whose password is no good any more. nil means that it does not.
func (d desk) refusal(p *principal, changepw bool) *failure {
	if changepw && (p.state == PasswordExpired || p.state == MustChange) {
		return nil
	}
	type answer struct {
		code   int32
		text   string // MIT's
		status uint32
	}
	answers := map[State]answer{
		Disabled:        {errRevoked, "CLIENT LOCKED OUT", statusAccountDisabled},
		Locked:          {errRevoked, "LOCKED_OUT", statusAccountLockedOut},
		Expired:         {errRevoked, "CLIENT EXPIRED", statusAccountExpired},
		PasswordExpired: {errKeyExpired, "CLIENT KEY EXPIRED", statusPasswordExpired},
		MustChange:      {errKeyExpired, "REQUIRED PWCHANGE", statusPasswordMustChange},
		LogonHours:      {errRevoked, "LOGON_HOURS", statusInvalidLogonHours},
		Workstation:     {errPolicy, "WORKSTATION", statusInvalidWorkstation},
		PolicyDenied:    {errPolicy, "NOT_ALLOWED", statusAccountRestriction},
	}
	a, ok := answers[p.state]
	if !ok {
		return nil
	}
	switch d.realm.options.Dialect {
	case MIT:
		if p.state == Expired {
			a.code = errNameExpired // MIT alone has this code for it
		}
		return &failure{code: a.code, text: a.text}
	case Windows:
		return &failure{code: a.code, edata: windowsStatus(a.status)}
	default:
		return &failure{code: a.code, edata: d.sambaStatus(p, a.status)}
	}
}

// sambaStatus is the METHOD-DATA that Samba 4.17 sends: what it needs of the
// client's key, and the status as a PW-SALT. For a locked account it leaves
// the status out.
func (d desk) sambaStatus(p *principal, status uint32) []byte {
	pas := p.hints(d.realm.options.Dialect, p.etypes)
	if status != statusAccountLockedOut {
		v := binary.LittleEndian.AppendUint32(nil, status)
		v = binary.LittleEndian.AppendUint32(v, 0)
		v = binary.LittleEndian.AppendUint32(v, 1)
		pas = append(pas, types.PAData{PADataType: paPWSalt, PADataValue: v})
	}
	return marshal(pas)
}

// errorData is KERB-ERROR-DATA, MS-KILE §2.2.1.
type errorData struct {
	Type  int    `asn1:"explicit,tag:1"`
	Value []byte `asn1:"explicit,optional,tag:2"`
}

// windowsStatus is a KERB-ERROR-DATA with a KERB-EXT-ERROR in it (MS-KILE §2.2.1).
func windowsStatus(status uint32) []byte {
	v := binary.LittleEndian.AppendUint32(nil, status)
	v = binary.LittleEndian.AppendUint32(v, 0) // reserved
	v = binary.LittleEndian.AppendUint32(v, 1) // flags: this is a KERB-EXT-ERROR
	return marshal(errorData{Type: 3, Value: v})
}

// hints is what a client needs to make its key: the best type of those that it
// can do and its salt (RFC 4120 §5.2.7.5). RC4 has no salt.
func (p *principal) hints(dialect Dialect, wanted []int32) types.PADataSequence {
	k, ok := p.replyKey(dialect, wanted)
	if !ok {
		return nil
	}
	e := types.ETypeInfo2Entry{EType: k.KeyType}
	if k.KeyType != RC4 {
		e.Salt = p.salt
		if dialect == Samba {
			e.S2KParams = []byte{0, 0, 0x10, 0} // 4096 iterations, which is what leaving it out means as well
		}
	}
	pas := types.PADataSequence{{PADataType: paETypeInfo2, PADataValue: marshal(types.ETypeInfo2{e})}}
	if k.KeyType == RC4 {
		old := types.ETypeInfo{{EType: RC4}}
		pas = append(pas, types.PAData{PADataType: paETypeInfo, PADataValue: marshal(old)})
	}
	return pas
}

// weakened is hints as a server gives them that wants to guess the password.
func (d desk) weakened(p *principal, wanted []int32) types.PADataSequence {
	k, ok := p.replyKey(d.realm.options.Dialect, wanted)
	if !ok {
		return nil
	}
	e := saltedEntry{EType: k.KeyType, Salt: p.salt}
	if d.script.NoSalt {
		e.Salt = ""
	}
	if d.script.Rounds > 0 {
		e.S2KParams = binary.BigEndian.AppendUint32(nil, d.script.Rounds)
	}
	return types.PADataSequence{{PADataType: paETypeInfo2, PADataValue: marshal([]saltedEntry{e})}}
}

// saltedEntry is an ETYPE-INFO2-ENTRY (RFC 4120 §5.2.7.5) with a salt, be it empty.
type saltedEntry struct {
	EType     int32  `asn1:"explicit,tag:0"`
	Salt      string `asn1:"explicit,generalstring,tag:1"`
	S2KParams []byte `asn1:"explicit,optional,tag:2"`
}

// marshal encodes what cannot fail to encode: our own small structures.
func marshal(v any) []byte {
	b, err := asn1.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}
