//go:build linux

package audit

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestReportOnDisk(t *testing.T) {
	onlyRoot(t)
	name := filepath.Join(t.TempDir(), "report.json")
	want := Report{Applications: []Application{{Name: "orders.service", PIDs: []int{7}, Database: "orders", Facts: Facts{UID: "1", Cache: "FILE:/x"},
		Issues: []Issue{{Code: "app-ccache-missing", Severity: Error, Place: "/x", Cause: "c", Fix: "f"}}, Unread: []string{"u"}}}, Unread: []string{"v"}}
	taken := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	if err := WriteReport(name, want, taken); err != nil {
		t.Fatal(err)
	}
	got, when, err := ReadReport(name)
	if err != nil || !when.Equal(taken) {
		t.Fatal(when, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The daemon takes nothing but a regular file of root's own: everything else
// in its place is refused, and at once.
func TestReportOfOthersIsRefused(t *testing.T) {
	onlyRoot(t)
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	if err := WriteReport(good, Report{}, time.Now()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for name, make := range map[string]func(string) error{
		"a link":         func(p string) error { return os.Symlink(good, p) },
		"a pipe":         func(p string) error { return unix.Mkfifo(p, 0o644) },
		"a folder":       func(p string) error { return os.Mkdir(p, 0o755) },
		"another user's": func(p string) error { return errors.Join(os.WriteFile(p, text, 0o644), os.Chown(p, 1, 1)) },
		"written by all": func(p string) error { return errors.Join(os.WriteFile(p, text, 0o644), os.Chmod(p, 0o646)) },
		"cut short":      func(p string) error { return os.WriteFile(p, text[:len(text)-3], 0o644) },
		"with an unknown key": func(p string) error {
			return os.WriteFile(p, []byte(strings.Replace(string(text), `"schema"`, `"x":1,"schema"`, 1)), 0o644)
		},
		"of another schema": func(p string) error {
			return os.WriteFile(p, []byte(strings.Replace(string(text), `"schema":1`, `"schema":2`, 1)), 0o644)
		},
		"too large": func(p string) error {
			return errors.Join(os.WriteFile(p, text, 0o644), os.Truncate(p, maxReport+1))
		},
	} {
		p := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
		if err := make(p); err != nil {
			t.Fatal(err)
		}
		if _, _, err := ReadReport(p); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}
