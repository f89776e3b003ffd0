package kerberos_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"os"

	gomysql "github.com/go-sql-driver/mysql"

	"github.com/kerbagent/kerbagent/krb5/krb5test"
	"github.com/kerbagent/kerbagent/mysql/kerberos"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
)

// A login from nothing to a query. The realm and the database are in this
// process, so that the example runs anywhere; with real ones, KDCs is not needed
// where DNS has SRV records.
func Example() {
	realm, database := exampleWorld()
	defer realm.Close()
	defer database.Close()

	ca := x509.NewCertPool()
	ca.AppendCertsFromPEM(database.CA())

	connector, err := kerberos.NewConnector(kerberos.Config{
		User:     "alice",
		Realm:    "CORP.EXAMPLE.COM",
		Password: []byte("correct horse battery staple"),
		Addr:     database.Addr().String(),
		TLS:      &tls.Config{RootCAs: ca},
		KDCs:     map[string][]string{"CORP.EXAMPLE.COM": {realm.Addr().String()}},
		Mutual:   kerberos.Require,
	})
	if err != nil {
		log.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()

	var user string
	if err := db.QueryRow("SELECT CURRENT_USER()").Scan(&user); err != nil {
		log.Fatal(err)
	}
	fmt.Println("logged in as", user)
	// Output: logged in as alice@%
}

// A service with a keytab on a host of the on-premises realm, a database in the
// managed one, a trust between them; and settings of the driver.
func ExampleNewConnector() {
	bundle, err := os.ReadFile("/etc/ssl/rds-global-bundle.pem")
	if err != nil {
		log.Fatal(err)
	}
	ca := x509.NewCertPool()
	ca.AppendCertsFromPEM(bundle)

	settings := gomysql.NewConfig()
	settings.DBName = "orders"
	settings.ParseTime = true

	connector, err := kerberos.NewConnector(kerberos.Config{
		User:   "etl",
		Realm:  "ONPREM.LOCAL",
		Realms: []string{"CORP.EXAMPLE.COM"}, // the database's
		Keytab: "/etc/etl.keytab",
		Addr:   "orders.cluster-abc123.us-east-1.rds.amazonaws.com:3306",
		TLS:    &tls.Config{RootCAs: ca},
		Driver: settings,
	})
	if err != nil {
		log.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()

	var refused *kerberos.RefusedError
	if err := db.PingContext(context.Background()); errors.As(err, &refused) {
		log.Fatal("the keytab is stale: ", err) // nobody tries it again
	}
}

// exampleWorld starts a KDC and a database.
func exampleWorld() (*krb5test.KDC, *mysqltest.Server) {
	const spn = "mysql/db1.corp.example.com"
	realm := krb5test.NewRealm("CORP.EXAMPLE.COM", krb5test.Options{})
	realm.AddUser("alice", "correct horse battery staple")
	realm.AddService(spn)
	kdc, err := realm.ServeKDC("127.0.0.1:0", nil)
	if err != nil {
		log.Fatal(err)
	}
	database, err := mysqltest.New(mysqltest.Config{
		Users:    map[string]mysqltest.User{"alice": {}},
		SPN:      spn + "@CORP.EXAMPLE.COM",
		Realm:    "CORP.EXAMPLE.COM",
		Acceptor: realm.Acceptor(spn),
	})
	if err != nil {
		log.Fatal(err)
	}
	return kdc, database
}
