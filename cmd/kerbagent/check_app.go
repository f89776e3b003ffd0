package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/audit"
	"github.com/kerbagent/kerbagent/internal/check"
	"github.com/kerbagent/kerbagent/internal/secrets"
)

// asApp are the flags that put an application in kerbagent's place.
type asApp struct {
	name        string // a unit or a process number
	credentials bool
}

func (a *asApp) register(c *cobra.Command) {
	c.Flags().StringVar(&a.name, "as-app", "",
		"check as this application would: with its krb5.conf, as its Kerberos library reads that file, "+
			"and its database; a systemd `UNIT` or a process number")
	c.Flags().BoolVar(&a.credentials, "with-its-credentials", false,
		"with --as-app: log in with the application's own credential cache or keytab instead of kerbagent's secrets")
}

// errWithoutApp reports a flag that has no use by itself.
var errWithoutApp = errors.New("--with-its-credentials requires --as-app")

// narrowed returns the configuration for an application's login: its database
// alone, and who logs in there.
func (a *asApp) narrowed(cfg *config.Config, v audit.View) (*config.Config, error) {
	database := v.Database
	if database == "" && len(cfg.Databases) == 1 {
		database = cfg.Databases[0].Name
	}
	db, ok := cfg.Database(database)
	if !ok {
		return nil, fmt.Errorf("--as-app %s: the configuration has several databases and nothing says which one this program uses; list it under the key applications", a.name)
	}
	out := *cfg
	out.Databases, out.Krb5Conf, out.Applications = []config.Database{db}, nil, nil
	out.Logins = slices.DeleteFunc(slices.Clone(cfg.Logins), func(l config.Login) bool { return l.Database != db.Name })
	if a.credentials {
		user, realm, _ := strings.Cut(v.User, "@")
		if _, ok := cfg.Realm(realm); !ok {
			return nil, fmt.Errorf("--as-app %s: its credentials are of the realm %q, which is not in the configuration", a.name, realm)
		}
		kind := config.CCache
		if len(v.CCache) == 0 {
			kind = config.Keytab
		}
		out.Logins = []config.Login{{User: user, Realm: realm, Database: db.Name, SecretKind: kind, Interval: config.DefaultLoginInterval}}
		return &out, nil
	}
	if its := slices.DeleteFunc(slices.Clone(out.Logins), func(l config.Login) bool { return l.Principal() != v.User }); len(its) > 0 {
		out.Logins = its
	}
	for i := range out.Logins {
		out.Logins[i].Configured = false // by the application's krb5.conf
	}
	return &out, nil
}

// in makes the world that of the application.
func (a *asApp) in(env *check.Env, v audit.View) {
	env.Krb5 = v.Reading
	if a.credentials {
		env.Material = secrets.OfProgram(v.CCache, v.Keytab)
	}
}
