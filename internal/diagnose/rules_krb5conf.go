package diagnose

import (
	"slices"
	"strings"
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
		Means:  "KRB5CCNAME or default_ccache_name names a credential cache that programs cannot use. Its type does not work on this host or in this container, it belongs to another user, or others can read it.",
		Cause:  fileCause,
		Remedy: do("Give each program a cache of type FILE in a directory of its own user: set KRB5CCNAME in the program's unit or container, restart it, and get its ticket into that file.", "KRB5CCNAME=FILE:/run/<program>/krb5cc klist", "ls -ln /run/<program>/krb5cc"),
		match:  ofFile("ccache-unusable"),
	}, Rule{
		Code: "ticket-expiring", Severity: Info,
		Title:  "the ticket of {user} ends soon and cannot be renewed",
		Means:  "The credential cache of this environment holds a ticket that has ended or ends within the hour, and that cannot be renewed beyond that. Programs that use it will then fail to log in. Only `krb5conf lint` and `check` look, and only at the cache of the user who runs them.",
		Cause:  "The ticket in {place} ends at {end}.",
		Remedy: do("Get a new ticket. For a program, get it from a keytab, and let a timer repeat that.", "kinit {user}", "kinit -k -t <keytab> {user}", "klist"),
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
			"Let kerbagent write the file: show prints it, apply writes it.", "kerbagent krb5conf show", "kerbagent krb5conf apply"),
		loginFileRule("krb5conf-unparsable", Error, "a Kerberos library cannot read the krb5.conf",
			"One or more of the libraries that read krb5.conf (MIT, Heimdal, Java, gokrb5) stop at a line of the file. Such a library then uses nothing of the file, or nothing after that line.",
			"Correct the line that the finding names, or let kerbagent write the file: diff shows the change, apply makes it.", "kerbagent krb5conf lint", "kerbagent krb5conf diff", "kerbagent krb5conf apply"),
		fileRule("krb5conf-not-krb5conf", Error, "the file at the place of the krb5.conf is not a krb5.conf",
			"The file has no section that a Kerberos library reads, or all its sections are indented, as inside a YAML file. The libraries then know no realm at all, and do not report that the file is the cause.",
			"See what the file is, and keep a copy if somebody needs it. Then replace it with a krb5.conf: show prints the one that kerbagent.yaml calls for, apply writes it.", "head -n 20 <file>", "kerbagent krb5conf show", "kerbagent krb5conf apply"),
		fileRule("krb5conf-template", Error, "the krb5.conf is a template that was not rendered",
			"The file contains placeholders of a template language (Jinja, ERB, shell variables). Kerberos libraries read them as names, and find no such realm or host.",
			"Render the template with the tool that it was written for, and install the result.", "grep -nE '[{][{]|[{]%|<%|[$][{]' <file>", "kerbagent krb5conf lint"),
		fileRule("krb5conf-unknown-key", Warning, "a section or setting of the krb5.conf is probably misspelt",
			"No Kerberos library knows this name, but it differs from a known one by only one or two letters. Libraries ignore unknown names silently, so the line has no effect.",
			"If the suggested name is what was meant, write it; otherwise remove the line.", "kerbagent krb5conf lint", "man 5 krb5.conf"),
		fileRule("krb5conf-writable", Warning, "every user may write the krb5.conf",
			"Any user can change the file, or a file that it includes. A krb5.conf can load code into every program that reads it.",
			"Look for lines that should not be in the file, then remove the write permission of other users.", "ls -l <file>", "kerbagent krb5conf lint", "chmod o-w <file>"),
		fileRule("krb5conf-overridden", Warning, "KRB5_CONFIG makes programs read another krb5.conf",
			"The variable KRB5_CONFIG names another file than the one that kerbagent manages, so programs that have this variable read another file. Java does not look at the variable.",
			"Find where KRB5_CONFIG is set (in a unit, a container or a shell profile), remove it there, and restart the programs that had it. If it is meant to be set, name that file in kerbagent.yaml (krb5_conf.path).", "grep -rn KRB5_CONFIG /etc/environment /etc/profile.d /etc/systemd/system", "env -u KRB5_CONFIG kerbagent krb5conf lint"),
		fileRule("krb5conf-drift", Warning, "the krb5.conf differs from what kerbagent would write",
			"Somebody changed the part of the file that kerbagent manages, or kerbagent.yaml was changed after kerbagent wrote the file.",
			"Look at the difference. Add the lines that you want to keep to kerbagent.yaml, then write the file again.", "kerbagent krb5conf diff", "kerbagent krb5conf apply"),
		fileRule("krb5conf-kdcs-unordered", Info, "kerbagent cannot keep the KDCs of a realm in order",
			"With krb5_conf.mode: maintain, kerbagent moves a dead or slow KDC to the end of its realm's lines, so that programs do not wait for it. For that, krb5.conf needs a line for each KDC. If KDCs are found by DNS, or share one name, DNS decides their order.",
			"Name each domain controller in kerbagent.yaml (kdcs of the realm): the first command lists them. Then reload the service: in mode maintain it has krb5.conf written with a line for each of them, within a probe interval.", "dig +short SRV _kerberos._tcp.<domain>", "kerbagent krb5conf diff", "systemctl reload kerbagent"),
		fileRule("krb5conf-include-ignored", Warning, "some Kerberos libraries ignore an include in the krb5.conf",
			"The file includes other files, and not every Kerberos library reads them. MIT and Java accept an include only at certain places, and only files with certain names. gokrb5 reads none.",
			"Copy the included lines into the file itself, or give the included file a name of letters, digits, - and _ alone, or one that ends in .conf. gokrb5 reads no included file.", "grep -n include /etc/krb5.conf", "ls -l /etc/krb5.conf.d"),
		fileRule("krb5conf-readers-differ", Warning, "Kerberos libraries read a line of the krb5.conf differently",
			"MIT, Heimdal, Java and gokrb5 have different rules for comments, repeated lines, yes/no values and the spelling of a server. So programs on this host behave differently with the same file.",
			"Write the line in the form that all of them read in the same way; the finding says which. Or let kerbagent write the file: diff shows the change, apply makes it.", "kerbagent krb5conf lint", "kerbagent krb5conf diff", "kerbagent krb5conf apply"),
	}
}

