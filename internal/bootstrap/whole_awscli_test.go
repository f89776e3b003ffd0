//go:build awscli

package bootstrap

const wholeMatrix = true // see whole_test.go
