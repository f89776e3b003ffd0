// Package krb5test is a Kerberos realm in memory: a KDC (AS, TGS, cross-realm
// referrals), a kpasswd server and the accepting half of GSS, on loopback,
// with scripted faults. Tests and internal/rehearsal use it, and MIT's own
// kinit, kvno and kpasswd are content with it.
//
// A Realm is a database of principals. Any number of servers may serve it,
// each with Faults of its own, so that one of two KDCs can be late, deaf or
// wrong. It answers in the dialect of Samba, MIT or Windows: what these say
// of an account that may not log in, and when they say it, differs.
//
// Of gokrb5 it uses messages, keys and ciphers, never the client. What it
// reads is treated as hostile: lengths are capped first, and a panic inside
// gokrb5 costs that one request only. It imports nothing else of kerbagent,
// and it is no KDC to protect anything with.
package krb5test
