package conf

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
)

// ErrNotFile reports that something else stands in the file's place.
var ErrNotFile = errors.New("not a regular file")

// Disk reads the real file system. The zero value is ready.
type Disk struct{}

// ReadFile implements Source. It opens nothing but regular files, and reads no
// more than MaxFileSize.
func (Disk) ReadFile(name string) (string, fs.FileMode, error) {
	// A FIFO in the file's place must not block the open.
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "", 0, err
	}
	if !st.Mode().IsRegular() {
		return "", 0, fmt.Errorf("reading %s: %w but %s", name, ErrNotFile, kindOf(st.Mode()))
	}
	b, err := io.ReadAll(io.LimitReader(f, MaxFileSize+1))
	if err != nil {
		return "", 0, err
	}
	return string(b), st.Mode(), nil
}

func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	default:
		return "a device"
	}
}

// ReadDir implements Source.
func (Disk) ReadDir(name string) ([]string, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0) // a pipe would wait for its writer
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// Texts is a Source of texts by path.
type Texts struct {
	Files map[string]string
}

// ReadFile implements Source.
func (t Texts) ReadFile(name string) (string, fs.FileMode, error) {
	if text, ok := t.Files[name]; ok {
		return text, 0o644, nil
	}
	return "", 0, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// ReadDir implements Source.
func (t Texts) ReadDir(name string) ([]string, error) {
	var names []string
	dir := strings.TrimSuffix(name, "/") + "/"
	for file := range t.Files {
		if rest, ok := strings.CutPrefix(file, dir); ok && !strings.Contains(rest, "/") {
			names = append(names, rest)
		}
	}
	if names == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	slices.Sort(names)
	return names, nil
}
