// Package conf knows krb5.conf: it parses the file without losing a byte,
// says what MIT Kerberos, Heimdal, Java and gokrb5 each make of it, judges it
// against what the configured logins need, and writes a file that all four
// read alike. Putting a file on disk is krb5/conf/apply.
//
// The order of work is Load (a snapshot of the file and everything that it
// includes), Read (one library's view of the snapshot), Lint (what is wrong
// with it) and Generate (what it should be). All but Load are pure: the
// environment that matters is an argument.
//
// The package imports neither configuration nor metrics, logs nothing, and
// does not use gokrb5: what that library reads is modelled here, and only the
// tests hold the model against it.
package conf
