// Package mysqltest is a database server in memory, on loopback, that knows the
// connection phase of MySQL and MariaDB and a handful of commands. It has TLS
// with a CA of its own, users of several authentication plugins, and faults that
// can be changed while it serves. Like httptest.Server it is started by [New] and
// ended by [Server.Close].
//
// It counts connections that ended before it had said OK or ERR, as the real
// servers do, and blocks the client's host with ERROR 1129 after so many of
// them: a test that lets a client loose on it and then finds the counter at 0
// has proved the client harmless.
//
// It checks no ticket itself: an [Acceptor] does. It imports mysql for the
// packets, and must not import krb5.
package mysqltest
