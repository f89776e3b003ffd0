//go:build lab

package site_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/krb5/conf/site"
	"github.com/kerbagent/kerbagent/krb5/krb5test"
)

// TestGeneratedCAPaths gets MIT's library a ticket over a trust path whose
// middle nothing but [capaths] names: A's KDC knows B, and nothing of C.
func TestGeneratedCAPaths(t *testing.T) {
	s := site.Site{Databases: []site.Database{{Host: "db.c.test", Realm: "C.TEST"}}, Logins: []site.Login{{Realm: "A.TEST", Host: "db.c.test"}}}
	realms := map[string]*krb5test.Realm{}
	for _, name := range []string{"A.TEST", "B.TEST", "C.TEST"} {
		r := krb5test.NewRealm(name, krb5test.Options{KeySecret: "capaths"})
		k, err := r.ServeKDC("127.0.0.1:0", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { k.Close() })
		realms[name] = r
		s.Realms = append(s.Realms, site.Realm{Name: name, KDCs: []string{k.Addr().String()}})
	}
	realms["A.TEST"].AddUser("alice", "secret-1")
	realms["C.TEST"].AddService("mysql/db.c.test")
	// Each of A and B is told of a twin of the other, with the same keys and no
	// trust of its own: else the KDCs find the way by themselves, as a forest's do.
	twin := func(name string) *krb5test.Realm {
		return krb5test.NewRealm(name, krb5test.Options{KeySecret: "capaths"})
	}
	twin("B.TEST").Trusts(realms["A.TEST"], krb5test.Trust{})
	realms["B.TEST"].Trusts(twin("A.TEST"), krb5test.Trust{})
	realms["C.TEST"].Trusts(realms["B.TEST"], krb5test.Trust{})
	s.Realms[0].TrustedBy, s.Realms[1].TrustedBy = []string{"B.TEST"}, []string{"C.TEST"}
	text, err := site.Generate(&s)
	if err != nil {
		t.Fatal(err)
	}
	before, _, found := strings.Cut(text, "[capaths]")
	if !found {
		t.Fatalf("no capaths:\n%s", text)
	}
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{"as generated": {text, true}, "without the path": {before, false}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "krb5.conf")
			if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			env := []string{"KRB5_CONFIG=" + path, "KRB5CCNAME=FILE:" + filepath.Join(dir, "cc")}
			run(t, "secret-1\n", env, "kinit", "alice@A.TEST")
			cmd := exec.Command("kvno", "-S", "mysql", "db.c.test")
			cmd.Env = append(os.Environ(), env...)
			if out, err := cmd.CombinedOutput(); (err == nil) != c.ok {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
