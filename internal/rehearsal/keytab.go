package rehearsal

import (
	"sync"

	"github.com/kerbagent/kerbagent/krb5/krb5test"
)

// dbKeytab is the database's keytab: the keys of its SPN as they were when the
// keytab was last written.
type dbKeytab struct {
	mu  sync.Mutex
	now *krb5test.Acceptor
}

// renew writes the keytab anew.
func (k *dbKeytab) renew(realm *krb5test.Realm) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now = realm.Acceptor(databaseSPN)
}

// Accept checks a client's token (mysqltest.Acceptor).
func (k *dbKeytab) Accept(token []byte) (client string, reply []byte, err error) {
	k.mu.Lock()
	a := k.now
	k.mu.Unlock()
	return a.Accept(token)
}
