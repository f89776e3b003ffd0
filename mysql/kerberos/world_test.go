package kerberos_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/krb5/krb5test"
	"github.com/kerbagent/kerbagent/mysql/kerberos"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
)

const (
	corp   = "CORP.EXAMPLE.COM"
	onprem = "ONPREM.LOCAL"
	spn    = "mysql/db1.corp.example.com"
	secret = "Alice-Passw0rd1"
)

// world is two realms with a trust, and a database in the first of them, all in
// this process.
type world struct {
	corp, onprem   *krb5test.Realm
	kdc, onpremKDC *krb5test.KDC
	faults         *krb5test.Faults // of kdc
	db             *mysqltest.Server
	clock          *clock
}

// clock is the time for everyone in a world.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

func newWorld(t *testing.T, cfg mysqltest.Config) *world {
	t.Helper()
	w := &world{clock: &clock{}, faults: krb5test.NewFaults(krb5test.Script{})}
	// One type of key: making keys of passwords is most of these tests' work.
	options := krb5test.Options{Now: w.clock.now, ETypes: []int32{krb5test.AES256}}
	w.corp = krb5test.NewRealm(corp, options)
	w.onprem = krb5test.NewRealm(onprem, options)
	w.corp.AddUser("alice", secret, krb5test.LockAfter(3))
	w.corp.AddService(spn)
	w.onprem.AddUser("carol", "Carol-Passw0rd1")
	w.corp.Trusts(w.onprem, krb5test.Trust{})
	w.kdc = serveKDC(t, w.corp, w.faults)
	w.onpremKDC = serveKDC(t, w.onprem, nil)
	cfg.SPN, cfg.Realm, cfg.Acceptor = spn+"@"+corp, corp, w.corp.Acceptor(spn)
	if cfg.Users == nil {
		cfg.Users = map[string]mysqltest.User{"alice": {}, "carol": {Principal: "carol@" + onprem}}
	}
	db, err := mysqltest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w.db = db
	return w
}

func serveKDC(t *testing.T, r *krb5test.Realm, f *krb5test.Faults) *krb5test.KDC {
	t.Helper()
	k, err := r.ServeKDC("127.0.0.1:0", f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

// fault sets what the database does wrong.
func (w *world) fault(t *testing.T, f mysqltest.Faults) {
	t.Helper()
	if err := w.db.SetFaults(f); err != nil {
		t.Fatal(err)
	}
}

// config is alice's.
func (w *world) config(t *testing.T) kerberos.Config {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(w.db.CA()) {
		t.Fatal("no CA")
	}
	return kerberos.Config{
		User: "alice", Realm: corp, Password: []byte(secret),
		Addr:   w.db.Addr().String(),
		TLS:    &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13},
		KDCs:   map[string][]string{corp: {w.kdc.Addr().String()}, onprem: {w.onpremKDC.Addr().String()}},
		Mutual: kerberos.Require,
		Now:    w.clock.now,
	}
}

// connect opens a pool and one connection of it.
func connect(t *testing.T, cfg kerberos.Config) (*sql.DB, error) {
	t.Helper()
	db := pool(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return db, db.PingContext(ctx)
}

func pool(t *testing.T, cfg kerberos.Config) *sql.DB {
	t.Helper()
	connector, err := kerberos.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	return db
}

func wantUser(t *testing.T, db *sql.DB, want string) {
	t.Helper()
	var got string
	if err := db.QueryRowContext(t.Context(), "SELECT CURRENT_USER()").Scan(&got); err != nil || got != want {
		t.Errorf("current user %q, %v; want %q", got, err, want)
	}
}

// harmless closes the pool and looks at what the database counted.
func (w *world) harmless(t *testing.T, db *sql.DB) {
	t.Helper()
	db.Close()
	w.db.Wait(0)
	if st := w.db.Stats(); st.Unfinished != 0 {
		t.Errorf("%d of %d connections were left unfinished: the server counts them against this host", st.Unfinished, st.Connections)
	}
}

func write(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
