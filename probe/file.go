package probe

// What was found wrong with a file on this host: one result for each thing.
// Its Reason is the issue's own word, which is bounded; an issue that is only
// worth knowing leaves the result OK.
const (
	FactIssue    Fact = "issue"    // the word for it, e.g. "krb5conf-rdns"
	FactSeverity Fact = "severity" // "error", "warning" or "info"
	FactPlace    Fact = "place"    // file:line:column
	FactLine     Fact = "line"     // what stands there, made printable
	FactReaders  Fact = "readers"  // the libraries that it concerns; absent for all
	FactCause    Fact = "cause"    // what is wrong, and what comes of it
	FactFix      Fact = "fix"      // what to write there; may hold text of the file
)

// FactRenewTill is when a ticket can be renewed no more, RFC 3339; absent
// where it cannot be renewed at all.
const FactRenewTill Fact = "renew-till"
