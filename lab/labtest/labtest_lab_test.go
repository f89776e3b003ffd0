//go:build lab

package labtest_test

import (
	"net"
	"slices"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/lab/capture"
	"github.com/kerbagent/kerbagent/lab/labtest"
)

func connects(address, port string) bool {
	c, err := net.DialTimeout("tcp", net.JoinHostPort(address, port), 500*time.Millisecond)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

func TestBreakAndHeal(t *testing.T) {
	labtest.Up(t)
	if !connects(labtest.DC1, "88") {
		t.Fatal("the lab is not healthy: DC1 does not answer on 88")
	}
	t.Run("broken", func(t *testing.T) {
		flags := labtest.Break(t, "kdc-silent")
		if !slices.Contains(flags, "--user=alice@CORP.EXAMPLE.COM") {
			t.Errorf("flags: %q", flags)
		}
		if connects(labtest.DC1, "88") {
			t.Error("DC1 still answers on 88")
		}
		if !connects(labtest.DC2, "88") {
			t.Error("DC2 does not answer on 88")
		}
	})
	if !connects(labtest.DC1, "88") {
		t.Error("not healed: DC1 does not answer on 88")
	}
}

// A delay of 25 ms each way is a round trip of 50 ms, and a TCP connect is one.
func TestRecord(t *testing.T) {
	labtest.Up(t)
	labtest.Fault(t, "fault", "delay", "all", "25")
	for _, c := range []struct {
		name, address string
	}{{"IPv4", labtest.DC1}, {"IPv6", "fd77::10"}} {
		t.Run(c.name, func(t *testing.T) {
			r := labtest.Record(t)
			for range 3 {
				if !connects(c.address, "88") {
					t.Fatal("DC1 does not answer")
				}
			}
			packets := r.Stop()
			if got := capture.RoundTrips(packets, 50*time.Millisecond); got != 3 {
				t.Errorf("%d round trips for three connects in a row, want 3: %v", got, packets)
			}
			if s := capture.Span(packets); s < 145*time.Millisecond || s > 300*time.Millisecond {
				t.Errorf("they took %v", s)
			}
		})
	}
}
