package login_test

import (
	"math"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/krb5/krb5test"
	"github.com/kerbagent/kerbagent/probe"
)

// A host whose clock is off logs in all the same where libkrb5 takes the KDC's time, as
// kinit, kvno and mariadb do with a clock that is 20 minutes off either way; with
// kdc_timesync = 0 the same kinit ends with "Clock skew too great".
func TestAHostWhoseClockIsOff(t *testing.T) {
	for _, off := range []time.Duration{20 * time.Minute, -20 * time.Minute, 4 * time.Minute} {
		for _, sync := range []bool{true, false} {
			r := newRig(t)
			p := r.probe("alice", password)
			p.Now = func() time.Time { return time.Now().Add(off) }
			p.TimeSync = func() bool { return sync }
			res := p.Run(t.Context())
			if !sync && off.Abs() > 5*time.Minute {
				if res.Reason != probe.ReasonKRBSkew || res.Facts[probe.FactFailedAt] != probe.AtPreauth {
					t.Errorf("off by %v: %s %s %v; want %s", off, res.Outcome, res.Reason, res.Err, probe.ReasonKRBSkew)
				}
				continue
			}
			if res.Outcome != probe.OK {
				t.Errorf("off by %v, corrected %v: %s %v", off, sync, res.Reason, res.Err)
				continue
			}
			want := 0.0
			if sync {
				want = -off.Seconds()
			}
			if got := res.Samples[probe.SampleAhead]; math.Abs(got-want) > 2 {
				t.Errorf("off by %v: the KDC's clock is taken for %v s ahead", off, got)
			}
			if got := res.Samples[probe.SampleSkew]; math.Abs(got+off.Seconds()) > 2 {
				t.Errorf("off by %v: the database's clock differs by %v s", off, got)
			}
		}
	}
}

// Where the KDC's clock is the wrong one, its time is not the database's.
func TestAKDCWhoseClockIsOff(t *testing.T) {
	r := newRig(t)
	r.faults.Set(krb5test.Script{ClockOffset: 20 * time.Minute})
	if res := r.probe("alice", password).Run(t.Context()); res.Reason != probe.ReasonDBTicketRejected {
		t.Errorf("%s %s %v, want %s", res.Outcome, res.Reason, res.Err, probe.ReasonDBTicketRejected)
	}
}
