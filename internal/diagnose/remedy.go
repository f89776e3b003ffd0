package diagnose

import (
	"strings"
	"unicode"

	"github.com/kerbagent/kerbagent/probe"
)

// remedyFor returns the remedy for what was seen, with its values: the rule's
// own, or the one that it has for this cause, without the commands of another
// kind of directory.
func (f *found) remedyFor() string {
	remedy, kind, w := f.rule.Remedy, "", f.m.words
	if len(f.m.affects) > 0 {
		r := f.m.affects[0]
		kind = r.Facts[probe.FactKind]
		w = vouched(r, w)
		if f.rule.remedyOf != nil {
			if special := f.rule.remedyOf(r); special != "" {
				remedy = special
			}
		}
	}
	if len(f.m.affects) > 0 {
		remedy = handedOver(f.m.affects[0], remedy)
	}
	var out []string
	for line := range strings.Lines(remedy) {
		line = strings.TrimSuffix(line, "\n")
		if fits(line, kind) {
			out = append(out, fillLine(line, w))
		}
	}
	return strings.Join(out, "\n")
}

// handedOver adds to a remedy that changes the file of a secret what it takes where the
// service has only a copy of that file. Where the file was changed already, that is all
// that there is to do.
func handedOver(r *probe.Result, remedy string) string {
	at := r.Facts[probe.FactSecretChanged]
	switch {
	case r.Facts[probe.FactSecretUnit] == "" || !strings.Contains(remedy, "{file}"):
		return remedy
	case at != "":
		return do("{file} was changed at "+at+", after {unit} had been started with a copy of it. Restart the unit, which passes the "+
			"changed file to it.",
			"systemctl restart {unit}")
	}
	return remedy + "\n  systemctl restart {unit}  # passes the changed file to the service"
}

// fits reports whether a command is one for a kind of directory: its comment says
// what it is for. Without a kind all are.
func fits(line, kind string) bool {
	_, comment, commented := strings.Cut(line, "  # ")
	if !commented || kind == "" || !strings.HasPrefix(line, "  ") {
		return true
	}
	for label, kinds := range map[string]string{"Windows": "aws-managed-ad active-directory", "Samba": "active-directory", "MIT": "mit", "AWS Managed AD": "aws-managed-ad"} {
		if strings.HasPrefix(comment, label) {
			return strings.Contains(kinds, kind)
		}
	}
	return true
}

// fillLine puts values into a line of a remedy. In a sentence a value stands as
// it is. In a command it stands bare where a shell takes it so, in quotes where
// they make it safe, and else its placeholder stays.
func fillLine(line string, w words) string {
	if !strings.HasPrefix(line, "  ") {
		return fill(line, w)
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(line, "{")
		name, after, closed := strings.Cut(rest, "}")
		b.WriteString(before)
		if !found || !closed {
			if found {
				b.WriteString("{" + rest)
			}
			return b.String()
		}
		switch v := w[name]; {
		case plain(v) != "":
			b.WriteString(v)
		case quotable(v) && bare(b.String(), after):
			b.WriteString("'" + v + "'")
		default:
			b.WriteString("<" + name + ">")
		}
		line = after
	}
}

