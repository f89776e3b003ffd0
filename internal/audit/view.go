package audit

import (
	"errors"

	"github.com/kerbagent/kerbagent/krb5/conf/reader"
)

// View is what the next login of one program goes by, for a test login in its place.
type View struct {
	Application
	Reading *reader.Reading // its krb5.conf as its library reads it
	User    string          // user@REALM of its credentials or of the configuration; empty where it is not known
	// CCache or Keytab is what it proves its user with, where that was asked for.
	// No output may show them.
	CCache, Keytab []byte
}

// Why nobody can log in as a program does.
var (
	// ErrNoReading reports that the program's krb5.conf could not be read, or that it reads none.
	ErrNoReading = errors.New("its krb5.conf is not known")
	// ErrNoCredentials reports that the program has no valid ticket and no keytab, as far as can be seen.
	ErrNoCredentials = errors.New("no valid ticket and no keytab of it can be read")
)
