// Connector logs in to a database with mysql/kerberos, or waits to be looked at.
// The cache is KRB5CCNAME's.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"fmt"
	"os"
	"strings"

	"github.com/kerbagent/kerbagent/mysql/kerberos"
)

func main() {
	host, ca := os.Args[2], os.Args[3]
	pem, err := os.ReadFile(ca)
	exitOn(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	c, err := kerberos.NewConnector(kerberos.Config{
		User: "alice", Realm: "CORP.EXAMPLE.COM", CCache: strings.TrimPrefix(os.Getenv("KRB5CCNAME"), "FILE:"),
		Addr: host, TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	})
	exitOn(err)
	if os.Args[1] == "wait" {
		fmt.Println("running")
		fmt.Scanln()
		return
	}
	db := sql.OpenDB(c)
	defer db.Close()
	var user string
	exitOn(db.QueryRowContext(context.Background(), "SELECT CURRENT_USER()").Scan(&user))
	fmt.Println(user)
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
