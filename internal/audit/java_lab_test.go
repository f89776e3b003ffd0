//go:build lab

package audit

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/audit/audittest"
	"github.com/kerbagent/kerbagent/lab/labtest"
)

// Java programs that are broken, each in one way: Java's own Kerberos gets no
// ticket as they are started, and the audit's first error says why. With that
// mended it gets one, and no error or warning is left.
func TestLabBrokenJava(t *testing.T) {
	t.Parallel()
	labtest.Up(t)
	dir := folder(t)
	if out, err := exec.CommandContext(t.Context(), "javac", "-d", dir, "testdata/Login.java").CombinedOutput(); err != nil {
		t.Fatalf("javac: %v\n%s", err, out)
	}
	lab, err := os.ReadFile("/etc/krb5.conf")
	if err != nil {
		t.Fatal(err)
	}
	good := put(t, filepath.Join(dir, "good.conf"), string(lab), 0o644)
	edited := func(name, old, changed string) string {
		if !strings.Contains(string(lab), old) {
			t.Fatalf("%q does not stand in the lab's krb5.conf", old)
		}
		return put(t, filepath.Join(dir, name), strings.Replace(string(lab), old, changed, 1), 0o644)
	}
	cache := ticket(t, dir, "java", 0)
	none := filepath.Join(dir, "none")
	start := func(cache, conf string, more ...string) app {
		return app{env: []string{"KRB5CCNAME=" + cache}, wrap: slices.Concat([]string{"java", "-cp", dir, "-Xshare:auto", "-Djava.security.krb5.conf=" + conf,
			"-Djavax.security.auth.useSubjectCredsOnly=false", "-Ddb.password=" + planted}, more, []string{"Login"})}
	}
	healthy := start(cache, good)
	keyed := func(name, keytab, user string) string { // a JAAS configuration
		return put(t, filepath.Join(dir, name), fmt.Sprintf("com.sun.security.jgss.initiate {\n  com.sun.security.auth.module.Krb5LoginModule required"+
			" useKeyTab=true storeKey=true doNotPrompt=true keyTab=%q principal=%q;\n};\n", keytab, user), 0o644)
	}
	o := labOptions()
	o.Config.Krb5Conf = nil
	for _, c := range []struct {
		code   string
		broken app
	}{
		{"app-ccache-missing", start(none, good)},
		{"app-krb5conf-unreadable", start(cache, none)},
		{"app-realm-unmapped", start(cache, edited("unmapped", ".rds.amazonaws.com = CORP.EXAMPLE.COM", ".rds.amazonaws.com = NOWHERE.TEST"))},
		{"app-java-etypes", start(cache, edited("etypes", "[libdefaults]", "[libdefaults]\n    permitted_enctypes = des-cbc-crc\n    default_tkt_enctypes = des-cbc-crc\n    default_tgs_enctypes = des-cbc-crc"))},
		{"app-keytab-no-entry", start(none, good, "-Djava.security.auth.login.config="+keyed("jaas.conf", labtest.Keytab("carol"), "alice@"+labRealm))},
		{"app-java-login-config", start(none, good, "-Djava.security.auth.login.config="+none)},
	} {
		t.Run(c.code, func(t *testing.T) {
			if out, err := c.broken.command(t, "ask", labtest.Endpoint).CombinedOutput(); err == nil {
				t.Fatalf("this is not broken: %s", out)
			}
			a := audited(t, o, audittest.Running(t, c.broken.command(t, "wait")))
			if got := errorsOf(a, Error); len(got) == 0 || got[0] != c.code {
				t.Errorf("%v, want %s first; reads %s as %s", got, c.code, a.Facts.Krb5Conf, a.Facts.Reader)
			}
		})
	}
	if out, err := healthy.command(t, "ask", labtest.Endpoint).CombinedOutput(); err != nil {
		t.Fatalf("this is not mended: %v\n%s", err, out)
	}
	pid := audittest.Running(t, healthy.command(t, "wait"))
	if got := errorsOf(audited(t, o, pid), Error, Warning); len(got) > 0 {
		t.Errorf("mended, and the audit says %v", got)
	}
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(good, later, later); err != nil {
		t.Fatal(err)
	}
	if got := errorsOf(audited(t, o, pid), Warning); !slices.Equal(got, []string{"app-env-stale"}) {
		t.Errorf("the file was changed after the start, and the audit says %v", got)
	}
}

// errorsOf lists the codes of some severities.
func errorsOf(a Application, which ...Severity) []string {
	var out []string
	for _, i := range a.Issues {
		if slices.Contains(which, i.Severity) {
			out = append(out, i.Code)
		}
	}
	return out
}

// Java takes no ticket out of a cache for a program that does not log in by itself, unless it is told to.
func TestLabJavaWithoutSubjectCredentials(t *testing.T) {
	t.Parallel()
	labtest.Up(t)
	dir := folder(t)
	if out, err := exec.CommandContext(t.Context(), "javac", "-d", dir, "testdata/Login.java").CombinedOutput(); err != nil {
		t.Fatalf("javac: %v\n%s", err, out)
	}
	cache := ticket(t, dir, "java", 0)
	for _, option := range []string{"true", "false"} {
		a := app{env: []string{"KRB5CCNAME=" + cache}, wrap: []string{"java", "-cp", dir, "-Djavax.security.auth.useSubjectCredsOnly=" + option, "Login"}}
		out, err := a.command(t, "ask", labtest.Endpoint).CombinedOutput()
		if works := err == nil; works != (option == "false") {
			t.Fatalf("with %s it gets a ticket: %v\n%s", option, works, out)
		}
		o := labOptions()
		o.Config.Krb5Conf = nil
		got := errorsOf(audited(t, o, audittest.Running(t, a.command(t, "wait"))), Info)
		if slices.Contains(got, "app-java-subject-creds") == (err == nil) {
			t.Errorf("with %s the audit says %v", option, got)
		}
	}
}
