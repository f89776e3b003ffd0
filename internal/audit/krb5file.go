//go:build linux

package audit

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
)

const defaultKrb5Conf = "/etc/krb5.conf"

// krb5Files are the files that the library reads, in its order: MIT's and
// Heimdal's take a list from KRB5_CONFIG, Java has an option, else a file of
// its own below the JVM's home, else the system's. What a Go program hands to
// gokrb5 is its own affair; by custom it is the same file.
func (c *inspection) krb5Files(r reader.Reader) []string {
	switch r {
	case reader.Java:
		if f := c.p.option("java.security.krb5.conf"); f != "" {
			return []string{strings.TrimPrefix(f, "=")}
		}
		if home, ok := strings.CutSuffix(c.libs.jvm, "/lib/server/libjvm.so"); ok {
			own := home + "/conf/security/krb5.conf"
			if _, err := c.root.stat(own); err == nil {
				return []string{own}
			}
		}
	default:
		if v := c.p.Env["KRB5_CONFIG"]; v != "" {
			return conf.PathsOf(v)
		}
	}
	return []string{defaultKrb5Conf}
}

// judgeFile reads the krb5.conf as the program's library does.
func judgeFile(c *inspection, r reader.Reader) {
	files := c.krb5Files(r)
	c.facts.Krb5Conf = strings.Join(files, ":")
	set := conf.Load(c.root, files...)
	for _, d := range set.Roots {
		switch {
		case notSeen(d.Err):
			c.note("%v", d.Err)
			return
		case closed(d.Err):
			c.add(Issue{Code: "app-krb5conf-unreadable", Severity: Error, Place: d.Path,
				Cause: fmt.Sprintf("The program runs as user %d and may not read %s, so it knows no realm and no KDC.", c.p.Who.UID, d.Path),
				Fix:   "give the file mode 0644 and each directory above it search permission for all, or point KRB5_CONFIG to a file that the program may read"})
			return
		}
	}
	if r == reader.Java && (c.p.option("java.security.krb5.realm") != "" && c.p.option("java.security.krb5.kdc") != "") {
		return // the options take the file's place
	}
	c.reading = reader.Read(r, set)
	judgeOther(c, files, set)
	if !slices.ContainsFunc(set.Roots, (*conf.Doc).Readable) {
		judgeNoFile(c, r, files)
		return
	}
	if c.reading.Err != nil {
		c.add(Issue{Code: "app-reader-differs", Severity: c.stops(r), Place: c.facts.Krb5Conf,
			Cause: fmt.Sprintf("The program's library (%s) refuses this file: %v.", r, c.reading.Err),
			Fix:   "correct the line, or let kerbagent write the file"})
		return
	}
	judgeReaders(c, r, set)
}

// stops is the severity of a refusal: Heimdal goes on with what it has read.
func (c *inspection) stops(r reader.Reader) Severity {
	if r == reader.Heimdal {
		return Warning
	}
	return Error
}

// judgeNoFile reports what comes of a file that is not there: MIT's and Heimdal's
// libraries then live by their defaults, which find KDCs by DNS.
func judgeNoFile(c *inspection, r reader.Reader, files []string) {
	what, severity := "it does without, and finds realms and KDCs by DNS alone", Warning
	if r == reader.Java || r == reader.Gokrb5 {
		what, severity = "without it the library has no default realm and no KDC", Error
	}
	code := "app-krb5conf-unreadable"
	if c.p.Container != "" || c.p.Namespaces["mnt"] {
		code = "app-container-krb5conf"
	}
	c.add(Issue{Code: code, Severity: severity, Place: strings.Join(files, ", "),
		Cause: fmt.Sprintf("The file that the program's library (%s) reads does not exist where the program looks for it: %s.", r, what),
		Fix:   "give the program the file: mount it where it runs in a container, or correct KRB5_CONFIG or -Djava.security.krb5.conf"})
}

// judgeOther reports where the program reads another file than the one that is
// kept: another path, or in another mount namespace another file at that path.
func judgeOther(c *inspection, files []string, set *conf.Set) {
	if c.s.o.Config == nil || c.s.o.Config.Krb5Conf == nil {
		return
	}
	kept := c.s.o.Config.Krb5Conf.Path
	if !slices.Contains(files, kept) && set.Docs[kept] == nil {
		from := "KRB5_CONFIG"
		if strings.Contains(c.facts.Reader, "java") {
			from = "the JVM's options or its home"
		}
		c.add(Issue{Code: "app-krb5conf-other", Severity: Warning, Place: strings.Join(files, ", "),
			Cause: fmt.Sprintf("The program reads %s, because of %s, and not %s, which kerbagent manages: corrections there do not reach the program.",
				strings.Join(files, ", "), from, kept),
			Fix: "remove the setting where the program is started, and restart the program"})
		return
	}
	if !c.p.Namespaces["mnt"] {
		return
	}
	ours, _, ourErr := conf.Disk{}.ReadFile(kept)
	theirs, _, err := c.root.ReadFile(kept)
	if err != nil || ourErr != nil || ours == theirs {
		return
	}
	c.add(Issue{Code: "app-container-krb5conf", Severity: Warning, Place: kept,
		Cause: fmt.Sprintf("The program has its own file system, and its %s differs from this host's.", kept),
		Fix: "if this host's file is the right one, mount it into the container, or generate the image's file from the same configuration, " +
			"and restart the container"})
}

