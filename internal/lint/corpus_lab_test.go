//go:build lab

package lint

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
	"github.com/kerbagent/kerbagent/probe/krb5conf"
)

// TestCorpusAgainstMIT asks libkrb5 of each file of the corpus. What it refuses as
// a whole is an error of lint, and nothing else is one of the file's form; where
// lint says that the default realm cannot be found, kinit does not find it.
func TestCorpusAgainstMIT(t *testing.T) {
	asked := 0
	for name, text := range corpusFiles(t) {
		path := filepath.Join(t.TempDir(), "krb5.conf")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		run := func(args ...string) (string, error) {
			cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
			cmd.Env = append(os.Environ(), "KRB5_CONFIG="+path, "LC_ALL=C")
			out, err := cmd.CombinedOutput()
			return string(out), err
		}
		said, err := run("ktutil")
		refuses := err != nil
		if !refuses { // a lifetime is read when a ticket is requested
			said, _ = run("kinit", "-c", "MEMORY:x", "user@A.TEST")
			refuses = strings.Contains(said, "Invalid format of Kerberos lifetime")
		}
		codes := map[string]bool{}
		for _, i := range alone(text, nil) {
			if i.Severity == krb5conf.SeverityError {
				codes[i.Code] = true
			}
		}
		if form := codes[CodeUnparsable]; refuses && len(codes) == 0 || form && !refuses {
			t.Errorf("%s: MIT refuses the file: %v (%q), lint's errors: %v", name, refuses, said, codes)
		}
		if !codes[CodeRealmMissing] || refuses {
			continue
		}
		asked++
		realm := reader.Read(reader.MIT, conf.Load(conf.Disk{}, path)).DefaultRealm.Value
		said, _ = run("kinit", "-c", "MEMORY:x", "user@"+realm)
		if !strings.Contains(said, "Cannot find KDC for realm") && !strings.Contains(said, "Invalid argument") {
			t.Errorf("%s: kinit says %q", name, said)
		}
	}
	if asked < 5 {
		t.Errorf("kinit was asked of %d files only", asked)
	}
}
