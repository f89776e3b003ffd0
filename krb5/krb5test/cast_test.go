package krb5test

import (
	"slices"
	"time"
)

// when is the time of a realm whose conversations are not with live clients.
func when() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// cast is a realm with a user in each state, all with the password "secret-1",
// and a service. It lives on the host's clock.
func cast(name string, dialect Dialect) *Realm {
	return castAt(name, Options{Dialect: dialect}, "everybody")
}

// castAt is a cast with only alice and those named.
func castAt(name string, o Options, who ...string) *Realm {
	o.KeySecret = "test"
	o.ETypes = []int32{AES256, RC4} // each AES key takes 4096 rounds, and tests make many realms
	r := NewRealm(name, o)
	for user, option := range map[string]Option{
		"alice":       Good,
		"disabled":    Disabled,
		"locked":      Locked,
		"expired":     Expired,
		"pwexpired":   PasswordExpired,
		"mustchange":  MustChange,
		"hours":       LogonHours,
		"workstation": Workstation,
		"policy":      PolicyDenied,
		"roast":       NoPreauth,
		"threetries":  LockAfter(3),
		"renamed":     Salt("OLD.NAMErenamed"),
		"aes":         ETypes{AES256},
	} {
		if user == "alice" || slices.Contains(who, user) || slices.Contains(who, "everybody") {
			r.AddUser(user, "secret-1", option)
		}
	}
	r.AddService("mysql/db.a.test")
	return r
}