// judgeReaders reports where the program's library makes something else of the
// file than MIT's, which is what people test with kinit: no KDC, or another
// realm for the database. Fewer or other KDCs are lint's to report.
func judgeReaders(c *inspection, r reader.Reader, set *conf.Set) {
	db := c.database
	if r == reader.MIT || db.Realm == "" {
		return
	}
	mit := reader.Read(reader.MIT, set)
	if mit.Err != nil {
		return
	}
	cause := ""
	mine, theirs := c.reading.HostRealm(db.Host), mit.HostRealm(db.Host)
	switch {
	case findsKDCs(mit, db.Realm) && !findsKDCs(c.reading, db.Realm):
		cause = fmt.Sprintf("with this file, MIT's library finds KDCs of %s and the program's library (%s) finds none", db.Realm, r)
	case theirs.How == reader.ByMapping && theirs.Realm == db.Realm && mine.Realm != db.Realm && !c.referred(mine, c.userRealm()):
		cause = fmt.Sprintf("with this file, MIT's library maps %s to %s and the program's library (%s) does not", db.Host, db.Realm, r)
	default:
		return
	}
	c.add(Issue{Code: "app-reader-differs", Severity: Error, Place: c.facts.Krb5Conf,
		Cause: cause + ", so kinit works and the program does not.",
		Fix:   "write the realm, its KDCs and the lines of [domain_realm] as all libraries read them, in the file itself; kerbagent krb5conf lint shows which line is read differently"})
}

// findsKDCs reports whether a library finds KDCs of a realm by a file: there, or
// by DNS because the file allows that.
func findsKDCs(r *reader.Reading, realm string) bool {
	entry, ok := r.Realm(realm)
	return ok && len(usable(entry.KDCs)) > 0 || r.DNSLookupKDC.Value
}

func usable(servers []reader.Server) []reader.Server {
	return slices.DeleteFunc(slices.Clone(servers), func(s reader.Server) bool { return s.Err != nil })
}

// judgeStart reports where the program still lives by what was true when it
// started. MIT's and Heimdal's libraries read the file again at each login;
// Java and gokrb5 keep what they read first.
func judgeStart(c *inspection, r reader.Reader) {
	if r == reader.Java || r == reader.Gokrb5 {
		for _, f := range c.krb5Files(r) {
			st, err := c.root.stat(f)
			if changed := modified(st); err == nil && changed.After(c.p.Start.Add(time.Second)) {
				c.add(Issue{Code: "app-env-stale", Severity: Warning, Place: f,
					Cause: fmt.Sprintf("The program was started %s and read %s then; the file was changed later, at %s.", stamp(c.p.Start), path.Base(f),
						stamp(changed)),
					Fix: "restart the program at a time when that does no harm"})
			}
		}
	}
	if c.unit == nil {
		return
	}
	now := environment(c.unit["Environment"])
	for _, name := range variables() {
		value, set := now[name]
		if was := c.p.Env[name]; set && was != value {
			c.add(Issue{Code: "app-env-stale", Severity: Warning, Place: name,
				Cause: fmt.Sprintf("%s now sets %s to %q; the program was started with %q.", c.p.Unit, name, value, was),
				Fix:   "restart the unit at a time when that does no harm"})
		}
	}
}

func modified(st unix.Stat_t) time.Time { return time.Unix(st.Mtim.Sec, st.Mtim.Nsec) }

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// weighFile makes reading another file than the kept one an error where that is
// what is wrong: the program's library does not get to the database's realm by
// its file, and would by the kept one.
func weighFile(c *inspection, r reader.Reader) {
	other := slices.IndexFunc(c.issues, func(i Issue) bool { return i.Code == "app-krb5conf-other" || i.Code == "app-container-krb5conf" })
	if other < 0 || !slices.ContainsFunc(c.issues, func(i Issue) bool {
		return i.Code == "app-realm-unmapped" || i.Code == "app-reader-differs" || i.Code == "app-krb5conf-unreadable"
	}) {
		return
	}
	db := c.database
	kept := reader.Read(r, conf.Load(conf.Disk{}, c.s.o.Config.Krb5Conf.Path))
	host := kept.HostRealm(db.Host)
	if kept.Err == nil && findsKDCs(kept, db.Realm) && (host.Realm == db.Realm || c.referred(host, c.userRealm())) {
		c.issues[other].Severity = Error
	}
}
