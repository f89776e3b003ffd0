package kerberos

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/krb5/kdcwire"
	"github.com/kerbagent/kerbagent/mysql"
)

// Error is what a Connector returns: why a login failed, in the words of kerbagent's
// report, so that an application logs the same code as kerbagent on that host.
type Error struct {
	Stage  string // the stage of the login: secret, locate, kdc-connect, as, as-preauth, tgs, db-connect, db-greeting, db-tls, db-switch, db-token
	Reason string // what was seen: krb-preauth-failed, tcp-connect-timeout, …
	Code   string // what it means: password-wrong, db-silent, …; empty where it takes more than one login to tell
	Err    error  // the cause, with the types that NewConnector names
}

// Error returns the cause, then stage and code.
func (e *Error) Error() string {
	s := e.Err.Error() + " [" + e.Stage + ": " + e.Reason
	if e.Code != "" {
		s += ", " + e.Code + ", " + e.URL()
	}
	return s + "]"
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// URL is the page about the code; empty where there is no code.
func (e *Error) URL() string {
	if e.Code == "" {
		return ""
	}
	return "https://github.com/kerbagent/kerbagent/blob/main/docs/codes/" + e.Code + ".md"
}

// explained returns an error of a login its stage, reason and code. proven says that the
// database had proved itself by then; kind is the secret's.
func explained(err error, kind string, proven bool) error {
	var typed *Error
	if err == nil || errors.As(err, &typed) {
		return err
	}
	e := &Error{Err: err}
	var secret *SecretError
	var step *client.StepError
	switch {
	case errors.As(err, &secret):
		e.Stage, e.Reason, e.Code = "secret", "secret-malformed", "secret-malformed"
	case errors.As(err, &step):
		e.Stage = step.Step
		e.Reason, e.Code = ofKDC(err, step.Step, kind)
	default:
		e.Stage = stageAt(err)
		e.Reason, e.Code = ofDatabase(err, e.Stage, proven)
	}
	return e
}

// ofPath is the reason of an error of the path; empty for another.
func ofPath(err error, connecting bool) string {
	var dns *net.DNSError
	switch {
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOMEM), errors.Is(err, syscall.ENOBUFS):
		return "host-out-of-resources"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL):
		return "unreachable"
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return "forbidden"
	case errors.As(err, &dns):
		return "unresolvable"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		if connecting {
			return "tcp-connect-timeout"
		}
		return "tcp-silent"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		errors.Is(err, net.ErrClosed):
		return "closed-early"
	}
	return ""
}

// ofKDC explains an error of the way to a ticket.
func ofKDC(err error, step, kind string) (reason, code string) {
	var krb *kdcwire.KRBError
	var mismatch *client.MismatchError
	stale := map[bool]string{true: "keytab-stale", false: "password-wrong"}[kind == "keytab"]
	switch {
	case errors.As(err, &krb):
		return ofKRBError(krb, step, stale)
	case errors.As(err, &mismatch):
		return "krb-reply-mismatch", ""
	case errors.Is(err, client.ErrReplyKey):
		return "krb-preauth-failed", stale
	case errors.Is(err, client.ErrRC4):
		return "krb-rc4-only", "user-rc4"
	case errors.Is(err, client.ErrWeakKey):
		return "krb-weak-key", "preauth-weak"
	case errors.Is(err, client.ErrNoKey):
		return "keytab-no-key", map[bool]string{true: "keytab-stale", false: "etype-unsupported"}[kind == "keytab"]
	case step == client.StepLocate:
		return "unresolvable", "kdc-unresolvable"
	}
	switch reason := ofPath(err, step == client.StepConnect); reason {
	case "":
		return "malformed-answer", "kdc-not-kerberos"
	case "canceled":
		return reason, ""
	case "host-out-of-resources":
		return reason, reason
	default: // the error is of all addresses that were asked
		return reason, "realm-unreachable"
	}
}

