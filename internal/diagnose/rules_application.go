package diagnose

import (
	"strings"

	"github.com/kerbagent/kerbagent/probe"
)

// applicationCause describes an issue: where it is, what comes of it and what to
// do: words of the application's are in it, so it is no remedy.
const applicationCause = "{place}: {cause} What to do: {fix}."

// applicationRules are about the next login of a program on this host, as
// `kerbagent audit` sees it. Nothing here is a cause or a consequence of what
// kerbagent's own logins saw.
func applicationRules() []Rule {
	return append(append(applicationFileRules(), applicationTicketRules()...), applicationJavaRules()...)
}

func applicationFileRules() []Rule {
	return []Rule{
		applicationRule("app-krb5conf-unreadable", Error, "{program} cannot read its krb5.conf",
			"The program's user may not read the krb5.conf that its Kerberos library uses, or the file does not exist where the program looks for it.",
			"See what the program's user may read, and give it the file.", "sudo -u '#{uid}' head -1 <krb5.conf>", "namei -l <krb5.conf>"),
		applicationRule("app-krb5conf-other", Error, "{program} reads another krb5.conf than the one that is kept",
			"The program was started with KRB5_CONFIG or a Java option that names another file, so what kerbagent keeps right does not reach it. It is an error where the kept file would lead to the database's realm and that file does not.",
			"Find what sets it, and see how the two files differ.", "systemctl show -p Environment -- {unit}", "diff <krb5.conf> /etc/krb5.conf"),
		applicationRule("app-container-krb5conf", Error, "{program} has a krb5.conf of its own in its container",
			"The program runs with a file system of its own, in which the krb5.conf is missing or has other content than this host's. It is an error where this host's file would lead to the database's realm and that file does not.",
			"Compare what the program sees with this host's file.", "diff /proc/<pid>/root/etc/krb5.conf /etc/krb5.conf"),
		applicationRule("app-container-resolver", Error, "{program} resolves names in its container by other means than this host",
			"The program has name settings of its own. It is an error where they cannot work: no file that it may read, a nameserver on loopback where nothing listens, another address for the database than this host finds. It is a warning where the program finds KDCs by DNS and its nameservers are neither this host's nor the realm's own: whether those know the realm was not asked.",
			"Compare the nameservers, and ask those of the container for the realm.", "cat /proc/<pid>/root/etc/resolv.conf", "dig +short SRV _kerberos._tcp.<domain> @<nameserver>"),
		applicationRule("app-network-unreachable", Error, "{program} does not reach a server from its network",
			"The program runs in a network namespace from which a connection to the database, or to every KDC that its krb5.conf names, is not made. This is tried with audit --network only.",
			"See which addresses and routes that network has.", "nsenter --net --target <pid> ip route", "nsenter --net --target <pid> ss -tn"),
		applicationRule("app-reader-differs", Error, "the Kerberos library of {program} does not read its krb5.conf as MIT's does",
			"MIT's, Heimdal's, Java's and gokrb5's readers differ. The program's library refuses the file or finds no KDC in it, while kinit, which people test with, works.",
			"See what each library makes of the file.", "kerbagent krb5conf lint --path <krb5.conf>"),
		applicationRule("app-realm-unmapped", Error, "the krb5.conf of {program} does not lead to the database's realm",
			"The program's library takes the database's name to be in another realm than it is, or finds no KDC of that realm, so it asks for a ticket in the wrong place.",
			"See which line decides, and add the mapping or the realm that is named.", "kerbagent trace {user} {database}", "kerbagent krb5conf diff --path <krb5.conf>"),
		applicationRule("app-env-stale", Warning, "{program} was started before its Kerberos settings changed",
			"Java and gokrb5 read the krb5.conf once, and no program sees a change of its environment: it lives by what was true when it started.",
			"Compare the times, then restart the program when its users can bear the interruption.", "systemctl show -p ActiveEnterTimestamp -- {unit}", "stat -c %y <krb5.conf>"),
		applicationRule("app-report-stale", Warning, "nobody looks at the applications",
			"kerbagent.yaml names applications to watch, and the report of root's one-shot, which may look at them, is missing, old, or not root's own.",
			"Enable the timer, and see how the last run ended.", "systemctl status kerbagent-audit.timer kerbagent-audit.service", "systemctl enable --now kerbagent-audit.timer"),
		applicationRule("app-plugin-missing", Error, "{program} lacks its client plugin for Kerberos logins",
			"The MySQL client library that the program uses loads its half of the Kerberos login from a plugin file, which is not installed or not in the folder where the library looks.",
			"Look for the plugin; install its package where the program runs.", "find / -xdev -name '*kerberos_client.so' -o -xdev -name 'auth_gssapi_client.so'"),
	}
}

