package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestPassword(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		problem SecretProblem
	}{
		"plain":         {"p#;%?&@= 'x\\", ""},
		"umlaut":        {"pässwörd", ""},
		"spaces":        {" p ", ""},
		"largest":       {strings.Repeat("p", maxSecret), ""},
		"empty":         {"", SecretEmpty},
		"line end":      {"hunter2\n", SecretNewline},
		"windows":       {"hunter2\r\n", SecretNewline},
		"in the middle": {"hunter\n2", SecretNewline},
		"bom":           {"\xef\xbb\xbfhunter2", SecretBOM},
		"utf-16":        {"\xff\xfeh\x00u\x00", SecretBOM},
		"utf-16 no bom": {"h\x00u\x00", SecretEncoding},
		"latin-1":       {"h\xfcnter2", SecretEncoding},
		"too large":     {strings.Repeat("p", maxSecret+1), SecretTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			ref, err := parseSecretRef("file:"+file, "")
			if err != nil {
				t.Fatal(err)
			}
			got, err := ref.Password()
			if c.problem == "" {
				if err != nil || string(got) != c.content {
					t.Errorf("%q %v", got, err)
				}
				return
			}
			bad := wantProblem(t, err, c.problem)
			if strings.Contains(bad.Error()+bad.Hint(), "unter") {
				t.Errorf("the value is in %v %s", bad, bad.Hint())
			}
			if bad.Hint() == "" || got != nil {
				t.Errorf("hint %q, value %q", bad.Hint(), got)
			}
		})
	}
}

func wantProblem(t *testing.T, err error, p SecretProblem) *SecretError {
	t.Helper()
	var bad *SecretError
	if !errors.As(err, &bad) || bad.Problem != p {
		t.Fatalf("got %v, want %s", err, p)
	}
	return bad
}

func TestReadIsByteForByte(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keytab")
	const content = "\x05\x02\x00\xff\n\r\n"
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := (SecretRef{path: file}).Read(); err != nil || string(got) != content {
		t.Errorf("%q %v", got, err)
	}
}

func TestSecretThatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	_, err := SecretRef{path: filepath.Join(dir, "none")}.Read()
	if wantProblem(t, err, SecretMissing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	_, err = SecretRef{path: dir}.Read()
	wantProblem(t, err, SecretNotRegular)
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = SecretRef{path: pipe}.Read() // and does not hang
	if wantProblem(t, err, SecretNotRegular); !strings.Contains(err.Error(), "it is a named pipe") {
		t.Errorf("%v", err)
	}
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	_, err = SecretRef{path: loop}.Read()
	wantProblem(t, err, SecretUnreadable)
}

func TestCredential(t *testing.T) {
	ref, err := parseSecretRef("credential:alice", "/etc")
	if err != nil || ref.String() != "credential:alice" {
		t.Fatal(ref, err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	_, err = ref.Password()
	if bad := wantProblem(t, err, SecretMissing); !strings.Contains(bad.Hint(), "LoadCredential=alice:") {
		t.Errorf("%s", bad.Hint())
	}
	// Who types `kerbagent check` was told to write the file anew, and no more.
	if !strings.Contains(err.Error(), "CREDENTIALS_DIRECTORY=/run/credentials/kerbagent.service kerbagent check") {
		t.Errorf("%v does not say what to type", err)
	}
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	_, err = ref.Password()
	wantProblem(t, err, SecretMissing)
	if err := os.WriteFile(filepath.Join(dir, "alice"), []byte("p"), 0o400); err != nil {
		t.Fatal(err)
	}
	if got, err := ref.Password(); err != nil || string(got) != "p" {
		t.Errorf("%q %v", got, err)
	}
}

func TestParseSecretRef(t *testing.T) {
	for in, want := range map[string]string{
		"/etc/a":          "file:/etc/a",
		"a":               "file:/conf/a",
		"file:a/../b":     "file:/conf/b",
		"file:/etc/a":     "file:/etc/a",
		"credential:a.b":  "credential:a.b",
		"":                "error",
		"file:":           "error",
		"credential:":     "error",
		"credential:..":   "error",
		"credential:a/b":  "error",
		"a\nb":            "error",
		"credential:a\tb": "error",
	} {
		ref, err := parseSecretRef(in, "/conf")
		got := ref.String()
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
