package bootstrap

import (
	"slices"
	"time"

	"github.com/kerbagent/kerbagent/config"
)

// clientStep is the guide's step 7: the files of this host, and the login that
// a bootstrap ends with.
type clientStep struct {
	*world
	vault vault

	asked    bool      // the check was begun, in this run
	verified string    // what it said; empty: not yet
	since    time.Time // of the wait for domain controllers; zero: there was none
}

// checked are the users whose login is verified: those whose secret is known.
func (s *clientStep) checked() []string {
	var out []string
	for _, l := range s.logins() {
		out = append(out, l.Principal())
	}
	return out
}

// logins are the database users whose secret this host can have.
func (s *clientStep) logins() []login {
	var out []login
	for _, u := range s.Config.DatabaseUsers {
		l := login{user: u, kind: u.SecretKind, ref: u.Secret.String()}
		i := slices.IndexFunc(s.Config.Users, func(d config.BootstrapUser) bool {
			return d.Name == u.User &&
				u.Realm == s.Config.Directory.Realm()
		})
		switch {
		case !u.Secret.IsZero():
		case i < 0:
			continue
		case s.Config.Users[i].Password.Manager != "":
			// The agent reads files and credentials: whoever runs it hands this one over.
			l.kind, l.ref, l.password = config.PasswordFile, "credential:"+u.User, s.Config.Users[i].Password
		default:
			l.kind, l.ref = config.PasswordFile, s.Config.Users[i].Password.String()
		}
		if !slices.ContainsFunc(out, func(o login) bool { return o.Principal() == l.Principal() }) {
			out = append(out, l)
		}
	}
	return out
}

// login is one line of logins in kerbagent.yaml.
type login struct {
	user     config.BootstrapDatabaseUser
	kind     config.SecretKind
	ref      string
	password config.BootstrapSecret // in Secrets Manager; zero: ref is all there is
}

// Principal is user@REALM.
func (l login) Principal() string { return l.user.Principal() }
