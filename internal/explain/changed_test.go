package explain

import (
	"slices"
	"testing"

	"github.com/kerbagent/kerbagent/probe"
)

// Only what both results have recorded, and have otherwise, is said to have changed.
func TestChanged(t *testing.T) {
	good := probe.Facts{probe.FactKDC: "10.0.0.1:88", probe.FactSPN: "mysql/db", probe.FactSecretWritten: "2026-11-22T13:00:00Z", probe.FactVersion: "8.0"}
	bad := probe.Facts{probe.FactKDC: "10.0.0.2:88", probe.FactSecretWritten: "2026-11-22T13:58:00Z", probe.FactVersion: "8.0", probe.FactKrb5Written: "2026-11-22T13:59:00Z"}
	want := []string{"the file with the secret was written at 2026-11-22T13:58:00Z", "KDC: 10.0.0.1:88 before, 10.0.0.2:88 now"}
	if got := changed(good, bad); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := changed(good, good); len(got) != 0 {
		t.Errorf("the same: %q", got)
	}
}
