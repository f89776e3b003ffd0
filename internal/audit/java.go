//go:build linux

package audit

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf/reader"
)

// maxJAAS is the largest login configuration that is read, in bytes.
const maxJAAS = 256 << 10

// jaas is what a JAAS login configuration says of Krb5LoginModule: its options
// in the first entry that names that module.
type jaas struct {
	file    string
	options map[string]string
}

func (j jaas) option(name string) string { return j.options[name] }

// keyed reports whether the login is made with a keytab.
func (j jaas) keyed() bool { return strings.EqualFold(j.options["useKeyTab"], "true") }

// readJAAS reads the login configuration that the JVM was given.
func readJAAS(c *inspection) {
	file := strings.TrimPrefix(c.p.option("java.security.auth.login.config"), "=") // == replaces the JVM's own
	if file == "" || c.libs.jvm == "" {
		return
	}
	file = strings.TrimPrefix(file, "file:")
	c.jaas.file = file
	b, _, err := c.root.read(file, maxJAAS)
	if err == nil {
		c.jaas.options = parseJAAS(string(b))
		return
	}
	if notSeen(err) {
		c.note("%v", err)
		return
	}
	c.add(Issue{Code: "app-java-login-config", Severity: Error, Place: file,
		Cause: fmt.Sprintf("The JVM is told to read its login configuration from %s, and cannot: %v.", file, err),
		Fix:   "put the file where the option points to, readable for the program's user"})
}

// parseJAAS finds the options of Krb5LoginModule (javax.security.auth.login.Configuration).
func parseJAAS(text string) map[string]string {
	text = regexp.MustCompile(`(?s)/\*.*?\*/|//[^\n]*`).ReplaceAllString(text, "")
	_, rest, ok := strings.Cut(text, "com.sun.security.auth.module.Krb5LoginModule")
	if !ok {
		return nil
	}
	rest, _, _ = strings.Cut(rest, ";")
	out := map[string]string{}
	for _, m := range regexp.MustCompile(`(\w+)\s*=\s*(?:"([^"]*)"|([^\s";]+))`).FindAllStringSubmatch(rest, -1) {
		out[m[1]] = m[2] + m[3]
	}
	return out
}

// judgeJava reports what only Java does with the file and with its options.
func judgeJava(c *inspection, r reader.Reader) {
	if r != reader.Java {
		return
	}
	if c.reading.UDPLimit.From.IsZero() {
		c.add(Issue{Code: "app-java-udp", Severity: Info, Place: c.facts.Krb5Conf,
			Cause: "The file has no udp_preference_limit, so Java asks KDCs over UDP first: where UDP is blocked, each request waits for its timeouts before Java tries TCP.",
			Fix:   "write udp_preference_limit = 1 in [libdefaults]"})
	}
	if weak := !slices.ContainsFunc(c.reading.TicketETypes.IDs, strong); weak || c.reading.TicketETypes.Err != nil {
		c.add(Issue{Code: "app-java-etypes", Severity: Error, Place: c.reading.TicketETypes.From.String(),
			Cause: fmt.Sprintf("The file lists the encryption types %q. Java supports none of them that a directory issues tickets with.",
				c.reading.TicketETypes.Text),
			Fix: "remove default_tkt_enctypes, default_tgs_enctypes and permitted_enctypes from the file"})
	}
	subject := c.p.option("javax.security.auth.useSubjectCredsOnly")
	if c.jaas.file == "" && !strings.EqualFold(subject, "false") {
		c.add(Issue{Code: "app-java-subject-creds", Severity: Info, Place: "javax.security.auth.useSubjectCredsOnly",
			Cause: "The JVM uses credentials of a JAAS login only, and has no login configuration: a program that does not log in by itself finds no ticket (\"Failed to find any Kerberos tgt\").",
			Fix: "if logins fail, start it with -Djavax.security.auth.useSubjectCredsOnly=false (in JAVA_TOOL_OPTIONS where a script starts it), " +
				"or with -Djava.security.auth.login.config"})
	}
}

// strong reports of an encryption type that it is AES, which is all that a
// directory of today gives (RFC 3962, RFC 8009).
func strong(etype int32) bool { return etype >= 17 && etype <= 20 }
