package diagnose

import "github.com/kerbagent/kerbagent/probe"

func secretRules() []Rule {
	return []Rule{{
		Code: "secret-malformed", Severity: Error,
		Title: "the {secret} file of {user} cannot be used",
		Means: "The file cannot be read or is empty; or a password file contains a byte order mark or a line end. The file is used byte for byte, so these would become part of the password. Or a keytab or credential cache is not a file of that kind. The value is never shown.",
		Cause: "{error}.",
		Remedy: do("Look at the file. Recreate a password file without a trailing newline (`printf %s`, not echo). Recreate a keytab or a credential cache with the tool that made it.",
			"ls -l {file}", "wc -c {file}  # password: counts its bytes", "klist -ket {file}  # keytab", "klist -c {file}  # credential cache"),
		remedyOf: secretRemedy,
		match:    loginMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonSecretMalformed) }),
	}, {
		Code: "login-record-impossible", Severity: Error,
		Title:  "no login is tried for {user}: the attempt cannot be recorded",
		Means:  "Before kerbagent tries a password, it writes the attempt to the state directory, so that it never tries a wrong password again. Without that record it tries no login, because repeated attempts could lock the account.",
		Cause:  "{error}.",
		Remedy: do("See who may write the state directory and whether its disk is full. Then give the directory to the user that runs kerbagent, free space, or name another directory. In another directory nothing is recorded yet: kerbagent tries there what was refused before.", "ls -ld <directory>", "df -h <directory>", "kerbagent check --state-dir <directory>"),
		match: func(v *view) []match {
			return v.perLogin(func(r *probe.Result) bool {
				return r.Outcome != probe.OK && r.Reason == probe.ReasonNoRecord
			})
		},
	}}
}
