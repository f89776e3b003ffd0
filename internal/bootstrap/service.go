package bootstrap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// serviceStep hands the passwords of Secrets Manager to the daemon, as systemd
// credentials, and has it run: it reads no Secrets Manager itself.
type serviceStep struct {
	*world
	vault  vault
	logins []login
}

func (s *serviceStep) name() string { return "service" }

func (s *serviceStep) look(ctx context.Context) (view, error) {
	v := view{is: "the daemon of this host"}
	if s.cluster.host == "" {
		v.do = []change{{what: "pass the passwords to the daemon, and start it"}}
		return v, nil
	}
	var changed time.Time // when a file of it was changed last
	files, err := s.files(ctx)
	if err != nil {
		return v, err
	}
	for _, f := range files {
		at, same, err := f.asWished()
		if err != nil {
			return v, err
		}
		if at.After(changed) {
			changed = at
		}
		if !same {
			v.do = append(v.do, change{what: f.what, act: func(context.Context) error { return f.write() }})
		}
	}
	since, runs, err := s.Service.Since(ctx)
	if err != nil {
		return v, fmt.Errorf("asking for the service: %w", err)
	}
	if !runs || len(v.do) > 0 || changed.After(since) {
		v.do = append(v.do, change{what: "start the daemon with them", act: s.Service.Restart})
		return v, nil
	}
	v.is = "the daemon runs since " + since.UTC().Format(time.RFC3339)
	return v, nil
}

// hostFile is a file of root's that is as it is wished, or is written.
type hostFile struct {
	path, what string
	text       []byte
	mode       fs.FileMode
}

// files returns the credentials and the drop-in that names them.
func (s *serviceStep) files(ctx context.Context) ([]hostFile, error) {
	var out []hostFile
	dropIn := "# Written by kerbagent bootstrap.\n[Service]\n"
	for _, l := range s.logins {
		name, ok := strings.CutPrefix(l.ref, "credential:")
		if !ok || l.password.Manager == "" {
			continue
		}
		password, err := s.vault.read(ctx, l.password)
		if err != nil {
			return nil, fmt.Errorf("the password of %s: %w", l.Principal(), err)
		}
		path := filepath.Join(s.ServiceFiles.Credentials, name)
		out = append(out, hostFile{path, "pass the password of " + l.Principal() + " to the daemon (" + path + ")", password.Reveal(), 0o600})
		dropIn += "LoadCredential=" + name + ":" + path + "\n"
	}
	if len(out) == 0 {
		return nil, nil
	}
	return append(out, hostFile{s.ServiceFiles.DropIn, "write " + s.ServiceFiles.DropIn, []byte(dropIn), 0o644}), nil
}

// asWished reports whether the file is there as it should be, and when it was changed.
func (f hostFile) asWished() (time.Time, bool, error) {
	info, err := os.Lstat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, false, nil
	}
	if err != nil {
		return time.Time{}, false, err
	}
	if !info.Mode().IsRegular() {
		return time.Time{}, false, advise("look at it, and remove it", "%s is no regular file", f.path)
	}
	have, err := os.ReadFile(f.path)
	return info.ModTime(), bytes.Equal(have, f.text) && info.Mode().Perm() == f.mode, err
}

func (f hostFile) write() error {
	dir := filepath.Dir(f.path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("writing %s: %w", f.path, err)
	}
	var err error
	if f.mode == 0o600 {
		err = f.writeSecret(dir)
	} else {
		err = replacePublic(f.path, f.text)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", f.path, err)
	}
	return nil
}

// writeSecret writes it into a folder that nobody else may enter.
func (f hostFile) writeSecret(dir string) error {
	if err := os.Chmod(dir, 0o700); err != nil {
		return err
	}
	own, err := openOwn(dir)
	if err != nil {
		return err
	}
	defer own.Close()
	// Two clients of one host write one after the other; a dead one leaves no lock.
	if err := unix.Flock(int(own.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("locking %s: %w", dir, err)
	}
	return replaceIn(own, filepath.Base(f.path), f.text)
}

func (s *serviceStep) needs() []permission {
	var out []permission
	for _, l := range s.logins {
		out = append(out, s.vault.needs(l.password, false)...)
	}
	return out
}
