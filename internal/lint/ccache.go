package lint

import (
	"fmt"
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
				unusable("it is the keyring of user "+strconv.Quote(uid)+", and the program runs as "+strconv.Itoa(env.UID)+".", "Write %{uid} in place of the number, or "+toFile)
			}
		}
		keyringReaders(l, at, from, name)
	case "KCM":
		if !env.KCM {
			unusable("no KCM daemon listens (\"No KCM server found\").", "Install and start sssd-kcm, or "+toFile)
		}
	case "FILE", "DIR":
		if f := env.CacheFile; f != nil && f.UID != env.UID {
			unusable(fmt.Sprintf("it belongs to user %d, and the program runs as %d.", f.UID, env.UID), "Give each user a cache of its own: "+toFile)
		} else if f != nil && f.Mode&0o077 != 0 {
			unusable(fmt.Sprintf("others may read it (mode %o), and with it log in as its user.", f.Mode), "chmod 600 "+rest)
		}
	case "MEMORY":
		unusable("a cache in memory ends with the process that made it, so no other program sees its tickets.", toFile)
	case "API", "MSLSA":
		unusable("this type exists on macOS or Windows only.", toFile)
	default:
		unusable("no library knows this type.", toFile)
	}
}

// keyringReaders tells who cannot read a cache that MIT alone knows.
func keyringReaders(l *linter, at conf.Pos, from, name string) {
	l.add(krb5conf.Issue{Code: CodeCCacheUnusable, Severity: krb5conf.SeverityInfo, Readers: []reader.Reader{reader.Heimdal, reader.Java, reader.Gokrb5}, At: at,
		Cause:  fmt.Sprintf("%s is %q: only MIT reads the kernel keyring; programs that use another library do not see the tickets.", from, name),
		Remedy: "Give such programs KRB5CCNAME=FILE:… of their own"})
}
