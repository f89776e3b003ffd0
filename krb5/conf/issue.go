package conf

import (
	"cmp"
	"slices"
	"strings"
)

// The finding codes that Lint makes.
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
	CodeRealmCase      = "realm-case"
)

// Severity of an issue, in the words of a finding.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"   // MIT's library, or a configured login, is broken by it
	SeverityWarning Severity = "warning" // it will or does hurt; or some library is broken by it
	SeverityInfo    Severity = "info"
)

func (s Severity) rank() int {
	switch s {
	case SeverityError:
		return 0
	case SeverityWarning:
		return 1
	}
	return 2
}

// Issue is one thing that is wrong with a configuration.
type Issue struct {
	Code     string
	Severity Severity
	Readers  []Reader // the libraries that it concerns; nil for all
	At       Pos      // zero where it is about what is not there
	Also     []Pos    // further places
	Excerpt  string   // the line, made printable
	Cause    string   // what is wrong, and what comes of it
	Remedy   string   // what to write or do
}

// sortIssues puts the worst first, then the order of the lines.
func sortIssues(issues []Issue) {
	slices.SortStableFunc(issues, func(a, b Issue) int {
		return cmp.Or(
			cmp.Compare(a.Severity.rank(), b.Severity.rank()),
			cmp.Compare(a.At.File, b.At.File),
			cmp.Compare(a.At.Line, b.At.Line),
			cmp.Compare(a.Code, b.Code),
		)
	})
}

// title gives the name of a reader as people write it.
func (r Reader) title() string {
	switch r {
	case MIT:
		return "MIT"
	case Heimdal:
		return "Heimdal"
	case Java:
		return "Java"
	case Gokrb5:
		return "gokrb5"
	}
	return string(r)
}

// titles joins the names of readers with "and".
func titles(readers []Reader) string {
	var names []string
	for _, r := range readers {
		names = append(names, r.title())
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
