package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/internal/report"
)

// bundle is what goes into the archive.
type bundle struct {
	items   []item
	missing []item
	hide    bool
	users   []string // user@REALM; their names are replaced where hide is set
}

// item is one file of the archive.
type item struct {
	name  string // in the archive
	about string // in a line
	data  []byte
}

func (b *bundle) add(name, about string, data []byte) {
	b.items = append(b.items, item{name, about, data})
}

// lacks reports why something is not in the bundle, in one line.
func (b *bundle) lacks(name string, err error) {
	b.missing = append(b.missing, item{name: name, about: strings.ReplaceAll(err.Error(), "\n", "; ")})
}

// write makes the archive, which must not be there yet. Users are hidden here,
// in all files alike, so that none is forgotten.
func (b *bundle) write(file, folder string, now time.Time) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(b.archive(f, folder, now), f.Close()); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	return nil
}

func (b *bundle) archive(w io.Writer, folder string, now time.Time) error {
	z := gzip.NewWriter(w)
	t := tar.NewWriter(z)
	for _, i := range b.items {
		name, data := i.name, i.data
		if b.hide {
			name, data = report.HideUsers(name, b.users), []byte(report.HideUsers(string(data), b.users))
		}
		h := &tar.Header{Name: path.Join(folder, name), Mode: 0o600, Size: int64(len(data)), ModTime: now, Format: tar.FormatPAX}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if _, err := t.Write(data); err != nil {
			return err
		}
	}
	return errors.Join(t.Close(), z.Close())
}
