package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/host"
	"github.com/kerbagent/kerbagent/internal/krb5file"
)

// maxHostFile caps a file of the system's that is copied.
const maxHostFile = 64 << 10

// krb5conf adds the krb5.conf that programs read, with what it includes.
func (o *bundleOptions) krb5conf(b *bundle, cfg *config.Config) {
	f, err := krb5file.Find(krb5file.Wish{Config: cfg, ConfigFile: o.config, KRB5Config: os.Getenv("KRB5_CONFIG")})
	if err != nil {
		b.lacks("krb5.conf", err)
		return
	}
	for _, t := range f.Texts() {
		if t.Err != nil {
			b.lacks(t.Path, t.Err)
			continue
		}
		b.add(path.Join("krb5.conf", t.Path), "a krb5.conf that programs read, or a part of it", []byte(t.Text))
	}
}

// host adds what the system says of itself.
func (o *bundleOptions) host(b *bundle) {
	if text, err := config.ReadFile(resolvConf); err != nil {
		b.lacks("resolv.conf", err)
	} else {
		b.add("resolv.conf", "this host's DNS servers", text[:min(len(text), maxHostFile)])
	}
	var out strings.Builder
	fmt.Fprintf(&out, "time: %s\n", time.Now().Format(time.RFC3339Nano))
	fmt.Fprintf(&out, "clock: %s\n", host.ClockState())
	if info, ok := debug.ReadBuildInfo(); ok {
		fmt.Fprintf(&out, "kerbagent: %s\n", info.Main.Version)
		for _, s := range info.Settings {
			if strings.HasPrefix(s.Key, "vcs.") {
				fmt.Fprintf(&out, "  %s: %s\n", s.Key, s.Value)
			}
		}
	}
	fmt.Fprintf(&out, "go: %s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	var u unix.Utsname
	if err := unix.Uname(&u); err == nil {
		fmt.Fprintf(&out, "kernel: %s %s %s\nhost: %s\n", unix.ByteSliceToString(u.Sysname[:]), unix.ByteSliceToString(u.Release[:]),
			unix.ByteSliceToString(u.Version[:]), unix.ByteSliceToString(u.Nodename[:]))
	}
	fmt.Fprintf(&out, "user: %d\n", os.Geteuid())
	for _, name := range []string{"KRB5_CONFIG", "KRB5CCNAME"} { // what libkrb5 looks at; other variables may hold secrets
		if v, ok := os.LookupEnv(name); ok {
			fmt.Fprintf(&out, "%s: %s\n", name, v)
		}
	}
	if text, err := config.ReadFile("/etc/os-release"); err == nil {
		out.WriteString("\n" + string(text[:min(len(text), maxHostFile)]))
	}
	b.add("host.txt", "versions, kernel, system, and whether its clock is kept", []byte(out.String()))
}

// state adds a listing of the state directory: the files in it are not opened.
func (o *bundleOptions) state(b *bundle) {
	const most = 2000
	entries, err := os.ReadDir(o.stateDir)
	if err != nil {
		b.lacks("state.txt", err)
		return
	}
	var out strings.Builder
	if info, err := os.Stat(o.stateDir); err == nil {
		fmt.Fprintf(&out, "%s%s %s\n", info.Mode(), owner(info), o.stateDir)
	}
	for _, e := range entries[:min(len(entries), most)] {
		info, err := e.Info()
		if err != nil {
			continue // gone meanwhile
		}
		fmt.Fprintf(&out, "%s%s %8d %s %q\n", info.Mode(), owner(info), info.Size(), info.ModTime().UTC().Format(time.RFC3339), e.Name())
	}
	b.add("state.txt", "names, sizes and modes of the files in the state directory; the files are not in it", []byte(out.String()))
}

// owner is user and group of a file.
func owner(info fs.FileInfo) string {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf(" %d:%d", st.Uid, st.Gid)
	}
	return ""
}
