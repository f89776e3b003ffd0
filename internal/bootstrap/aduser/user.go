package aduser

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-ldap/ldap/v3"

	"github.com/kerbagent/kerbagent/krb5/client"
)

// User is an account as the directory has it.
type User struct {
	Name        string // sAMAccountName
	DN          string
	Disabled    bool
	HasPassword bool // one was set since it was made
}

// userAccountControl (MS-ADTS §2.2.16).
const (
	uacDisabled = 0x2
	uacNormal   = 0x200
)

// ErrName is wrapped by the refusal of a name that Active Directory would not take.
var ErrName = errors.New("not a user name that Active Directory takes")

// CheckName says whether a user can be made under this name: 1 to 20
// characters, none of those that sAMAccountName forbids (MS-SAMR §3.1.1.6).
func CheckName(name string) error {
	n := len([]rune(name))
	if n == 0 || n > 20 || strings.ContainsAny(name, `"/\[]:;|=,+*?<>@`) || strings.HasSuffix(name, ".") ||
		strings.TrimSpace(name) != name || strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }) {
		return fmt.Errorf("%q: %w", name, ErrName)
	}
	return nil
}

// Find looks for an account in the whole domain; nil where there is none.
func (d *Directory) Find(name string) (*User, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	res, err := d.ldap.Search(ldap.NewSearchRequest(d.base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 2, 0, false,
		filterFor(name), []string{"sAMAccountName", "userAccountControl", "pwdLastSet", "objectClass"}, nil))
	if err != nil {
		return nil, fmt.Errorf("looking for %s: %w", name, err)
	}
	switch len(res.Entries) {
	case 0:
		return nil, nil
	case 1:
	default:
		return nil, fmt.Errorf("looking for %s: more than one account", name)
	}
	e := res.Entries[0]
	control, err := strconv.ParseUint(e.GetAttributeValue("userAccountControl"), 10, 32)
	if err != nil {
		return nil, fmt.Errorf("%s is no user: %w", e.DN, err)
	}
	set := e.GetAttributeValue("pwdLastSet")
	return &User{Name: e.GetAttributeValue("sAMAccountName"), DN: e.DN, Disabled: control&uacDisabled != 0, HasPassword: set != "" && set != "0"}, nil
}

func filterFor(name string) string {
	return "(&(objectClass=user)(sAMAccountName=" + ldap.EscapeFilter(name) + "))"
}

// dnOf is where a user of this name is made.
func dnOf(name, ou string) string { return "CN=" + ldap.EscapeDN(name) + "," + ou }

// Create makes an account that is disabled and has no password.
func (d *Directory) Create(name string) (*User, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	dn := dnOf(name, d.o.OU)
	add := ldap.NewAddRequest(dn, nil)
	add.Attribute("objectClass", []string{"top", "person", "organizationalPerson", "user"})
	add.Attribute("sAMAccountName", []string{name})
	add.Attribute("userPrincipalName", []string{name + "@" + strings.ToLower(d.o.Realm)})
	add.Attribute("userAccountControl", []string{strconv.Itoa(uacNormal | uacDisabled)})
	if err := d.ldap.Add(add); err != nil {
		return nil, fmt.Errorf("creating %s: %w", dn, err)
	}
	return &User{Name: name, DN: dn, Disabled: true}, nil
}

// SetPassword gives an account its password, at the same domain controller. The
// error may be a *client.PasswordError: the domain's rules, or a right that the
// Admin has not.
func (d *Directory) SetPassword(ctx context.Context, u *User, password []byte) error {
	at := netip.AddrPortFrom(d.at, portKpasswd)
	if err := d.session.SetPassword(ctx, at, client.Principal{Name: u.Name, Realm: d.o.Realm}, password); err != nil {
		return fmt.Errorf("setting the password of %s: %w", u.Name, err)
	}
	return nil
}

// Enable lets an account log in.
func (d *Directory) Enable(u *User) error {
	m := ldap.NewModifyRequest(u.DN, nil)
	m.Replace("userAccountControl", []string{strconv.Itoa(uacNormal)})
	if err := d.ldap.Modify(m); err != nil {
		return fmt.Errorf("enabling %s: %w", u.DN, err)
	}
	return nil
}
