//go:build linux

package audit

import (
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/kerbagent/kerbagent/config"
)

// A nameserver on loopback is that of the program's own network, where nothing
// listens: the host's systemd-resolved is in another one. Where something does,
// at whatever port, as Docker's does, nothing is said.
func TestLoopbackNameserverOfAnotherNetwork(t *testing.T) {
	onlyRoot(t)
	if out, err := exec.Command("unshare", "-m", "-n", "true").CombinedOutput(); err != nil {
		t.Skipf("LEFT OUT: no right to make namespaces: %s", out)
	}
	resolv := put(t, filepath.Join(folder(t), "resolv.conf"), "nameserver 127.0.0.53\n", 0o644)
	own := []string{"unshare", "-m", "-n", "sh", "-c", `mount --bind "$1" /etc/resolv.conf && ip link set lo up && shift && exec "$@"`, "sh", resolv}
	listens := append(slices.Clone(own), "/usr/bin/python3", "-c", `import os, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.53", 10053))
s.set_inheritable(True)
os.execvp(sys.argv[1], sys.argv[1:])`)
	o := Options{Config: &config.Config{
		Realms:    []config.Realm{{Name: "CORP.EXAMPLE.COM", Kind: config.ActiveDirectory}},
		Databases: []config.Database{{Name: "orders", Host: "db.example.net", Port: 3306, Realm: "CORP.EXAMPLE.COM"}},
	}}
	conf := put(t, filepath.Join(folder(t), "krb5.conf"), "[libdefaults]\n    default_realm = CORP.EXAMPLE.COM\n", 0o644) // a new host has none
	env := []string{"KRB5_CONFIG=" + conf, "KRB5CCNAME=KEYRING:persistent:0"}                                             // of the cache nothing is said
	wrong := func(a Application) bool {
		return slices.ContainsFunc(a.Issues, func(i Issue) bool { return i.Code == "app-container-resolver" && i.Severity == Error })
	}
	if a := audited(t, o, program(t, nil, env, own...)); !wrong(a) {
		t.Errorf("nothing listens: %+v", a.Issues)
	}
	if a := audited(t, o, program(t, nil, env, listens...)); len(a.Issues) > 0 {
		t.Errorf("something listens: %+v", a.Issues)
	}
	host := append([]string{"unshare", "-m"}, own[3:]...)
	host[4] = `mount --bind "$1" /etc/resolv.conf && shift && exec "$@"`
	if a := audited(t, o, program(t, nil, env, host...)); wrong(a) { // whether it knows the realm is another thing
		t.Errorf("in this host's network: %+v", a.Issues)
	}
}

// Settings of names are read as glibc reads them.
func TestReadNames(t *testing.T) {
	files := map[string]string{
		resolvConf: "# nameserver 10.0.0.9\nnameserver\nnameserver 10.0.0.1 # one\nnameserver fd00::1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n",
		hostsFile:  "10.0.0.5 Db.Example.net db # here\nnonsense db\n",
		nsswitch:   "passwd: files\nhosts: files [NOTFOUND=return] resolve\n",
	}
	n, err := readNames(texts(files))
	if err != nil {
		t.Fatal(err)
	}
	if got := joined(n.servers); got != "10.0.0.1, fd00::1, 10.0.0.2" {
		t.Errorf("nameservers %s", got)
	}
	if got := joined(n.hosts["db.example.net"]) + " " + joined(n.hosts["db"]); got != "10.0.0.5 10.0.0.5" {
		t.Errorf("hosts %s", got)
	}
	if !n.dns {
		t.Error("systemd-resolved is DNS")
	}
	if n, err := readNames(texts(nil)); err != nil || joined(n.servers) != "127.0.0.1" || !n.dns {
		t.Errorf("without files: %+v %v", n, err)
	}
}

// texts are files in memory.
type texts map[string]string

func (f texts) ReadFile(name string) (string, fs.FileMode, error) {
	text, ok := f[name]
	if !ok {
		return "", 0, fs.ErrNotExist
	}
	return text, 0o644, nil
}

func (f texts) ReadDir(string) ([]string, error) { return nil, fs.ErrNotExist }
