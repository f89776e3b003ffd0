// Package rehearsal is a whole world in this process, on loopback: two realms
// with a trust, each with its DNS servers, KDCs and kpasswd servers, the host's
// resolver, and a database that takes Kerberos logins over TLS. The normal
// ladder runs against it, and it plays every finding that in-memory servers
// can show. Others' clients (kinit, kvno, kpasswd, dig, mysql) can be pointed
// at it as well.
//
// Every host has a loopback address of its own, so that the services of one
// machine are seen to share it; the ports are free ones, so no root is needed.
// What a firewall or a router would do is done by [Path], the dialer that the
// agent is given; that part is invisible to others' clients.
//
// The package knows configuration and servers. It does not import the probes,
// diagnosis rules or reports: it makes faults and leaves finding them to those.
package rehearsal
