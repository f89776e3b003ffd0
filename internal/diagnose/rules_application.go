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
			"See what the program's user can read. If the file does not exist, put it there, or correct KRB5_CONFIG (for Java: -Djava.security.krb5.conf) where the program is started. If the user may not read it, let every user read the file and search each directory above it: a krb5.conf holds no secret.", "sudo -u '#{uid}' head -1 <krb5.conf>", "namei -l <krb5.conf>", "chmod 0644 <krb5.conf>"),
		applicationRule("app-krb5conf-other", Error, "{program} reads another krb5.conf than the one that kerbagent manages",
			"The program was started with KRB5_CONFIG or a Java option that names another file, so it does not use the file that kerbagent manages. This is an error if only the managed file leads to the database's realm.",
			"Find where the variable or the option is set, and see how the two files differ. If the program needs no file of its own, remove the setting and restart the program. If it does, correct its file: the last command shows what is wrong with it.", "systemctl show -p Environment -- {unit}", "diff <krb5.conf> /etc/krb5.conf", "kerbagent krb5conf lint --path <krb5.conf>"),
		applicationRule("app-container-krb5conf", Error, "{program} has another krb5.conf in its container than this host",
			"The program runs in a container, where the krb5.conf is missing or differs from this host's. It is an error if the program finds the database's realm and a KDC of it by this host's file, and not by its own. A missing file is also an error for Java and gokrb5, which do not work without one. Otherwise it is a warning.",
			"Compare what the program sees with this host's file, and decide which one is right. If it is this host's, mount it into the container or copy it into the image, and restart the container. kerbagent replaces its file by a rename, and a container in which that single file is mounted keeps the old one until it is restarted. To avoid this, mount a directory that holds the file, and set KRB5_CONFIG there (for Java: -Djava.security.krb5.conf). If the container's file is right, correct kerbagent.yaml, and let the last command write this host's file.",
			"diff /proc/<pid>/root/etc/krb5.conf /etc/krb5.conf", "kerbagent krb5conf diff", "kerbagent krb5conf apply"),
		applicationRule("app-container-resolver", Error, "{program} resolves names differently in its container than this host does",
			"The program's container has its own settings for name resolution. This is an error if they cannot work: the program cannot read the file, nothing listens at a loopback nameserver, or the database gets another address than on this host. It is a warning if the program finds KDCs by DNS and its nameservers are neither this host's nor the realm's. kerbagent did not ask those nameservers.",
			"Compare the nameservers, and ask those of the container for the realm. If they do not answer, give the container this host's nameservers, or ones that forward the realm's domain, and restart it. A container whose krb5.conf names the KDCs, and whose /etc/hosts names the database, needs no DNS.", "cat /proc/<pid>/root/etc/resolv.conf", "dig +short SRV _kerberos._tcp.<domain> @<nameserver>"),
		applicationRule("app-network-unreachable", Error, "{program} does not reach a server from its network",
			"The program runs in its own network namespace. From there, the database or all KDCs of its krb5.conf cannot be reached. Only audit --network tries this.",
			"See which addresses and routes that network has. If there is no route to the server, add one, or start the container in a network that has one. If there is a route, allow the connection: in this host's rules for forwarded packets, in firewalls and in security groups.", "nsenter --net --target <pid> ip route", "nsenter --net --target <pid> ss -tn", "nft list ruleset"),
		applicationRule("app-reader-differs", Error, "the Kerberos library of {program} reads its krb5.conf differently than MIT's",
			"MIT, Heimdal, Java and gokrb5 read a krb5.conf differently. The program's library refuses the file or finds no KDC in it. A test with kinit, which uses MIT's library, works.",
			"See what each library makes of the file. Write the line that the finding names in the form that all of them read in the same way, or let the last command write the file. Programs in Java, and in Go with gokrb5, read it at their next start.", "kerbagent krb5conf lint --path <krb5.conf>", "kerbagent krb5conf diff --path <krb5.conf>", "kerbagent krb5conf apply --path <krb5.conf>"),
		applicationRule("app-realm-unmapped", Error, "the krb5.conf of {program} does not lead to the database's realm",
			"By its krb5.conf, the program's library looks for the database in the wrong realm, or finds no KDC of the right realm. So it gets no ticket for the database.",
			"See which line decides. Then add the mapping or the realm that the finding names, or let the last command write what kerbagent.yaml calls for. Programs in Java, and in Go with gokrb5, read the file at their next start.", "kerbagent trace {user} {database}", "kerbagent krb5conf diff --path <krb5.conf>", "kerbagent krb5conf apply --path <krb5.conf>"),
		applicationRule("app-env-stale", Warning, "{program} was started before its Kerberos settings changed",
			"Java and gokrb5 read the krb5.conf once, at their start. No running program sees a change of its environment variables. So the program still uses the old settings.",
			"Compare the times. CAUTION: a restart interrupts the users of the program. Restart it at a time when that does no harm.", "systemctl show -p ActiveEnterTimestamp -- {unit}", "stat -c %y <krb5.conf>", "systemctl restart {unit}"),
		applicationRule("app-report-stale", Warning, "the report on applications is missing or old",
			"kerbagent.yaml names applications to watch. A separate service (kerbagent-audit), which runs as root, inspects them and writes a report. That report is missing, old, or not owned by root.",
			"See how the last run ended, and correct what it reports. If the timer is not enabled, enable it.", "systemctl status kerbagent-audit.timer kerbagent-audit.service", "systemctl enable --now kerbagent-audit.timer"),
		applicationRule("app-plugin-missing", Error, "{program} lacks its client plugin for Kerberos logins",
			"The MySQL client library that the program uses needs a plugin file for Kerberos logins. This file is not installed, or not in the folder where the library looks.",
			"Look for the plugin. If there is none, install the package that the finding names where the program runs, for example in its container. If it is in another folder, set the plugin directory of the program's MySQL client to that folder. Then restart the program.", "find / -xdev -name '*kerberos_client.so' -o -xdev -name 'auth_gssapi_client.so'"),
	}
}

