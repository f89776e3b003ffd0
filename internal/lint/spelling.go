package lint

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/kerbagent/kerbagent/internal/spelling"
	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
	"github.com/kerbagent/kerbagent/probe/krb5conf"
)

// badKDCs reports lines by which MIT loses all KDCs of a realm.
func badKDCs(l *linter) {
	r := l.mit()
	for _, e := range r.Realms {
		if e.Err == nil {
			continue
		}
		for _, k := range e.KDCs {
			if k.Err == nil {
				continue
			}
			others := ""
			switch n := len(e.KDCs) - 1; {
			case n == 1:
				others = ", not even the other one"
			case n > 1:
				others = fmt.Sprintf(", not even the other %d", n)
			}
			remedy := "Write the KDC as host, host:port or [IPv6]:port, alone on its line"
			if strings.Count(k.Text, ":") > 1 && !strings.Contains(k.Text, "[") {
				remedy = bracketed(conf.Excerpt(k.Text))
			}
			l.add(krb5conf.Issue{Code: CodeRealmMissing, Severity: krb5conf.SeverityError, Readers: []reader.Reader{reader.MIT}, At: k.From,
				Cause: fmt.Sprintf("MIT cannot read %q as a host. Then it uses no KDC of realm %s%s: every request fails with \"Invalid argument\".",
					k.Text, e.Name, others),
				Remedy: remedy})
			break // the first one decides
		}
	}
}

// bracketed is what to write for an IPv6 address without brackets, whose last group may
// have been meant as a port.
func bracketed(text string) string {
	whole := "Write the IPv6 address in brackets, and with its port: [" + text + "]:88"
	at := strings.LastIndexByte(text, ':')
	if _, err := netip.ParseAddr(text[:at]); err != nil {
		return whole
	}
	if port, err := strconv.ParseUint(text[at+1:], 10, 16); err != nil || port == 0 {
		return whole
	}
	return "Write the IPv6 address in brackets: [" + text[:at] + "]:" + text[at+1:] + " if " + text[at+1:] + " is the port, else [" + text + "]:88"
}

// defaultNowhere reports a default realm of which MIT finds no KDC: it has no
// entry, or one without a KDC, and DNS is not asked.
func defaultNowhere(l *linter) {
	r := l.mit()
	d := r.DefaultRealm
	if r.Err != nil || d.Value == "" {
		return
	}
	for _, name := range l.in.Site.InUse() {
		if name == d.Value {
			return // realmsMissing
		}
	}
	e, has := r.Realm(d.Value)
	why := r.CannotFind(d.Value)
	if why == "" && !has && !regexp.MustCompile(`^[A-Za-z0-9_.-]+$`).MatchString(d.Value) {
		why = "it has no entry, and a name with these characters cannot be found in DNS"
	}
	if why == "" || e.Err != nil { // badKDCs
		return
	}
	i := krb5conf.Issue{Code: CodeRealmMissing, Severity: krb5conf.SeverityError, Readers: []reader.Reader{reader.MIT}, At: d.From,
		Cause:  fmt.Sprintf("The default realm %q cannot be found (\"Cannot find KDC for realm\"): %s.", d.Value, why),
		Remedy: fmt.Sprintf("In [realms]: %s = {, a line kdc = HOST for each KDC, }; or dns_lookup_kdc = true in [libdefaults]", d.Value)}
	if !has && r.DNSLookupKDC.Value {
		i.Remedy = "Write default_realm without quotes, commas or comments behind it"
	}
	if has {
		i.At = e.At[0]
	} else if near := l.nearRealm(d.Value); near != nil {
		i.Also = near.At[:1]
		i.Cause += fmt.Sprintf(" [realms] has %s, on line %d, which is another realm to Kerberos.", near.Name, near.At[0].Line)
		i.Remedy = fmt.Sprintf("Spell the realm alike in both places; realms of Active Directory are upper case: %s", strings.ToUpper(d.Value))
	}
	l.add(i)
}

// nearRealm returns the entry of a realm that is spelt nearly as a name, or nil.
func (l *linter) nearRealm(name string) *reader.RealmEntry {
	realms := l.mit().Realms
	for i := range realms {
		if strings.EqualFold(realms[i].Name, name) {
			return &realms[i]
		}
	}
	for i := range realms[:min(len(realms), maxKDCs)] {
		if spelling.Distance(strings.ToLower(realms[i].Name), strings.ToLower(name), 2) <= 2 {
			return &realms[i]
		}
	}
	return nil
}

// realmCase reports names that differ from a realm in use in case only: to
// Kerberos they are other realms. A file that has both on purpose is right.
func realmCase(l *linter) {
	r := l.mit()
	if r.Err != nil {
		return
	}
	entries, folded := map[string]bool{}, map[string]string{}
	severity, upper := krb5conf.SeverityWarning, "upper and lower case count in a realm's name"
	for _, e := range r.Realms {
		entries[e.Name] = true
		folded[strings.ToLower(e.Name)] = e.Name
	}
	if l.alone() {
		if d := r.DefaultRealm.Value; d != "" && r.CannotFind(d) == "" {
			folded[strings.ToLower(d)] = d
		}
	} else {
		clear(folded)
		severity, upper = krb5conf.SeverityError, upper+", and Active Directory's are upper case"
		for _, name := range l.in.Site.InUse() {
			folded[strings.ToLower(name)] = name
		}
	}
	check := func(name string, at conf.Pos, mapping bool) {
		known := folded[strings.ToLower(name)]
		if known == "" || known == name || entries[name] && (mapping || entries[known]) {
			return
		}
		l.add(krb5conf.Issue{Code: CodeRealmCase, Severity: severity, At: at,
			Cause:  fmt.Sprintf("%q is another realm than %s to Kerberos: %s.", name, known, upper),
			Remedy: "Write " + known})
	}
	if d := r.DefaultRealm; !l.alone() || r.CannotFind(d.Value) == "" { // else defaultNowhere says so
		check(d.Value, d.From, false)
		for _, e := range r.Realms {
			check(e.Name, e.At[0], false)
		}
	}
	for _, m := range r.Mappings {
		check(m.Realm, m.From, true)
	}
}
