// Package mysql speaks the connection phase of MySQL and MariaDB as single
// steps: greeting, TLS, login packet, authentication packets, one query, quit.
// Whoever wants to time a step calls it; whoever just wants to be logged in
// calls [Login].
//
// It knows no Kerberos. A login's authentication packets come from an
// [Authenticator], which the caller brings; mysql/kerberos has one. The package
// imports nothing of kerbagent and must not.
//
// # Do no harm
//
// MySQL and MariaDB count a connection that ends before the server has said OK
// or ERR, and block a host after max_connect_errors of them, for every
// application on it (ERROR 1129). So a connection that got a greeting is never
// just closed: either it is logged in and ended by [Conn.Quit], or
// [Conn.Abandon] answers the server with junk until it says ERR, which is not
// counted. [Conn.Finished] tells whether the server has spoken. A ctx that ends
// while the server is waited for does not prevent that: [Login] takes two seconds
// more to end such a conversation, and database/sql's pool, which ends contexts
// at will, is kept away from it altogether by the connector of mysql/kerberos. This holds for
// a certificate that does not verify, too: [Conn.StartTLS] ends the handshake
// first and verifies then, so that the connection can still be abandoned in a
// well-formed way; nothing but Abandon is possible on it.
//
// # Hostile peers
//
// A packet of the connection phase has at most 64 KiB, and the server may send
// at most eight of them. Lengths are checked before they are trusted, sequence
// numbers must be in order, and texts of the peer are cut, but not escaped: who
// prints them escapes them.
package mysql
