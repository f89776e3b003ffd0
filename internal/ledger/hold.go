package ledger

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// holdFile is locked by the one daemon of a state directory, and has its process id.
const holdFile = "run.lock"

// HeldError is a state directory that another daemon has.
type HeldError struct {
	Dir string
	PID int // 0: not known
}

// Error reports who has it.
func (e *HeldError) Error() string {
	who := "another kerbagent run"
	if e.PID > 0 {
		who += fmt.Sprintf(" (process %d)", e.PID)
	}
	return fmt.Sprintf("state directory %s belongs to %s", e.Dir, who)
}

// Hold takes a state directory for a daemon, and makes it where it is missing:
// two of them would try every account twice as often as either says. It is let
// go with hold.Close, or when the process ends, however that is. Its errors: *HeldError,
// and what wraps ErrNoRecord. Attempts have locks of their own, so `check` may
// run beside it.
func Hold(dir string) (hold io.Closer, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, noRecord("making state directory", err)
	}
	s, err := (&Ledger{dir: dir}).store()
	if err != nil {
		return nil, err
	}
	defer s.Close()
	f, err := s.lock(holdFile, false)
	if errors.Is(err, errBusy) {
		b, _ := s.read(holdFile) // who cannot be read is not named
		pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
		return nil, &HeldError{Dir: dir, PID: pid}
	}
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(0); err == nil {
		_, _ = fmt.Fprintln(f, os.Getpid()) // a full disk: it is held without a name
	}
	return f, nil
}
