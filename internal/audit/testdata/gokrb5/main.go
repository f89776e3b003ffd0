// Gokrb5 asks for a ticket of a database with gokrb5, or waits to be looked at. The
// file is KRB5_CONFIG's, the cache KRB5CCNAME's, as most Go programs have it.
package main

import (
	"cmp"
	"fmt"
	"os"
	"strings"

	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/credentials"
)

func main() {
	if os.Args[1] == "wait" {
		fmt.Println("running")
		fmt.Scanln()
		return
	}
	conf, err := config.Load(cmp.Or(os.Getenv("KRB5_CONFIG"), "/etc/krb5.conf"))
	exitOn(err)
	cache, err := credentials.LoadCCache(strings.TrimPrefix(os.Getenv("KRB5CCNAME"), "FILE:"))
	exitOn(err)
	c, err := client.NewFromCCache(cache, conf, client.DisablePAFXFAST(true))
	exitOn(err)
	ticket, _, err := c.GetServiceTicket("mysql/" + os.Args[2])
	exitOn(err)
	fmt.Println("ticket of", ticket.Realm)
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
