// Package keys reads keytab and credential cache files, strictly: every length
// is checked before it is trusted, and a file that is cut short or made up
// returns a *FormatError with the offset. It tells what is in them for an audit
// and hands out keys; nothing it returns prints one.
//
// It does no network I/O and must not import gokrb5, config or anything above
// krb5.
package keys
