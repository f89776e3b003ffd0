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
			"The program's user is not allowed to read the krb5.conf that its Kerberos library uses, or the file does not exist where the program looks for it.",
			"See what the program's user can read, and correct the rights or the path of the file.", "sudo -u '#{uid}' head -1 <krb5.conf>", "namei -l <krb5.conf>"),
		applicationRule("app-krb5conf-other", Error, "{program} reads another krb5.conf than the one that kerbagent manages",
			"The program was started with KRB5_CONFIG or a Java option that names another file, so it does not use the file that kerbagent manages. This is an error if only the managed file leads to the database's realm.",
			"Find where the variable or the option is set, and see how the two files differ.", "systemctl show -p Environment -- {unit}", "diff <krb5.conf> /etc/krb5.conf"),
		applicationRule("app-container-krb5conf", Error, "{program} has another krb5.conf in its container than this host",
			"The program runs in a container, where the krb5.conf is missing or differs from this host's. This is an error if this host's file leads to the database's realm and the container's does not.",
			"Compare what the program sees with this host's file.", "diff /proc/<pid>/root/etc/krb5.conf /etc/krb5.conf"),
		applicationRule("app-container-resolver", Error, "{program} resolves names differently in its container than this host does",
			"The program's container has its own settings for name resolution. This is an error if they cannot work: the program cannot read the file, nothing listens at a loopback nameserver, or the database gets another address than on this host. It is a warning if the program finds KDCs by DNS and its nameservers are neither this host's nor the realm's. kerbagent did not ask those nameservers.",
			"Compare the nameservers. Ask those of the container for the realm.", "cat /proc/<pid>/root/etc/resolv.conf", "dig +short SRV _kerberos._tcp.<domain> @<nameserver>"),
		applicationRule("app-network-unreachable", Error, "{program} does not reach a server from its network",
			"The program runs in its own network namespace. From there, the database or all KDCs of its krb5.conf cannot be reached. Only audit --network tries this.",
			"See which addresses and routes that network has.", "nsenter --net --target <pid> ip route", "nsenter --net --target <pid> ss -tn"),
		applicationRule("app-reader-differs", Error, "the Kerberos library of {program} reads its krb5.conf differently than MIT's",
			"MIT, Heimdal, Java and gokrb5 read a krb5.conf differently. The program's library refuses the file or finds no KDC in it. A test with kinit, which uses MIT's library, works.",
			"See what each library makes of the file.", "kerbagent krb5conf lint --path <krb5.conf>"),
		applicationRule("app-realm-unmapped", Error, "the krb5.conf of {program} does not lead to the database's realm",
			"By its krb5.conf, the program's library looks for the database in the wrong realm, or finds no KDC of the right realm. So it gets no ticket for the database.",
			"See which line decides. Then add the mapping or the realm that the finding names.", "kerbagent trace {user} {database}", "kerbagent krb5conf diff --path <krb5.conf>"),
		applicationRule("app-env-stale", Warning, "{program} was started before its Kerberos settings changed",
			"Java and gokrb5 read the krb5.conf once, at their start. No running program sees a change of its environment variables. So the program still uses the old settings.",
			"Compare the times. CAUTION: a restart interrupts the users of the program. Restart it at a time when that does no harm.", "systemctl show -p ActiveEnterTimestamp -- {unit}", "stat -c %y <krb5.conf>"),
		applicationRule("app-report-stale", Warning, "the report on applications is missing or old",
			"kerbagent.yaml names applications to watch. A separate service (kerbagent-audit), which runs as root, inspects them and writes a report. That report is missing, old, or not owned by root.",
			"See how the last run ended, and enable the timer.", "systemctl status kerbagent-audit.timer kerbagent-audit.service", "systemctl enable --now kerbagent-audit.timer"),
		applicationRule("app-plugin-missing", Error, "{program} lacks its client plugin for Kerberos logins",
			"The MySQL client library that the program uses needs a plugin file for Kerberos logins. This file is not installed, or not in the folder where the library looks.",
			"Look for the plugin. If there is none, install its package where the program runs, for example in its container.", "find / -xdev -name '*kerberos_client.so' -o -xdev -name 'auth_gssapi_client.so'"),
	}
}

