package aduser

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/kerbagent/kerbagent/krb5/client"
)

func TestCheckName(t *testing.T) {
	for name, good := range map[string]bool{
		"alice": true, "Zoë O'Neil": true, "svc-etl.1": true, "a(b)*": false, "": false, "über#1": true,
		"abcdefghijklmnopqrst": true, "abcdefghijklmnopqrstu": false, "a,b": false, "a@b": false, " a": false, "a.": false, "a\x00b": false, "a/b": false,
	} {
		if err := CheckName(name); (err == nil) != good || err != nil && !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestFileTime(t *testing.T) {
	for text, want := range map[string]string{"": "", "0": "", "-1": "", "9223372036854775807": "", "116444736000000000": "1970-01-01T00:00:00Z", "134412480000000000": "2026-12-09T00:00:00Z"} {
		got := fileTime(text)
		if s := got.Format(time.RFC3339); got.IsZero() != (want == "") || want != "" && s != want {
			t.Errorf("%q is %s, want %s", text, s, want)
		}
	}
}

// The next domain controller is asked after silence, and only before the
// password was sent: one whose KDC is dead used to hide the other one.
func TestUnasked(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"88 is shut":                 {&client.StepError{Step: client.StepConnect, Err: refused}, true},
		"88 is silent":               {&client.StepError{Step: client.StepAS, Err: os.ErrDeadlineExceeded}, true},
		"88 hangs up":                {&client.StepError{Step: client.StepAS, Err: io.EOF}, true},
		"it knows no Admin":          {&client.StepError{Step: client.StepAS, Err: errors.New("KDC error 6")}, false},
		"a reply that is not ours":   {&client.StepError{Step: client.StepAS, Err: client.ErrReplyKey}, false},
		"silence after the password": {&client.StepError{Step: client.StepPreauth, Err: os.ErrDeadlineExceeded}, false},
		"LDAP refuses":               {ldap.NewError(ldap.LDAPResultInvalidCredentials, errors.New("no")), false},
	} {
		if got := unasked(errors.Join(c.err)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Whatever a name holds, it stays one value of one attribute.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{"alice", "a,OU=Admins", "x)(objectClass=*", "#1", " a ", "a\\b", "a\"b", "\x00", "ü"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if CheckName(name) != nil {
			return
		}
		dn, err := ldap.ParseDN(dnOf(name, "OU=Users,OU=CORP,DC=corp,DC=example,DC=com"))
		if err != nil || len(dn.RDNs) != 6 || len(dn.RDNs[0].Attributes) != 1 || dn.RDNs[0].Attributes[0].Value != name {
			t.Errorf("%q becomes %v, %v", name, dn, err)
		}
		filter, err := ldap.CompileFilter(filterFor(name))
		if err != nil || len(filter.Children) != 2 {
			t.Fatalf("%q becomes filter %q: %v", name, filterFor(name), err)
		}
		equal := filter.Children[1]
		if equal.Tag != ldap.FilterEqualityMatch || equal.Children[1].Data.String() != name {
			t.Errorf("%q becomes %q", name, filterFor(name))
		}
	})
}
