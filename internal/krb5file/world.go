package krb5file

import (
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/kerbagent/kerbagent/internal/lint"
	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
	"github.com/kerbagent/kerbagent/krb5/keys"
	"github.com/kerbagent/kerbagent/probe/krb5conf"
)

// HostWorld returns the environment of this process, as a program that is started
// beside it would have it, and the ticket of its credential cache.
func HostWorld(set *conf.Set) (lint.Env, *krb5conf.Ticket) {
	env := lint.Env{
		KRB5Config: os.Getenv("KRB5_CONFIG"), CCacheName: os.Getenv("KRB5CCNAME"), UID: os.Geteuid(),
		Container: container(), KCM: exists("/var/run/.heim_org.h5l.kcm-socket"), // the one path that MIT and sssd share
	}
	path, ok := cachePath(env, set)
	if !ok {
		return env, nil
	}
	st, err := os.Stat(path)
	if err != nil {
		return env, nil
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		env.CacheFile = &lint.CacheFile{UID: int(sys.Uid), Mode: uint32(st.Mode().Perm())}
	}
	return env, ticketOf(path)
}

// cachePath returns the file of the cache, where it is one.
func cachePath(env lint.Env, set *conf.Set) (string, bool) {
	name := env.CCacheName
	if name == "" {
		name = reader.Read(reader.MIT, set).CCacheName.Value
	}
	if name == "" {
		name = "FILE:/tmp/krb5cc_%{uid}"
	}
	kind, rest, typed := strings.Cut(name, ":")
	switch {
	case !typed:
		rest = name
	case kind != "FILE":
		return "", false
	}
	uid := strconv.Itoa(env.UID)
	path := strings.NewReplacer("%{uid}", uid, "%{euid}", uid).Replace(rest)
	return path, !strings.Contains(path, "%{")
}

// ticketOf returns the ticket-granting ticket of a cache's own user; nil where
// there is none that can be read.
func ticketOf(path string) *krb5conf.Ticket {
	cc, err := keys.ReadCCache(path)
	if err != nil {
		return nil
	}
	for _, c := range cc.Credentials {
		if c.Server == "krbtgt/"+cc.Realm && c.ServerRealm == cc.Realm {
			return &krb5conf.Ticket{Cache: path, User: cc.Client + "@" + cc.Realm, End: c.EndTime, RenewTill: c.RenewTill}
		}
	}
	return nil
}

// container reports whether this process runs in one: the files that docker and
// podman leave, and the variable that systemd-nspawn and podman set.
func container() bool {
	return exists("/.dockerenv") || exists("/run/.containerenv") || os.Getenv("container") != ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
