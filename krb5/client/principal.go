package client

import (
	"fmt"
	"strings"
)

// Principal is a Kerberos name. Name holds the components joined by "/":
// "alice", or "mysql/db1.corp.example.com".
type Principal struct {
	Name  string
	Realm string
}

// String returns name@REALM, or the name alone where there is no realm.
func (p Principal) String() string {
	if p.Realm == "" {
		return p.Name
	}
	return p.Name + "@" + p.Realm
}

// maxName bounds a principal in bytes. Names on the wire are not that long;
// a probe for lost large messages asks for one of 3,000.
const maxName = 8 << 10

// ParsePrincipal reads name@REALM. The realm begins after the last "@", and is
// empty where there is none. Components must not be empty, and nothing may be
// a control character.
func ParsePrincipal(s string) (Principal, error) {
	p := Principal{Name: s}
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		p.Name, p.Realm = s[:i], s[i+1:]
		if p.Realm == "" {
			return Principal{}, fmt.Errorf("reading principal %q: nothing after the @", s)
		}
	}
	if len(s) > maxName {
		return Principal{}, fmt.Errorf("reading principal: %d bytes long", len(s))
	}
	if i := strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }); i >= 0 {
		return Principal{}, fmt.Errorf("reading principal %q: control character at %d", s, i)
	}
	for _, part := range p.components() {
		if part == "" {
			return Principal{}, fmt.Errorf("reading principal %q: an empty name or part of a name", s)
		}
	}
	return p, nil
}

func (p Principal) components() []string { return strings.Split(p.Name, "/") }

// tgs is the ticket granting service of realm as issued by issuer: of its own
// realm, or a referral to another (RFC 4120 §7.3).
func tgs(realm, issuer string) Principal { return Principal{Name: "krbtgt/" + realm, Realm: issuer} }
