package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func samples() map[string]Input {
	hidden := wrongPassword()
	hidden.HideUsers = true
	return map[string]Input{
		"healthy": healthy(), "path-only": pathOnly(), "kdc-tcp-blocked": kdcTCPBlocked(), "password-wrong": wrongPassword(),
		"over-trust": overTrust(), "hostile": hostile(), "hidden-users": hidden,
	}
}

func human(t *testing.T, in Input, o Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := Human(&b, in, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func jsonText(t *testing.T, in Input) string {
	t.Helper()
	var b bytes.Buffer
	if err := JSON(&b, in); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func nagios(t *testing.T, in Input) string {
	t.Helper()
	var b bytes.Buffer
	if err := Nagios(&b, in); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	for name, in := range samples() {
		for ext, got := range map[string]string{".txt": human(t, in, Options{}), ".json": jsonText(t, in), ".nagios": nagios(t, in)} {
			t.Run(name+ext, func(t *testing.T) {
				file := filepath.Join("testdata", name+ext)
				if *update {
					if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}
