package keys

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// maxFile bounds a file; real ones have a few kilobytes.
const maxFile = 1 << 20

// FormatError reports where a file stops being what it should be.
type FormatError struct {
	Offset int    // the offset in bytes from the start of the file
	What   string // what is wrong there
}

// Error returns offset and problem, and nothing of the file's content.
func (e *FormatError) Error() string { return fmt.Sprintf("offset %d: %s", e.Offset, e.What) }

// readFile reads a regular file of at most maxFile bytes. It does not wait
// for the other end of a pipe.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &FormatError{What: "not a regular file"}
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxFile {
		return nil, &FormatError{Offset: maxFile, What: "file is longer than 1 MiB"}
	}
	return b, nil
}

// reader walks through a file and remembers the first thing that went wrong,
// after which everything it returns is zero.
type reader struct {
	b   []byte
	pos int
	err *FormatError
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = &FormatError{Offset: r.pos, What: what}
	}
}

// bytes returns the next n bytes, which alias the file.
func (r *reader) bytes(n int, what string) []byte {
	if r.err != nil {
		return nil
	}
	if n < 0 || n > len(r.b)-r.pos {
		r.fail(what + " is cut short")
		return nil
	}
	b := r.b[r.pos : r.pos+n : r.pos+n]
	r.pos += n
	return b
}

// number returns the next size bytes as a big-endian number.
func (r *reader) number(size int, what string) int64 {
	var n int64
	for _, c := range r.bytes(size, what) {
		n = n<<8 | int64(c)
	}
	return n
}

// data returns bytes that have their length, size bytes long, in front.
func (r *reader) data(size int, what string) []byte {
	return r.bytes(int(r.number(size, what)), what)
}

func (r *reader) rest() int { return len(r.b) - r.pos }
