package metrics

import (
	"slices"

	"github.com/kerbagent/kerbagent/probe"
)

// reasonsOf returns the words that failed runs of a kind of probe can give:
// their counters are at 0 from the start, so that the first failure shows in a
// rate. A test holds them against the code of the probes.
func reasonsOf(k probe.Kind) []probe.Reason {
	always := []probe.Reason{probe.ReasonCanceled, probe.ReasonInternal}
	path := append(always, probe.ReasonNoResources, probe.ReasonConnectTimeout, probe.ReasonTCPSilent, probe.ReasonRefused, probe.ReasonUnreachable,
		probe.ReasonForbidden, probe.ReasonClosed, probe.ReasonMalformed)
	database := slices.Concat(path, []probe.Reason{probe.ReasonUnresolvable,
		probe.ReasonDBNotMySQL, probe.ReasonDBTooOld, probe.ReasonDBCut, probe.ReasonDBBlocked, probe.ReasonDBHostDenied, probe.ReasonDBTooMany, probe.ReasonDBTLSUntrusted,
		probe.ReasonDBTLSFailed, probe.ReasonDBTLSMissing, probe.ReasonDBTLSRequired, probe.ReasonDBPluginMissing, probe.ReasonDBOtherPlugin,
		probe.ReasonDBRealmMismatch, probe.ReasonDBSPNUnexpected, probe.ReasonDBAccountLocked, probe.ReasonDBError})
	switch k {
	case probe.DNS:
		return slices.Concat(path, []probe.Reason{probe.ReasonUDPSilent, probe.ReasonDNSNXDomain, probe.ReasonDNSNoData, probe.ReasonDNSRefused,
			probe.ReasonDNSServFail, probe.ReasonDNSTruncated, probe.ReasonDNSError})
	case probe.KDC:
		return slices.Concat(path, []probe.Reason{probe.ReasonUDPSilent, probe.ReasonUnresolvable, probe.ReasonKRBServiceUnavailable, probe.ReasonKRBWrongRealm})
	case probe.Kpasswd:
		return slices.Concat(path, []probe.Reason{probe.ReasonUDPSilent, probe.ReasonUnresolvable})
	case probe.Database:
		return database
	case probe.Login:
		return slices.Concat(database, []probe.Reason{
			probe.ReasonKRBClientExpired, probe.ReasonKRBClientUnknown, probe.ReasonKRBServerUnknown, probe.ReasonKRBNotUnique, probe.ReasonKRBPolicy,
			probe.ReasonKRBEType, probe.ReasonKRBRevoked, probe.ReasonKRBKeyExpired, probe.ReasonKRBPreauthFailed, probe.ReasonKRBServiceUnavailable,
			probe.ReasonKRBTicketExpired, probe.ReasonKRBSkew, probe.ReasonKRBTooBig, probe.ReasonKRBWrongRealm, probe.ReasonKRBError,
			probe.ReasonKRBReplyMismatch, probe.ReasonDBTicketRejected, probe.ReasonDBAccessDenied, probe.ReasonDBAuthTimeout, probe.ReasonDBUnproven,
			probe.ReasonSecretMalformed, probe.ReasonKeytabNoKey, probe.ReasonNoKDCInFile, probe.ReasonFileUnparsable,
			probe.ReasonNoETypes, probe.ReasonTooLate})
	case probe.Krb5Conf:
		return slices.Concat(always, []probe.Reason{"krb5conf-missing", "krb5conf-unparsable", "krb5conf-drift", "krb5conf-default-realm",
			"krb5conf-template", "krb5conf-unknown-key", "krb5conf-not-krb5conf", "krb5conf-realm-missing", "krb5conf-mapping-missing", "krb5conf-realm-twice", "krb5conf-include-ignored", "krb5conf-etypes",
			"krb5conf-udp-limit", "krb5conf-rdns", "krb5conf-overridden", "krb5conf-readers-differ", "krb5conf-writable", "krb5conf-realm-case", "krb5conf-kdcs-unordered",
			"ccache-unusable"})
	case probe.Application:
		return slices.Concat(always, []probe.Reason{"app-report-stale"})
	}
	return always
}

// skipsOf returns the words for why a question of a kind is not asked.
func skipsOf(k probe.Kind) []probe.Reason {
	switch k {
	case probe.KDC:
		return []probe.Reason{probe.ReasonNotAsked}
	case probe.Login:
		return []probe.Reason{probe.ReasonPaused, probe.ReasonNoRecord, probe.ReasonNotAsked, probe.ReasonRC4Only, probe.ReasonWeakKey}
	case probe.Database:
		return []probe.Reason{probe.ReasonPaused, probe.ReasonNoRecord, probe.ReasonNotAsked}
	}
	return nil
}
