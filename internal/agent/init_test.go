package agent

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHostDomains(t *testing.T) {
	for text, want := range map[string][]string{
		"search app.CORP.example.com. example.com other.test\n": {"app.corp.example.com", "corp.example.com", "example.com", "other.test"},
		"domain corp.example.com\n":                             {"corp.example.com", "example.com"},
		"search lan \x1b[31m.example .\n":                       nil,
		"nameserver 10.0.0.2\n":                                 nil,
	} {
		path := filepath.Join(t.TempDir(), "resolv.conf")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := HostDomains(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
	if _, err := HostDomains(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no error without a file")
	}
}
