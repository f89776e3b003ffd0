// Package lint says what is wrong with a krb5.conf: for each of the libraries
// that read it, and for the configured logins. It asks nobody: DNS, KDCs and
// databases are probed elsewhere. Its remedies name kerbagent's commands.
package lint
