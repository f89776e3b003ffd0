// Package reader models the libraries that read a krb5.conf: what MIT Kerberos,
// Heimdal, Java and gokrb5 each make of the same files. Read returns the view of
// one of them.
//
// The package does not use gokrb5: what that library reads is modelled here, and
// only the tests hold the model against it.
package reader