func applicationTicketRules() []Rule {
	return []Rule{
		applicationRule("app-keytab-unreadable", Error, "{program} cannot use its keytab",
			"The keytab that the program is configured to use does not exist, cannot be read by the program's user, or is not a keytab.",
			"Read the file as the program's user. If there is no such file, put the keytab there, or correct its path where the program is configured. If permission is denied, and only this program uses the file, give the file to its user. CAUTION: do not do this with the host's keytab or one that other programs use: they can no longer read it, and this program can pose as them. Then give this program a keytab with its own principal alone. If the file is not a keytab, make it again with the tool that made it.",
			"namei -l <keytab>", "sudo -u '#{uid}' klist -k <keytab>", "chown {uid} <keytab>"),
		applicationRule("app-keytab-no-entry", Error, "the keytab of {program} has no key of its user",
			"The keytab has no key of the principal that the program logs in as, only keys of others. Upper and lower case count.",
			"Compare the principals in the keytab with the user of the program's login. If only the spelling differs, correct the user where the program is configured. Otherwise give the program a keytab of its user.", "sudo -u '#{uid}' klist -k <keytab>"),
		applicationRule("app-keytab-stale", Error, "the keytab of {program} is older than the account's keys",
			"kerbagent's own keytab of the same user has newer keys. The account's password was changed, and the program still has the old keytab.",
			"Compare the key versions (KVNO) of both files, and replace the program's keytab with the newer one. The last command does this: it copies the file and lets only the program's user read the copy.", "sudo -u '#{uid}' klist -kte <keytab>", "klist -kte <newer keytab>", "install -m 0600 -o {uid} <newer keytab> <keytab>"),
		applicationRule("app-private-tmp", Error, "{program} cannot see its ticket: it has a private /tmp",
			"The program has a private /tmp (PrivateTmp=yes), but the credential cache was created in the host's /tmp.",
			"See where the ticket is. Keep it below /run instead, in a directory of the program's user (RuntimeDirectory= of the unit makes one). Set KRB5CCNAME to that file, in the unit and for whatever gets the ticket. Then restart the unit.", "systemctl show -p PrivateTmp,Environment -- {unit}", "ls -ln /tmp/krb5cc_{uid}"),
		applicationRule("app-ccache-missing", Error, "{program} has no credential cache",
			"The credential cache that the program's library uses does not exist or holds no ticket-granting ticket. There is no client keytab either, from which the library could get one.",
			"See which cache the program uses, and whether its user has a ticket. Get one into that cache, and let a timer renew it. Or give the program a client keytab: set KRB5_CLIENT_KTNAME to the keytab, and MIT's library gets tickets by itself.", "systemctl show -p Environment -- {unit}", "sudo -u '#{uid}' klist", "sudo -u '#{uid}' kinit -c <cache> {user}"),
		applicationRule("app-ccache-foreign", Error, "the credential cache of {program} belongs to another user",
			"Only the user who got a ticket can read its cache. This happens if root runs kinit for a program that runs as another user.",
			"See who owns the cache. Two users cannot share one. Get the ticket as the program's own user into a new cache, set KRB5CCNAME of the program to that cache, and restart the program.", "ls -ln <cache>", "sudo -u '#{uid}' kinit -c <new cache> {user}"),
		applicationRule("app-ccache-expired", Error, "the ticket of {program} has expired",
			"The ticket-granting ticket in the program's cache has expired. Open connections continue, but the next login fails.",
			"Look at the ticket, then at the timers: one of them should renew it. Then get a new ticket; the last command replaces the old one.", "sudo -u '#{uid}' klist -c <cache>", "systemctl list-timers", "sudo -u '#{uid}' kinit -c <cache> {user}"),
		applicationRule("app-ccache-expiring", Warning, "the ticket of {program} expires soon and was not renewed",
			"The ticket-granting ticket in the program's cache expires within two hours; for a short ticket, in the last quarter of its lifetime. A working renewal usually comes at half of the lifetime.",
			"See when the ticket expires, and renew it with the last command. If it can no longer be renewed, get a new one with kinit. Then repair the timer or the service that should renew it.", "sudo -u '#{uid}' klist -c <cache>", "sudo -u '#{uid}' kinit -R -c <cache>"),
		applicationRule("app-ccache-unusable", Error, "{program} cannot use its type of credential cache",
			"The credential cache has a type that does not work where the program runs, or that the program's library cannot read. Or the cache is damaged.",
			"See which cache the program is configured to use (KRB5CCNAME). Give it a cache of type FILE: set KRB5CCNAME=FILE:/run/PROGRAM/krb5cc, in a directory of the program's user. Restart the program, and get its ticket into that file.", "systemctl show -p Environment -- {unit}"),
	}
}

