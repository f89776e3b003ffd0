//go:build awscli

package awsview

import (
	"testing"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

// Every request of a reading is one that AWS's own models allow, and so is every answer
// that it was tested with.
func TestRequestsAreWhatAWSTakes(t *testing.T) {
	a := newAccount(t, awstest.Options{}, tcp("", "sg-00000001", ""))
	a.AddInterface("vpc-00000001", here, "sg-00000001")
	a.SetInstance("orders-2", "available", true)
	a.AddEvent(awstest.Event{Cluster: "orders", Message: "Kerberos authentication was enabled"})
	if v := a.read(); len(v.Notes) > 0 {
		t.Fatal(v.Notes)
	}
	a.config = "realms: {CORP.EXAMPLE.COM: {}}\ndatabases: {orders: {endpoint: orders-2.abc123def456.us-east-1.rds.amazonaws.com, realm: CORP.EXAMPLE.COM}}\n"
	a.read()
	wrong, err := awstest.Validate(t.Context(), a.Calls())
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range wrong {
		t.Error(line)
	}
}
