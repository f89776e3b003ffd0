// Package audit says what the programs on this host will do at their next
// Kerberos login, and what is wrong with it, by looking at them from outside:
// their user, environment, namespaces, libraries, krb5.conf, credential cache
// and keytab. It sends no credential and no packet, and touches no process: it
// traces none, signals none, enters no namespace and writes nothing.
//
// Whatever a process owns is hostile: every file is opened below that
// process's own root, by a walk that follows no link out of it, only where the
// process's own user could read it, and only its meaning leaves this package,
// never its content. Of an environment and a command line nothing but the
// variables and options that decide a Kerberos login are kept.
//
// It reads /proc, so only Linux can look; a report can be read anywhere.
package audit

// Report is what an audit saw.
type Report struct {
	Applications []Application `json:"applications"`
	Absent       []string      `json:"absent"` // units of the configuration of which no process runs
	Unread       []string      `json:"unread"` // what could not be looked at, and why
}

// Application is one process, or several that would do the same, with what is
// wrong with their next login.
type Application struct {
	Name     string   `json:"name"` // the unit, the container or the program's name
	PIDs     []int    `json:"pids"`
	Facts    Facts    `json:"facts"`
	Database string   `json:"database"` // of the configuration; empty where none was found
	Issues   []Issue  `json:"issues"`
	Unread   []string `json:"unread"` // what could not be read of it
}

// Severity is how bad an issue is, in the words of internal/diagnose.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // the next login fails
	Warning Severity = "warning" // it fails soon, or for some
	Info    Severity = "info"
)

func severities() []Severity { return []Severity{Error, Warning, Info} }

// Issue is one thing that is wrong with an application's next login.
type Issue struct {
	Code     string
	Severity Severity
	Place    string // a file, variable or option
	Cause    string // what is so, and what comes of it
	Fix      string // what to do, in words; may hold words of the process's
}

// Facts are what the next login of a process will use. Paths are as the
// process sees them.
type Facts struct {
	UID        string
	Reader     string // library that reads krb5.conf; "mit (assumed)" where none is loaded
	Client     string // what speaks the MySQL protocol; empty where it is not known
	Krb5Conf   string // paths, with colons between them
	Realm      string // that the database's name leads to; empty where the KDC decides
	Cache      string // credential cache
	CacheUser  string // principal in it
	CacheEnds  string // RFC 3339
	RenewUntil string // RFC 3339; empty where it cannot be renewed
	Keytab     string
	Refills    bool   // the library gets a new ticket with the keytab by itself
	Apart      string // namespaces that are not this host's
}
