package recorder

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// FileName is the file's name in the state directory.
const FileName = "failures.jsonl"

const (
	maxFile    = 1 << 20
	retryAfter = 10 * time.Second // that the disk is left alone after an error
)

// file is the records on disk. A line is a checksum, a space and one JSON
// object; the first line of a record has all of it, later ones what has
// changed. Lines are added at the end until there is no room; then, and
// whenever the file is not as we left it, all of it is written anew and takes
// its name by a rename. So a process that is killed leaves at worst half of a
// last line, which the next one leaves out.
type file struct {
	path   string
	size   int64  // the file's size after our latest write, in bytes
	next   uint64 // number of the next record
	stale  bool   // not what the records are: to be written anew
	failed error  // the error of the latest write
	tried  time.Time
}

// line is one line's object.
type line struct {
	Number   uint64          `json:"n"`
	At       time.Time       `json:"at,omitzero"`
	Last     time.Time       `json:"last"`
	Count    int             `json:"count"`
	Good     time.Time       `json:"good,omitzero"`
	Changed  []string        `json:"changed,omitempty"`
	Findings []string        `json:"findings,omitempty"`
	Ended    bool            `json:"ended,omitempty"`
	Hidden   bool            `json:"hidden,omitempty"`
	Result   json.RawMessage `json:"result,omitempty"`
}

// read returns what the file has, in the order of the latest failures. What is
// damaged is left out.
func (f *file) read() ([]*entry, error) {
	// O_NONBLOCK: a named pipe in the file's place must not hang.
	h, err := os.OpenFile(f.path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		f.stale = true
		return nil, nil
	}
	if err != nil {
		f.stale = true
		return nil, fmt.Errorf("reading the last failures: %w", err)
	}
	defer h.Close()
	var b []byte
	info, err := h.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err == nil {
		b, err = io.ReadAll(io.LimitReader(h, maxFile+1))
	}
	if err != nil {
		f.stale = true
		return nil, fmt.Errorf("reading %s: %w", f.path, err)
	}
	entries, good := parse(b)
	f.stale = !good || len(b) > maxFile
	f.size = int64(len(b))
	for _, e := range entries {
		f.next = max(f.next, e.number+1)
	}
	return entries, nil
}

// parse reads lines. good says that nothing was left out.
func parse(b []byte) (entries []*entry, good bool) {
	good = true
	for len(b) > 0 {
		text, rest, ended := bytes.Cut(b, []byte("\n"))
		b = rest
		sum, object, _ := bytes.Cut(text, []byte(" "))
		if want, err := strconv.ParseUint(string(sum), 16, 32); !ended || err != nil || uint32(want) != crc32.ChecksumIEEE(object) {
			good = false
			continue
		}
		var ok bool
		if entries, ok = take(entries, object); !ok {
			good = false
		}
	}
	return entries, good
}

// take adds what one line says. A line that nobody can have written is refused.
func take(entries []*entry, object []byte) ([]*entry, bool) {
	var l line
	d := json.NewDecoder(bytes.NewReader(object))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil || l.Count < 1 || len(l.Result) > maxResult || l.Number == 1<<64-1 {
		return entries, false
	}
	at := slices.IndexFunc(entries, func(e *entry) bool { return e.number == l.Number })
	if (at < 0) == (l.Result == nil) {
		return entries, false
	}
	e := &entry{number: l.Number, hidden: l.Hidden, Record: Record{At: l.At, LastGood: l.Good, Changed: l.Changed, Result: l.Result}}
	if at >= 0 {
		e = entries[at]
		entries = slices.Delete(entries, at, at+1)
	} else {
		var head struct{ ID, Reason string }
		if json.Unmarshal(l.Result, &head) != nil || l.Result[0] != '{' {
			return entries, false
		}
		e.reason = head.Reason
		if !l.Hidden {
			e.id = head.ID
		}
	}
	e.Last, e.Count, e.ended = l.Last, l.Count, l.Ended
	if l.Findings != nil {
		e.Findings = l.Findings
	}
	return append(entries, e), true
}

// save adds a line about e, or writes all entries anew. After an error it
// waits before it bothers the disk again.
func (f *file) save(e *entry, whole bool, all []*entry, now time.Time) error {
	if wait := now.Sub(f.tried); f.failed != nil && wait >= 0 && wait < retryAfter {
		return f.failed
	}
	if whole {
		e.number = f.next
		f.next++
	}
	b, err := encode(e, whole)
	if err != nil {
		return err
	}
	if f.stale || !f.add(b) {
		err = f.writeAll(all)
	}
	f.stale, f.failed, f.tried = err != nil, err, now
	return err
}

// retry writes all entries anew after an error, once it is time, when there is
// nothing else to write. It returns the error for as long as there is one.
func (f *file) retry(all []*entry, now time.Time) error {
	if f.failed == nil {
		return nil
	}
	if wait := now.Sub(f.tried); wait >= 0 && wait < retryAfter {
		return f.failed
	}
	err := f.writeAll(all)
	f.stale, f.failed, f.tried = err != nil, err, now
	return err
}

// add appends to the file, if it is as we left it and has room.
func (f *file) add(b []byte) bool {
	h, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer h.Close()
	info, err := h.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() != f.size || f.size+int64(len(b)) > maxFile {
		return false
	}
	if _, err := h.Write(b); err != nil {
		return false
	}
	f.size += int64(len(b))
	return h.Close() == nil
}

// writeAll replaces the file.
func (f *file) writeAll(all []*entry) error {
	var b []byte
	for i, e := range all {
		e.number = uint64(i)
		l, err := encode(e, true)
		if err != nil {
			return err
		}
		b = append(b, l...)
	}
	f.next = uint64(len(all))
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return fmt.Errorf("making state directory: %w", err)
	}
	if err := replace(f.path, b); err != nil {
		return fmt.Errorf("writing the last failures: %w", err)
	}
	f.size = int64(len(b))
	return nil
}

// replace replaces a file's content atomically: whoever reads the file sees the
// old content or the new one.
func replace(path string, b []byte) error {
	tmp := path + ".new" // what has this name was left by one who died
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	h, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = h.Write(b)
	if err == nil {
		err = h.Sync()
	}
	if closed := h.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return nil
}

// encode makes a line of all of a record, or of what changes in it.
func encode(e *entry, whole bool) ([]byte, error) {
	l := line{Number: e.number, Last: e.Last.UTC(), Count: e.Count, Findings: e.Findings, Ended: e.ended}
	if whole {
		l.At, l.Good, l.Changed, l.Hidden, l.Result = e.At.UTC(), e.LastGood.UTC(), e.Changed, e.hidden, e.Result
	}
	var b bytes.Buffer
	j := json.NewEncoder(&b)
	j.SetEscapeHTML(false) // it would grow, and be another text than the report's
	if err := j.Encode(l); err != nil {
		return nil, fmt.Errorf("recording a failure: %w", err)
	}
	object := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	return fmt.Appendf(nil, "%08x %s\n", crc32.ChecksumIEEE(object), object), nil
}

// lineSize is about what a record takes in the file.
func lineSize(e *entry) int {
	size := len(e.Result) + 256
	for _, what := range e.Changed {
		size += len(what) + 3
	}
	for _, code := range e.Findings {
		size += len(code) + 3
	}
	return size
}
