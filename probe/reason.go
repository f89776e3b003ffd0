package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// Reason is what one probe saw: a bounded word, safe as a metric label. What
// it means is a Code of internal/diagnose.
type Reason string

// What the path does. ReasonOf returns these.
const (
	ReasonUDPSilent      Reason = "udp-silent"            // a datagram was sent, nothing came back
	ReasonConnectTimeout Reason = "tcp-connect-timeout"   // no answer to the SYN
	ReasonTCPSilent      Reason = "tcp-silent"            // connected, then nothing
	ReasonRefused        Reason = "refused"               // RST, or ICMP port unreachable
	ReasonUnreachable    Reason = "unreachable"           // no route to host or network
	ReasonForbidden      Reason = "forbidden"             // this host may not send (EPERM, EACCES)
	ReasonClosed         Reason = "closed-early"          // the peer ended or reset the connection before it answered
	ReasonMalformed      Reason = "malformed-answer"      // an answer that is not the protocol's
	ReasonNoResources    Reason = "host-out-of-resources" // this host had no descriptor, memory or buffer left: nothing is known of the peer
	ReasonUnresolvable   Reason = "unresolvable"          // a name without an address
	ReasonCanceled       Reason = "canceled"              // the whole run was ended before this probe was
	ReasonNotAsked       Reason = "not-asked"             // there was nothing to ask, or no right to
	ReasonInternal       Reason = "internal"              // a bug of ours
)

// What a DNS server says.
const (
	ReasonDNSNXDomain  Reason = "dns-nxdomain"
	ReasonDNSNoData    Reason = "dns-nodata" // NOERROR without an answer
	ReasonDNSRefused   Reason = "dns-refused"
	ReasonDNSServFail  Reason = "dns-servfail"
	ReasonDNSTruncated Reason = "dns-truncated" // TC on UDP: the answer needs TCP
	ReasonDNSError     Reason = "dns-error"     // any other RCODE
)

// What a KDC says: KRB-ERROR codes of RFC 4120 §7.5.9 that somebody decides on.
const (
	ReasonKRBClientExpired      Reason = "krb-client-expired"    // 1
	ReasonKRBClientUnknown      Reason = "krb-client-unknown"    // 6
	ReasonKRBServerUnknown      Reason = "krb-server-unknown"    // 7
	ReasonKRBNotUnique          Reason = "krb-server-not-unique" // 8
	ReasonKRBPolicy             Reason = "krb-policy"            // 12
	ReasonKRBEType              Reason = "krb-etype"             // 14
	ReasonKRBRevoked            Reason = "krb-revoked"           // 18
	ReasonKRBKeyExpired         Reason = "krb-key-expired"       // 23
	ReasonKRBPreauthFailed      Reason = "krb-preauth-failed"    // 24, or 31 for a reply key that does not fit
	ReasonKRBServiceUnavailable Reason = "krb-svc-unavailable"   // 29
	ReasonKRBTicketExpired      Reason = "krb-ticket-expired"    // 32
	ReasonKRBSkew               Reason = "krb-skew"              // 37
	ReasonKRBTooBig             Reason = "krb-too-big"           // 52
	ReasonKRBWrongRealm         Reason = "krb-wrong-realm"       // 68
	ReasonKRBError              Reason = "krb-error"             // any other code
	ReasonKRBReplyMismatch      Reason = "krb-reply-mismatch"    // a reply for another name, realm or nonce
)

