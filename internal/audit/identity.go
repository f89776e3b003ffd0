//go:build linux

package audit

import (
	"bufio"
	"bytes"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Identity is who a process is to the file system.
type Identity struct {
	UID    uint32 // of the file system, as this host's user namespace counts
	GID    uint32
	Groups []uint32

	caps   uint64
	mapped []idRange // the users of its user namespace
}

// idRange are the users first to first+count-1.
type idRange struct{ first, count uint64 }

// Rights, as one class of a mode has them.
const (
	read   = 4
	write  = 2
	search = 1
)

// Capabilities, as capabilities(7) numbers them.
const (
	capDACOverride   = 1
	capDACReadSearch = 2
)

// may reports whether the process can do what with a file, by owner, group and
// mode, as path_resolution(7) has it. Access control lists are not known here.
func (id Identity) may(st *unix.Stat_t, what uint32) bool {
	if (id.has(capDACOverride) || id.has(capDACReadSearch) && what&write == 0) && id.owns(st.Uid) {
		return true
	}
	switch {
	case st.Uid == id.UID:
		return st.Mode>>6&what == what
	case st.Gid == id.GID || slices.Contains(id.Groups, st.Gid):
		return st.Mode>>3&what == what
	default:
		return st.Mode&what == what
	}
}

func (id Identity) has(c uint) bool { return id.caps>>c&1 == 1 }

// owns reports whether the capabilities of the process's user namespace reach a
// file of that user (user_namespaces(7)).
func (id Identity) owns(uid uint32) bool {
	return slices.ContainsFunc(id.mapped, func(r idRange) bool {
		return uint64(uid) >= r.first && uint64(uid) < r.first+r.count
	})
}

// parseIDMap reads /proc/PID/uid_map: inside, outside, count.
func parseIDMap(b []byte) []idRange {
	var out []idRange
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		if f := strings.Fields(s.Text()); len(f) == 3 {
			out = append(out, idRange{uint64(number(f[1])), uint64(number(f[2]))})
		}
	}
	return out
}
