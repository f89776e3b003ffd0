package probe

// Application is the kind of a result that says what a program on this host
// will do at its next login; no packet is sent for it.
const Application Kind = "application"

// What an audit of an application saw. A path is as the application sees it;
// everything here is the application's text, to be escaped by each output.
const (
	// FactApplication is its name, also where several results have targets of
	// their own: the processes of one unit that would do different things.
	FactApplication Fact = "application"

	FactPIDs       Fact = "pids"
	FactUID        Fact = "uid"
	FactReader     Fact = "reader"     // the library that reads krb5.conf
	FactClient     Fact = "client"     // what speaks the MySQL protocol
	FactKrb5Conf   Fact = "krb5conf"   // the files that the library reads
	FactCache      Fact = "cache"      // the credential cache
	FactKeytab     Fact = "keytab"     // the client keytab
	FactNamespaces Fact = "namespaces" // that are not this host's
	FactUnread     Fact = "not-read"   // what could not be read, and why
)
