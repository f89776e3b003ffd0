package kdcwire

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/krb5/der"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// KRBError is a KRB-ERROR (RFC 4120 §5.9.1). Its strings are the peer's:
// hostile text, to be escaped before it is shown.
type KRBError struct {
	Code   int32     // error-code, RFC 4120 §7.5.9
	STime  time.Time // the server's clock, to the microsecond
	CTime  time.Time // the client's clock as the server read it; mostly zero
	Realm  string    // the server's realm
	CRealm string
	CName  []string
	SName  []string
	EText  string
	EData  []byte
}

// Error names the code and the server's text, quoted.
func (e *KRBError) Error() string {
	s := "KRB-ERROR " + strconv.Itoa(int(e.Code))
	if name := codeName(e.Code); name != "" {
		s += " " + name
	}
	if status, ok := e.NTStatus(); ok {
		s += fmt.Sprintf(" (NTSTATUS 0x%08X)", status)
	}
	if e.EText != "" {
		s += ": " + strconv.QuoteToASCII(strings.TrimRight(e.EText, "\x00"))
	}
	return s
}

// tagError is the first byte of every KRB-ERROR: APPLICATION 30, constructed.
const tagError = 30

// IsError reports whether b starts as a KRB-ERROR does.
func IsError(b []byte) bool {
	return len(b) > 0 && b[0] == byte(der.Application(tagError))
}

// ParseError reads a KRB-ERROR. b must be one, and nothing else; an error
// wraps ErrNotKerberos.
func ParseError(b []byte) (*KRBError, error) {
	if len(b) > MaxMessage {
		return nil, fmt.Errorf("reading KRB-ERROR: %d bytes: %w", len(b), ErrNotKerberos)
	}
	e := new(KRBError)
	in := cryptobyte.String(b)
	var app, s cryptobyte.String
	var version, msgType, cusec, susec, code int64
	// The fields follow RFC 4120 §5.9.1 in their order.
	ok := in.ReadASN1(&app, der.Application(tagError)) && in.Empty() &&
		app.ReadASN1(&s, asn1.SEQUENCE) && app.Empty() &&
		der.Field(&s, 0, der.Int(&version)) && version == 5 &&
		der.Field(&s, 1, der.Int(&msgType)) && msgType == tagError &&
		der.Optional(&s, 2, der.Time(&e.CTime)) &&
		der.Optional(&s, 3, der.Int(&cusec)) &&
		der.Field(&s, 4, der.Time(&e.STime)) &&
		der.Field(&s, 5, der.Int(&susec)) &&
		der.Field(&s, 6, der.Int(&code)) && int64(int32(code)) == code &&
		der.Optional(&s, 7, der.String(&e.CRealm)) &&
		der.Optional(&s, 8, nameInto(&e.CName)) &&
		der.Field(&s, 9, der.String(&e.Realm)) &&
		der.Field(&s, 10, nameInto(&e.SName)) &&
		der.Optional(&s, 11, der.String(&e.EText)) &&
		der.Optional(&s, 12, der.Bytes(&e.EData))
	if !ok {
		return nil, fmt.Errorf("reading KRB-ERROR of %d bytes: %w", len(b), ErrNotKerberos)
	}
	e.Code = int32(code)
	e.STime = withMicroseconds(e.STime, susec)
	e.CTime = withMicroseconds(e.CTime, cusec)
	return e, nil
}

// withMicroseconds adds cusec or susec, which RFC 4120 §5.2.4 keeps below a
// million; a number beyond that is ignored.
func withMicroseconds(t time.Time, us int64) time.Time {
	if t.IsZero() || us < 0 || us > 999_999 {
		return t
	}
	return t.Add(time.Duration(us) * time.Microsecond)
}

// codeName is the RFC's name for the codes that a login meets.
func codeName(code int32) string {
	switch code {
	case 1:
		return "KDC_ERR_NAME_EXP"
	case 6:
		return "KDC_ERR_C_PRINCIPAL_UNKNOWN"
	case 7:
		return "KDC_ERR_S_PRINCIPAL_UNKNOWN"
	case 8:
		return "KDC_ERR_PRINCIPAL_NOT_UNIQUE"
	case 12:
		return "KDC_ERR_POLICY"
	case 14:
		return "KDC_ERR_ETYPE_NOSUPP"
	case 18:
		return "KDC_ERR_CLIENT_REVOKED"
	case 23:
		return "KDC_ERR_KEY_EXPIRED"
	case 24:
		return "KDC_ERR_PREAUTH_FAILED"
	case 25:
		return "KDC_ERR_PREAUTH_REQUIRED"
	case 29:
		return "KDC_ERR_SVC_UNAVAILABLE"
	case 31:
		return "KRB_AP_ERR_BAD_INTEGRITY"
	case 32:
		return "KRB_AP_ERR_TKT_EXPIRED"
	case 33:
		return "KRB_AP_ERR_TKT_NYV"
	case 34:
		return "KRB_AP_ERR_REPEAT"
	case 36:
		return "KRB_AP_ERR_BADMATCH"
	case 37:
		return "KRB_AP_ERR_SKEW"
	case 41:
		return "KRB_AP_ERR_MODIFIED"
	case 44:
		return "KRB_AP_ERR_BADKEYVER"
	case 52:
		return "KRB_ERR_RESPONSE_TOO_BIG"
	case 60:
		return "KRB_ERR_GENERIC"
	case 68:
		return "KDC_ERR_WRONG_REALM"
	default:
		return ""
	}
}
