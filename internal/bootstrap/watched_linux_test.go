package bootstrap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// envWatched: this process hands its changes of files to its parent, over descriptor 3.
const envWatched = "BOOTSTRAP_TEST_WATCHED"

// changesFiles are the system calls that change files, by number.
func changesFiles() map[int32]string {
	return map[int32]string{unix.SYS_OPENAT: "open", unix.SYS_WRITE: "write", unix.SYS_PWRITE64: "write", unix.SYS_RENAMEAT: "rename",
		unix.SYS_RENAMEAT2: "rename", unix.SYS_LINKAT: "link", unix.SYS_SYMLINKAT: "link", unix.SYS_UNLINKAT: "remove",
		unix.SYS_MKDIRAT: "mkdir", unix.SYS_FCHMOD: "chmod", unix.SYS_FCHMODAT: "chmod", unix.SYS_FCHOWN: "chown",
		unix.SYS_FCHOWNAT: "chown", unix.SYS_FTRUNCATE: "truncate", unix.SYS_FSYNC: "sync"}
}

// beWatched has the kernel stop each system call of changesFiles until the parent has seen
// it (seccomp_unotify(2)), where this process is one that is watched.
func beWatched() {
	if os.Getenv(envWatched) == "" {
		return
	}
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	filter := []unix.SockFilter{load(0)} // the number
	numbers := changesFiles()
	for nr := range numbers {
		filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(nr), Jf: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF})
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	if err == nil {
		listener, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|
			unix.SECCOMP_FILTER_FLAG_TSYNC|unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH, uintptr(unsafe.Pointer(&program)))
		if errno == 0 {
			err = unix.Sendmsg(3, nil, unix.UnixRights(int(listener)), nil, 0)
		} else {
			err = errno
		}
	}
	if err != nil {
		_ = unix.Sendmsg(3, []byte(err.Error()), nil, nil, 0)
		os.Exit(1)
	}
}

// fileChange is a system call that is about to change a file.
type fileChange struct{ call, path string }

// notification and answer are the kernel's struct seccomp_notif and seccomp_notif_resp.
type notification struct {
	id         uint64
	pid, flags uint32
	nr         int32
	arch       uint32
	ip         uint64
	args       [6]uint64
}

type answer struct {
	id         uint64
	val        int64
	err, flags uint32
}

// runWatched runs a process and asks at each of its changes of files whether it dies there: no,
// before it, or, of a write, in the midst of it. It returns whether the process was killed.
func runWatched(t *testing.T, cmd *exec.Cmd, dies func(fileChange) death) (killed bool, said string, err error) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "")
	defer unix.Close(pair[0])
	cmd.Env, cmd.ExtraFiles = append(cmd.Env, envWatched+"=1"), []*os.File{theirs}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		t.Fatal(err)
	}
	if listener, why := listenerFrom(pair[0]); listener >= 0 {
		supervise(listener, cmd.Process, dies)
		unix.Close(listener)
	} else {
		defer t.Skipf("the kernel or a container's rules have no seccomp notifications: %s", why)
	}
	err = cmd.Wait()
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	return status.Signaled() && status.Signal() == syscall.SIGKILL, out.String(), err
}

// listenerFrom receives what the process was given by the kernel; below 0: why there is none.
func listenerFrom(socket int) (int, string) {
	text, rights := make([]byte, 200), make([]byte, unix.CmsgSpace(4))
	n, m, _, _, err := unix.Recvmsg(socket, text, rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil || m == 0 {
		return -1, fmt.Sprint(string(text[:max(n, 0)]), err)
	}
	return int(int32(binary.NativeEndian.Uint32(rights[unix.CmsgLen(0):]))), ""
}

type death int

const (
	lives death = iota
	diesBefore
	diesWithin // of a write: half of it is in the file
)

// supervise answers the kernel's notifications until the process has ended.
func supervise(listener int, process *os.Process, dies func(fileChange) death) {
	for {
		poll := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, -1); err != nil {
			if errors.Is(err, unix.EINTR) {
				continue
			}
			return
		}
		if poll[0].Revents&unix.POLLIN == 0 {
			return // it has ended
		}
		var n notification
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&n))); errno != 0 {
			continue // that thread has ended
		}
		if c, ok := n.change(); ok {
			end := dies(c)
			if end == diesWithin && c.call == "write" {
				n.writeHalf()
			}
			if end != lives {
				_ = process.Kill() // what came of it, Wait tells
				return
			}
		}
		a := answer{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
		_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&a)))
	}
}

// change is what the system call would do; false: nothing to a file.
func (n notification) change() (fileChange, bool) {
	c := fileChange{call: changesFiles()[n.nr]}
	switch c.call {
	case "write", "truncate", "sync":
		c.path = n.descriptor(n.args[0])
	case "chmod", "chown":
		if c.path = n.descriptor(n.args[0]); n.nr == unix.SYS_FCHMODAT || n.nr == unix.SYS_FCHOWNAT {
			c.path = n.named(n.args[0], n.args[1])
		}
	case "open":
		if n.args[2]&(unix.O_CREAT|unix.O_TRUNC) == 0 {
			return c, false
		}
		c.path = n.named(n.args[0], n.args[1])
	case "rename", "link":
		c.path = n.named(n.args[2], n.args[3])
		if n.nr == unix.SYS_SYMLINKAT {
			c.path = n.named(n.args[1], n.args[2])
		}
	default:
		c.path = n.named(n.args[0], n.args[1])
	}
	return c, strings.HasPrefix(c.path, "/") && !strings.HasPrefix(c.path, "/dev/null") && !strings.HasPrefix(c.path, "/proc/")
}

// descriptor is the file behind one.
func (n notification) descriptor(fd uint64) string {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", n.pid, int32(fd)))
	if err != nil {
		return ""
	}
	return path
}

// named is a path in the process's memory, in one of its folders.
func (n notification) named(dir, at uint64) string {
	name, _, _ := bytes.Cut(n.memory(at, 4096), []byte{0})
	if len(name) == 0 || name[0] == '/' || int32(dir) == unix.AT_FDCWD {
		return string(name)
	}
	return filepath.Join(n.descriptor(dir), string(name))
}

func (n notification) memory(at uint64, length int) []byte {
	f, err := os.Open(fmt.Sprintf("/proc/%d/mem", n.pid))
	if err != nil {
		return nil
	}
	defer f.Close()
	b := make([]byte, length)
	got, _ := f.ReadAt(b, int64(at)) // fewer where the page ends
	return b[:got]
}

// writeHalf does the first half of a write for the process: a kill can end one there.
func (n notification) writeHalf() {
	f, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/%d", n.pid, int32(n.args[0])), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.Write(n.memory(n.args[1], int(n.args[2]/2)))
}
