//go:build awscli

package bootstrap

import (
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

// So is every request of a rotation, and of a cluster with every key that the
// models of Debian's botocore know.
func TestOtherRequestsAreWhatAWSTakes(t *testing.T) {
	t.Parallel()
	h := rotated(t, 0)
	if _, err, _ := h.rotate("Admin", "bob"); err != nil {
		t.Fatal(err)
	}
	cloud := newCloud(t, awstest.Options{})
	cloud.AddParameterGroup(lowercase, "aurora-mysql8.0")
	all := strings.Replace(createMode, "instances: 2", "deletion_protection: true, backup_retention: 14, capacity: 0.5-16, kms_key: alias/orders, parameter_group: "+lowercase, 1)
	newHost(t, cloud, wish(strings.Replace(all, "db.r6g.large", "db.serverless", 1), "")).done()
	for _, calls := range [][]awstest.Call{h.cloud.Calls(), cloud.Calls()} {
		wrong, err := awstest.Validate(t.Context(), calls)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range wrong {
			t.Error(line)
		}
	}
}

// Every request that a bootstrap sends, in each of its ways, is one that AWS's
// own models allow, and so is every answer that it was tested with.
func TestRequestsAreWhatAWSTakes(t *testing.T) {
	t.Parallel()
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
