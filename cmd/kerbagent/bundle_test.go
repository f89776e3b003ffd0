package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/recorder"
	"github.com/kerbagent/kerbagent/internal/report"
	"github.com/kerbagent/kerbagent/krb5/keys"
	"github.com/kerbagent/kerbagent/probe"
)

// unpack returns the files of a bundle by their names below its folder.
func unpack(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		_, name, _ := strings.Cut(h.Name, "/")
		out[name] = string(b)
	}
}

// bundleOf runs support-bundle and returns what it wrote and printed.
func bundleOf(t *testing.T, args ...string) (files map[string]string, printed string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "bundle.tar.gz")
	var out, errOut bytes.Buffer
	if code := run(context.Background(), append([]string{"support-bundle", "-o", file}, args...), os.Stdin, &out, &errOut); code != 0 {
		t.Fatalf("exit %d: %s", code, errOut.Bytes())
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	return unpack(t, file), out.String() + errOut.String()
}

// forms are the ways in which bytes may slip into a text.
func forms(secret []byte) []string {
	out := []string{
		string(secret), hex.EncodeToString(secret), strings.ToUpper(hex.EncodeToString(secret)), report.Terminal(string(secret)),
		strings.Trim(fmt.Sprintf("%q", secret), `"`), strings.Trim(fmt.Sprint(secret), "[]"), fmt.Sprintf("% x", secret), fmt.Sprintf("%#x", secret),
	}
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		for before := range 3 { // wherever it stands in a longer text
			whole := e.EncodeToString(append(make([]byte, before), secret...))
			out = append(out, whole[4:len(whole)-4])
		}
	}
	return out
}

// searched reports in which files a secret is.
func searched(files map[string]string, secret []byte) (found []string) {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		for _, form := range forms(secret) {
			if strings.Contains(files[name], form) || strings.Contains(name, form) {
				found = append(found, name+": "+form)
			}
		}
	}
	return found
}

// plant puts a secret into every place that a bundle is made near, and gives
// them with the arguments for support-bundle.
func plant(t *testing.T) (secrets map[string][]byte, args []string) {
	t.Helper()
	w := newWorld(t)
	secrets = map[string][]byte{}
	secret := func(where string) string {
		s := "Planted-" + strings.ReplaceAll(where, " ", "-") + "-0815"
		secrets[where] = []byte(s)
		return s
	}
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		w.write(path, content)
		return path
	}
	kt, err := keys.ReadKeytab(w.files.Keytab)
	if err != nil || len(kt.Entries) == 0 {
		t.Fatal(err)
	}
	for i, e := range kt.Entries {
		secrets[fmt.Sprint("a key of the keytab ", i)] = e.Key()
	}
	t.Setenv("PLANTED", secret("environment"))
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret("AWS"))
	file("credentials/alice", secret("credential"))
	t.Setenv("CREDENTIALS_DIRECTORY", filepath.Join(dir, "credentials"))
	t.Setenv("KRB5CCNAME", "FILE:"+file("krb5cc", "\x05\x04"+secret("default ticket cache")))
	included := file("included.pw", secret("file that krb5.conf includes")+"\n")
	t.Setenv("KRB5_CONFIG", file("krb5.conf", "include "+included+"\n[libdefaults]\n  default_realm = CORP.EXAMPLE.COM\n"))

	config, password := w.aliceAlone(secret("password file"))
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	more := strings.Replace(string(text), "\nlogins:\n", "\nlogins:\n"+
		"  - {user: carol@ONPREM.LOCAL, database: orders, ccache: "+file("carol.ccache", "\x05\x04"+secret("ticket cache"))+"}\n"+
		"  - {user: dave@CORP.EXAMPLE.COM, database: orders, password_file: \"credential:alice\"}\n"+
		"  - {user: etl@CORP.EXAMPLE.COM, database: orders, keytab: "+w.files.Keytab+"}\n", 1)
	w.write(config, "# once it was "+secret("comment")+"\n"+more+"bootstrap: {admin_password: "+secret("bootstrap part")+"}\n")
	if strings.Count(more, "user: ") != 4 || password == "" {
		t.Fatalf("the configuration is\n%s", more)
	}

	// A first check leaves a record of attempts and the host's key; a recorder leaves failures.
	w.check(config)
	b, err := os.ReadFile(filepath.Join(w.state, "host.key"))
	if err != nil {
		t.Fatal(err)
	}
	secrets["the host's key"] = b
	w.write(filepath.Join(w.state, "left.behind"), secret("state directory"))
	r, err := recorder.Open(w.state, recorder.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rec := probe.Begin(probe.ID{Kind: probe.Login, Target: "mallory@CORP.EXAMPLE.COM@orders"}, nil)
	if err := r.Add(rec.Fail(probe.ReasonKRBPreauthFailed, errors.New("wrong password")), []string{"password-wrong"}); err != nil {
		t.Fatal(err)
	}
	return secrets, []string{"--config", config, "--state-dir", w.state}
}