// ofKRBError: codes of RFC 4120 §7.5.9, and the NTSTATUS that tells a revoked account's
// state (MS-KILE §2.2.1).
func ofKRBError(krb *kdcwire.KRBError, step, stale string) (reason, code string) {
	status, _ := krb.NTStatus()
	switch krb.Code {
	case 1:
		return "krb-client-expired", "account-expired"
	case 6:
		return "krb-client-unknown", "principal-unknown"
	case 7:
		return "krb-server-unknown", "service-unknown"
	case 8:
		return "krb-server-not-unique", "service-duplicate"
	case 12:
		return "krb-policy", "policy-denied"
	case 14:
		return "krb-etype", map[bool]string{true: "", false: "etype-unsupported"}[step == client.StepTGS]
	case 18:
		code = map[uint32]string{0xC0000234: "account-locked", 0xC0000072: "account-disabled", 0xC0000193: "account-expired",
			0xC000006F: "logon-restricted", 0xC0000070: "logon-restricted"}[status]
		if code == "" {
			code = "account-revoked"
		}
		return "krb-revoked", code
	case 23:
		return "krb-key-expired", map[bool]string{true: "password-must-change", false: "password-expired"}[status == 0xC0000224]
	case 24, 31:
		return "krb-preauth-failed", stale
	case 29:
		return "krb-svc-unavailable", "kdc-unavailable"
	case 32:
		return "krb-ticket-expired", ""
	case 37:
		return "krb-skew", "clock-skew"
	case 52:
		return "krb-too-big", ""
	case 68:
		return "krb-wrong-realm", "kdc-wrong-realm"
	}
	return "krb-error", ""
}

// stageAt is the stage of an error of the database's.
func stageAt(err error) string {
	var step *mysql.StepError
	if errors.As(err, &step) {
		switch step.Doing {
		case mysql.DoingGreeting:
			return "db-greeting"
		case mysql.DoingTLS:
			return "db-tls"
		case mysql.DoingAnswer:
			return "db-token"
		case mysql.DoingLogin:
			return "db-switch"
		}
		return "query"
	}
	var dial *net.OpError
	var dns *net.DNSError
	if errors.As(err, &dial) && dial.Op == "dial" || errors.As(err, &dns) {
		return "db-connect"
	}
	return "db-switch" // what was announced is refused
}

// ofDatabase explains an error of the database, or of the way to it.
func ofDatabase(err error, stage string, proven bool) (reason, code string) {
	var (
		server *mysql.ServerError
		plugin *NotKerberosError
		realm  *RealmError
		spn    *SPNError
		cert   *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &server):
		return ofServerError(server.Number, stage, proven)
	case errors.As(err, &plugin), errors.Is(err, mysql.ErrNoSwitch), errors.Is(err, mysql.ErrOpenAccount):
		return "db-other-plugin", "db-account-unknown"
	case errors.As(err, &realm):
		return "db-realm-mismatch", "db-realm-mismatch"
	case errors.As(err, &spn):
		return "db-spn-unexpected", "db-spn-unexpected"
	case errors.As(err, &cert):
		return "db-tls-untrusted", "db-tls-untrusted"
	case errors.Is(err, mysql.ErrNoTLS):
		return "db-tls-missing", "db-tls-required"
	case errors.Is(err, mysql.ErrTooOld):
		return "db-too-old", "db-too-old"
	case errors.Is(err, ErrNoProof), errors.Is(err, client.ErrUnproven):
		return "db-server-unproven", "db-server-unproven"
	case errors.Is(err, mysql.ErrNotMySQL):
		return "db-not-mysql", "db-not-mysql"
	}
	switch reason := ofPath(err, stage == "db-connect"); reason {
	case "canceled":
		return reason, ""
	case "host-out-of-resources":
		return reason, reason
	case "refused":
		return reason, "db-refused"
	case "unresolvable":
		return reason, "endpoint-unresolvable"
	case "closed-early":
		return "db-connection-cut", "db-connection-cut"
	case "":
		if stage == "db-tls" {
			return "db-tls-failed", "db-tls-untrusted"
		}
		return "malformed-answer", "db-not-mysql"
	case "tcp-silent":
		if stage == "db-tls" || stage == "db-token" {
			return reason, "db-path-mtu"
		}
		return reason, "db-silent"
	default:
		return reason, "db-silent"
	}
}

// ofServerError: numbers of the MySQL error message reference, and of MariaDB's.
func ofServerError(number uint16, stage string, proven bool) (reason, code string) {
	switch number {
	case 1129:
		return "db-host-blocked", "db-host-blocked"
	case 1130:
		return "db-host-denied", "db-host-denied"
	case 1040, 1203, 1226:
		return "db-too-many-connections", "db-too-many-connections"
	case 1524:
		return "db-plugin-missing", "db-plugin-missing"
	case 3159:
		return "db-tls-required", "db-tls-required"
	case 3118, 4150, 4151:
		return "db-account-locked", "db-account-locked"
	}
	switch {
	case stage != "db-token":
		return "db-error", ""
	case proven:
		return "db-access-denied", "db-access-denied"
	}
	return "db-ticket-rejected", "db-ticket-rejected"
}
