package kerberos_test

import (
	"errors"
	"testing"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/krb5/krb5test"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
)

// A KDC, or who stands in its place, that asks for a proof which is quick to guess by
// gets none.
func TestNoWeakProofOfThePassword(t *testing.T) {
	for name, c := range map[string]struct {
		script krb5test.Script
		rc4    bool
		want   error
	}{
		"RC4":       {krb5test.Script{}, true, client.ErrRC4},
		"one round": {krb5test.Script{Rounds: 1}, false, client.ErrWeakKey},
		"no salt":   {krb5test.Script{NoSalt: true}, false, client.ErrWeakKey},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, mysqltest.Config{})
			w.faults.Set(c.script)
			if c.rc4 {
				if err := w.corp.Change("alice", krb5test.ETypes{krb5test.RC4}); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := connect(t, w.config(t)); !errors.Is(err, c.want) {
				t.Errorf("got %v", err)
			}
			if n := w.kdc.Requests().Preauth["alice"]; n != 0 {
				t.Errorf("%d proofs were sent", n)
			}
		})
	}
}

func TestAllowRC4(t *testing.T) {
	w := newWorld(t, mysqltest.Config{})
	if err := w.corp.Change("alice", krb5test.ETypes{krb5test.RC4}); err != nil {
		t.Fatal(err)
	}
	cfg := w.config(t)
	cfg.AllowRC4 = true
	db, err := connect(t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	wantUser(t, db, "alice@%")
}
