//go:build lab

package site_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/config"

	"github.com/kerbagent/kerbagent/krb5/conf/site"
)

const labDB = "mycluster.cluster-abc123.us-east-1.rds.amazonaws.com"

type labUser struct{ name, realm, password string }

func labUsers() []labUser {
	return []labUser{{"alice", corp, "Alice-Passw0rd1"}, {"carol", onprem, "Carol-Passw0rd1"}}
}

func labState() string {
	if s := os.Getenv("LAB_STATE"); s != "" {
		return s
	}
	return "/var/tmp/krb-lab"
}

// labSites are the lab's realms with their KDCs in each of the ways to name them.
func labSites() map[string]site.Site {
	s := func(corpKDCs, onpremKDCs []string) site.Site {
		return site.Site{
			Realms:    []site.Realm{{Name: corp, KDCs: corpKDCs}, {Name: onprem, KDCs: onpremKDCs, TrustedBy: []string{corp}}},
			Databases: []site.Database{{Host: labDB, Realm: corp}, {Host: "db1.corp.example.com", Realm: corp}},
			Logins:    []site.Login{{Realm: corp, Host: labDB}, {Realm: onprem, Host: labDB}},
		}
	}
	return map[string]site.Site{
		"by name":    s([]string{"dc1.corp.example.com", "dc2.corp.example.com"}, []string{"dc1.onprem.local"}),
		"by address": s([]string{"10.77.0.10", "10.77.1.11:88"}, []string{"10.77.2.10"}),
		"by domain":  s([]string{"corp.example.com"}, []string{"onprem.local"}),
		"by DNS":     s(nil, nil),
	}
}

// TestGeneratedLogin logs users of both realms in with the generated file, by
// the tools and libraries of others, and gets them a ticket for a database.
func TestGeneratedLogin(t *testing.T) {
	for way, s := range labSites() {
		text, err := site.Generate(&s)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "krb5.conf")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, u := range labUsers() {
			t.Run(way+"/MIT/"+u.name, func(t *testing.T) { loginMIT(t, path, u) })
			t.Run(way+"/Heimdal/"+u.name, func(t *testing.T) { loginHeimdal(t, path, u) })
			t.Run(way+"/Java/"+u.name, func(t *testing.T) { loginJava(t, path, u) })
			t.Run(way+"/gokrb5/"+u.name, func(t *testing.T) { loginGokrb5(t, path, u) })
		}
	}
}

// TestLoginNeedsMapping is the other half: without the mapping of the
// databases, users of the on-premises realm get no ticket.
func TestLoginNeedsMapping(t *testing.T) {
	s := labSites()["by name"]
	text, err := site.Generate(&s)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "krb5.conf")
	text = strings.Replace(text, ".rds.amazonaws.com = ", ".rds.example.net = ", 1)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	u := labUsers()[1]
	env := []string{"KRB5_CONFIG=" + path, "KRB5CCNAME=FILE:" + filepath.Join(t.TempDir(), "cc")}
	run(t, u.password+"\n", env, "kinit", u.name+"@"+u.realm)
	cmd := exec.Command("kvno", "-S", "mysql", labDB)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err == nil {
		t.Errorf("a ticket without a mapping:\n%s", out)
	}
}

func run(t *testing.T, stdin string, env []string, command ...string) string {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
	}
	return string(out)
}

func loginMIT(t *testing.T, path string, u labUser) {
	dir := t.TempDir()
	trace := filepath.Join(dir, "trace")
	env := []string{"KRB5_CONFIG=" + path, "KRB5CCNAME=FILE:" + filepath.Join(dir, "cc"), "KRB5_TRACE=" + trace}
	run(t, u.password+"\n", env, "kinit", u.name+"@"+u.realm)
	run(t, "", env, "kvno", "-S", "mysql", labDB)
	if got := run(t, "", env, "klist"); !strings.Contains(got, "mysql/"+labDB+"@"+corp) {
		t.Errorf("no ticket for the database:\n%s", got)
	}
	log, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(log), "UDP request") || !strings.Contains(string(log), "TCP request") {
		t.Errorf("not by TCP only:\n%s", log)
	}
}

func loginHeimdal(t *testing.T, path string, u labUser) {
	root := filepath.Join(labState(), "pkg", "heimdal", "usr")
	dir := t.TempDir()
	env := []string{"LD_LIBRARY_PATH=" + filepath.Join(root, "lib", "x86_64-linux-gnu"), "KRB5_CONFIG=" + path, "KRB5CCNAME=FILE:" + filepath.Join(dir, "cc")}
	run(t, u.password+"\n", env, filepath.Join(root, "bin", "kinit.heimdal"), "--password-file=STDIN", u.name+"@"+u.realm)
	run(t, "", env, filepath.Join(root, "bin", "kgetcred"), "mysql/"+labDB+"@"+corp)
}

func loginJava(t *testing.T, path string, u labUser) {
	out := run(t, "", []string{"TEST_PASSWORD=" + u.password}, "java", "-Djava.security.krb5.conf="+path,
		filepath.Join("testdata", "oracle", "Login.java"), u.name+"@"+u.realm, labDB)
	if !strings.Contains(out, "token of") {
		t.Errorf("no token:\n%s", out)
	}
}

func loginGokrb5(t *testing.T, path string, u labUser) {
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	cl := client.NewWithPassword(u.name, u.realm, u.password, c, client.DisablePAFXFAST(true))
	defer cl.Destroy()
	if err := cl.Login(); err != nil {
		t.Fatalf("logging in: %v", err)
	}
	ticket, _, err := cl.GetServiceTicket("mysql/" + labDB)
	if err != nil {
		t.Fatalf("asking for a service ticket: %v", err)
	}
	if got := fmt.Sprint(ticket.Realm, " ", ticket.SName.PrincipalNameString()); got != corp+" mysql/"+labDB {
		t.Errorf("ticket for %s", got)
	}
}