// krb5confValueRules are about what the file says.
func krb5confValueRules() []Rule {
	return []Rule{
		fileRule("krb5conf-default-realm", Warning, "the default realm is missing, or is not the configured one",
			"Programs use default_realm for a user name without a realm: alice then means alice@REALM.",
			"In [libdefaults], write default_realm = {realm}; or let kerbagent write the file: diff shows the change, apply makes it.", "kerbagent krb5conf diff", "kerbagent krb5conf apply"),
		loginFileRule("krb5conf-realm-missing", Error, "with this krb5.conf, programs cannot find the KDCs of a realm",
			"A login needs a realm that has no usable entry in [realms], and the file forbids finding its KDCs by DNS. Or a line in [domain_realm] names a realm that exists nowhere.",
			"Add the realm with its KDCs, or allow DNS with dns_lookup_kdc = true in [libdefaults].", "kerbagent krb5conf diff", "kerbagent krb5conf apply"),
		fileRule("krb5conf-realm-case", Error, "the krb5.conf has a realm in the wrong upper or lower case",
			"Realm names are case-sensitive, and those of Active Directory are in upper case. In another case, the name means another realm, which does not exist.",
			"Write the realm exactly as in kerbagent.yaml.", "kerbagent krb5conf diff", "kerbagent krb5conf apply"),
		fileRule("krb5conf-mapping-missing", Error, "the krb5.conf maps a database to no realm, or to another one",
			"Programs find the realm of a database in [domain_realm]. Without a line for the database's name, they ask the user's realm or guess. A user whose realm is in another Active Directory forest than the database's then gets no ticket.",
			"Add the [domain_realm] line that the finding names. Do not map a wider domain than the finding names, for example not all of .amazonaws.com.", "kerbagent krb5conf diff", "kerbagent krb5conf apply"),
		fileRule("krb5conf-realm-twice", Warning, "a realm has two blocks in the krb5.conf",
			"MIT and Heimdal merge the two blocks, Java uses the first one, and gokrb5 the last one. So programs on this host ask different KDCs.",
			"Make one block of the two, in one [realms] section, or let kerbagent write the file: diff shows the change, apply makes it.", "kerbagent krb5conf lint", "kerbagent krb5conf diff", "kerbagent krb5conf apply"),
		loginFileRule("krb5conf-etypes", Warning, "a list of encryption types in the krb5.conf is weak or has unknown names",
			"default_tkt_enctypes, default_tgs_enctypes or permitted_enctypes contain encryption types that are weak, or that some Kerberos library does not know. A library that knows none of the types gets no ticket.",
			"Remove these lists: the defaults of the libraries suit Active Directory. Or let kerbagent write the file: diff shows the change, apply makes it.", "grep -n enctypes /etc/krb5.conf", "kerbagent krb5conf diff", "kerbagent krb5conf apply"),
		fileRule("krb5conf-udp-limit", Warning, "the krb5.conf lets libraries ask KDCs over UDP first",
			"A ticket of Active Directory seldom fits into a UDP datagram. Programs that begin with UDP ask twice at each login, and wait if UDP is blocked. For Java, the value 0 means: always UDP.",
			"In [libdefaults], write udp_preference_limit = 1.", "kerbagent krb5conf diff", "kerbagent krb5conf apply"),
		fileRule("krb5conf-rdns", Info, "Kerberos libraries replace the database's name with one from DNS",
			"With rdns or dns_canonicalize_hostname, Kerberos libraries request a ticket for the name that DNS returns for the database's address or alias. In a cloud, this is not the name of the database's service.",
			"In [libdefaults], write rdns = false and dns_canonicalize_hostname = false.", "kerbagent krb5conf diff", "kerbagent krb5conf apply"),
	}
}

// fileRule makes a rule of an issue that a file has.
func fileRule(code Code, worst Severity, title, means, what string, commands ...string) Rule {
	return Rule{Code: code, Severity: worst, Title: title, Means: means, Cause: fileCause, Remedy: do(what, commands...), match: ofFile(code)}
}

// loginFileRule is a rule of an issue that logins fail by, whether kerbagent is to check the file or not.
func loginFileRule(code Code, worst Severity, title, means, what string, commands ...string) Rule {
	r := fileRule(code, worst, title, means, what, commands...)
	r.match = func(v *view) []match {
		out := ofFile(code)(v)
		failed := slices.DeleteFunc(slices.Clone(v.logins), func(l *probe.Result) bool { return !reason(l, probe.Reason(code)) })
		if len(out) > 0 { // the file's own issue says where it is
			out[0].explains = append(out[0].explains, failed...)
			return out
		}
		at := map[string]int{}
		for _, l := range failed {
			realm := l.Facts[probe.FactFailedRealm]
			i, have := at[realm]
			if !have {
				i, at[realm] = len(out), len(out)
				seen := "programs on this host find no KDC"
				if l.Err != nil {
					seen = l.Err.Error()
				}
				out = append(out, match{words: wordsOf(l).and(words{"place": plain(realm), "cause": seen + ".", "fix": strings.ToLower(what[:1]) + strings.TrimSuffix(what[1:], ".")})})
			}
			out[i].affects = append(out[i].affects, l)
		}
		return out
	}
	return r
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
