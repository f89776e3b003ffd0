package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func tracedBy(t *testing.T, path string, more ...string) string {
	t.Helper()
	var out, said bytes.Buffer
	args := append([]string{"trace", "--path", path, "alice@CORP.EXAMPLE.COM", "db.rds.amazonaws.com"}, more...)
	if exit := run(t.Context(), args, os.Stdin, &out, &said); exit != 0 {
		t.Fatalf("exit %d: %s", exit, said.String())
	}
	return out.String()
}

// Each decision stands with the line that makes it.
func TestTraceNamesTheLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "krb5.conf")
	text := "[realms]\nCORP.EXAMPLE.COM = {\n    kdc = dc1.corp.example.com\n}\n[domain_realm]\n.rds.amazonaws.com = CORP.EXAMPLE.COM\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got := tracedBy(t, path)
	for _, want := range []string{
		"alice@CORP.EXAMPLE.COM at db.rds.amazonaws.com, by " + path + "; no packet was sent\n\nmit\n",
		"  KDCs of CORP.EXAMPLE.COM: dc1.corp.example.com", path + ":3:", path + ":6:", "\ngokrb5\n", "\njava; differences from MIT\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("it does not say %q:\n%s", want, got)
		}
	}
}

// It said that a file decides which does not exist.
func TestTraceWithoutAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "krb5.conf")
	if got, want := tracedBy(t, path), ", by what is built in, since there is no "+path+";"; !strings.Contains(got, want) {
		t.Errorf("it does not say %q:\n%s", want, got)
	}
	var out struct {
		File   string `json:"file"`
		NoFile bool   `json:"no_file"`
	}
	if err := json.Unmarshal([]byte(tracedBy(t, path, "-o", "json")), &out); err != nil || !out.NoFile || out.File != path {
		t.Errorf("%+v, %v", out, err)
	}
}