// What a database says or does.
const (
	ReasonDBNotMySQL       Reason = "db-not-mysql"
	ReasonDBTooOld         Reason = "db-too-old"              // it has no pluggable authentication, as before MySQL 5.5
	ReasonDBBlocked        Reason = "db-host-blocked"         // ERR 1129
	ReasonDBHostDenied     Reason = "db-host-denied"          // ERR 1130
	ReasonDBTooMany        Reason = "db-too-many-connections" // ERR 1040, 1203, 1226
	ReasonDBTLSUntrusted   Reason = "db-tls-untrusted"        // the certificate does not verify
	ReasonDBTLSFailed      Reason = "db-tls-failed"           // the TLS handshake failed otherwise
	ReasonDBTLSMissing     Reason = "db-tls-missing"          // we want TLS, the server has none
	ReasonDBTLSRequired    Reason = "db-tls-required"         // the server wants TLS (ERR 3159), we have it off
	ReasonDBPluginMissing  Reason = "db-plugin-missing"       // ERR 1524
	ReasonDBOtherPlugin    Reason = "db-other-plugin"         // the switch names a plugin that is not a Kerberos one
	ReasonDBRealmMismatch  Reason = "db-realm-mismatch"       // the switch names another realm than the user's
	ReasonDBSPNUnexpected  Reason = "db-spn-unexpected"       // the announced SPN is not one that we ask a ticket for
	ReasonDBTicketRejected Reason = "db-ticket-rejected"      // ERR before the server proved itself
	ReasonDBAccessDenied   Reason = "db-access-denied"        // ERR after it proved itself
	ReasonDBAccountLocked  Reason = "db-account-locked"       // ERR 3118, 4150, 4151
	ReasonDBCut            Reason = "db-connection-cut"       // the server's side ended the connection; FactDBStage has the stage
	ReasonDBAuthTimeout    Reason = "db-auth-timeout"         // closed by the server while the ticket was being got
	ReasonDBUnproven       Reason = "db-server-unproven"      // OK without AP-REP, or an AP-REP that does not verify
	ReasonDBError          Reason = "db-error"                // any other ERR
)

// Why a login was not tried, or could not be.
const (
	ReasonSecretMalformed Reason = "secret-malformed"       // the secret, keytab or ccache file is no use
	ReasonKeytabNoKey     Reason = "keytab-no-key"          // the keytab has no key of a type that the KDC takes
	ReasonPaused          Reason = "paused"                 // the breaker, or the cap on unfinished handshakes, holds it back
	ReasonRC4Only         Reason = "krb-rc4-only"           // the KDC would have the password proved with RC4, which is not done
	ReasonWeakKey         Reason = "krb-weak-key"           // it would have it proved with a key of too few rounds or without a salt
	ReasonNoKDCInFile     Reason = "krb5conf-realm-missing" // by the krb5.conf a program finds no KDC of a realm, and DNS is not asked
	ReasonFileUnparsable  Reason = "krb5conf-unparsable"    // libkrb5 stops at a line of the krb5.conf, so that no program logs in
	ReasonNoETypes        Reason = "krb5conf-etypes"        // the krb5.conf leaves libkrb5 no encryption type
	ReasonTooLate         Reason = "too-late"               // a program on this host would need longer for its tickets than programs wait
	ReasonNoRecord        Reason = "no-record"              // the attempt could not be recorded on disk, so it was not made
)

// ReasonOf turns an error of the path into its reason. silent is the reason
// for a deadline that passed: only the caller knows whether it was connecting
// or waiting, and over which transport. An error that is none of the path's
// returns ReasonMalformed.
func ReasonOf(err error, silent Reason) Reason {
	var dns *net.DNSError
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.Canceled):
		return ReasonCanceled
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOMEM), errors.Is(err, syscall.ENOBUFS):
		return ReasonNoResources
	case errors.Is(err, syscall.ECONNREFUSED):
		return ReasonRefused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTDOWN), errors.Is(err,
		syscall.ENETDOWN), errors.Is(err, syscall.EADDRNOTAVAIL),
		// what Linux makes of ICMP "protocol unreachable", "source route failed" and "parameter problem"
		errors.Is(err, syscall.ENOPROTOOPT), errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.EPROTO):
		return ReasonUnreachable
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return ReasonForbidden
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT),
		errors.Is(err, syscall.EMSGSIZE): // ICMPv6 packet too big: a router dropped our datagram
		return silent
	case errors.As(err, &dns):
		return ReasonUnresolvable
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		errors.Is(err, net.ErrClosed):
		return ReasonClosed
	default:
		return ReasonMalformed
	}
}

// WhyUnresolved returns the reason why a name was not found: the name has no
// address, unless this host was too short of resources to ask for it.
func WhyUnresolved(err error) Reason {
	if ReasonOf(err, ReasonUnresolvable) == ReasonNoResources {
		return ReasonNoResources
	}
	return ReasonUnresolvable
}
