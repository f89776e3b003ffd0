// Package client is Kerberos on the client, as single steps: an AS exchange,
// a TGS exchange, a GSS initiator token, a kpasswd question. Client and
// Session put the steps together to the walk from a secret to a service
// ticket, over referrals where the service lives in another realm.
//
// The steps do no I/O: they make requests and read replies, so that a probe
// can time each of them. The walk sends a preauthenticated request, the only
// thing that can lock an account, exactly once.
//
// What peers say is read with cryptobyte, never with gokrb5, of which only the
// encryption types are used. The package must not import config or anything
// above krb5, and it does not log.
package client
