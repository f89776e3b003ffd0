package secrets

import (
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/probe/login"
)

// handed returns where systemd has a credential from, and whether that file was changed
// since: systemd copies it when the unit starts, and never again (systemd.exec(5),
// LoadCredential=). Of a file that this process may not look at, or of another secret, it
// returns zero. root is the root directory.
func handed(ref config.SecretRef, root fs.FS) login.Handed {
	copied, err := ref.Path()
	if ref.Credential() == "" || err != nil {
		return login.Handed{}
	}
	unit := filepath.Base(filepath.Dir(copied)) // /run/credentials/UNIT/NAME
	file := source(root, unit, ref.Credential())
	was, err := os.Stat(copied)
	if file == "" || err != nil {
		return login.Handed{}
	}
	h := login.Handed{File: file, Unit: unit}
	is, err := fs.Stat(root, file[1:])
	if err != nil || !is.Mode().IsRegular() {
		return h
	}
	if at := changed(is); at.After(was.ModTime()) {
		h.Changed = at
	}
	return h
}

// source returns the file that a unit's LoadCredential= names; empty where none is found. Of
// the unit's own file the first directory has the word, drop-ins follow in the order of their
// names (systemd.unit(5)).
func source(root fs.FS, unit, name string) (file string) {
	dirs := []string{"etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system"}
	var own string
	dropIns := map[string]string{} // by name: one in an earlier directory hides those of its name
	for _, dir := range slices.Backward(dirs) {
		if _, err := fs.Stat(root, path.Join(dir, unit)); err == nil {
			own = path.Join(dir, unit)
		}
		found, _ := fs.Glob(root, path.Join(dir, unit+".d", "*.conf")) // the pattern is good
		for _, f := range found {
			dropIns[path.Base(f)] = f
		}
	}
	files := []string{own}
	for _, base := range slices.Sorted(maps.Keys(dropIns)) {
		files = append(files, dropIns[base])
	}
	for _, f := range files {
		text, _ := fs.ReadFile(root, f) // one that cannot be read says nothing
		for line := range strings.Lines(string(text)) {
			setting, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			if s := strings.TrimSpace(setting); s != "LoadCredential" && s != "LoadCredentialEncrypted" {
				continue
			}
			id, from, _ := strings.Cut(strings.TrimSpace(value), ":")
			switch {
			case id == "": // forgets those before
				file = ""
			case id == name && path.IsAbs(from) && !strings.Contains(from, "%"):
				file = path.Clean(from)
			case id == name:
				file = ""
			}
		}
	}
	return file
}