func applicationTicketRules() []Rule {
	return []Rule{
		applicationRule("app-keytab-unreadable", Error, "{program} cannot use its keytab",
			"The keytab that the program is configured to use does not exist, cannot be read by the program's user, or is not a keytab.",
			"Read the file as the program's user.", "sudo -u '#{uid}' klist -k <keytab>"),
		applicationRule("app-keytab-no-entry", Error, "the keytab of {program} has no key of its user",
			"The keytab has no key of the principal that the program logs in as, only keys of others. Upper and lower case count.",
			"Compare the principals in the keytab with the user of the program's login.", "sudo -u '#{uid}' klist -k <keytab>"),
		applicationRule("app-keytab-stale", Error, "the keytab of {program} is older than the account's keys",
			"kerbagent's own keytab of the same user has newer keys. The account's password was changed, and the program still has the old keytab.",
			"Compare the key versions (KVNO) of both files, and give the program the newer keytab.", "sudo -u '#{uid}' klist -kte <keytab>"),
		applicationRule("app-private-tmp", Error, "{program} cannot see its ticket: it has a private /tmp",
			"The program has a private /tmp (PrivateTmp=yes), but the credential cache was created in the host's /tmp.",
			"See where the ticket is. Keep it below /run instead, and set KRB5CCNAME in the unit to that file.", "systemctl show -p PrivateTmp,Environment -- {unit}", "ls -ln /tmp/krb5cc_{uid}"),
		applicationRule("app-ccache-missing", Error, "{program} has no credential cache",
			"The credential cache that the program's library uses does not exist or holds no ticket-granting ticket. There is no client keytab either, from which the library could get one.",
			"See which cache the program uses, and whether its user has a ticket.", "systemctl show -p Environment -- {unit}", "sudo -u '#{uid}' klist"),
		applicationRule("app-ccache-foreign", Error, "the credential cache of {program} belongs to another user",
			"Only the user who got a ticket can read its cache. This happens if root runs kinit for a program that runs as another user.",
			"See who owns the cache. Then get the ticket as the program's own user.", "ls -ln <cache>", "sudo -u '#{uid}' kinit {user}"),
		applicationRule("app-ccache-expired", Error, "the ticket of {program} has expired",
			"The ticket-granting ticket in the program's cache has expired. Open connections continue, but the next login fails.",
			"Look at the ticket, then at the timers: one of them should renew it. Then get a new ticket; the last command replaces the old one.", "sudo -u '#{uid}' klist -c <cache>", "systemctl list-timers", "sudo -u '#{uid}' kinit -c <cache> {user}"),
		applicationRule("app-ccache-expiring", Warning, "the ticket of {program} expires soon and was not renewed",
			"The ticket-granting ticket in the program's cache expires within two hours; for a short ticket, in the last quarter of its lifetime. A working renewal usually comes at half of the lifetime.",
			"See when the ticket expires, and renew it.", "sudo -u '#{uid}' klist -c <cache>", "sudo -u '#{uid}' kinit -R -c <cache>"),
		applicationRule("app-ccache-unusable", Error, "{program} cannot use its type of credential cache",
			"The credential cache has a type that does not work where the program runs, or that the program's library cannot read. Or the cache is damaged.",
			"See which cache the program is configured to use (KRB5CCNAME), and give it a cache of type FILE.", "systemctl show -p Environment -- {unit}"),
	}
}

func applicationJavaRules() []Rule {
	return []Rule{
		applicationRule("app-java-login-config", Error, "{program} cannot read its JAAS login configuration",
			"The JVM was started with -Djava.security.auth.login.config, and the named file is missing, or the program's user cannot read it.",
			"Read the file as the program's user.", "sudo -u '#{uid}' head -1 <login.config>"),
		applicationRule("app-java-etypes", Error, "Java in {program} has no usable encryption type",
			"The lists of encryption types in the krb5.conf leave Java no type that Active Directory offers. The names are misspelt, or Java has disabled all of them as weak.",
			"Find the lists, and remove them: Java's defaults suit Active Directory.", "grep -n enctypes <krb5.conf>"),
		applicationRule("app-java-udp", Info, "Java in {program} asks KDCs over UDP first",
			"Without udp_preference_limit, Java sends each request over UDP first. If UDP is blocked, Java waits for 30 seconds by default.",
			"Write udp_preference_limit = 1 into [libdefaults]. The JVM reads it at its next start.", "kerbagent krb5conf diff --path <krb5.conf>"),
		applicationRule("app-java-subject-creds", Info, "Java in {program} uses credentials of a JAAS login only",
			"Unless javax.security.auth.useSubjectCredsOnly is set to false, Java uses no ticket from a credential cache by itself. The program or its database driver must log in by JAAS. Most drivers do.",
			"If logins fail with \"Failed to find any Kerberos tgt\", see the options with which the JVM is started.", "systemctl show -p ExecStart -- {unit}"),
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
