//go:build !awscli

package bootstrap

// wholeMatrix: every fault at every call, where else they are drawn. make test-aws
// has the time for it.
const wholeMatrix = false
