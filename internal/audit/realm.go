//go:build linux

package audit

import (
	"fmt"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf/reader"
)

// judgeRealm reports whether the program's library finds the database's realm,
// and KDCs of it.
func judgeRealm(c *inspection) {
	db := c.database
	if db.Realm == "" {
		return
	}
	host := c.reading.HostRealm(db.Host)
	c.facts.Realm = host.Realm
	own := c.userRealm()
	if c.database.Realm != host.Realm && !c.referred(host, own) {
		how := fmt.Sprintf("maps the database to %s (%s)", host.Realm, ways(host.How))
		if host.Realm == "" {
			how = fmt.Sprintf("asks the user's own realm, %s, for the database's ticket", own)
		}
		// MySQL's and MariaDB's own plugins take the realm from the server's
		// announcement, where it has one, and ask the file only where it has none.
		severity, then := Error, "and gets no ticket"
		if c.reading.Reader == reader.MIT || c.reading.Reader == reader.Heimdal {
			severity, then = Warning, "and gets no ticket where the database announces its service without a realm"
		}
		c.add(Issue{Code: "app-realm-unmapped", Severity: severity, Place: c.facts.Krb5Conf,
			Cause: fmt.Sprintf("The database %s is in the realm %s; the program's library %s, %s.", db.Host, db.Realm, how, then),
			Fix:   fmt.Sprintf("add the line %s = %s to [domain_realm]", db.Host, db.Realm)})
	}
	if !findsKDCs(c.reading, db.Realm) {
		c.add(Issue{Code: "app-realm-unmapped", Severity: Error, Place: c.facts.Krb5Conf,
			Cause: fmt.Sprintf("The file names no KDC of %s that the program's library can use, and forbids finding one by DNS.", db.Realm),
			Fix:   "add the realm with its KDCs to [realms], or write dns_lookup_kdc = true in [libdefaults]"})
	}
	entry, _ := c.reading.Realm(db.Realm)
	c.byDNS = len(usable(entry.KDCs)) == 0 && c.reading.DNSLookupKDC.Value
}

// userRealm is the realm of the program's user, as far as it is known.
func (c *inspection) userRealm() string {
	if _, realm, ok := strings.Cut(c.user, "@"); ok {
		return realm
	}
	return c.reading.DefaultRealm.Value
}

// referred reports whether the database's realm is found all the same: the user's
// own realm is asked, and it is the database's, or has a trust with it that
// the configuration knows.
func (c *inspection) referred(host reader.HostRealm, own string) bool {
	if host.How != reader.ByReferral && host.How != reader.ByUser {
		return false
	}
	if own == c.database.Realm || host.Fallback == c.database.Realm {
		return true
	}
	realm, ok := c.s.o.Config.Realm(own)
	return host.How == reader.ByReferral && (!ok || len(realm.TrustedBy) > 0) // a directory refers by name suffix, a thing to be tried
}

func ways(how string) string {
	switch how {
	case reader.ByMapping:
		return "by a line of [domain_realm]"
	case reader.ByDefault:
		return "its default realm, since no line of [domain_realm] has the name"
	case reader.ByDomain:
		return "the rest of its name, since no line of [domain_realm] has it"
	}
	return how
}
