package rehearsal

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Files point others' clients at a world.
type Files struct {
	Krb5Conf string // paths
	Keytab   string // alice's and etl's keys
	CA       string // of the database's certificate, PEM
	Config   string // kerbagent.yaml; the secrets that it names go with the world
	Text     string // how to use them: commands for a shell, with passwords that are good for nothing else
}

// WriteClientFiles writes krb5.conf, keytab, CA and kerbagent.yaml into a
// folder, which it makes where it is missing. Clients that use them see the
// servers as they are: what a fault does on the path they do not see.
func (w *World) WriteClientFiles(dir string) (Files, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Files{}, fmt.Errorf("writing client files: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Files{}, fmt.Errorf("writing client files: %w", err)
	}
	kt, err := w.corp.Keytab("alice", "etl")
	if err != nil {
		return Files{}, fmt.Errorf("writing client files: %w", err)
	}
	f := Files{
		Krb5Conf: filepath.Join(dir, "krb5.conf"),
		Keytab:   filepath.Join(dir, "rehearsal.keytab"),
		CA:       filepath.Join(dir, "ca.pem"),
		Config:   filepath.Join(dir, "kerbagent.yaml"),
	}
	for path, content := range map[string][]byte{
		f.Krb5Conf: []byte(w.krb5Conf()), f.Keytab: kt, f.CA: w.database.CA(), f.Config: []byte(w.settings.yaml()),
	} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return Files{}, fmt.Errorf("writing client files: %w", err)
		}
	}
	f.Text = w.text(dir, f)
	return f, nil
}

// krb5Conf names every server by address and port: libkrb5 would ask the
// host's resolver, which knows nothing of the world.
func (w *World) krb5Conf() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Written by kerbagent rehearse. Good only while it runs.
[libdefaults]
    default_realm = %s
    dns_lookup_kdc = false
    dns_lookup_realm = false
    rdns = false
    dns_canonicalize_hostname = false
    udp_preference_limit = 1

[realms]
`, corpRealm)
	for _, r := range []struct {
		name string
		dcs  []*controller
	}{{corpRealm, []*controller{w.dc1, w.dc2}}, {onpremRealm, []*controller{w.dcOnprem}}} {
		fmt.Fprintf(&b, "    %s = {\n", r.name)
		for _, c := range r.dcs {
			fmt.Fprintf(&b, "        kdc = %s:%d\n        kpasswd_server = %s:%d\n", c.ip(), c.kdcPort, c.ip(), c.kpasswdPort)
		}
		b.WriteString("    }\n")
	}
	fmt.Fprintf(&b, `
[domain_realm]
    .rds.amazonaws.com = %[1]s
    .corp.example.com = %[1]s
    corp.example.com = %[1]s
    .onprem.local = %[2]s
    onprem.local = %[2]s
`, corpRealm, onpremRealm)
	return b.String()
}

func (w *World) text(dir string, f Files) string {
	db := w.database.Addr()
	return fmt.Sprintf(`# These accounts exist in this rehearsal only; their passwords are good for nothing else:
#   %[1]s  %[2]s     %[3]s  %[4]s
export KRB5_CONFIG=%[5]s KRB5CCNAME=FILE:%[6]s
kinit -k -t %[7]s %[8]s
kinit %[3]s && kvno %[9]s
kinit %[1]s
dig @%[10]s -p %[11]d _kerberos._tcp.%[12]s SRV
dig @%[13]s -p %[14]d %[15]s A
# Oracle's client, with authentication_kerberos_client and alice's ticket:
mysql -h %[16]s -P %[17]d -u alice --ssl-mode=VERIFY_CA --ssl-ca=%[18]s -e 'SELECT CURRENT_USER()'
kerbagent check --config %[19]s --state-dir %[20]s
# The files above keep the old password, so that the next check finds password-wrong:
kpasswd %[1]s
`, alice, alicePassword, carol, carolPassword, quote(f.Krb5Conf), quote(filepath.Join(dir, "ccache")),
		quote(f.Keytab), etl, databaseSPN+"@"+corpRealm,
		w.dc1.dns.addr.Addr(), w.dc1.dns.addr.Port(), corpDomain,
		w.resolver.addr.Addr(), w.resolver.addr.Port(), databaseHost,
		db.Addr(), db.Port(), quote(f.CA), quote(f.Config), quote(filepath.Join(dir, "state")))
}

// quote makes one word for a shell.
func quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
