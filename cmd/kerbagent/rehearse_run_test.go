package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/rehearsal"
)

// The daemon on a rehearsal that is served shows a fault that is played while
// both run, be it on the path or in the configuration, and its end.
func TestTheDaemonShowsWhatIsPlayed(t *testing.T) {
	world, err := rehearsal.Start(t.Context(), rehearsal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer world.Close()
	dir := filepath.Join(t.TempDir(), "w")
	if _, err := world.WriteClientFiles(dir); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	wait, err := world.Control(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer wait()
	log, logged := io.Pipe()
	exit := make(chan int, 1)
	go func() {
		exit <- run(ctx, []string{"run", "--rehearsal", dir, "--log-format", "json", "--web.listen-address", "127.0.0.1:0"}, os.Stdin, io.Discard, logged)
		logged.Close()
	}()
	defer func() { <-exit }()
	defer cancel()
	var at string
	for lines := bufio.NewScanner(log); lines.Scan(); {
		var line struct{ Msg, Address string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%v in the log line %s", err, lines.Bytes())
		}
		if line.Address != "" {
			at = "http://" + line.Address
		}
		if line.Msg == "the first round is over" {
			break
		}
	}
	go io.Copy(io.Discard, log)
	const patience = time.Minute
	for _, code := range []string{"", "server-down", "kdc-unresolvable", ""} {
		played := code
		if code == "" {
			played = healthy
		}
		if got := run(ctx, []string{"rehearse", "--play", played, dir}, os.Stdin, io.Discard, os.Stderr); got != 0 {
			t.Fatalf("playing %q: exit %d", played, got)
		}
		var r rehearsed
		for end := time.Now().Add(patience); r.Verdict == "" || first(r) != code; {
			if time.Now().After(end) {
				t.Fatalf("%s is played, and after %v the daemon has %s, %+v", played, patience, r.Verdict, r.Findings)
			}
			res, err := http.Get(at + "/api/v1/report")
			if err != nil {
				t.Fatal(err)
			}
			r = rehearsed{}
			err = json.NewDecoder(res.Body).Decode(&r)
			res.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			select {
			case <-time.After(200 * time.Millisecond):
			case <-ctx.Done():
				t.Fatal(ctx.Err())
			}
		}
	}
}
