package kerberos_test

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	gomysql "github.com/go-sql-driver/mysql"

	"github.com/kerbagent/kerbagent/mysql/kerberos"
)

func TestConfig(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*kerberos.Config)
		want   string // in the error; empty: none
	}{
		"good":            {func(c *kerberos.Config) {}, ""},
		"no port":         {func(c *kerberos.Config) { c.Addr = "db1" }, ""},
		"IPv6":            {func(c *kerberos.Config) { c.Addr = "[2001:db8::1]" }, ""},
		"no user":         {func(c *kerberos.Config) { c.User = "" }, "User is missing"},
		"user with realm": {func(c *kerberos.Config) { c.User = "alice@CORP" }, "without a realm"},
		"MariaDB's user":  {func(c *kerberos.Config) { c.User, c.Principal = "alice@CORP", "alice" }, ""},
		"no realm":        {func(c *kerberos.Config) { c.Realm = "" }, "Realm is missing"},
		"lower case":      {func(c *kerberos.Config) { c.Realm = "corp.example.com" }, "not in upper case"},
		"no secret":       {func(c *kerberos.Config) { c.Password = nil }, "not 0"},
		"two secrets":     {func(c *kerberos.Config) { c.Keytab = "x" }, "not 2"},
		"empty password":  {func(c *kerberos.Config) { c.Password = []byte{} }, "Password is empty"},
		"no address":      {func(c *kerberos.Config) { c.Addr = "" }, "Addr is missing"},
		"bad port":        {func(c *kerberos.Config) { c.Addr = "db1:mysql" }, "neither a host nor host:port"},
		"TLS and not":     {func(c *kerberos.Config) { c.TLS, c.WithoutTLS = &tls.Config{}, true }, "beside WithoutTLS"},
		"mutual":          {func(c *kerberos.Config) { c.Mutual = 7 }, "Mutual"},
		"timeout":         {func(c *kerberos.Config) { c.Timeout = -time.Second }, "negative"},
		"driver password": {func(c *kerberos.Config) { c.Driver = &gomysql.Config{Passwd: "top-secret"} }, "Driver.Passwd cannot"},
		"driver TLS":      {func(c *kerberos.Config) { c.Driver = &gomysql.Config{TLSConfig: "true"} }, "Driver.TLS cannot"},
		"driver socket":   {func(c *kerberos.Config) { c.Driver = &gomysql.Config{Net: "unix"} }, "Driver.Net cannot"},
		"driver files":    {func(c *kerberos.Config) { c.Driver = &gomysql.Config{AllowAllFiles: true} }, "Driver.AllowAllFiles cannot"},
		"all at once":     {func(c *kerberos.Config) { *c = kerberos.Config{Addr: "db1"} }, "field User is missing\nfield Realm is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := kerberos.Config{User: "alice", Realm: corp, Password: []byte("x"), Addr: "db1:3306"}
			c.change(&cfg)
			_, err := kerberos.NewConnector(cfg)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %q", err, c.want)
			case err != nil && strings.Contains(err.Error(), "top-secret"):
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
}

func TestConfigFromDSN(t *testing.T) {
	base, err := gomysql.ParseDSN("/orders?parseTime=true&charset=utf8mb4")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kerberos.NewConnector(kerberos.Config{User: "alice", Realm: corp, Password: []byte("x"), Addr: "db1", Driver: base}); err != nil {
		t.Error(err)
	}
}
