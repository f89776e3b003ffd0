//go:build linux

package audit

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What is read of one process at most, in bytes.
const (
	maxStatus  = 64 << 10
	maxEnviron = 4 << 20 // an environment and a command line may each be as large as the stack limit allows
	maxMaps    = 8 << 20
)

// Process is one process of this host, seen by its folder in /proc.
//
// The folder's descriptor stands for this process and no other: once it has
// ended, everything below answers ESRCH, also where its number was given away.
type Process struct {
	PID        int
	Comm       string
	Who        Identity
	Start      time.Time
	Unit       string          // its systemd service, or empty
	Container  string          // the id of its container, or empty
	Namespaces map[string]bool // "mnt", "net", "user", "pid": true where it is another than ours
	Env        map[string]string
	Args       []string // the Java options that decide a Kerberos login, and no other argument

	database string // that it has a connection to, by its name in the configuration; empty for none
	named    bool   // by --pid, --unit, --user or --container

	dir   *os.File
	start uint64 // clock ticks after boot: field 22 of /proc/PID/stat
}

// openProcess reads what decides who the process is. Its error wraps
// fs.ErrNotExist where there is no such process.
func openProcess(pid int) (*Process, error) {
	dir, err := os.OpenFile("/proc/"+strconv.Itoa(pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	p := &Process{PID: pid, dir: dir, Namespaces: map[string]bool{}}
	if err := p.identify(); err != nil {
		dir.Close()
		return nil, err
	}
	return p, nil
}

func (p *Process) close() {
	if p.dir != nil {
		p.dir.Close()
	}
}

// alive fails where the process has ended since it was opened.
func (p *Process) alive() error {
	start, err := p.started()
	if err == nil && start != p.start {
		err = syscall.ESRCH
	}
	if err != nil {
		return fmt.Errorf("it ended while it was looked at: %w", err)
	}
	return nil
}

// read returns a file of the process's folder, cut at most bytes.
func (p *Process) read(name string, most int64) ([]byte, error) {
	fd, err := unix.Openat(int(p.dir.Fd()), name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path.Join(p.dir.Name(), name), Err: err}
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

func (p *Process) link(name string) (string, error) {
	buf := make([]byte, 4096)
	n, err := unix.Readlinkat(int(p.dir.Fd()), name, buf)
	if err != nil {
		return "", &os.PathError{Op: "readlink", Path: path.Join(p.dir.Name(), name), Err: err}
	}
	return string(buf[:n]), nil
}

// identify fills in all but environment and arguments.
func (p *Process) identify() error {
	var err error
	if p.start, err = p.started(); err != nil {
		return err
	}
	p.Start = startTime(p.start)
	status, err := p.read("status", maxStatus)
	if err != nil {
		return err
	}
	if p.Who, p.Comm, err = parseStatus(status); err != nil {
		return err
	}
	if maps, err := p.read("uid_map", maxStatus); err == nil {
		p.Who.mapped = parseIDMap(maps)
	}
	cgroup, err := p.read("cgroup", maxStatus)
	if err == nil {
		p.Unit, p.Container = parseCgroup(string(cgroup))
	}
	for _, ns := range []string{"mnt", "net", "user", "pid"} {
		theirs, err := p.link("ns/" + ns)
		p.Namespaces[ns] = err == nil && apart(ns, theirs)
	}
	return nil
}

// apart reports whether a namespace is neither this process's nor that of the
// host's first one: a sandboxed one-shot of systemd has namespaces of its own,
// in which the host's files are the host's all the same.
func apart(ns, theirs string) bool {
	ours, err := os.Readlink("/proc/self/ns/" + ns)
	if err != nil || theirs == ours {
		return false
	}
	first, err := os.Readlink("/proc/1/ns/" + ns)
	return err != nil || theirs != first
}

// started is field 22 of stat. The second one is a name that may hold blanks
// and parentheses (proc(5)).
func (p *Process) started() (uint64, error) {
	b, err := p.read("stat", maxStatus)
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 20 {
		return 0, fmt.Errorf("reading %s/stat: %d fields", p.dir.Name(), len(fields))
	}
	return strconv.ParseUint(string(fields[19]), 10, 64)
}

// startTime turns clock ticks after boot into a time. The kernel reports in
// units of USER_HZ, which is 100 on every architecture that Go runs on.
func startTime(ticks uint64) time.Time {
	var up unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) != nil {
		return time.Time{}
	}
	return time.Now().Add(-time.Duration(up.Nano())).Add(time.Duration(ticks) * 10 * time.Millisecond)
}

// parseStatus reads /proc/PID/status (proc(5)).
func parseStatus(b []byte) (id Identity, comm string, err error) {
	found := 0
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		key, rest, _ := strings.Cut(s.Text(), ":")
		fields := strings.Fields(rest)
		switch {
		case key == "Name":
			comm = strings.TrimSpace(rest)
		case key == "Uid" && len(fields) == 4: // real, effective, saved, file system
			id.UID, found = number(fields[3]), found+1
		case key == "Gid" && len(fields) == 4:
			id.GID, found = number(fields[3]), found+1
		case key == "Groups":
			for _, f := range fields {
				id.Groups = append(id.Groups, number(f))
			}
		case key == "CapEff" && len(fields) == 1:
			id.caps, _ = strconv.ParseUint(fields[0], 16, 64)
		}
	}
	if found != 2 {
		return id, comm, fmt.Errorf("its status names no user and group")
	}
	return id, comm, nil
}

func number(s string) uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 1<<32 - 1 // (uid_t)-1 is nobody's
	}
	return uint32(n)
}