func applicationJavaRules() []Rule {
	return []Rule{
		applicationRule("app-java-login-config", Error, "{program} cannot read its JAAS login configuration",
			"JAAS is Java's framework for logins (Java Authentication and Authorization Service). The JVM was started with -Djava.security.auth.login.config, and the named file is missing, or the program's user cannot read it.",
			"Read the file as the program's user. If there is no such file, put it there, or correct the option where the JVM is started. If permission is denied, let the user read the file and search each directory above it. Then restart the program.", "sudo -u '#{uid}' head -1 <login.config>", "namei -l <login.config>"),
		applicationRule("app-java-etypes", Error, "Java in {program} has no usable encryption type",
			"The lists of encryption types in the krb5.conf leave Java no type that Active Directory offers. The names are misspelt, or Java has disabled all of them as weak.",
			"Find the lists, and remove them: Java's defaults suit Active Directory. The JVM reads the file at its next start.", "grep -n enctypes <krb5.conf>"),
		applicationRule("app-java-udp", Info, "Java in {program} asks KDCs over UDP first",
			"Without udp_preference_limit, Java sends each request over UDP first. If UDP is blocked, Java waits for 30 seconds by default.",
			"Write udp_preference_limit = 1 into [libdefaults]. The JVM reads it at its next start.", "kerbagent krb5conf diff --path <krb5.conf>"),
		applicationRule("app-java-subject-creds", Info, "Java in {program} uses credentials of a JAAS login only",
			"JAAS is Java's framework for logins (Java Authentication and Authorization Service). By default Java does not take a ticket from the credential cache. It does so only if javax.security.auth.useSubjectCredsOnly is set to false. The program or its database driver must log in by JAAS. Most drivers do.",
			"If logins work, nothing needs to be done. If they fail with \"Failed to find any Kerberos tgt\", let Java use the credential cache: add -Djavax.security.auth.useSubjectCredsOnly=false to the options with which the JVM is started, and restart the program. If a wrapper script starts the JVM, set the variable JAVA_TOOL_OPTIONS of the unit or container to that option.", "systemctl show -p ExecStart,Environment -- {unit}", "ps -o args= -p <pid>"),
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
