// Package awstest is an AWS in memory for the tests of bootstrap: Directory
// Service, IAM, STS, RDS, EC2 and Secrets Manager behind one HTTP server on
// loopback, told apart by the credential scope of the request.
//
// It verifies signatures (Signature Version 4) and evaluates IAM policies. What
// takes time takes it on a fake clock (Cloud.Advance): directories, trusts,
// clusters, domain memberships and reboots. Reads can lag behind, and any call
// can be made to fail before or after its effect (Cloud.Fault). It knows the
// actions that bootstrap needs and no others, and refuses a parameter that it
// does not know, so that nothing is silently ignored.
//
// What AWS does was read in its API models and documents; what could not be
// settled without an account is an option or stands in a comment marked
// "unverified". It imports nothing of kerbagent and no AWS SDK.
package awstest
