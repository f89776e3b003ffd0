package secrets

import (
	"fmt"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/krb5/keys"
	"github.com/kerbagent/kerbagent/probe/login"
)

// OfProgram returns what reads the material of a login from a program's credential
// cache or keytab, which was read by whoever may look at the program.
func OfProgram(ccache, keytab []byte) func(config.Login) (login.Material, error) {
	return func(l config.Login) (login.Material, error) {
		if len(ccache) == 0 {
			return fromKeytab(l, keytab)
		}
		return fromCCache(l, ccache)
	}
}

func fromKeytab(l config.Login, b []byte) (login.Material, error) {
	m := login.Material{Kind: string(config.Keytab)}
	kt, err := keys.ParseKeytab(b)
	if err != nil {
		return m, &login.MaterialError{Problem: "not-a-keytab", Err: fmt.Errorf("reading keytab %s: %w", l.Secret, err)}
	}
	m.Identity, m.Secret, m.KVNO = kt.Identity(l.User, l.Realm), client.FromKeytab(kt), newestKVNO(kt, l)
	return m, nil
}

func fromCCache(l config.Login, b []byte) (login.Material, error) {
	m := login.Material{Kind: string(config.CCache)}
	cc, err := keys.ParseCCache(b)
	if err == nil {
		m.TGT, err = client.CachedTGT(cc)
	}
	if err != nil {
		return m, &login.MaterialError{Problem: "not-a-ccache", Err: fmt.Errorf("reading credential cache %s: %w", l.Secret, err)}
	}
	if got := m.TGT.Client.String(); got != l.Principal() {
		return m, &login.MaterialError{Problem: "other-user",
			Err: fmt.Errorf("credential cache %s is of %q, not of %s", l.Secret, got, l.Principal())}
	}
	return m, nil
}