func applicationTicketRules() []Rule {
	return []Rule{
		applicationRule("app-keytab-unreadable", Error, "{program} cannot use its keytab",
			"The keytab that the program is told to use does not exist, is not readable for its user, or is no keytab.",
			"Look at the file with the program's rights.", "sudo -u '#{uid}' klist -k <keytab>"),
		applicationRule("app-keytab-no-entry", Error, "the keytab of {program} has no key of its user",
			"The keytab holds keys of other principals than the one that the program logs in as. Names have case.",
			"Compare the names.", "sudo -u '#{uid}' klist -k <keytab>"),
		applicationRule("app-keytab-stale", Error, "the keytab of {program} is older than the account's keys",
			"kerbagent's own keytab of the same user has newer keys: the account's password was changed, and the program still has the old file.",
			"Compare the versions of the keys, and give the program the newer file.", "sudo -u '#{uid}' klist -kte <keytab>"),
		applicationRule("app-private-tmp", Error, "the ticket of {program} lies in a /tmp that it does not see",
			"The program has a private /tmp (PrivateTmp=yes), and the credential cache was made in the host's.",
			"See where the ticket is, and keep it below /run instead.", "systemctl show -p PrivateTmp,Environment -- {unit}", "ls -ln /tmp/krb5cc_{uid}"),
		applicationRule("app-ccache-missing", Error, "{program} has no credential cache",
			"The credential cache that the program's library uses does not exist or holds no ticket-granting ticket, and there is no client keytab in its place.",
			"See which cache the program uses, and whether its user has a ticket.", "systemctl show -p Environment -- {unit}", "sudo -u '#{uid}' klist"),
		applicationRule("app-ccache-foreign", Error, "the credential cache of {program} belongs to another user",
			"A ticket that another user got is readable for that user only. This happens where root runs kinit for a program that runs as somebody else.",
			"See whose it is; get the ticket as the program's own user.", "ls -ln <cache>", "sudo -u '#{uid}' kinit {user}"),
		applicationRule("app-ccache-expired", Error, "the ticket of {program} has ended",
			"The ticket-granting ticket in the program's cache has ended: connections that are open go on, the next login fails.",
			"Look at the ticket, get a new one, and have it renewed.", "sudo -u '#{uid}' klist -c <cache>", "sudo -u '#{uid}' kinit -c <cache> {user}", "systemctl list-timers"),
		applicationRule("app-ccache-expiring", Warning, "the ticket of {program} ends soon and nobody has renewed it",
			"The ticket-granting ticket in the program's cache ends within two hours, or within the last quarter of its life where that is shorter. What renews tickets usually does so at half of their life.",
			"See when it ends, and renew it.", "sudo -u '#{uid}' klist -c <cache>", "sudo -u '#{uid}' kinit -R -c <cache>"),
		applicationRule("app-ccache-unusable", Error, "{program} cannot use its kind of credential cache",
			"The credential cache is of a type that does not work where the program runs or that its library does not read, or it is damaged.",
			"See what it is told to use, and give it a cache of type FILE.", "systemctl show -p Environment -- {unit}"),
	}
}

func applicationJavaRules() []Rule {
	return []Rule{
		applicationRule("app-java-login-config", Error, "{program} cannot read its JAAS login configuration",
			"The JVM was started with -Djava.security.auth.login.config, and the file is missing or not readable for the program's user.",
			"Look at the file with the program's rights.", "sudo -u '#{uid}' head -1 <login.config>"),
		applicationRule("app-java-etypes", Error, "Java in {program} has no encryption type left",
			"The lists of encryption types in the krb5.conf leave Java no type that Active Directory offers: the names are misspelt, or Java has switched all of them off as weak.",
			"See the lists, and remove them: the defaults suit Active Directory.", "grep -n enctypes <krb5.conf>"),
		applicationRule("app-java-udp", Info, "Java in {program} asks KDCs over UDP first",
			"Without udp_preference_limit Java sends each request over UDP and waits, by default 30 seconds, where UDP is blocked.",
			"Write udp_preference_limit = 1 into [libdefaults]; the JVM reads it when it is restarted.", "kerbagent krb5conf diff --path <krb5.conf>"),
		applicationRule("app-java-subject-creds", Info, "Java in {program} uses credentials of a JAAS login only",
			"javax.security.auth.useSubjectCredsOnly is true unless it is set, and then Java takes no ticket from a cache by itself: the program, or its driver, must log in by JAAS. Most drivers do.",
			"If logins fail with \"Failed to find any Kerberos tgt\", see how the JVM is started.", "systemctl show -p ExecStart -- {unit}"),
	}
}

func applicationRule(code Code, worst Severity, title, means, what string, commands ...string) Rule {
	return Rule{Code: code, Severity: worst, Title: title, Means: means, Cause: applicationCause, Remedy: do(what, commands...), match: ofApplication(code)}
}

// ofApplication matches each result that has the issue.
func ofApplication(code Code) func(*view) []match {
	return func(v *view) []match {
		var out []match
		for _, r := range v.all {
			if r.ID.Kind != probe.Application || Code(r.Facts[probe.FactIssue]) != code {
				continue
			}
			w := wordsOf(r).and(words{"program": r.ID.Target, "place": r.Facts[probe.FactPlace], "cause": r.Facts[probe.FactCause], "fix": r.Facts[probe.FactFix],
				"uid": plain(r.Facts[probe.FactUID])})
			if strings.HasSuffix(r.ID.Target, ".service") {
				w["unit"] = plain(r.ID.Target)
			}
			out = append(out, match{affects: []*probe.Result{r}, explains: v.wholeApplication(r), words: w, severity: Severity(r.Facts[probe.FactSeverity]),
				evidence: factsOf(r, probe.FactPlace, probe.FactCause, probe.FactFix)})
		}
		return out
	}
}

// wholeApplication returns the result of the application that r is an issue of.
func (v *view) wholeApplication(r *probe.Result) []*probe.Result {
	for _, o := range v.all {
		if o.ID.Kind == probe.Application && o.ID.Target == r.ID.Target && o.ID.Variant == "" {
			return []*probe.Result{o}
		}
	}
	return nil
}
