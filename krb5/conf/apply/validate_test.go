package apply

import (
	"os"
	"path/filepath"
	"testing"
)

// Heimdal has a ktutil too: without a command it shows its usage and fails,
// whatever the file. It was taken for MIT's, and no krb5.conf was ever written.
func TestOtherKtutilIsNotAsked(t *testing.T) {
	for name, tt := range map[string]struct {
		script string
		mit    bool
	}{
		"Heimdal's": {"echo 'usage: ktutil [--keytab=keytab] command' >&2\nexit 1", false},
		"MIT's":     {`grep -q perhaps "$KRB5_CONFIG" && exit 1` + "\nexit 0", true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "ktutil"), []byte("#!/bin/sh\n"+tt.script+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
			validate, ok := MITValidator(t.Context())
			if ok != tt.mit {
				t.Fatalf("taken for MIT's: %v", ok)
			}
			if !ok {
				return
			}
			bad := filepath.Join(dir, "bad")
			write(t, bad, "allow_weak_crypto = perhaps\n")
			if validate(t.Context(), bad) == nil {
				t.Error("a bad file was taken")
			}
		})
	}
}
