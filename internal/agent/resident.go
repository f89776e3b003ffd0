package agent

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// releaseProgram gives back to the kernel the pages of the program's own file
// that are mapped, and count as resident as long as they are. A start runs
// through nearly all of a program once, and the kernel maps 64 KiB around each
// page that is touched: 20 of 27 MiB. They stay in the page cache, and what is
// needed again is mapped again from there: 14 to 16 MiB of a busy daemon
// (docs/measured.md).
func releaseProgram() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return err
	}
	for _, m := range unwritten(smaps, program) {
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, m.start, m.length, unix.MADV_DONTNEED); errno != 0 {
			return errno
		}
	}
	return nil
}

// mapping is a part of the address space, in bytes.
type mapping struct{ start, length uintptr }

// unwritten gives the mappings of a file that cannot be written, and never were
// (a relocation writes before it takes the right away): they hold what the file
// does. smaps is as in proc_pid_smaps(5).
func unwritten(smaps []byte, file string) []mapping {
	var out []mapping
	var m mapping // zero: of no interest
	for line := range bytes.Lines(smaps) {
		f := strings.Fields(string(line))
		switch {
		case len(f) >= 5 && strings.Contains(f[0], "-"): // start-end perms offset device inode path
			m = mapping{}
			from, to, _ := strings.Cut(f[0], "-")
			start, err1 := strconv.ParseUint(from, 16, 64)
			end, err2 := strconv.ParseUint(to, 16, 64)
			if err1 == nil && err2 == nil && end > start && !strings.Contains(f[1], "w") && strings.Join(f[5:], " ") == file {
				m = mapping{uintptr(start), uintptr(end - start)}
			}
		case m.length > 0 && len(f) == 3 && f[0] == "Anonymous:":
			if f[1] == "0" {
				out = append(out, m)
			}
			m = mapping{}
		}
	}
	return out
}
