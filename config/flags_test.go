package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFromFlags(t *testing.T) {
	c, err := FromFlags(Flags{
		Realms: []string{"CORP.EXAMPLE.COM"}, Database: "db1.corp.example.com", User: "alice", PasswordFile: "alice.password", DatabaseCA: "ca.pem",
		DNSServers: []string{"10.77.0.10"}, KDCs: []string{"dc1.corp.example.com"}, ProbeTimeout: 2 * time.Second, Timeout: 10 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Realms: []Realm{{Name: "CORP.EXAMPLE.COM", Kind: ActiveDirectory, DNSServers: addrs("10.77.0.10:53"),
			KDCs: []HostPort{{"dc1.corp.example.com", 88}}, KpasswdServers: []HostPort{{"dc1.corp.example.com", 464}}}},
		Databases: []Database{{Name: "db1.corp.example.com:3306", Host: "db1.corp.example.com", Port: 3306, Realm: "CORP.EXAMPLE.COM",
			TLS: TLS{Mode: VerifyFull, CAFile: "ca.pem"}, AllowedServices: []string{"mysql", "mariadb"}, MaxConnectErrors: 100}},
		Logins: []Login{{User: "alice", Realm: "CORP.EXAMPLE.COM", Database: "db1.corp.example.com:3306", SecretKind: PasswordFile,
			Secret: SecretRef{path: "alice.password"}, Interval: 5 * time.Minute, Configured: true}},
		Probes: Probes{Interval: 50 * time.Second, Timeout: 2 * time.Second},
		Warn:   Warn{PasswordExpiry: 14 * 24 * time.Hour, CertificateExpiry: 30 * 24 * time.Hour},
	}
	if diff := diffConfig(want, c); diff != "" {
		t.Error(diff)
	}
}

func TestFromFlagsOverATrust(t *testing.T) {
	for name, realms := range map[string][]string{"named": {"CORP.EXAMPLE.COM", "ONPREM.LOCAL"}, "not named": {"CORP.EXAMPLE.COM"}} {
		t.Run(name, func(t *testing.T) {
			c, err := FromFlags(Flags{Realms: realms, Database: "db1", User: "etl@ONPREM.LOCAL"})
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Realms) != 2 || c.Databases[0].Realm != "CORP.EXAMPLE.COM" || c.Logins[0].Realm != "ONPREM.LOCAL" || c.Logins[0].SecretKind != Prompt {
				t.Errorf("%+v", c)
			}
			if diff := cmp.Diff([]string{"CORP.EXAMPLE.COM"}, c.Realms[1].TrustedBy); diff != "" {
				t.Error(diff)
			}
		})
	}
	alone, err := FromFlags(Flags{Database: "db1", User: "etl@ONPREM.LOCAL", CCache: "FILE:/tmp/cc"})
	if err != nil || alone.Databases[0].Realm != "ONPREM.LOCAL" || alone.Logins[0].SecretKind != CCache || alone.Realms[0].TrustedBy != nil {
		t.Errorf("the user's realm alone: %+v %v", alone, err)
	}
}

