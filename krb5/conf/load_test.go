package conf_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
)

func TestIncludedName(t *testing.T) {
	for name, want := range map[string]bool{
		"kerbagent": true, "a-b_C9": true, "x.conf": true, "a b.conf": true, "a~.conf": true,
		".x.conf": false, ".conf": false, "x.conf~": false, "x.conf.rpmsave": false, "x.y": false, "é": false, "": false,
	} {
		if got := conf.IncludedName(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

func TestLoadFollowsIncludes(t *testing.T) {
	s := conf.Load(conf.Texts{Files: map[string]string{
		"/etc/krb5.conf":           "includedir /etc/krb5.conf.d/\n include /etc/java-only\n[libdefaults]\ninclude /etc/late\n",
		"/etc/krb5.conf.d/b.conf":  "[realms]\nB = {\nkdc = b\n}\n",
		"/etc/krb5.conf.d/a":       "[realms]\nA = {\nkdc = a\n}\n",
		"/etc/krb5.conf.d/.hidden": "[",
		"/etc/late":                "[libdefaults]\nrdns = false\n",
		"/etc/java-only":           "",
	}}, "/etc/krb5.conf")
	var got []string
	for name, d := range s.Docs {
		if d.Err != nil {
			t.Errorf("%s: %v", name, d.Err)
		}
		got = append(got, name)
	}
	slices.Sort(got)
	want := []string{"/etc/java-only", "/etc/krb5.conf", "/etc/krb5.conf.d/a", "/etc/krb5.conf.d/b.conf", "/etc/late"}
	if !slices.Equal(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
}

func TestLoadLimits(t *testing.T) {
	deep := conf.Texts{Files: map[string]string{}}
	for i := range 20 {
		deep.Files[fmt.Sprintf("/%d", i)] = fmt.Sprintf("include /%d\n", i+1)
	}
	wide := conf.Texts{Files: map[string]string{"/0": "includedir /d\n"}}
	for i := range 600 {
		wide.Files[fmt.Sprintf("/d/%d", i)] = "[libdefaults]\n"
	}
	for _, c := range []struct {
		name string
		src  conf.Texts
		want error
	}{
		{"itself", conf.Texts{Files: map[string]string{"/0": "include /0\n"}}, conf.ErrIncludeCycle},
		{"in a circle", conf.Texts{Files: map[string]string{"/0": "include /1\n", "/1": "[libdefaults]\ninclude /0\n"}}, conf.ErrIncludeCycle},
		{"too deep", deep, conf.ErrIncludeDepth},
		{"too many", wide, conf.ErrTooManyFiles},
	} {
		t.Run(c.name, func(t *testing.T) {
			if r := reader.Read(reader.MIT, conf.Load(c.src, "/0")); !errors.Is(r.Err, c.want) {
				t.Errorf("got %v, want %v", r.Err, c.want)
			}
		})
	}
}

func TestDiskRefuses(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	big := filepath.Join(dir, "big")
	if err := os.WriteFile(big, []byte(strings.Repeat("# 16 bytes long\n", 10<<16)), 0o644); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "binary")
	if err := os.WriteFile(binary, []byte{0x7f, 'E', 'L', 'F', 0, 1}, 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir:    "reading " + dir + ": not a regular file but a directory",
		fifo:   "reading " + fifo + ": not a regular file but a pipe",
		big:    "reading " + big + ": larger than any krb5.conf (1 MiB)",
		binary: "reading " + binary + ": not a text file: it holds NUL bytes",
	} {
		if d := conf.Load(conf.Disk{}, path).Roots[0]; d.Err == nil || d.Err.Error() != want {
			t.Errorf("got  %v\nwant %s", d.Err, want)
		}
	}
	if d := conf.Load(conf.Disk{}, filepath.Join(dir, "none")).Roots[0]; !errors.Is(d.Err, os.ErrNotExist) {
		t.Errorf("missing file: %v", d.Err)
	}
}

func TestNothingIsRead(t *testing.T) {
	for _, r := range reader.Readers() {
		if got := reader.Read(r, conf.Load(conf.Texts{})); got.Err != nil || got.DefaultRealm.Value != "" {
			t.Errorf("%s: %+v", r, got)
		}
	}
}
