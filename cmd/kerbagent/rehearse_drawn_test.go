package main

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/kerbagent/kerbagent/internal/rehearsal"
)

// Whatever was played before, a fault that is played looks as in a world that
// began with it, and a healed world is healthy. Faults are drawn; the log has the seed.
func TestFaultsFollowEachOther(t *testing.T) {
	world, err := rehearsal.Start(t.Context(), rehearsal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer world.Close()
	dir := filepath.Join(t.TempDir(), "w")
	if _, err := world.WriteClientFiles(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := world.Control(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	drawn := rand.New(rand.NewPCG(seed, 0))
	faults := rehearsal.Catalogue()
	for i := range 5 {
		code := string(faults[drawn.IntN(len(faults))].Code)
		if i == 4 {
			code = healthy
		}
		if code == "login-paused" || code == "db-probing-paused" { // refused: a state directory makes them
			continue
		}
		if got := run(t.Context(), []string{"rehearse", "--play", code, dir}, os.Stdin, io.Discard, os.Stderr); got != 0 {
			t.Fatalf("playing %s: exit %d", code, got)
		}
		var out bytes.Buffer
		state := filepath.Join(t.TempDir(), "state") // what was counted before is another test's
		run(t.Context(), []string{"check", "-o", "json", "--rehearsal", dir, "--state-dir", state}, os.Stdin, &out, os.Stderr)
		var r rehearsed
		if err := json.Unmarshal(out.Bytes(), &r); err != nil {
			t.Fatalf("%v in %s", err, out.Bytes())
		}
		want := rehearsed{Verdict: "ok"}
		if code != healthy {
			want, _ = rehearse(t, "--fault", code)
		}
		if r.Verdict != want.Verdict || first(r) != first(want) {
			t.Errorf("%s is played: %s, %+v; a world that began with it: %s, %s", code, r.Verdict, r.Findings, want.Verdict, first(want))
		}
	}
}
