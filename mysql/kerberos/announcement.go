package kerberos

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/mysql"
)

// Names of the client plugins that take a Kerberos token, as a switch gives them.
const (
	PluginMySQL   = mysql.KerberosPlugin
	PluginMariaDB = "auth_gssapi_client"
)

// maxText is the longest principal or realm taken: MySQL's own client refuses
// more.
const maxText = 256

// Announcement is what a server's switch tells: which service principal it goes
// by, and whose users the account is for. It is the server's word, to be checked
// before a ticket is asked for and escaped before it is printed.
type Announcement struct {
	Plugin string
	// SPN is the service principal. Its realm is empty where the server named
	// none.
	SPN client.Principal
	// Raw is the service principal as sent.
	Raw string
	// UserRealm is the realm of CREATE USER … IDENTIFIED WITH … BY. MariaDB's
	// plugin does not tell it: empty.
	UserRealm string
	// Trailing is how many bytes came after what is understood. Real servers
	// send none.
	Trailing int
}

// Service is the first part of the principal: "mysql" in most cases.
func (a Announcement) Service() string {
	service, _, _ := strings.Cut(a.SPN.Name, "/")
	return service
}

// Host is the host part of the principal, without a port; empty where the
// principal has no second part.
func (a Announcement) Host() string { return hostOf(a.SPN) }

func hostOf(spn client.Principal) string {
	_, host, _ := strings.Cut(spn.Name, "/")
	host, _, _ = strings.Cut(host, "/")
	host, _, _ = strings.Cut(host, ":")
	return host
}

// NotKerberosError reports that the server switched to a plugin that is not a
// Kerberos one: the account does not exist (the plugin is then a decoy), or has
// a password.
type NotKerberosError struct {
	Plugin string // the plugin's name as the server sent it
}

// Error names the plugin.
func (e *NotKerberosError) Error() string {
	return fmt.Sprintf("the server asks for plugin %q, not for Kerberos: no such account, or not a Kerberos account", e.Plugin)
}

// ParseSwitch reads the data of an authentication switch. The error is a
// *NotKerberosError for a plugin of another kind, and wraps mysql.ErrMalformed
// for data that cannot be read.
func ParseSwitch(plugin string, data []byte) (Announcement, error) {
	a := Announcement{Plugin: plugin}
	var err error
	switch plugin {
	case PluginMySQL:
		err = a.parseMySQL(data)
	case PluginMariaDB:
		err = a.parseMariaDB(data)
	default:
		return Announcement{}, &NotKerberosError{Plugin: plugin}
	}
	if err != nil {
		return Announcement{}, fmt.Errorf("%w: %w", mysql.ErrMalformed, err)
	}
	return a, nil
}

// parseMySQL reads u16le length, SPN, u16le length, realm.
func (a *Announcement) parseMySQL(data []byte) error {
	spn, rest, err := sized(data)
	if err != nil {
		return fmt.Errorf("service principal: %w", err)
	}
	realm, rest, err := sized(rest)
	if err != nil {
		return fmt.Errorf("realm: %w", err)
	}
	a.UserRealm, a.Trailing = realm, len(rest)
	return a.setSPN(spn)
}

// parseMariaDB reads SPN, NUL, mechanism (empty on Unix), NUL.
func (a *Announcement) parseMariaDB(data []byte) error {
	spn, rest, ok := bytes.Cut(data, []byte{0})
	if !ok {
		return fmt.Errorf("service principal without its end")
	}
	if err := checkText(spn); err != nil {
		return fmt.Errorf("service principal: %w", err)
	}
	if _, after, ok := bytes.Cut(rest, []byte{0}); ok {
		a.Trailing = len(after)
	}
	return a.setSPN(string(spn))
}

func (a *Announcement) setSPN(spn string) error {
	a.Raw = spn
	var err error
	a.SPN, err = client.ParsePrincipal(spn)
	return err
}

// sized reads a text with its length before it.
func sized(b []byte) (text string, rest []byte, err error) {
	if len(b) < 2 {
		return "", nil, fmt.Errorf("no length")
	}
	n := int(binary.LittleEndian.Uint16(b))
	if b = b[2:]; n > len(b) {
		return "", nil, fmt.Errorf("%d bytes announced, %d sent", n, len(b))
	}
	if err := checkText(b[:n]); err != nil {
		return "", nil, err
	}
	return string(b[:n]), b[n:], nil
}

// checkText takes printable ASCII of 1 to maxText bytes.
func checkText(b []byte) error {
	if len(b) == 0 || len(b) > maxText {
		return fmt.Errorf("%d bytes, not 1 to %d", len(b), maxText)
	}
	for i, c := range b {
		if c < ' ' || c > '~' {
			return fmt.Errorf("byte %#02x at %d is not printable ASCII", c, i)
		}
	}
	return nil
}
