package aduser

import (
	"errors"
	"testing"

	"github.com/go-ldap/ldap/v3"
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
