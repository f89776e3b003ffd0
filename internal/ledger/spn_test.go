package ledger

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// The first host stays, for every process and after a restart; a record that was
// tampered with is no clean slate.
func TestFirstHost(t *testing.T) {
	dir := t.TempDir()
	open := func() *Database {
		l, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return l.Database("db.example.com:3306", 100)
	}
	for _, host := range []string{"m1.example.org", "m2.example.org", "m1.example.org"} {
		if got, err := open().FirstHost(host); err != nil || got != "m1.example.org" {
			t.Errorf("%q, %v", got, err)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "announced-*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	if err := os.WriteFile(files[0], []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := open().FirstHost("m2.example.org"); !errors.Is(err, ErrNoRecord) {
		t.Errorf("%q, %v", got, err)
	}
}
