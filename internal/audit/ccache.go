//go:build linux

package audit

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kerbagent/kerbagent/krb5/conf/reader"
	"github.com/kerbagent/kerbagent/krb5/keys"
)

// maxCCache is the largest cache that is read, in bytes: a ticket with a PAC
// has some kilobytes, and a cache one a service.
const maxCCache = 4 << 20

// soon is when the end of a ticket is near: 2 hours before, and of a short one
// in the last quarter of its life, which no renewer lets come.
func soon(t *keys.Credential) time.Duration {
	return min(2*time.Hour, t.EndTime.Sub(t.StartTime)/4)
}

// kcmSocket is where MIT's and Heimdal's libraries find the KCM daemon.
func kcmSockets() []string {
	return []string{"/var/run/.heim_org.h5l.kcm-socket", "/run/.heim_org.h5l.kcm-socket"}
}

// judgeCredentials reports what the program will prove its user with: a client
// keytab is tried where the cache has no ticket (MIT krb5 documents it under
// "client keytab"), Java does what its login configuration says.
func judgeCredentials(c *inspection, r reader.Reader) {
	keytab := judgeKeytab(c, r)
	switch {
	case r == reader.Java && c.jaas.keyed():
		return
	case c.ownAffair(r) && c.p.Env["KRB5CCNAME"] == "":
		if c.facts.Keytab == "" {
			c.note("what it logs in with: the program hands that to its Go library, and no KRB5CCNAME or KRB5_KTNAME says what")
		}
		return
	case c.ownAffair(r):
		c.note("judged as if the program hands KRB5CCNAME to its Go library")
	}
	name, from := c.cacheName(r)
	c.facts.Cache = name
	kind, rest, ok := strings.Cut(name, ":")
	if !ok {
		kind, rest = "FILE", name // a name without a type is a path
	}
	if (r == reader.Java || c.ownAffair(r)) && kind != "FILE" {
		c.unusable(from, name, fmt.Sprintf("the program's library (%s) reads caches of type FILE only",
			cmp.Or(c.facts.Reader, string(c.libs.client))))
		return
	}
	switch kind {
	case "FILE":
		judgeCacheFile(c, from, rest, keytab)
	case "DIR":
		judgeCacheFile(c, from, c.primary(rest), keytab)
	case "KEYRING":
		if c.p.Container != "" || c.p.Namespaces["user"] {
			c.unusable(from, name, "a container cannot use the kernel's keyring: it belongs to the host's users")
		} else {
			c.note("the cache %s: a keyring is not read from outside", name)
		}
	case "KCM":
		judgeKCM(c, from, name)
	case "MEMORY":
		c.note("the cache %s: it ends with the process and cannot be read from outside", name)
	default:
		c.unusable(from, name, "no library on Linux knows this type")
	}
}

// cacheName returns the cache that the library uses, and what says so.
func (c *inspection) cacheName(r reader.Reader) (name, from string) {
	if v := c.p.Env["KRB5CCNAME"]; v != "" {
		return v, "KRB5CCNAME"
	}
	name, from = "FILE:/tmp/krb5cc_%{uid}", "the default"
	if v := c.jaas.option("ticketCache"); r == reader.Java && v != "" {
		return strings.TrimPrefix(v, "FILE:"), "the JAAS configuration"
	}
	if (r == reader.MIT || r == reader.Heimdal) && c.reading != nil && c.reading.CCacheName.Value != "" {
		name, from = c.reading.CCacheName.Value, "default_ccache_name"
	}
	uid := strconv.FormatUint(uint64(c.p.Who.UID), 10)
	return strings.NewReplacer("%{uid}", uid, "%{euid}", uid, "%{USERID}", uid, "%{TEMP}", "/tmp", "%{null}", "").Replace(name), from
}

func (c *inspection) unusable(from, name, why string) {
	c.add(Issue{Code: "app-ccache-unusable", Severity: Error, Place: from,
		Cause: fmt.Sprintf("The program's credential cache is %q (%s): %s.", name, from, why),
		Fix:   "give the program KRB5CCNAME=FILE:/run/PROGRAM/krb5cc, in a directory that belongs to its user"})
}

// primary is the cache that a directory of caches points to.
func (c *inspection) primary(dir string) string {
	if file, ok := strings.CutPrefix(dir, ":"); ok { // DIR::file names one of them
		return file
	}
	b, _, err := c.root.read(dir+"/primary", 4096)
	if name := strings.TrimSpace(string(b)); err == nil && strings.HasPrefix(name, "tkt") && !strings.Contains(name, "/") {
		return path.Join(dir, name)
	}
	return path.Join(dir, "tkt")
}

func judgeKCM(c *inspection, from, name string) {
	for _, s := range kcmSockets() {
		st, err := c.root.stat(s)
		if err == nil && st.Mode&unix.S_IFMT == unix.S_IFSOCK || notSeen(err) {
			c.note("the cache %s: the tickets of a KCM daemon are not read from outside", name)
			return
		}
	}
	c.unusable(from, name, "no KCM daemon listens where the program runs")
}

