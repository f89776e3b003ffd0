package diagnose

import (
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// ticketSoon is when the end of a ticket that cannot be renewed is near:
// programs that renew theirs do so at half of its life, which is 5 hours of
// Active Directory's 10.
const ticketSoon = time.Hour

// fileRules are about the krb5.conf that programs on this host read, and their
// tickets. Of that file kerbagent's own logins take the KDCs alone, so but for
// these (krb5confKDCRules) nothing of it is a cause or a consequence of what they saw.
func fileRules() []Rule {
	return append(append(krb5confRules(), krb5confValueRules()...), Rule{
		Code: "ccache-unusable", Severity: Warning,
		Title:  "the credential cache that programs use here does not work for them",
		Means:  "The cache that KRB5CCNAME or default_ccache_name names cannot be used by the programs: of a type that this host or container has not, another user's, or readable by others.",
		Cause:  fileCause,
		Remedy: do("Give each program a cache of type FILE in a directory of its own.", "KRB5CCNAME=FILE:/run/<program>/krb5cc klist", "ls -ln /run/<program>/krb5cc"),
		match:  ofFile("ccache-unusable"),
	}, Rule{
		Code: "ticket-expiring", Severity: Info,
		Title:  "the ticket of {user} ends soon and cannot be renewed",
		Means:  "The credential cache of this environment holds a ticket that has ended or ends within the hour, and that cannot be renewed beyond that. Programs that use it will then fail to log in. Only `krb5conf lint` and `check` look, and only at the cache of the user who runs them.",
		Cause:  "The ticket in {place} ends at {end}.",
		Remedy: do("Get a new ticket, from a keytab where a program needs it, and have a timer do so.", "kinit {user}", "kinit -k -t <keytab> {user}", "klist"),
		match:  ticketExpiring,
	})
}

// fileCause describes an issue: where it is, what comes of it and what to do:
// words of the file are in it, so it is no remedy.
const fileCause = "{place}: {cause} What to do: {fix}."

// krb5confRules are about the file as a whole.
func krb5confRules() []Rule {
	return []Rule{
		fileRule("krb5conf-missing", Error, "there is no krb5.conf",
			"Programs on this host have no krb5.conf to read: no default realm, and no realm for any database.",
			"Let kerbagent write it.", "kerbagent krb5conf show", "kerbagent krb5conf apply"),
		fileRule("krb5conf-unparsable", Error, "a library does not take the krb5.conf",
			"One or more of the libraries that read krb5.conf (MIT, Heimdal, Java, gokrb5) stop at a line of it, and then know nothing of the file, or of its rest.",
			"Correct the line that is named, or let kerbagent write the file.", "kerbagent krb5conf lint", "kerbagent krb5conf diff", "kerbagent krb5conf apply"),
		fileRule("krb5conf-not-krb5conf", Error, "what stands in the place of the krb5.conf is none",
			"The file has no section that a Kerberos library reads, or sections that are all indented, as inside a YAML file. Libraries then know no realm at all, and say nothing about the file itself.",
			"Look at what the file is, and put a krb5.conf in its place.", "head -n 20 <file>", "kerbagent krb5conf show"),
		fileRule("krb5conf-template", Error, "the krb5.conf is a template that was not rendered",
			"Placeholders such as {{ realm }}, <%= realm %> or ${REALM} stand in the file. Libraries take them for names, and find no such realm or host.",
			"Render the template with the tool that it was written for, and install the result.", "grep -nE '[{][{]|[{]%|<%|[$][{]' <file>", "kerbagent krb5conf lint"),
		fileRule("krb5conf-unknown-key", Warning, "a section or setting of the krb5.conf is probably misspelt",
			"No library knows the name, and one that they know is one or two letters away. Libraries pass over unknown names silently, so the line has no effect.",
			"Write the name that is suggested, if it is the one that was meant.", "kerbagent krb5conf lint", "man 5 krb5.conf"),
		fileRule("krb5conf-writable", Warning, "every user may write the krb5.conf",
			"The file, or one that it includes, may be written by users who should not, and a krb5.conf can load code into every program that reads it.",
			"Take the right away, and look at what is in the file.", "chmod o-w <file>", "kerbagent krb5conf lint"),
		fileRule("krb5conf-overridden", Warning, "KRB5_CONFIG makes programs read another krb5.conf",
			"The variable KRB5_CONFIG names another file than the one that is kept, so programs that are started with it read something else. Java does not look at the variable.",
			"Unset it in the unit, container or shell that sets it.", "grep -rn KRB5_CONFIG /etc/environment /etc/profile.d /etc/systemd/system", "env -u KRB5_CONFIG kerbagent krb5conf lint"),
		fileRule("krb5conf-drift", Warning, "the krb5.conf is not what kerbagent would write",
			"The part of the file that kerbagent keeps was changed by someone else, or the configuration was changed since.",
			"Look at the difference; keep what is wanted in kerbagent.yaml, and write the file again.", "kerbagent krb5conf diff", "kerbagent krb5conf apply"),
		fileRule("krb5conf-kdcs-unordered", Info, "kerbagent cannot keep the KDCs of a realm in order",
			"With krb5_conf.mode maintain, a dead or slow KDC moves to the end of its realm's lines, so that programs do not wait for it. That needs a line for each KDC: with KDCs found by DNS, or one name for all of them, DNS decides the order.",
			"Name each domain controller under kdcs: in kerbagent.yaml.", "dig +short SRV _kerberos._tcp.<domain>", "kerbagent krb5conf diff"),
		fileRule("krb5conf-include-ignored", Warning, "some libraries do not read what the krb5.conf includes",
			"The file includes others, and not every library follows: MIT and Java read includes only at certain places and files only of certain names, gokrb5 reads none.",
			"Put what is included into the file itself, or rename the file that nobody reads.", "grep -n include /etc/krb5.conf", "ls -l /etc/krb5.conf.d"),
		fileRule("krb5conf-readers-differ", Warning, "libraries make different things of a line of the krb5.conf",
			"MIT, Heimdal, Java and gokrb5 each have rules of their own for comments, repeated lines, booleans and forms of a server. Programs on this host then do different things with one file.",
			"Write the line as all of them read it.", "kerbagent krb5conf lint", "kerbagent krb5conf diff"),
	}
}

// krb5confValueRules are about what the file says.
func krb5confValueRules() []Rule {
	return []Rule{
		fileRule("krb5conf-default-realm", Warning, "the default realm is missing or another one",
			"default_realm is the realm of names that are given without one.",
			"In [libdefaults], write default_realm = {realm}; or let kerbagent do it.", "kerbagent krb5conf diff", "kerbagent krb5conf apply"),
		fileRule("krb5conf-realm-missing", Error, "programs cannot find a realm by the krb5.conf",
			"A realm that logins pass through has no usable entry in [realms], and the file forbids finding its KDCs by DNS; or a mapping names a realm that is nowhere.",
			"Add the realm with its KDCs, or allow DNS with dns_lookup_kdc = true in [libdefaults].", "kerbagent krb5conf diff", "kerbagent krb5conf apply"),
		fileRule("krb5conf-realm-case", Error, "a realm of the krb5.conf is written in another case",
			"Realm names are case-sensitive, and Active Directory's are in upper case: in another spelling it is another realm, which does not exist.",
			"Write the realm as kerbagent.yaml has it.", "kerbagent krb5conf diff", "kerbagent krb5conf apply"),
		fileRule("krb5conf-mapping-missing", Error, "the krb5.conf maps a database to no realm, or to another one",
			"Clients find the realm of a database by [domain_realm]. Without a line for its name they ask the user's realm or guess, and a user of another forest gets no ticket.",
			"Add the mapping that is named, and none that is wider than databases.", "kerbagent krb5conf diff", "kerbagent krb5conf apply"),
		fileRule("krb5conf-realm-twice", Warning, "a realm has two blocks in the krb5.conf",
			"MIT and Heimdal put the blocks of one realm together, Java takes the first, gokrb5 the last, so each library asks other KDCs.",
			"Make one block, in one [realms] section.", "kerbagent krb5conf lint", "kerbagent krb5conf diff"),
		fileRule("krb5conf-etypes", Warning, "a list of encryption types in the krb5.conf is weak or has unknown names",
			"default_tkt_enctypes, default_tgs_enctypes or permitted_enctypes hold types that are weak or that some library does not know; where nothing is left, that library gets no ticket.",
			"Remove the lists: the defaults suit Active Directory.", "grep -n enctypes /etc/krb5.conf", "kerbagent krb5conf diff"),
		fileRule("krb5conf-udp-limit", Warning, "the krb5.conf lets libraries ask KDCs over UDP first",
			"A ticket of Active Directory seldom fits a datagram: over UDP first, each login asks twice, and waits where UDP is blocked. A value of 0 means UDP always to Java.",
			"In [libdefaults], write udp_preference_limit = 1.", "kerbagent krb5conf diff", "kerbagent krb5conf apply"),
		fileRule("krb5conf-rdns", Info, "libraries look in DNS for other names of a database",
			"With rdns or dns_canonicalize_hostname, clients request a ticket for the name that DNS returns for the database's address or alias. In a cloud this is not the name of the database's service.",
			"In [libdefaults], write rdns = false and dns_canonicalize_hostname = false.", "kerbagent krb5conf diff", "kerbagent krb5conf apply"),
	}
}

// fileRule makes a rule of an issue that a file has.
func fileRule(code Code, worst Severity, title, means, what string, commands ...string) Rule {
	return Rule{Code: code, Severity: worst, Title: title, Means: means, Cause: fileCause, Remedy: do(what, commands...), match: ofFile(code)}
}

// ofFile matches each result that has the issue.
func ofFile(code Code) func(*view) []match {
	return func(v *view) []match {
		var out []match
		for _, r := range v.all {
			if r.ID.Kind != probe.Krb5Conf || Code(r.Facts[probe.FactIssue]) != code {
				continue
			}
			w := wordsOf(r).and(words{"place": r.Facts[probe.FactPlace], "cause": r.Facts[probe.FactCause], "fix": r.Facts[probe.FactFix]})
			out = append(out, match{affects: []*probe.Result{r}, explains: v.wholeFile(r), words: w, severity: Severity(r.Facts[probe.FactSeverity]),
				evidence: factsOf(r, probe.FactPlace, probe.FactLine, probe.FactReaders, probe.FactCause, probe.FactFix)})
		}
		return out
	}
}

// wholeFile returns the result of the file that r is an issue of.
func (v *view) wholeFile(r *probe.Result) []*probe.Result {
	for _, o := range v.all {
		if o.ID.Kind == probe.Krb5Conf && o.ID.Target == r.ID.Target && o.ID.Variant == "" {
			return []*probe.Result{o}
		}
	}
	return nil
}

// factsOf copies the given facts of r, under their own names.
func factsOf(r *probe.Result, facts ...probe.Fact) map[string]string {
	out := map[string]string{}
	for _, f := range facts {
		if v := r.Facts[f]; v != "" {
			out[string(f)] = v
		}
	}
	return out
}

func ticketExpiring(v *view) []match {
	var out []match
	for _, r := range v.all {
		if r.ID.Kind != probe.Krb5Conf || r.Facts[probe.FactIssue] != "ticket-expiring" {
			continue
		}
		end := time.Unix(int64(r.Samples[probe.SampleTicketEnd]), 0)
		if till, err := time.Parse(time.RFC3339, r.Facts[probe.FactRenewTill]); err == nil && till.After(end) && v.snap.Now.Before(end) {
			end = till
		}
		if end.Sub(v.snap.Now) >= ticketSoon {
			continue
		}
		w := wordsOf(r).and(words{"place": r.Facts[probe.FactPlace], "end": end.UTC().Format("2006-01-02 15:04:05 UTC")})
		out = append(out, match{affects: []*probe.Result{r}, words: w, evidence: factsOf(r, probe.FactUser, probe.FactPlace, probe.FactRenewTill)})
	}
	return out
}
