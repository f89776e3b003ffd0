package agent

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestUnwritten(t *testing.T) {
	smaps := ""
	for _, m := range []struct {
		head string
		anon int
	}{
		{"00400000-00401000 r-xp 00000000 fe:00 12 /usr/bin/kerbagent", 0},
		{"00401000-00403000 r--p 00001000 fe:00 12 /usr/bin/kerbagent", 0},
		{"00403000-00404000 r--p 00003000 fe:00 12 /usr/bin/kerbagent", 4}, // relocated
		{"00404000-00405000 rw-p 00004000 fe:00 12 /usr/bin/kerbagent", 0}, // to be written yet
		{"c000000000-c000400000 rw-p 00000000 00:00 0 ", 512},
		{"7f0000000000-7f0000001000 r-xp 00000000 fe:00 13 /usr/lib/libc.so.6", 0},
		{"7ffff0000000-7ffff0001000 r-xp 00000000 00:00 0 [vdso]", 0},
	} {
		smaps += fmt.Sprintf("%s\nSize:                  4 kB\nRss:                   4 kB\nAnonymous:            %d kB\nVmFlags: rd ex mr mw me\n", m.head, m.anon)
	}
	want := []mapping{{0x400000, 0x1000}, {0x401000, 0x2000}}
	if got := unwritten([]byte(smaps), "/usr/bin/kerbagent"); !slices.Equal(got, want) {
		t.Errorf("%#x, want %#x", got, want)
	}
	moved := strings.ReplaceAll(smaps, "/usr/bin/kerbagent", "/usr/bin/kerbagent (deleted)") // by an upgrade
	if got := unwritten([]byte(moved), "/usr/bin/kerbagent (deleted)"); !slices.Equal(got, want) {
		t.Errorf("%#x, want %#x", got, want)
	}
}

// What is released is counted no more, and the program goes on.
func TestReleaseProgram(t *testing.T) {
	before := residentFile(t)
	if err := releaseProgram(); err != nil {
		t.Fatal(err)
	}
	if after := residentFile(t); after >= before {
		t.Errorf("%d kB of files are mapped, %d kB before", after, before)
	}
}

// residentFile gives the kB of files that are mapped.
func residentFile(t *testing.T) (kb int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if _, err := fmt.Sscanf(line, "RssFile: %d kB", &kb); err == nil {
			return kb
		}
	}
	t.Fatalf("no RssFile in %s", status)
	return 0
}
