package recorder_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/recorder"
	"github.com/kerbagent/kerbagent/probe"
)

// TestMain plays the process that a test kills, or that has no room on its disk.
func TestMain(m *testing.M) {
	dir := os.Getenv("RECORDER_TEST_DIR")
	switch os.Getenv("RECORDER_TEST_ROLE") {
	case "endless":
		recordForEver(dir)
	case "full":
		if err := fillTheDisk(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child(t *testing.T, role, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "RECORDER_TEST_ROLE="+role, "RECORDER_TEST_DIR="+dir)
	return cmd
}

// recordForEver records failures and says of each when it is done. Their kinds
// change, so that the flood rule is not in the way.
func recordForEver(dir string) {
	c := newClock()
	r, err := recorder.Open(dir, recorder.Options{Now: func() time.Time { return c.now }})
	if err != nil {
		panic(err)
	}
	for i := 0; ; i++ {
		c.pass(3 * time.Second)
		res := failure(fmt.Sprintf("dc%d-%d", os.Getpid(), i), probe.ReasonRefused)
		res.Facts[probe.FactAnswer] = strings.Repeat("x", i*37%900)
		if err := r.Add(res, nil); err != nil {
			panic(err)
		}
		fmt.Println(res.ID.Target)
	}
}

// Killed at any point, a recorder loses nothing that it has said it recorded.
// Half of the kills come while the file is written anew.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	for i := range 6 {
		cmd := child(t, "endless", dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		enough := 1 + i*i*40
		if i%2 == 1 {
			enough = 1 << 20
			go killWhileWriting(t.Context(), cmd.Process, filepath.Join(dir, recorder.FileName+".new"))
		}
		lines, last, n := bufio.NewScanner(out), "", 0
		for lines.Scan() {
			last = lines.Text()
			if n++; n == enough {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("it was not killed")
		}
		records := brief(t, open(t, dir, recorder.Options{}))
		if at := slices.Index(records, last+" refused 1"); last != "" && (at < 0 || at > 1) {
			t.Fatalf("killed after %s; the newest records are %q", last, records[:min(3, len(records))])
		}
		if n > 200 && len(records) < 190 {
			t.Errorf("%d records are left", len(records))
		}
	}
}

// killWhileWriting ends a process as soon as the file is there.
func killWhileWriting(ctx context.Context, p *os.Process, path string) {
	beat := time.NewTicker(200 * time.Microsecond)
	defer beat.Stop()
	for ctx.Err() == nil {
		<-beat.C
		if _, err := os.Stat(path); err == nil {
			_ = p.Kill() // it may have ended, and then the test says so
			return
		}
	}
}

func TestAFullDisk(t *testing.T) {
	if out, err := child(t, "full", t.TempDir()).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// fillTheDisk lets no file of this process be larger than some KiB: a write
// ends in the middle, as on a disk that is full.
func fillTheDisk(dir string) error {
	c := newClock()
	r, err := recorder.Open(dir, recorder.Options{Now: func() time.Time { return c.now }})
	if err != nil {
		return err
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	room := limit
	room.Cur = 5000
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &room); err != nil {
		return err
	}
	refused := 0
	for i := range 20 {
		c.pass(15 * time.Second)
		if r.Add(failure(fmt.Sprint("dc", i), probe.ReasonRefused), nil) != nil {
			refused++
		}
	}
	if refused == 0 || refused == 20 || len(r.Records()) != 20 {
		return fmt.Errorf("%d of 20 refused, %d in memory", refused, len(r.Records()))
	}
	kept, err := recorder.Open(dir, recorder.Options{})
	if err != nil || len(kept.Records()) != 20-refused {
		return fmt.Errorf("while it is full: %d on disk, %d refused, %w", len(kept.Records()), refused, err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	c.pass(15 * time.Second)
	if err := r.Add(failure("dc0", probe.ReasonRefused), nil); err != nil {
		return fmt.Errorf("with room again: %w", err)
	}
	if kept, err = recorder.Open(dir, recorder.Options{}); err != nil || len(kept.Records()) != 20 {
		return errors.Join(err, fmt.Errorf("with room again: %d records", len(kept.Records())))
	}
	return nil
}
