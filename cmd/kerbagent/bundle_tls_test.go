package main

import (
	"bytes"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// A daemon with TLS (--web.config.file) can be asked, by whoever has its CA or
// its certificate. What cannot be had is said, on the terminal and in the bundle.
func TestBundleOfADaemonWithTLS(t *testing.T) {
	dir := t.TempDir()
	var password atomic.Bool
	daemon := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if password.Load() {
			w.Header().Set("WWW-Authenticate", "Basic")
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return
		}
		io.WriteString(w, `{"schema": 1, "verdict": "ok", "results": []}`)
	}))
	defer daemon.Close()
	ca, other := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "empty.pem")
	for name, text := range map[string][]byte{ca: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: daemon.Certificate().Raw}), other: []byte("none\n")} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	plain := strings.Replace(daemon.URL, "https:", "http:", 1)
	for _, c := range []struct {
		name     string
		password bool
		args     []string
		lacks    string // empty: the report is in it
	}{
		{"its CA", false, []string{"--url", daemon.URL, "--url-ca", ca}, ""},
		{"without its CA", false, []string{"--url", daemon.URL}, "certificate signed by unknown authority; give --url with a name of its certificate, and --url-ca with its CA"},
		{"another name", false, []string{"--url", strings.Replace(daemon.URL, "127.0.0.1", "localhost", 1), "--url-ca", ca}, "not localhost; give --url with a name of its certificate"},
		{"no TLS", false, []string{"--url", plain}, "has TLS; give --url https://NAME:PORT, and --url-ca with its CA"},
		{"no certificate in the file", false, []string{"--url", daemon.URL, "--url-ca", other}, "no certificate in " + other},
		{"a password", true, []string{"--url", daemon.URL, "--url-ca", ca}, "401 Unauthorized: it wants a user and a password, which support-bundle has not; give --check for a fresh report"},
	} {
		t.Run(c.name, func(t *testing.T) {
			password.Store(c.password)
			files, printed := bundleOf(t, append(c.args, "--config", filepath.Join(dir, "none"), "--state-dir", dir)...)
			if c.lacks == "" {
				if !strings.Contains(files["report.json"], `"verdict": "ok"`) {
					t.Errorf("no report: %s", printed)
				}
				return
			}
			for where, text := range map[string]string{"the terminal": printed, "the bundle": files["README.txt"]} {
				_, missing, _ := strings.Cut(text, "not in it:\n")
				if !strings.Contains(missing, "  report.json ") || !strings.Contains(missing, c.lacks) {
					t.Errorf("%s does not say %q:\n%s", where, c.lacks, text)
				}
			}
			if files["report.json"] != "" {
				t.Errorf("a report: %s", files["report.json"])
			}
		})
	}
	for _, args := range [][]string{{"--url", plain, "--url-ca", ca}, {"--check", "--url-ca", ca}, {"--url", "ftp://127.0.0.1"}, {"--url", "https://me:secret@127.0.0.1"}} {
		var errs bytes.Buffer
		file := filepath.Join(dir, "bundle.tar.gz")
		if code := run(t.Context(), append([]string{"support-bundle", "-o", file}, args...), os.Stdin, io.Discard, &errs); code != 3 || strings.Contains(errs.String(), "secret") {
			t.Errorf("%q: exit %d: %s", args, code, errs.Bytes())
		}
		if _, err := os.Lstat(file); err == nil {
			t.Fatalf("%q: it is written", args)
		}
	}
}