// No password, key or ticket is in a bundle, in whatever form.
func TestBundleHasNoSecret(t *testing.T) {
	secrets, args := plant(t)
	files, printed := bundleOf(t, append(args, "--check")...)
	for _, name := range []string{"README.txt", "config.yaml", "secrets.txt", "report.json", "failures.json", "resolv.conf", "host.txt", "state.txt"} {
		if files[name] == "" || !strings.Contains(printed, "  "+name) {
			t.Errorf("%s is missing in the bundle, or in what is printed:\n%s", name, printed)
		}
	}
	for name, part := range map[string]string{
		"config.yaml": "credential:alice", "secrets.txt": "alice@CORP.EXAMPLE.COM: password", "report.json": `"verdict"`, "failures.json": "mallory@CORP.EXAMPLE.COM",
		"state.txt": "host.key", "host.txt": "clock: ", "README.txt": "included.pw",
	} {
		if !strings.Contains(files[name], part) {
			t.Errorf("%q is not in %s:\n%s", part, name, files[name])
		}
	}
	files["what is printed"] = printed
	for where, secret := range secrets {
		if found := searched(files, secret); len(found) > 0 {
			t.Errorf("%s: %q", where, found)
		}
	}
}

// The search finds what it is for.
func TestSearchFindsSecrets(t *testing.T) {
	secret := []byte("Planted-here-0815\xff\x00\x01")
	for _, form := range forms(secret) {
		if searched(map[string]string{"f": "x" + form + "y"}, secret) == nil {
			t.Errorf("%q is not found", form)
		}
	}
	long := base64.StdEncoding.EncodeToString(append([]byte("something before"), append(secret, "and after"...)...))
	if searched(map[string]string{"f": long}, secret) == nil {
		t.Error("in the middle of base64 it is not found")
	}
}

func TestBundleHidesUsers(t *testing.T) {
	_, args := plant(t)
	files, printed := bundleOf(t, append(args, "--check", "--hide-users")...)
	for name, text := range files {
		for _, user := range []string{"alice", "carol", "dave", "etl", "mallory"} {
			lower := strings.ToLower(text)
			if i := strings.Index(lower, user); i >= 0 {
				t.Errorf("%s names %s: …%s…", name, user, text[max(0, i-60):min(len(text), i+60)])
			}
		}
	}
	if !strings.Contains(files["report.json"], "user-1") || !strings.Contains(files["config.yaml"], "user-1@CORP") && !strings.Contains(files["config.yaml"], "user: user-") {
		t.Errorf("no tokens in place of users:\n%s\n%s", files["config.yaml"], printed)
	}
}

// A daemon that hides users gives them the same numbers; the bundle leaves those.
func TestBundleOfADaemonThatHidesUsers(t *testing.T) {
	_, args := plant(t)
	daemon := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"results": [{"target": "user-2@orders", "evidence": {"user": "user-2"}}]}`)
	}))
	defer daemon.Close()
	files, _ := bundleOf(t, append(args, "--url", daemon.URL, "--hide-users")...)
	if !strings.Contains(files["report.json"], `"target": "user-2@orders", "evidence": {"user": "user-2"}`) {
		t.Errorf("the report has other numbers: %s", files["report.json"])
	}
}

// Without --check the daemon is asked; what it does not give is said.
func TestBundleOfTheDaemon(t *testing.T) {
	_, args := plant(t)
	answers := map[string]string{"/api/v1/report": `{"schema": 1, "verdict": "ok", "results": []}`}
	daemon := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answers[r.URL.Path] == "" {
			http.Redirect(w, r, "/api/v1/report", http.StatusFound)
			return
		}
		io.WriteString(w, answers[r.URL.Path])
	}))
	defer daemon.Close()
	args = append(args, "--url", daemon.URL)
	if files, _ := bundleOf(t, args...); !strings.Contains(files["report.json"], `"verdict": "ok"`) || !strings.Contains(files["failures.json"], "mallory") {
		t.Errorf("%q", files)
	}
	for name, answer := range map[string]string{"not JSON": "<html>", "another page": ""} {
		answers["/api/v1/report"] = answer
		files, printed := bundleOf(t, args...)
		if files["report.json"] != "" || !strings.Contains(printed, "not in it:\n  report.json") {
			t.Errorf("%s: %q\n%s", name, files["report.json"], printed)
		}
	}
	daemon.Close()
	files, printed := bundleOf(t, args...)
	if files["config.yaml"] == "" || !strings.Contains(printed, "connection refused; start the daemon, give its --url, or give --check") {
		t.Errorf("no daemon: %s", printed)
	}
}

// A pipe in the place of a file must not hang a bundle: a signal does not end that wait.
func TestBundleDoesNotWaitForPipes(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	silent := filepath.Join(dir, "silent") // somebody has it open, and writes nothing
	if err := syscall.Mkfifo(silent, 0o600); err != nil {
		t.Fatal(err)
	}
	writer, err := os.OpenFile(silent, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	var all sync.WaitGroup
	ca := []string{"--url", "https://127.0.0.1:1", "--config", filepath.Join(dir, "none.yaml"), "--url-ca"}
	for name, args := range map[string][]string{
		"a": {"--check", "--config", pipe}, "b": {"--check", "--config", silent}, "c": append(slices.Clone(ca), pipe), "d": append(slices.Clone(ca), silent),
	} {
		all.Go(func() {
			var out bytes.Buffer
			run(t.Context(), append([]string{"support-bundle", "-o", filepath.Join(dir, name+".tar.gz"), "--state-dir", dir}, args...), os.Stdin, &out, &out)
		})
	}
	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("a pipe is waited for")
	}
}
