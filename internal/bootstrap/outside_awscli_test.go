//go:build awscli

package bootstrap

import (
	"testing"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

// Every request that a bootstrap sends, in each of its ways, is one that AWS's
// own models allow, and so is every answer that it was tested with.
func TestRequestsAreWhatAWSTakes(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			c := newCloud(t, awstest.Options{})
			s.seed(c)
			newHost(t, c, s.file).done()
			calls := c.Calls()
			wrong, err := awstest.Validate(t.Context(), calls)
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range wrong {
				t.Error(line)
			}
			if len(c.Mutations()) < 8 {
				t.Errorf("of %d calls only %d changed anything", len(calls), len(c.Mutations()))
			}
		})
	}
}
