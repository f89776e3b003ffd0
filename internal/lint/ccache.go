package lint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
	"github.com/kerbagent/kerbagent/probe/krb5conf"
)

// ccache judges where the programs of the environment keep their tickets.
func ccache(l *linter) {
	env := l.in.Env
	name, at, from := env.CCacheName, conf.Pos{}, "KRB5CCNAME"
	if name == "" {
		if len(l.readings) == 0 {
			return
		}
		s := l.mit().CCacheName
		if s.Value == "" {
			return // FILE:/tmp/krb5cc_UID, which works
		}
		name, at, from = s.Value, s.From, "default_ccache_name"
	}
	kind, rest, ok := strings.Cut(name, ":")
	if !ok {
		kind, rest = "FILE", name // a name without a type is a path
	}
	if cause, remedy := refusedCache(kind, rest); cause != "" {
		l.add(krb5conf.Issue{Code: CodeCCacheUnusable, Severity: krb5conf.SeverityError, Readers: []reader.Reader{reader.MIT}, At: at,
			Cause: fmt.Sprintf("%s is %q: %s", from, name, cause), Remedy: remedy})
		return
	}
	rest = strings.NewReplacer("%{uid}", strconv.Itoa(env.UID), "%{euid}", strconv.Itoa(env.UID)).Replace(rest)
	unusable := func(cause, remedy string) {
		l.add(krb5conf.Issue{Code: CodeCCacheUnusable, Severity: krb5conf.SeverityWarning, At: at, Cause: fmt.Sprintf("%s is %q: %s", from, name, cause), Remedy: remedy})
	}
	const toFile = "Set KRB5CCNAME=FILE:/run/PROGRAM/krb5cc, in a directory that belongs to the program's user"
	switch kind {
	case "KEYRING":
		switch {
		case env.Container:
			unusable("the kernel keyring is not namespaced, and container runtimes forbid it (\"Invalid UID in persistent keyring name\").", toFile)
		default:
			if uid, found := strings.CutPrefix(rest, "persistent:"); found && uid != "" && uid != strconv.Itoa(env.UID) {
				unusable("it is the keyring of user "+strconv.Quote(uid)+", and the program runs as "+strconv.Itoa(env.UID)+".", "Write %{uid} instead of the number, or "+toFile)
			}
		}
		keyringReaders(l, at, from, name)
	case "KCM":
		if !env.KCM {
			unusable("no KCM daemon listens (\"No KCM server found\").", "Install and start sssd-kcm, or "+toFile)
		}
	case "FILE", "DIR":
		if f := env.CacheFile; f != nil && f.UID != env.UID {
			unusable(fmt.Sprintf("it belongs to user %d, and the program runs as %d.", f.UID, env.UID), "Give each user a separate cache: "+toFile)
		} else if f != nil && f.Mode&0o077 != 0 {
			unusable(fmt.Sprintf("others may read it (mode %o), and can log in as its user with it.", f.Mode), "chmod 600 "+rest)
		}
	case "MEMORY":
		unusable("a cache in memory ends with the process that made it, so no other program sees its tickets.", toFile)
	case "API", "MSLSA":
		unusable("this type exists on macOS or Windows only.", toFile)
	}
}

// refusedCache returns why MIT refuses the name of a cache, so that kinit fails with
// every user, and what to write; "" where it does not.
func refusedCache(kind, rest string) (cause, remedy string) {
	anchor, _, collection := strings.Cut(rest, ":")
	switch token := unknownToken(rest); {
	case token != "":
		return fmt.Sprintf("MIT does not know %s here, so it finds no cache, and kinit ends with \"Internal credentials cache error\".", token),
			"Write %{uid} in its place"
	case !slices.Contains([]string{"FILE", "DIR", "KEYRING", "KCM", "MEMORY", "API", "MSLSA"}, kind):
		return "no library knows this type (\"Unknown credential cache type\").", "Write FILE:PATH, KEYRING:persistent:%{uid} or KCM:, in upper case"
	case kind == "KEYRING" && collection && !slices.Contains(keyringAnchors(), anchor):
		return fmt.Sprintf("%q is no keyring (\"Invalid keyring anchor name\").", anchor), "Write KEYRING:persistent:%{uid}"
	}
	return "", ""
}

// keyringAnchors are the keyrings of the kernel in which MIT can keep a cache
// (MIT krb5, krb5.conf(5), and doc/basic/ccache_def).
func keyringAnchors() []string {
	return []string{"persistent", "user", "session", "process", "thread", "legacy"}
}

// unknownToken returns the first %{token} that libkrb5 does not replace, or "": it
// refuses the name then. Others than these exist on Windows only (klist 1.20 was
// asked of each).
func unknownToken(name string) string {
	for _, part := range strings.Split(name, "%{")[1:] {
		token, _, closed := strings.Cut(part, "}")
		if !closed || !slices.Contains([]string{"uid", "euid", "username", "USERID", "TEMP", "BINDIR", "LIBDIR", "SBINDIR", "null"}, token) {
			return "%{" + strings.TrimSuffix(part[:min(len(token)+1, len(part))], "\n")
		}
	}
	return ""
}

// keyringReaders tells who cannot read a cache that MIT alone knows.
func keyringReaders(l *linter, at conf.Pos, from, name string) {
	l.add(krb5conf.Issue{Code: CodeCCacheUnusable, Severity: krb5conf.SeverityInfo, Readers: []reader.Reader{reader.Heimdal, reader.Java, reader.Gokrb5}, At: at,
		Cause:  fmt.Sprintf("%s is %q: only MIT reads the kernel keyring; programs that use another library do not see the tickets.", from, name),
		Remedy: "Give such programs KRB5CCNAME=FILE:… of their own"})
}
