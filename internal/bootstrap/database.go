package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/kerbagent/kerbagent/config"
)

// databaseStep is the guide's step 6: the database's users.
type databaseStep struct {
	*world
	vault vault

	checked bool // the plugin, on every instance, in this run
}

func (s *databaseStep) name() string { return "database-users" }

func (s *databaseStep) look(ctx context.Context) (v view, err error) {
	v.is = "the users of the cluster " + s.Config.Cluster.Identifier
	if s.cluster.host == "" {
		for _, u := range s.Config.DatabaseUsers {
			v.do = append(v.do, change{what: fmt.Sprintf("create the database user '%s'@'%s' for %s", u.User, u.Host, u.Principal())})
		}
		return v, nil
	}
	password, err := s.password(ctx)
	if err != nil {
		return v, err
	}
	if !s.checked && !s.cluster.rebooting {
		if v.blocked, err = s.plugins(ctx, password); err != nil || v.blocked != "" {
			return v, err
		}
		s.checked = true
	}
	db, err := s.open(ctx, s.cluster.host, password)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, u := range s.Config.DatabaseUsers {
		made := s.madeUser(u)
		_, ours := s.state.Made[made]
		foreign := u.Revoke && !ours
		u.Revoke = u.Revoke && ours
		statements, err := db.Missing(ctx, u)
		if err != nil {
			return v, fmt.Errorf("the database user '%s'@'%s': %w", u.User, u.Host, err)
		}
		if foreign && (len(statements) == 0 || !strings.HasPrefix(statements[0], creating)) {
			v.notes = append(v.notes, fmt.Sprintf("revoke: true does nothing for '%s'@'%s': kerbagent did not create this account (%s has no "+
				"record of it)", u.User, u.Host, s.state.path))
		}
		for _, text := range statements {
			v.do = append(v.do, change{what: "run " + text + ";", act: func(ctx context.Context) error {
				if err := s.run(ctx, password, text); err != nil || !strings.HasPrefix(text, creating) {
					return err
				}
				return s.state.made(made, u.Realm)
			}})
		}
	}
	return v, nil
}

// creating is how the statement begins that creates an account.
const creating = "CREATE USER "

// madeUser names in the state file a database user that was created here.
func (s *databaseStep) madeUser(u config.BootstrapDatabaseUser) string {
	return "database-user/" + s.Config.Cluster.Identifier + "/" + u.User + "@" + u.Host
}

func (s *databaseStep) open(ctx context.Context, host string, password Secret) (SQL, error) {
	user := s.cluster.primary
	if user == "" {
		user = s.Config.Cluster.PrimaryUser
	}
	db, err := s.SQL(ctx, Server{Host: host, Port: uint16(s.cluster.port), User: user, Password: password, CAFile: s.Config.Cluster.CAFile})
	if err != nil {
		return nil, hint(fmt.Errorf("connecting to %s as %s: %w", host, user, err),
			"see that this host reaches it, that cluster.ca_file has AWS's certificates for "+s.region+", and that the password of "+user+" is "+
				"the one that is configured")
	}
	return db, nil
}

func (s *databaseStep) run(ctx context.Context, password Secret, text string) (err error) {
	db, err := s.open(ctx, s.cluster.host, password)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.Run(ctx, text)
}

// password is the primary user's: configured, or the one that RDS keeps.
func (s *databaseStep) password(ctx context.Context) (Secret, error) {
	ref := s.Config.Cluster.PrimaryPassword
	if ref.IsZero() {
		if s.cluster.secret == "" {
			return Secret{}, advise("write cluster.primary_password", "RDS does not keep the password of the primary user of %s",
				s.Config.Cluster.Identifier)
		}
		ref = config.BootstrapSecret{Manager: s.cluster.secret, Key: "password"}
	}
	return s.vault.read(ctx, ref)
}

// plugins asks every instance whether it can do Kerberos at all. One that cannot is an
// error, or is waited for where another host may be rebooting it.
func (s *databaseStep) plugins(ctx context.Context, password Secret) (blocked string, err error) {
	var without []string
	for _, i := range s.cluster.instances {
		db, err := s.open(ctx, i.host, password)
		if err != nil {
			return "", err
		}
		active, err := db.PluginActive(ctx)
		if err = errors.Join(err, db.Close()); err != nil {
			return "", fmt.Errorf("asking %s for its plugins: %w", i.id, err)
		}
		if !active {
			without = append(without, i.id)
		}
	}
	if len(without) == 0 {
		return "", nil
	}
	what := "the plugin authentication_kerberos is not loaded on " + strings.Join(without, ", ")
	next := "reboot it when its applications can do without: aws rds reboot-db-instance --region " + s.region +
		" --db-instance-identifier " + without[0]
	if s.cluster.joinedElsewhere {
		return what + ". The host whose bootstrap joined the cluster reboots its readers; if there is none, " + next, nil
	}
	return "", advise(next, "%s", what)
}

func (s *databaseStep) needs() []permission {
	if s.Config.Cluster.PrimaryPassword.IsZero() {
		return []permission{act("secretsmanager:GetSecretValue", s.arn("secretsmanager", s.region, "secret:rds!cluster-*"))}
	}
	return s.vault.needs(s.Config.Cluster.PrimaryPassword, false)
}
