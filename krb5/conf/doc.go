// Package conf holds a krb5.conf as a tree that keeps every byte, and loads a
// file with everything that it includes.
//
// What stands on it: krb5/conf/reader is what MIT Kerberos, Heimdal, Java and
// gokrb5 each make of the files, krb5/conf/site what the files should be,
// krb5/conf/apply puts a file on disk, and internal/lint says what is wrong.
// All but Load are pure: the environment that matters is an argument.
package conf
