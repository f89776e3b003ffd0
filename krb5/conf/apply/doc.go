// Package apply puts a krb5.conf on disk, and takes it back: atomically, under
// a lock, with a backup, and only where the candidate has everything that the
// configured logins need. What the file says is krb5/conf's business; this
// package knows files.
//
// Whenever the process is killed, the old file or the new one is there, whole.
// Beside it, under names that start with a dot (which no library includes from
// a directory), are the backups: hard links to the files that were replaced.
//
// The package imports neither configuration nor metrics, and logs nothing.
package apply
