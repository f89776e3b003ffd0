package rehearsal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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

// marker is the file by which a folder is known as one of a rehearsal.
const marker = ".kerbagent-rehearsal"

// claim makes a folder, or takes one that is empty or was claimed before: in
// any other the files that a rehearsal writes may be somebody's.
func claim(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("writing client files: %w", err)
	}
	there, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("writing client files: %w", err)
	}
	if len(there) > 0 && !slices.ContainsFunc(there, func(e os.DirEntry) bool { return e.Name() == marker && e.Type().IsRegular() }) {
		return fmt.Errorf("%s is not empty and was not made by kerbagent rehearse; nothing was written: name a new or an empty directory", dir)
	}
	return replace(filepath.Join(dir, marker), []byte("The files beside this one are overwritten by kerbagent rehearse --serve.\n"))
}

// replace writes a new file in the place of another; a link is not followed.
func replace(path string, content []byte) error {
	made := path + ".new"
	if err := os.Remove(made); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("writing client files: %w", err)
	}
	f, err := os.OpenFile(made, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("writing client files: %w", err)
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(made, path) // a daemon may be reading
}

// WriteClientFiles writes krb5.conf, keytab, CA and kerbagent.yaml into a
// folder that is new, empty, or of an earlier rehearsal. Clients that use them see the
// servers as they are: what a fault does on the path they do not see.
func (w *World) WriteClientFiles(dir string) (Files, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Files{}, fmt.Errorf("writing client files: %w", err)
	}
	if err := claim(dir); err != nil {
		return Files{}, err
	}
	f := Files{
		Krb5Conf: filepath.Join(dir, "krb5.conf"),
		Keytab:   filepath.Join(dir, "rehearsal.keytab"),
		CA:       filepath.Join(dir, "ca.pem"),
		Config:   filepath.Join(dir, "kerbagent.yaml"),
	}
	for path, content := range map[string][]byte{
		f.Krb5Conf: []byte(w.krb5Conf()), f.Keytab: w.clientKeytab, f.CA: w.instanceCAs(), f.Config: []byte(w.settings.yaml()),
	} {
		if err := replace(path, content); err != nil {
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
	return fmt.Sprintf(`# These accounts exist in this rehearsal only; these passwords work nowhere else:
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
# Optional experiment: change alice's password; the next check then reports password-wrong:
kpasswd %[1]s
# A demo of the daemon: start it, and open its page:
kerbagent run --rehearsal %[21]s
xdg-open http://127.0.0.1:10088/
# Break something while it runs; "none" heals it. check --rehearsal sees it as well:
kerbagent rehearse --play kdc-tcp-blocked %[21]s
`, alice, w.password(alicePassword), carol, w.password(carolPassword), quote(f.Krb5Conf), quote(filepath.Join(dir, "ccache")),
		quote(f.Keytab), etl, databaseSPN+"@"+corpRealm,
		w.dc1.dns.addr.Addr(), w.dc1.dns.addr.Port(), corpDomain,
		w.resolver.addr.Addr(), w.resolver.addr.Port(), databaseHost,
		db.Addr(), db.Port(), quote(f.CA), quote(f.Config), quote(filepath.Join(dir, "state")), quote(dir))
}

// quote makes one word for a shell.
func quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
