// Package kdcwire carries one request to one Kerberos server over one
// transport and brings one reply back: framing, length caps, cancellation and
// the typed KRB-ERROR. It retries nothing, falls back to nothing and knows
// neither keys nor tickets.
//
// It must not import gokrb5, config or anything above krb5.
package kdcwire
