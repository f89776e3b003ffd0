package kerberos_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/mysql"
	"github.com/kerbagent/kerbagent/mysql/kerberos"
)

func principal(name, realm string) client.Principal {
	return client.Principal{Name: name, Realm: realm}
}

func TestParseSwitch(t *testing.T) {
	for name, c := range map[string]struct {
		plugin, data string
		want         kerberos.Announcement // its Plugin and Raw are filled in
		host         string
	}{
		"MySQL": {
			kerberos.PluginMySQL, "\x1f\x00mysql/db1.example.com@CORP.TEST\x09\x00CORP.TEST",
			kerberos.Announcement{SPN: principal("mysql/db1.example.com", "CORP.TEST"), UserRealm: "CORP.TEST"}, "db1.example.com",
		},
		"MariaDB": {
			kerberos.PluginMariaDB, "mariadb/db1@CORP.TEST\x00\x00",
			kerberos.Announcement{SPN: principal("mariadb/db1", "CORP.TEST")}, "db1",
		},
		"MariaDB with a mechanism": {
			kerberos.PluginMariaDB, "mysql/db1@CORP.TEST\x00Kerberos\x00",
			kerberos.Announcement{SPN: principal("mysql/db1", "CORP.TEST")}, "db1",
		},
		"no realm, a port, mixed case": {
			kerberos.PluginMySQL, "\x0e\x00MySQL/Db1:3306\x01\x00R",
			kerberos.Announcement{SPN: principal("MySQL/Db1:3306", ""), UserRealm: "R"}, "Db1",
		},
		"no host": {
			kerberos.PluginMariaDB, "svc-mysql@R\x00\x00",
			kerberos.Announcement{SPN: principal("svc-mysql", "R")}, "",
		},
		"three parts": {
			kerberos.PluginMariaDB, "mysql/db1/corp.test@R\x00\x00",
			kerberos.Announcement{SPN: principal("mysql/db1/corp.test", "R")}, "db1",
		},
		"bytes after it": {
			kerberos.PluginMySQL, "\x07\x00mysql/d\x01\x00R\x00\x01",
			kerberos.Announcement{SPN: principal("mysql/d", ""), UserRealm: "R", Trailing: 2}, "d",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := kerberos.ParseSwitch(c.plugin, []byte(c.data))
			if err != nil {
				t.Fatal(err)
			}
			c.want.Plugin, c.want.Raw = c.plugin, got.Raw
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if got.Raw != c.want.SPN.String() || got.Host() != c.host {
				t.Errorf("raw %q, host %q", got.Raw, got.Host())
			}
			if service, _, _ := strings.Cut(got.SPN.Name, "/"); got.Service() != service {
				t.Errorf("service %q", got.Service())
			}
		})
	}
}

func TestParseSwitchRefuses(t *testing.T) {
	long := strings.Repeat("a", 257)
	for name, c := range map[string]struct{ plugin, data string }{
		"nothing":            {kerberos.PluginMySQL, ""},
		"half a length":      {kerberos.PluginMySQL, "\x05"},
		"cut short":          {kerberos.PluginMySQL, "\x09\x00mysql/d"},
		"no realm":           {kerberos.PluginMySQL, "\x07\x00mysql/d"},
		"empty realm":        {kerberos.PluginMySQL, "\x07\x00mysql/d\x00\x00"},
		"empty principal":    {kerberos.PluginMySQL, "\x00\x00\x01\x00R"},
		"big-endian lengths": {kerberos.PluginMySQL, "\x00\x07mysql/d\x00\x01R"},
		"too long":           {kerberos.PluginMySQL, "\x01\x01" + long + "\x01\x00R"},
		"NUL":                {kerberos.PluginMySQL, "\x08\x00mysql/d\x00\x01\x00R"},
		"control character":  {kerberos.PluginMySQL, "\x08\x00mysql/d\x1b\x01\x00R"},
		"not ASCII":          {kerberos.PluginMySQL, "\x09\x00mysql/d\xc3\xa9\x01\x00R"},
		"nothing after @":    {kerberos.PluginMySQL, "\x08\x00mysql/d@\x01\x00R"},
		"empty part":         {kerberos.PluginMySQL, "\x06\x00mysql/\x01\x00R"},
		"MariaDB, no end":    {kerberos.PluginMariaDB, "mysql/d@R"},
		"MariaDB, empty":     {kerberos.PluginMariaDB, "\x00\x00"},
		"MariaDB, too long":  {kerberos.PluginMariaDB, long + "\x00\x00"},
		"MariaDB, line end":  {kerberos.PluginMariaDB, "mysql/d\n@R\x00\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			if a, err := kerberos.ParseSwitch(c.plugin, []byte(c.data)); !errors.Is(err, mysql.ErrMalformed) {
				t.Errorf("got %+v, %v", a, err)
			}
		})
	}
	var other *kerberos.NotKerberosError
	if _, err := kerberos.ParseSwitch("caching_sha2_password", nil); !errors.As(err, &other) || other.Plugin != "caching_sha2_password" {
		t.Errorf("got %v", err)
	}
}

func TestAllowIn(t *testing.T) {
	allow := kerberos.AllowIn("A.TEST", "B.TEST")
	for spn, want := range map[string]bool{
		"mysql/db@A.TEST": true, "MySQL/db@B.TEST": true, "mariadb/db@A.TEST": true, "mysql/db:3306@A.TEST": true,
		"mysql/db@a.test": false, "mysql/db@C.TEST": false, "mysql/db": false, "mysql@A.TEST": false,
		"mysqlx/db@A.TEST": false, "cifs/db@A.TEST": false, "krbtgt/A.TEST@A.TEST": false,
	} {
		p, err := client.ParsePrincipal(spn)
		if err != nil {
			t.Fatal(err)
		}
		if allow(p) != want {
			t.Errorf("%s: allowed %v", spn, !want)
		}
	}
}

func FuzzParseSwitch(f *testing.F) {
	// What MariaDB 10.11 and the lab's authentication_kerberos say (testdata).
	f.Add(kerberos.PluginMariaDB, []byte(rdsSPN+"\x00\x00"))
	f.Add(kerberos.PluginMySQL, []byte("\x4b\x00"+rdsSPN+"\x10\x00CORP.EXAMPLE.COM"))
	f.Fuzz(func(t *testing.T, plugin string, data []byte) {
		for _, p := range []string{plugin, kerberos.PluginMySQL, kerberos.PluginMariaDB} {
			a, err := kerberos.ParseSwitch(p, data)
			if err != nil {
				continue
			}
			if len(a.Raw) > 256 || len(a.UserRealm) > 256 || a.SPN.String() != a.Raw {
				t.Errorf("%+v", a)
			}
			a.Service()
			a.Host()
		}
	})
}
