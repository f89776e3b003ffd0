// Package site says what a krb5.conf should be: a Site is what the configured
// logins need, Generate writes the text that all four libraries read alike,
// Compose puts it into someone else's file, and an Order moves its KDCs.
package site
