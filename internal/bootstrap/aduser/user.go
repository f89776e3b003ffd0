package aduser

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
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
	// Expires is when the password ends, by the domain controller's reckoning
	// (msDS-UserPasswordExpiryTimeComputed). Zero: never, or it is not known.
	Expires      time.Time
	NeverExpires bool // by the account's own setting

	control uint64 // userAccountControl
	set     string // pwdLastSet, as the directory writes it
}

// userAccountControl (MS-ADTS §2.2.16).
const (
	uacDisabled     = 0x2
	uacNormal       = 0x200
	uacNeverExpires = 0x10000
)

// ErrName is wrapped by the refusal of a name that Active Directory would not take.
var ErrName = errors.New("not a user name that Active Directory takes")

// CheckName reports whether a user can be made under this name: 1 to 20
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
		filterFor(name), []string{"sAMAccountName", "userAccountControl", "pwdLastSet", "objectClass", "msDS-UserPasswordExpiryTimeComputed"}, nil))
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
	if found := e.GetAttributeValue("sAMAccountName"); !strings.EqualFold(found, name) {
		return nil, fmt.Errorf("looking for %s: the directory answers with %q", name, found)
	}
	set := e.GetAttributeValue("pwdLastSet")
	return &User{control: control, set: set, Name: e.GetAttributeValue("sAMAccountName"), DN: e.DN, Disabled: control&uacDisabled != 0, NeverExpires: control&uacNeverExpires != 0, Expires: fileTime(e.GetAttributeValue("msDS-UserPasswordExpiryTimeComputed")), HasPassword: set != "" && set != "0"}, nil
}

// fileTime reads a time in units of 100 ns since 1601 (MS-DTYP §2.3.3). 0, and the
// greatest value, which stands for never, are the zero time.
func fileTime(text string) time.Time {
	const epoch, never = 11644473600, 0x7fffffffffffffff
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || n == never {
		return time.Time{}
	}
	return time.Unix(n/1e7-epoch, n%1e7*100).UTC()
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
	return &User{Name: name, DN: dn, Disabled: true, control: uacNormal | uacDisabled}, nil
}

// Unconfirmed reports whether SetPassword's error leaves it open if the password was
// set: only a login with it tells.
func Unconfirmed(err error) bool { return errors.Is(err, client.ErrUnconfirmed) }

// SetPassword sets an account's password, at the same domain controller. The
// request names the account that was asked for, whatever LDAP calls it. The
// error may be a *client.PasswordError: the domain's rules, or a right that the
// Admin has not.
func (d *Directory) SetPassword(ctx context.Context, name string, password []byte) error {
	before, err := d.Find(name)
	if err == nil && before == nil {
		err = errors.New("there is no such account")
	}
	if err != nil {
		return fmt.Errorf("setting the password of %s: %w", name, err)
	}
	at := netip.AddrPortFrom(d.at, portKpasswd)
	err = d.session.SetPassword(ctx, at, client.Principal{Name: name, Realm: d.o.Realm}, password)
	if errors.Is(err, client.ErrUnconfirmed) {
		err = d.confirm(before, err)
	}
	if err != nil {
		return fmt.Errorf("setting the password of %s: %w", name, err)
	}
	return nil
}

// confirm asks over LDAP, which is sealed, whether the password was set after
// all: the answer of kpasswd proved nothing. A login cannot tell while the
// account is disabled.
func (d *Directory) confirm(before *User, unconfirmed error) error {
	after, err := d.Find(before.Name)
	if err != nil {
		return errors.Join(unconfirmed, err)
	}
	if after == nil || !after.HasPassword || after.set == before.set {
		return unconfirmed
	}
	return nil
}

// Enable lets an account log in. Whether its password ends is set as well.
func (d *Directory) Enable(u *User, neverExpires bool) error {
	control := u.control &^ (uacDisabled | uacNeverExpires) // what else stands there is somebody's
	if neverExpires {
		control |= uacNeverExpires
	}
	m := ldap.NewModifyRequest(u.DN, nil)
	m.Replace("userAccountControl", []string{strconv.FormatUint(control, 10)})
	if err := d.ldap.Modify(m); err != nil {
		return fmt.Errorf("enabling %s: %w", u.DN, err)
	}
	return nil
}
