package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/rehearsal"
)

// The daemon serves what it sees, from its files alone, and ends when it is
// told to.
func TestRun(t *testing.T) {
	config := quickRehearsal(t, rehearsal.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	log, logged := io.Pipe()
	exit := make(chan int, 1)
	go func() {
		exit <- run(ctx, []string{"run", "--config", config, "--state-dir", filepath.Join(t.TempDir(), "state"), "--log-format", "json",
			"--web.listen-address", "127.0.0.1:0"}, os.Stdin, io.Discard, logged)
		logged.Close()
	}()
	var at string
	for lines := bufio.NewScanner(log); lines.Scan(); {
		var line struct{ Msg, Level, Address string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%v in the log line %s", err, lines.Bytes())
		}
		if line.Level != "INFO" {
			t.Errorf("a healthy daemon logs %s", lines.Bytes())
		}
		if line.Address != "" {
			at = "http://" + line.Address
		}
		if line.Msg == "the first round is over" {
			break
		}
	}
	go io.Copy(io.Discard, log)
	if at == "" {
		t.Fatal("the log does not say where it serves")
	}
	get := func(path string) string {
		t.Helper()
		res, err := http.Get(at + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %v %s", path, res.StatusCode, err, b)
		}
		return string(b)
	}
	get("/-/ready")
	get("/-/healthy")
	get("/")
	if m := get("/metrics"); !strings.Contains(m, `kerbagent_login_success{database="orders",user="alice@CORP.EXAMPLE.COM"} 1`) {
		t.Error("/metrics does not say that alice can log in")
	}
	var r rehearsed
	if err := json.Unmarshal([]byte(get("/api/v1/report")), &r); err != nil || r.Verdict != "ok" || len(r.Results) == 0 {
		t.Errorf("the report has verdict %q, %d results, findings %+v (%v)", r.Verdict, len(r.Results), r.Findings, err)
	}
	begun := time.Now()
	cancel()
	if code := <-exit; code != 0 {
		t.Errorf("exit %d", code)
	}
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("it took %v to stop", took)
	}
}
