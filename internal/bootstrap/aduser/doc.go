// Package aduser makes users in an Active Directory: LDAP on port 389 to create
// them, kpasswd on 464 to give them a password. A directory that was just made
// has no certificate, and takes no bind without sign or seal: so the bind is
// Kerberos with the sealing layer of RFC 4752, and a password never crosses
// LDAP. It knows no AWS and no configuration.
package aduser