// quotable reports whether single quotes make a value safe, in a POSIX shell and in
// PowerShell.
func quotable(v string) bool {
	return v != "" && !strings.ContainsAny(v, "'\u2018\u2019\u201a\u201b") && strings.IndexFunc(v, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 && !strings.HasPrefix(v, "-")
}

// bare reports whether a place in a command is a whole word and stands in no quotes.
func bare(before, after string) bool {
	open := strings.Count(before, "'")%2 != 0 || strings.Count(before, `"`)%2 != 0
	return !open && (before == "" || strings.HasSuffix(before, " ")) && (after == "" || strings.HasPrefix(after, " ") || strings.HasPrefix(after, ")"))
}

// secretRemedy is for a secret that cannot be used: by what holds it, and by
// what is wrong with it.
func secretRemedy(r *probe.Result) string {
	kind, problem := r.Facts[probe.FactSecretType], r.Facts[probe.FactSecretProblem]
	look := []string{"ls -l {file}"}
	switch problem {
	case "missing":
		if kind == "password" {
			return do("There is no such file. Correct its name in kerbagent.yaml, or create it: run the second command, then type the password and press Enter.", "ls -l {file}", writeSecret)
		}
		return do("There is no such file. Correct its name in kerbagent.yaml, or create it with the tool that makes such files.", look...)
	case "unreadable":
		return do("Let the user that runs kerbagent read the file and search each directory above it. For the service, leave the file to root with mode 0600, and pass it with LoadCredential= of the unit (docs/systemd.md).", "ls -l {file}", "namei -l {file}  # the rights of each directory above it")
	case "command":
		return do("The password_command of {user} in kerbagent.yaml did not print a password. Run it as the user that runs kerbagent, with an empty environment (env -i), and look at its exit status. It is run only where root alone can write kerbagent.yaml and the folders above it.",
			"kerbagent config check", "namei -l /etc/kerbagent/kerbagent.yaml", "systemctl show -p User,DynamicUser kerbagent")
	case "not-regular", "too-large":
		return do("This is not a file with a secret. Correct its name in kerbagent.yaml.", look...)
	}
	switch kind {
	case "password":
		return do("Recreate the file with exactly the password in it, without a trailing newline: run the second command, then type the password and press Enter.",
			"wc -c {file}  # counts its bytes; shows none of them", writeSecret)
	case "keytab":
		return do("Inspect the file. If it is text, it may be the keytab encoded in base64 (decode it with base64 -d); otherwise replace it with an intact copy.",
			"file {file}", "klist -ket {file}")
	case "ccache":
		if problem == "other-user" {
			return do("The cache holds another user's ticket. Name the right cache in kerbagent.yaml, or get a ticket for {user}; the second command replaces the ticket in the cache.",
				"klist -c {file}", "kinit -c {file} {user}")
		}
		return do("Inspect the cache, and name one in kerbagent.yaml that holds a ticket for {user}; the second command replaces what is in the file.", "klist -c {file}", "kinit -c {file} {user}")
	}
	return ""
}

// tlsRemedy is by what the certificate fails.
func tlsRemedy(r *probe.Result) string {
	const look = "openssl s_client -starttls mysql -connect {endpoint} -servername {host} </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer -dates -ext subjectAltName"
	const once = " Run the command once: it leaves a connection that the server counts as unfinished."
	switch r.Facts[probe.FactTLSProblem] {
	case "name":
		return do("Connect to a name that is in the certificate (subjectAltName): for Aurora the cluster's own endpoint, not a CNAME in front of it. A certificate that has only a common name is accepted by no current client; replace it on the server."+once, look)
	case "date":
		return do("Compare the certificate's dates with this host's clock. If the certificate has expired, replace it on the server."+once, "date -u", look)
	case "bundle":
		return do("In kerbagent.yaml, correct tls.ca_file of database {database}, or put the CA bundle where it points. The service reads the file again at a reload.", "kerbagent config check", "systemctl reload kerbagent")
	case "ca":
		return do("Find out which CA signed the certificate. Name that CA's bundle in kerbagent.yaml (tls.ca_file of database {database}) and reload the service, or pass it with --database-ca. The second command downloads the bundle of RDS."+once,
			look, "curl -O https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem  # RDS")
	}
	return do("See why the TLS handshake fails. If the error names a protocol version or a cipher, have the server allow TLS 1.2 or later (tls_version). If the connection ends without an error, a proxy or firewall on the way does not let TLS through."+once, "openssl s_client -starttls mysql -connect {endpoint} -servername {host} </dev/null")
}

// keytabRemedy names a command that makes new keys only where the KDC has
// refused the old one.
func keytabRemedy(r *probe.Result) string {
	switch {
	case r.Facts[probe.FactKeytabHas] != "": // nothing is wrong with the account
		return do("The keytab has no entry for {user}, and the case of names counts. If one of its principals is the one that is meant, correct the user of the login in kerbagent.yaml; else name the right keytab.",
			"klist -kt {file}")
	case r.Reason != probe.ReasonKRBPreauthFailed:
		return do("The keytab has no key that can be used for {user}. Compare its principals with the login's user (their case counts) and its encryption types with the account's; correct the user in kerbagent.yaml, or export the account's keys again.",
			"klist -ket {file}", "Get-ADUser -Identity {account} -Properties msDS-SupportedEncryptionTypes  # Windows", "samba-tool domain exportkeytab <new file> --principal={user}  # Samba: changes no key",
			"kadmin -q 'getprinc {user}'  # MIT")
	}
	return ""
}

// routeRemedy is for what never left for its server: no security group of the
// server's helps there.
func routeRemedy(r *probe.Result) string {
	if r.Reason != probe.ReasonUnreachable || !r.ID.Address.IsValid() {
		return ""
	}
	if r.ID.Family() == "ipv6" {
		return do("There is no IPv6 route from this host to the database, and the address that was asked is IPv6. Give this host an IPv6 address and a default route (in AWS: an IPv6 range for its subnet, and a route for ::/0), or make the database's name have an IPv4 address.",
			"ip -6 route get {ip}", "ip -6 address show scope global", "getent ahosts {host}", askDatabases)
	}
	return do("There is no route from this host to the database. Look at this host's routes, and at those of the network between the two (in AWS: the subnet's route table, peering, transit gateway).",
		"ip route get {ip}", askDatabases)
}