func TestFromFlagsErrors(t *testing.T) {
	ok := Flags{Realms: []string{"CORP.EXAMPLE.COM"}, Database: "db1", User: "alice"}
	for name, c := range map[string]struct {
		change func(*Flags)
		want   string
	}{
		"nothing":           {func(f *Flags) { *f = Flags{} }, "--realm: is missing; name the Kerberos realm, e.g. --realm CORP.EXAMPLE.COM"},
		"realm":             {func(f *Flags) { f.Realms = []string{"a b"} }, `--realm: "a b" is not a realm; write one like CORP.EXAMPLE.COM`},
		"realm case":        {func(f *Flags) { f.Realms = append(f.Realms, "corp.example.com") }, `--realm: "corp.example.com" differs from CORP.EXAMPLE.COM only in its case: realms have case`},
		"user realm case":   {func(f *Flags) { f.User = "alice@corp.example.com" }, `--user: "corp.example.com" differs from CORP.EXAMPLE.COM only in its case: realms have case`},
		"user":              {func(f *Flags) { f.User = `CORP\alice` }, `--user: "CORP\\alice" is a Windows logon name; write it like alice@CORP.EXAMPLE.COM`},
		"user alone":        {func(f *Flags) { f.Database = "" }, "--user: requires --database"},
		"secret alone":      {func(f *Flags) { f.User, f.Keytab = "", "k" }, "--keytab: requires --user"},
		"two secrets":       {func(f *Flags) { f.Keytab, f.PasswordFile = "k", "p" }, "--keytab: a login has one secret: --password-file, --keytab or --ccache"},
		"ccache":            {func(f *Flags) { f.CCache = "KCM:" }, "--ccache: a KCM ticket cache cannot be read; name one of type FILE"},
		"database":          {func(f *Flags) { f.Database = "db1:port" }, `--database: "db1:port" has an invalid port; write a number from 1 to 65535, e.g. db1:3306`},
		"tls":               {func(f *Flags) { f.DatabaseTLS = "verify-fll" }, `--database-tls: invalid value "verify-fll"; did you mean "verify-full"?`},
		"ca without use":    {func(f *Flags) { f.DatabaseTLS, f.DatabaseCA = "off", "ca.pem" }, "--database-ca: has no use with --database-tls off, which checks no certificate"},
		"ca alone":          {func(f *Flags) { *f = Flags{Realms: f.Realms, DatabaseCA: "ca.pem"} }, "--database-ca: requires --database"},
		"dns server":        {func(f *Flags) { f.DNSServers = []string{"dc1"} }, `--dns-server: "dc1" is not an IP address; a DNS server is named by its address, e.g. 10.0.1.10 or [fd00::10]:53`},
		"kdc":               {func(f *Flags) { f.KDCs = []string{"-dc"} }, `--kdc: "-dc" is not a host name: "-dc" begins or ends with a hyphen`},
		"probe timeout":     {func(f *Flags) { f.ProbeTimeout = time.Hour }, `--probe-timeout: "1h0m0s" is out of range; write 100ms to 1m`},
		"timeout":           {func(f *Flags) { f.Timeout = time.Second }, "--timeout: the whole check (1s) cannot be shorter than one probe (5s); give --probe-timeout too"},
		"several at a time": {func(f *Flags) { f.KDCs, f.DatabaseTLS = []string{"a:b:"}, "x" }, "--kdc: \"a:b:\" is not a host name: \"a:b:\" is not a name between dots: it may have letters, digits, - and _\n--database-tls: invalid value \"x\"; must be one of verify-full, verify-ca, require, off"},
		"an IDN": {func(f *Flags) { f.Database = "münchen.example" },
			`--database: "münchen.example" is not a host name: "münchen" has letters beyond ASCII; write the name as DNS has it, with xn--`},
		"a long label":       {func(f *Flags) { f.Database = strings.Repeat("a", 64) }, `--database: "` + strings.Repeat("a", 64) + `" is not a host name: a part of it has 64 characters; between dots are 63 at most`},
		"control characters": {func(f *Flags) { f.Database = "db\x1b[2J" }, `--database: "db\x1b[2J" is not a host name: "db\x1b[2J" is not a name between dots: it may have letters, digits, - and _`},
	} {
		t.Run(name, func(t *testing.T) {
			f := ok
			f.Realms = append([]string{}, ok.Realms...)
			c.change(&f)
			_, err := FromFlags(f)
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestPathOnlyFlags(t *testing.T) {
	c, err := FromFlags(Flags{Realms: []string{"corp.example.com"}})
	if err != nil || len(c.Databases)+len(c.Logins) > 0 || !strings.EqualFold(c.Realms[0].Name, c.Realms[0].Domain()) {
		t.Errorf("%+v %v", c, err)
	}
	// A slow path: what a Config promises holds for any probe timeout.
	c, err = FromFlags(Flags{Realms: []string{"R"}, ProbeTimeout: time.Minute})
	if err != nil || c.Probes.Timeout >= c.Probes.Interval {
		t.Errorf("%+v %v", c, err)
	}
}
