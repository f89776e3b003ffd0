package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/internal/rehearsal"
)

// daemonProcess is `kerbagent run` in a process of its own.
type daemonProcess struct {
	t   *testing.T
	cmd *exec.Cmd
	at  string // its address
}

// startDaemon starts one and waits until its first round is over.
func startDaemon(t *testing.T, config, state string, more ...string) *daemonProcess {
	t.Helper()
	args := append([]string{"run", "--config", config, "--state-dir", state, "--log-format", "json", "--web.listen-address", "127.0.0.1:0"}, more...)
	p := &daemonProcess{t: t, cmd: exec.Command(os.Args[0], args...)}
	p.cmd.Args[0] = "kerbagent" // by which the test's binary knows what to be
	log, err := p.cmd.StderrPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.kill() })
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		var line struct{ Msg, Address string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%v in the log line %s", err, lines.Bytes())
		}
		if line.Address != "" {
			p.at = "http://" + line.Address
		}
		if line.Msg == "the first round is over" {
			go io.Copy(io.Discard, log)
			return p
		}
	}
	t.Fatalf("the daemon ended: %v", p.cmd.Wait())
	return nil
}

// kill ends it as nobody can foresee: kill -9.
func (p *daemonProcess) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

func (p *daemonProcess) get(path string) string {
	p.t.Helper()
	res, err := http.Get(p.at + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		p.t.Fatalf("%s: %d %v %s", path, res.StatusCode, err, b)
	}
	return string(b)
}

// A daemon that is killed loses neither what it must not try again nor what
// has failed.
func TestRunKilled(t *testing.T) {
	config := quickRehearsal(t, rehearsal.Options{Fault: "password-wrong"})
	state := filepath.Join(t.TempDir(), "state")
	const tried = `kerbagent_probe_kind_failures_total{probe="login"} `
	for i, want := range []string{tried + "1", tried + "0", tried + "0"} {
		p := startDaemon(t, config, state)
		if !strings.Contains(p.get("/metrics"), want) {
			t.Errorf("start %d: no %s", i+1, want)
		}
		if i > 0 && !strings.Contains(p.get("/metrics"), `kerbagent_login_breaker_open{user="alice@CORP.EXAMPLE.COM"} 1`) {
			t.Errorf("start %d: the breaker is closed", i+1)
		}
		var r rehearsed
		if err := json.Unmarshal([]byte(p.get("/api/v1/report")), &r); err != nil || first(r) != "password-wrong" || r.Verdict != "failed" {
			t.Errorf("start %d: verdict %s, findings %+v (%v)", i+1, r.Verdict, r.Findings, err)
		}
		if !strings.Contains(p.get("/api/v1/failures"), "krb-preauth-failed") {
			t.Errorf("start %d: the failure is not on record", i+1)
		}
		p.kill()
	}
}

// quickRehearsal starts a rehearsal for as long as the test runs, and returns its
// configuration with a beat for tests.
func quickRehearsal(t *testing.T, o rehearsal.Options) (config string) {
	t.Helper()
	w, err := rehearsal.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	files, err := w.WriteClientFiles(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	quicken(t, files.Config)
	return files.Config
}

// quicken shortens a rehearsed configuration's intervals for tests.
func quicken(t *testing.T, config string) {
	t.Helper()
	b, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(b), "interval: 5s, timeout: 2s", "interval: 2s, timeout: 1s", 1)
	if text == string(b) {
		t.Fatalf("the rehearsal has another beat:\n%s", b)
	}
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