// judgeCacheFile reads a cache of type FILE. keytab says that a client keytab
// would serve in its place.
func judgeCacheFile(c *inspection, from, file string, keytab bool) {
	b, _, err := c.root.read(file, maxCCache)
	switch {
	case err == nil:
		judgeTickets(c, file, b, keytab)
	case missing(err) && keytab:
		judgeNewCache(c, from, file)
	case missing(err):
		noCache(c, from, file)
	case notSeen(err):
		c.note("%v", err)
	case closed(err):
		c.add(Issue{Code: "app-ccache-foreign", Severity: Error, Place: file,
			Cause: fmt.Sprintf("The program runs as user %d, and its credential cache %s (%s) belongs to another user, so the program may not read it.", c.p.Who.UID,
				file, from),
			Fix: "get the ticket as the program's own user, into its own cache: two users cannot share a cache"})
	default:
		c.unusable(from, file, err.Error())
	}
}

// judgeNewCache reports whether the library can keep the ticket that it gets with
// a keytab: MIT's gives up where it cannot write the cache.
func judgeNewCache(c *inspection, from, file string) {
	st, err := c.root.stat(path.Dir(file))
	if err == nil && !c.p.Who.may(&st, write|search) || closed(err) || missing(err) {
		c.unusable(from, file, fmt.Sprintf("user %d cannot create it there, so the ticket that the keytab gets cannot be kept", c.p.Who.UID))
	}
}

// noCache reports that there is no cache, and where the ticket may be instead: in
// this host's /tmp, which a unit with PrivateTmp does not see.
func noCache(c *inspection, from, file string) {
	private := c.p.Namespaces["mnt"] && (strings.HasPrefix(file, "/tmp/") || strings.HasPrefix(file, "/var/tmp/"))
	var host unix.Stat_t
	if private && unix.Lstat(file, &host) == nil {
		c.add(Issue{Code: "app-private-tmp", Severity: Error, Place: file,
			Cause: fmt.Sprintf("The program has its own /tmp, which has no %s; the ticket is in this host's /tmp, which the program does not see.", file),
			Fix:   "keep the ticket below /run in a directory of the program's user, and set KRB5CCNAME for both the program and what gets the ticket"})
		return
	}
	if slices.ContainsFunc(c.issues, ofKeytab) {
		return // the keytab would serve in its place: that is to be mended
	}
	if c.p.database == "" && !c.p.named && from != "KRB5CCNAME" {
		c.note("the cache %s does not exist; nothing says that this program logs in anywhere", file)
		return
	}
	hint := ""
	if from == "the default" {
		hint = " KRB5CCNAME is not set where the program was started, so a cache elsewhere is not found."
	}
	c.add(Issue{Code: "app-ccache-missing", Severity: Error, Place: file,
		Cause: fmt.Sprintf("The program's credential cache %s (%s) does not exist, and there is no client keytab from which to get one.%s", file, from,
			hint),
		Fix: "get a ticket as the program's user into that cache, or give the program a client keytab by KRB5_CLIENT_KTNAME"})
}

// judgeTickets reports for how long the program can log in with a cache.
func judgeTickets(c *inspection, file string, b []byte, keytab bool) {
	cc, err := keys.ParseCCache(b)
	if err != nil {
		c.unusable("its content", file, err.Error())
		return
	}
	c.user = cc.Client + "@" + cc.Realm
	c.facts.CacheUser = c.user
	var tgt *keys.Credential
	for i, t := range cc.Credentials {
		if t.Server == "krbtgt/"+cc.Realm && t.ServerRealm == cc.Realm && (tgt == nil || t.EndTime.After(tgt.EndTime)) {
			tgt = &cc.Credentials[i]
		}
	}
	if tgt == nil {
		if !keytab && !slices.ContainsFunc(c.issues, ofKeytab) {
			c.add(Issue{Code: "app-ccache-missing", Severity: Error, Place: file,
				Cause: fmt.Sprintf("The cache %s of %s holds no ticket-granting ticket.", file, c.user),
				Fix:   "get a ticket as the program's user into that cache"})
		}
		return
	}
	if c.s.keep && tgt.EndTime.After(c.now) {
		c.cache = b
	}
	c.facts.Refills = keytab
	c.facts.CacheEnds = tgt.EndTime.UTC().Format(time.RFC3339)
	end := tgt.EndTime
	if tgt.Renewable() && tgt.RenewTill.After(end) {
		c.facts.RenewUntil = tgt.RenewTill.UTC().Format(time.RFC3339)
	}
	switch {
	case keytab: // the library gets a new ticket by itself
	case !end.After(c.now):
		c.add(Issue{Code: "app-ccache-expired", Severity: Error, Place: file,
			Cause: fmt.Sprintf("The ticket of %s in %s ended %s, and nobody has renewed it.", c.user, file, stamp(end)),
			Fix:   "get a new ticket, and let a timer or k5start renew it; or give the program a client keytab"})
	case end.Sub(c.now) < soon(tgt):
		c.add(Issue{Code: "app-ccache-expiring", Severity: Warning, Place: file,
			Cause: fmt.Sprintf("The ticket of %s in %s ends %s, and nobody has renewed it so far.", c.user, file, stamp(end)),
			Fix:   "renew it, and let a timer do so at half of its lifetime"})
	}
}
