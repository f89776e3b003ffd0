package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// DefaultReport is where the one-shot that may look at every process leaves
// its report for the daemon, which may not.
const DefaultReport = "/run/kerbagent-audit/report.json"

// maxReport is the largest report that is written or read, in bytes.
const maxReport = 4 << 20

// schema is of the report; another one is refused.
const schema = 1

// ErrNotTrusted reports that a report is not root's own, or that others may write it.
var ErrNotTrusted = errors.New("only a regular file of root's that nobody else may write is read")

// file is a report on disk.
type file struct {
	Schema int       `json:"schema"`
	Taken  time.Time `json:"taken"`
	Report Report    `json:"report"`
}

// WriteReport replaces the report at path whole.
func WriteReport(path string, r Report, taken time.Time) error {
	b, err := json.Marshal(file{Schema: schema, Taken: taken.UTC(), Report: r})
	if err != nil {
		return err
	}
	if len(b) > maxReport {
		return fmt.Errorf("writing %s: the report has %d bytes, more than the %d that are read", path, len(b), maxReport)
	}
	return renameio.WriteFile(path, b, 0o644)
}

// ReadReport reads what WriteReport wrote, and says when that was taken. Its
// error wraps fs.ErrNotExist where there is none.
func ReadReport(path string) (Report, time.Time, error) {
	fail := func(err error) (Report, time.Time, error) {
		return Report{}, time.Time{}, fmt.Errorf("reading %s: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fail(err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Uid != 0 || st.Mode&0o022 != 0 {
		return fail(ErrNotTrusted)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxReport+1))
	if err != nil {
		return fail(err)
	}
	if len(b) > maxReport {
		return fail(fmt.Errorf("it has more than %d bytes", maxReport))
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var got file
	if err := d.Decode(&got); err != nil {
		return fail(err)
	}
	if got.Schema != schema {
		return fail(fmt.Errorf("it has schema %d, this program reads %d", got.Schema, schema))
	}
	return got.Report, got.Taken, nil
}
