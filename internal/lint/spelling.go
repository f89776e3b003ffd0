package lint

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
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
			remedy := "Write the KDC as host, host:port or [IPv6]:port, with nothing else on its line"
			if scheme, host, isURL := strings.Cut(k.Text, "://"); isURL {
				host, _, _ = strings.Cut(host, "/")
				remedy = fmt.Sprintf("Write the host alone: %s. The only URLs that MIT accepts are those of a KDC proxy, https://HOST/KdcProxy; this is %s://", conf.Excerpt(host), conf.Excerpt(scheme))
			} else if strings.Count(k.Text, ":") > 1 && !strings.Contains(k.Text, "[") {
				remedy = bracketed(conf.Excerpt(k.Text))
			} else if strings.ContainsAny(k.Text, "#;") {
				remedy += "; put a comment on a separate line"
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
	i.Cause += signs(d.Value)
	if !has && r.DNSLookupKDC.Value {
		i.Remedy = "Write default_realm without quotes, commas or comments behind it: default_realm = " + withoutSigns(d.Value)
	}
	if has {
		i.At = e.At[0]
	} else if near := l.nearRealm(d.Value); near != nil {
		i.Also = near.At[:1]
		i.Cause += fmt.Sprintf(" [realms] has %s, on line %d, which is another realm to Kerberos.", near.Name, near.At[0].Line)
		i.Remedy = nearRemedy(d.Value, near.Name)
	}
	l.add(i)
}

// nearRemedy is what to write where a name is nearly an entry's.
func nearRemedy(name, entry string) string {
	switch {
	case withoutSigns(name) == entry:
		return "Write the name alone: default_realm = " + entry
	case strings.EqualFold(name, entry):
		return "Spell the realm alike in both places; realms of Active Directory are upper case: " + strings.ToUpper(entry)
	}
	return fmt.Sprintf("Spell the realm alike in both places: %s or %s", name, entry)
}

// nearRealm returns the entry of a realm that is spelt nearly as a name, or nil.
func (l *linter) nearRealm(name string) *reader.RealmEntry {
	realms, clean := l.mit().Realms, withoutSigns(name)
	for _, same := range []func(entry string) bool{
		func(entry string) bool { return entry == clean },
		func(entry string) bool { return strings.EqualFold(entry, clean) },
		func(entry string) bool {
			return spelling.Distance(strings.ToLower(entry), strings.ToLower(name), 2) <= 2
		},
	} {
		for i := range realms[:min(len(realms), maxKDCs)] {
			if same(realms[i].Name) {
				return &realms[i]
			}
		}
	}
	return nil
}

// misspeltRealms reports a default realm and mappings that are one slip of the
// finger from a realm of the file, where DNS is asked for the KDCs of realms that
// are not in it, so that they may exist.
func misspeltRealms(l *linter) {
	r := l.mit()
	if r.Err != nil || !r.DNSLookupKDC.Value {
		return // defaultNowhere, mappingsToNowhere
	}
	check := func(what, name string, at conf.Pos) {
		if _, has := r.Realm(name); has || slices.Contains(l.in.Site.InUse(), name) || l.spoken(at) {
			return
		}
		for _, e := range r.Realms[:min(len(r.Realms), maxKDCs)] {
			if slipped(name, e.Name) || name != e.Name && withoutSigns(name) == e.Name {
				l.add(krb5conf.Issue{Code: CodeRealmMissing, Severity: krb5conf.SeverityWarning, At: at, Also: e.At[:1],
					Cause: fmt.Sprintf("%s %s, and [realms] has %s, on line %d: one of them is probably misspelt. The KDCs of %s are looked for in DNS.",
						what, name, e.Name, e.At[0].Line, name),
					Remedy: fmt.Sprintf("Spell the realm alike in both places: %s or %s", name, e.Name)})
				return
			}
		}
	}
	check("The default realm is", r.DefaultRealm.Value, r.DefaultRealm.From)
	for _, m := range r.Mappings {
		check("The line maps to realm", m.Realm, m.From)
	}
}

// markedRealms reports realms whose name has quotation marks or the like around it: it
// counts with them.
func markedRealms(l *linter) {
	for _, e := range l.mit().Realms {
		if clean := withoutSigns(e.Name); clean != e.Name && clean != "" && !l.spoken(e.At[0]) {
			l.add(krb5conf.Issue{Code: CodeRealmMissing, Severity: krb5conf.SeverityWarning, Readers: []reader.Reader{reader.MIT}, At: e.At[0],
				Cause:  fmt.Sprintf("MIT knows this realm as %q, not as %s, so nobody finds its KDCs.", e.Name, clean) + signs(e.Name),
				Remedy: "Write " + clean + " = {"})
		}
	}
}

// slipped reports whether a name is another one with one slip of the finger in a
// long label. Realms of one forest are often one letter or number apart in a short
// one (EU.EXAMPLE.COM, AU.EXAMPLE.COM), and that is no slip.
func slipped(a, b string) bool {
	as, bs := strings.Split(strings.ToLower(a), "."), strings.Split(strings.ToLower(b), ".")
	if len(as) != len(bs) {
		return false
	}
	slips := 0
	for i := range as {
		if as[i] == bs[i] {
			continue
		}
		slips++
		if min(len(as[i]), len(bs[i])) < 5 || spelling.Distance(as[i], bs[i], 1) > 1 || letters(as[i]) == letters(bs[i]) {
			return false
		}
	}
	return slips == 1
}

// letters is a label without its digits and hyphens.
func letters(label string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, label)
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
		if d := r.DefaultRealm.Value; d != "" && (folded[strings.ToLower(d)] == "" || entries[d]) && r.CannotFind(d) == "" {
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
		if !l.spoken(m.From) {
			check(m.Realm, m.From, true)
		}
	}
}
