package lint

import (
	"cmp"
	"slices"

	"github.com/kerbagent/kerbagent/probe/krb5conf"
)

// The finding codes that Issues makes.
const (
	CodeMissing        = "krb5conf-missing"
	CodeUnparsable     = "krb5conf-unparsable"
	CodeDrift          = "krb5conf-drift"
	CodeDefaultRealm   = "krb5conf-default-realm"
	CodeRealmMissing   = "krb5conf-realm-missing"
	CodeMappingMissing = "krb5conf-mapping-missing"
	CodeRealmTwice     = "krb5conf-realm-twice"
	CodeIncludeIgnored = "krb5conf-include-ignored"
	CodeETypes         = "krb5conf-etypes"
	CodeUDPLimit       = "krb5conf-udp-limit"
	CodeRDNS           = "krb5conf-rdns"
	CodeOverridden     = "krb5conf-overridden"
	CodeReadersDiffer  = "krb5conf-readers-differ" // one line, and libraries make different things of it
	CodeWritable       = "krb5conf-writable"       // others may write the file, which can load code
	CodeUnordered      = "krb5conf-kdcs-unordered" // kerbagent cannot put a realm's KDCs in order
	CodeCCacheUnusable = "ccache-unusable"
	CodeRealmCase      = "krb5conf-realm-case"
	CodeTemplate       = "krb5conf-template"     // a template that was not rendered
	CodeUnknownKey     = "krb5conf-unknown-key"  // a section or setting that is nearly a known one
	CodeNotKrb5Conf    = "krb5conf-not-krb5conf" // something else stands in the file's place
)

// sortIssues puts the worst first, then the order of the lines.
func sortIssues(issues []krb5conf.Issue) {
	slices.SortStableFunc(issues, func(a, b krb5conf.Issue) int {
		return cmp.Or(
			cmp.Compare(rank(a.Severity), rank(b.Severity)),
			cmp.Compare(a.At.File, b.At.File),
			cmp.Compare(a.At.Line, b.At.Line),
			cmp.Compare(a.Code, b.Code),
		)
	})
}

// rank is 0 for the worst severity.
func rank(s krb5conf.Severity) int {
	return slices.Index([]krb5conf.Severity{krb5conf.SeverityError, krb5conf.SeverityWarning, krb5conf.SeverityInfo}, s)
}