// parseCgroup finds the systemd service and the container in a list of control
// groups (cgroups(7)).
func parseCgroup(text string) (unit, container string) {
	id := regexp.MustCompile(`[0-9a-f]{64}`)
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for _, name := range strings.Split(parts[2], "/") {
			if strings.HasSuffix(name, ".service") && unitName(name) {
				unit = name
			}
			if c := id.FindString(name); c != "" {
				container = c
			}
		}
	}
	return unit, container
}

// unitName reports whether a text is the name of a systemd service
// (systemd.unit(5)), so that it may stand in a command.
func unitName(s string) bool {
	return regexp.MustCompile(`^[a-zA-Z0-9:_][a-zA-Z0-9:_.@-]{0,254}$`).MatchString(s)
}

// Name is what a person calls the process.
func (p *Process) Name() string {
	switch {
	case p.Container != "":
		return "container " + p.Container[:12]
	case p.Unit != "":
		return p.Unit
	}
	return p.Comm
}

// variables are those of an environment that decide a Kerberos login. Their
// values are names of files and caches, never secrets. The last two are
// searched for Java options.
func variables() []string {
	return []string{"KRB5_CONFIG", "KRB5CCNAME", "KRB5_CLIENT_KTNAME", "KRB5_KTNAME", "KRB5_TRACE", "MARIADB_PLUGIN_DIR",
		"LIBMYSQL_PLUGIN_DIR"}
}

// javaVariables hold options that a JVM takes from its environment; nothing of
// them but Java's own Kerberos options is kept.
func javaVariables() []string {
	return []string{"JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS"}
}

// readEnvironment keeps what decides a login, of the environment that the
// process was started with, and of its command line.
func (p *Process) readEnvironment() error {
	environ, err := p.read("environ", maxEnviron)
	if err != nil {
		return err
	}
	p.Env = map[string]string{}
	for entry := range bytes.SplitSeq(environ, []byte{0}) {
		name, value, _ := strings.Cut(string(entry), "=")
		if slices.Contains(variables(), name) {
			p.Env[name] = value
		}
		if slices.Contains(javaVariables(), name) {
			p.Args = append(p.Args, javaOptions(strings.Fields(value))...)
		}
	}
	cmdline, err := p.read("cmdline", maxEnviron)
	if err != nil {
		return err
	}
	p.Args = append(p.Args, javaOptions(strings.Split(string(cmdline), "\x00"))...)
	return nil
}

// javaOptions keeps the options that decide a Kerberos login: no other may be
// looked at, since a password may stand there.
func javaOptions(args []string) []string {
	var out []string
	for _, a := range args {
		name, _, _ := strings.Cut(a, "=")
		if strings.HasPrefix(name, "-Djava.security.krb5.") || strings.HasPrefix(name, "-Dsun.security.krb5.") ||
			slices.Contains([]string{"-Djava.security.auth.login.config", "-Djavax.security.auth.useSubjectCredsOnly",
				"-Dsun.security.jgss.native"}, name) {
			out = append(out, a)
		}
	}
	return out
}

// option returns the value of a Java option; the last one counts.
func (p *Process) option(name string) string {
	value := ""
	for _, a := range p.Args {
		if v, ok := strings.CutPrefix(a, "-D"+name+"="); ok {
			value = v
		}
	}
	return value
}
