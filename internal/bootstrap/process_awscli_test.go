//go:build awscli

package bootstrap

import "testing"

// The other ways to a cluster, and one of them at each of its calls, reads among
// them. It takes minutes; the tag is that of make test-aws, which has the time.
func TestProcessKilledAtEveryCall(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) { killProcesses(t, s, s.name == "with a trust") })
	}
}
