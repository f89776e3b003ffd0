package apply

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/site"
	"golang.org/x/sys/unix"
)

const (
	rds    = "orders.cluster-abc123.us-east-1.rds.amazonaws.com"
	theirs = "# ours since 2009\r\n[logging]\r\n\tdefault = FILE:/var/log/krb5.log\r\n"
)

func wanted() site.Site {
	return site.Site{
		Realms:    []site.Realm{{Name: "A.TEST", KDCs: []string{"dc1.a.test"}}, {Name: "B.TEST", KDCs: []string{"dc1.b.test"}, TrustedBy: []string{"A.TEST"}}},
		Databases: []site.Database{{Host: rds, Realm: "A.TEST"}},
		Logins:    []site.Login{{Realm: "B.TEST", Host: rds}},
	}
}

// text is what a site needs; n makes different versions of it.
func text(t testing.TB, n int) string {
	t.Helper()
	s := wanted()
	s.Realms[0].KDCs = append(s.Realms[0].KDCs, "dc"+strings.Repeat("2", n+1)+".a.test")
	out, err := site.Generate(&s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func mustApply(t testing.TB, req Request) *Change {
	t.Helper()
	c, err := Apply(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestApplyStyles(t *testing.T) {
	for _, c := range []struct {
		name    string
		style   site.Style
		current string
		main    string // text of the main file; Path is then in its includedir
	}{
		{"file where there was none", site.WholeFile, "", ""},
		{"file in the place of another", site.WholeFile, theirs, ""},
		{"block in someone else's file", site.Block, theirs, ""},
		{"block where there was no file", site.Block, "", ""},
		{"snippet", site.Snippet, "", "includedir DIR/krb5.conf.d\n" + theirs},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			req := Request{Path: filepath.Join(dir, "krb5.conf"), Style: c.style, Text: text(t, 0), Site: wanted()}
			if c.main != "" {
				req.Main = req.Path
				write(t, req.Main, strings.ReplaceAll(c.main, "DIR", dir))
				req.Path = filepath.Join(dir, "krb5.conf.d", "kerbagent")
				if err := os.Mkdir(filepath.Dir(req.Path), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if c.current != "" {
				write(t, req.Path, c.current)
			}
			plan, err := Plan(req)
			if err != nil || !plan.Needed() {
				t.Fatalf("plan %+v, %v", plan, err)
			}
			got := mustApply(t, req)
			on := read(t, req.Path)
			if on != got.New || on != plan.New || !strings.Contains(on, req.Text) {
				t.Errorf("on disk:\n%s", on)
			}
			if c.style == site.Block && c.current != "" {
				if kept, err := site.Without(on); err != nil || kept != c.current {
					t.Errorf("their text is now %q, %v", kept, err)
				}
			}
			if again := mustApply(t, req); again.Needed() || again.Backup != "" {
				t.Errorf("a second apply changed something: %+v", again)
			}

			req.Text = text(t, 1)
			mustApply(t, req)
			if _, err := Rollback(t.Context(), req); err != nil {
				t.Fatal(err)
			}
			if back := read(t, req.Path); back != on {
				t.Errorf("rolled back to:\n%s", back)
			}
			before, err := Rollback(t.Context(), req) // what there was did not serve the logins
			if err != nil || before.Lacks == nil {
				t.Fatalf("%+v, %v", before, err)
			}
			if b, err := os.ReadFile(req.Path); string(b) != c.current || (c.current == "") != errors.Is(err, os.ErrNotExist) {
				t.Errorf("rolled back to %q, %v", b, err)
			}
			if _, err := Rollback(t.Context(), req); !errors.Is(err, ErrNoBackup) {
				t.Errorf("rolled back to nothing: %v", err)
			}
		})
	}
}

// TestRollbackKeepsTheirEdits edits someone else's part between apply and
// rollback of a block.
func TestRollbackKeepsTheirEdits(t *testing.T) {
	req := Request{Path: filepath.Join(t.TempDir(), "krb5.conf"), Style: site.Block, Site: wanted(), Text: text(t, 0)}
	write(t, req.Path, theirs)
	mustApply(t, req)
	first := read(t, req.Path)
	req.Text = text(t, 1)
	mustApply(t, req)
	write(t, req.Path, read(t, req.Path)+"# edited\n")
	if _, err := Rollback(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	if got := read(t, req.Path); got != first+"# edited\n" {
		t.Errorf("got:\n%s", got)
	}
}

// TestRollbackSkipsBadVersions has versions in between that people wrote: one
// that serves no login, and one that does not parse.
func TestRollbackSkipsBadVersions(t *testing.T) {
	req := Request{Path: filepath.Join(t.TempDir(), "krb5.conf"), Style: site.WholeFile, Site: wanted()}
	for n, edit := range []string{"", "", "[libdefaults]\n    default_realm = ELSE.TEST\n    dns_lookup_kdc = false\n", "}"} {
		if edit != "" {
			write(t, req.Path, edit)
		}
		req.Text = text(t, n)
		mustApply(t, req)
	}
	c, err := Rollback(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, req.Path); got != text(t, 0) {
		t.Errorf("got:\n%s", got)
	}
	if rejected := read(t, c.Backup); rejected != text(t, 3) {
		t.Errorf("what was taken away is not kept:\n%s", rejected)
	}
}

func TestApplyKeepsMetadata(t *testing.T) {
	dir := t.TempDir()
	real := filepath.Join(dir, "real", "krb5.conf")
	if err := os.Mkdir(filepath.Dir(real), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, real, theirs)
	if err := os.Chmod(real, 0o640); err != nil {
		t.Fatal(err)
	}
	root := os.Getuid() == 0
	if root {
		if err := os.Chown(real, 1234, 4321); err != nil {
			t.Fatal(err)
		}
	}
	label := unix.Setxattr(real, "user.label", []byte("kept"), 0) == nil
	link := filepath.Join(dir, "krb5.conf")
	if err := os.Symlink("real/krb5.conf", link); err != nil {
		t.Fatal(err)
	}
	mustApply(t, Request{Path: link, Style: site.WholeFile, Text: text(t, 0), Site: wanted()})
	if to, err := os.Readlink(link); err != nil || to != "real/krb5.conf" {
		t.Errorf("the symlink is now %q, %v", to, err)
	}
	st, err := os.Stat(real)
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode().Perm() != 0o640 {
		t.Errorf("mode %v", st.Mode())
	}
	if sys := st.Sys().(*syscall.Stat_t); root && (sys.Uid != 1234 || sys.Gid != 4321) {
		t.Errorf("owner %d:%d", sys.Uid, sys.Gid)
	}
	if label {
		buf := make([]byte, 16)
		if n, err := unix.Getxattr(real, "user.label", buf); err != nil || string(buf[:n]) != "kept" {
			t.Errorf("attribute %q, %v", buf[:max(n, 0)], err)
		}
	}
}

func TestApplyRefuses(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(*testing.T, *Request)
		want    string // part of the message
		is      error
	}{
		{"directory in the file's place", func(t *testing.T, r *Request) { must(t, os.Mkdir(r.Path, 0o755)) }, "not a regular file", conf.ErrNotFile},
		{"world-writable", func(t *testing.T, r *Request) { write(t, r.Path, ""); must(t, os.Chmod(r.Path, 0o666)) }, "chmod o-w", ErrWorldWritable},
		{"10 MiB", func(t *testing.T, r *Request) { write(t, r.Path, strings.Repeat("#", 10<<20)) }, "larger than any", conf.ErrTooLarge},
		{"binary, block", func(t *testing.T, r *Request) { r.Style = site.Block; write(t, r.Path, "\x7fELF\x00") }, "NUL", conf.ErrBinary},
		{"symlink to nothing", func(t *testing.T, r *Request) { must(t, os.Symlink("none", r.Path)) }, "leads to no file", ErrDangling},
		{"no directory", func(t *testing.T, r *Request) { r.Path = filepath.Join(filepath.Dir(r.Path), "none", "krb5.conf") }, "directory of", os.ErrNotExist},
		{"relative path", func(t *testing.T, r *Request) { r.Path = "krb5.conf" }, "not absolute", nil},
		{"damaged markers", func(t *testing.T, r *Request) { r.Style = site.Block; write(t, r.Path, "# END kerbagent\n") }, "marker", site.ErrMarkers},
		{"drops a mapping", func(t *testing.T, r *Request) { r.Text = strings.ReplaceAll(r.Text, ".rds.", ".x.") }, "database " + rds, nil},
		{"drops a realm", func(t *testing.T, r *Request) {
			r.Text = strings.NewReplacer("B.TEST = {", "C.TEST = {", "dns_lookup_kdc = true", "dns_lookup_kdc = false").Replace(r.Text)
		}, "realm B.TEST", nil},
		{"does not parse", func(t *testing.T, r *Request) { r.Text += "}\n" }, "} without {", nil},
		{"their block is in the way", func(t *testing.T, r *Request) {
			r.Style = site.Block
			write(t, r.Path, "[libdefaults]\n}\n")
		}, "} without {", nil},
		{"their include overrides a mapping", func(t *testing.T, r *Request) {
			r.Style = site.Block
			more := filepath.Join(filepath.Dir(r.Path), "more")
			write(t, more, "[domain_realm]\n    .rds.amazonaws.com = B.TEST\n")
			write(t, r.Path, "include "+more+"\n[libdefaults]\n")
		}, "the file maps it to B.TEST", nil},
		{"snippet that nobody includes", func(t *testing.T, r *Request) {
			r.Style, r.Main = site.Snippet, filepath.Join(filepath.Dir(r.Path), "main")
			write(t, r.Main, "[libdefaults]\n")
		}, "includedir ", ErrNotIncluded},
		{"snippet with a name that nobody reads", func(t *testing.T, r *Request) {
			r.Style, r.Main = site.Snippet, filepath.Join(t.TempDir(), "main")
			write(t, r.Main, "includedir "+filepath.Dir(r.Path)+"\n[libdefaults]\n")
			r.Path = filepath.Join(filepath.Dir(r.Path), "kerb.agent")
		}, "letters, digits", ErrSnippetName},
		{"snippet without a main file", func(t *testing.T, r *Request) { r.Style, r.Main = site.Snippet, "/none/krb5.conf" }, "reading the main file", os.ErrNotExist},
		{"refused by the validator", func(t *testing.T, r *Request) {
			r.Validate = func(context.Context, string) error { return errors.New("I do not like it") }
		}, "I do not like it", nil},
		{"read-only", failing("create", unix.EROFS), "read-only", ErrReadOnly},
		{"mounted, seen late", failing("rename", unix.EBUSY), "bind mount", ErrMounted},
		{"other device", failing("rename", unix.EXDEV), "bind mount", ErrMounted},
		{"disk full", failing("write", unix.ENOSPC), "no space", unix.ENOSPC},
		{"disk full at fsync", failing("fsync", unix.ENOSPC), "no space", unix.ENOSPC},
		{"may not give away", failing("chown", unix.EPERM), "not permitted", os.ErrPermission},
		{"changed meanwhile", func(t *testing.T, r *Request) {
			write(t, r.Path, theirs)
			r.Validate = func(context.Context, string) error { write(t, r.Path, theirs+"#\n"); return nil }
		}, "someone else", ErrChanged},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			req := Request{Path: filepath.Join(dir, "krb5.conf"), Style: site.WholeFile, Text: text(t, 0), Site: wanted()}
			c.prepare(t, &req)
			before := contents(t, dir)
			_, err := Apply(t.Context(), req)
			if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("error %v", err)
			}
			if c.is == ErrChanged {
				before["krb5.conf"] += "#\n"
			}
			after := contents(t, dir)
			for name := range after {
				if strings.Contains(name, "backup") || strings.HasSuffix(name, "-lock") { // a late failure leaves them, which does no harm
					delete(after, name)
				}
			}
			for name, text := range after {
				if before[name] != text {
					t.Errorf("%s was written", name)
				}
			}
			if len(after) != len(before) {
				t.Errorf("%d files, %d before", len(after), len(before))
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// failing lets one kind of change fail.
func failing(change string, errno error) func(*testing.T, *Request) {
	return func(t *testing.T, r *Request) {
		write(t, r.Path, theirs)
		r.step = func(c string) error {
			if c == change {
				return errno
			}
			return nil
		}
	}
}

// contents returns the text of every file in a directory.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	all := map[string]string{}
	for _, e := range entries {
		if e.Type().IsRegular() {
			all[e.Name()] = read(t, filepath.Join(dir, e.Name()))
		}
	}
	return all
}

func TestBackupsAreHidden(t *testing.T) {
	dir := t.TempDir()
	main := filepath.Join(dir, "main")
	write(t, main, "includedir "+dir+"/d\n"+theirs)
	must(t, os.Mkdir(filepath.Join(dir, "d"), 0o755))
	req := Request{Path: filepath.Join(dir, "d", "kerbagent"), Main: main, Style: site.Snippet, Site: wanted()}
	for n := range 15 {
		req.Text = text(t, n)
		mustApply(t, req)
	}
	names, err := conf.Disk{}.ReadDir(filepath.Dir(req.Path))
	must(t, err)
	included := 0
	for _, name := range names {
		if conf.IncludedName(name) {
			included++
		}
	}
	if included != 1 || len(names) != 2+15 { // the file, the lock, and each different text
		t.Errorf("%d of %v would be included", included, names)
	}
}
