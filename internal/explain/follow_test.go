package explain

import (
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/schedule"
	"github.com/kerbagent/kerbagent/probe"
)

func TestFollower(t *testing.T) {
	finding := func(code, title string, affects ...string) diagnose.Finding {
		f := diagnose.Finding{Code: diagnose.Code(code), Title: title}
		for _, a := range affects {
			f.Affects = append(f.Affects, probe.ID{Target: a})
		}
		return f
	}
	udp, silent := finding("kdc-udp-blocked", "dc1", "udp"), finding("kdc-silent", "dc1", "udp", "tcp")
	other := finding("kdc-silent", "dc2", "dc2")
	unheard, lossy := finding("endpoint-unresolvable", "db", "name"), finding("path-lossy", "2 servers", "name")
	unheard.Unheard = true
	for _, c := range []struct {
		name string
		days [][]diagnose.Finding // one a second; patience is 3 s, and a round of probes as long
		want string
	}{
		{"stands, then is gone", [][]diagnose.Finding{{silent}, {silent}, {silent}, {silent}, {}, {}, {}, {}}, "3+kdc-silent 7-kdc-silent(4s)"},
		{"is gone before it is told", [][]diagnose.Finding{{udp}, {udp}, {}, {}, {}, {}}, ""},
		{"looked like another at first", [][]diagnose.Finding{{udp}, {silent}, {silent}, {silent}, {silent}, {silent}}, "4+kdc-silent"},
		{"away for a moment", [][]diagnose.Finding{{silent}, {silent}, {silent}, {silent}, {}, {}, {silent}, {silent}, {silent}, {silent}}, "3+kdc-silent"},
		{"grows and has other words", [][]diagnose.Finding{{finding("x", "one of 2", "a")}, {finding("x", "two of 2", "a", "b")}, {finding("x", "two of 2", "b")}, {finding("x", "one of 2", "b")}, {finding("x", "none", "b")}}, "3+x"},
		{"loss is one finding, wherever the packets are lost", [][]diagnose.Finding{{finding("path-lossy", "dc1, 30 %", "a")}, {finding("path-lossy", "dc2, 40 %", "b")}, {finding("path-lossy", "3 servers", "c")}, {finding("path-lossy", "dc1", "a")}, {finding("path-lossy", "dc1", "d")}}, "3+path-lossy"},
		{"a look-up without an answer", [][]diagnose.Finding{{unheard}, {unheard}, {unheard}, {unheard}, {unheard}, {lossy}, {lossy}, {lossy}, {lossy}}, "8+path-lossy"},
		{"one that stands", [][]diagnose.Finding{{unheard}, {unheard}, {unheard}, {unheard}, {unheard}, {unheard}, {unheard}}, "6+endpoint-unresolvable"},
		{"the same at two places", [][]diagnose.Finding{{silent}, {silent, other}, {silent, other}, {silent, other}, {silent, other}, {silent}, {silent}, {silent}, {silent}}, "3+kdc-silent 4+kdc-silent 8-kdc-silent(4s)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var f follower
			var got []string
			at := time.Now()
			for i, findings := range c.days {
				began, ended, again := f.update(findings, at.Add(time.Duration(i)*time.Second), 3*time.Second, 3*time.Second)
				for _, b := range began {
					got = append(got, string(rune('0'+i))+"+"+string(b.Code))
				}
				for _, e := range ended {
					got = append(got, string(rune('0'+i))+"-"+string(e.Code)+"("+schedule.Brief(e.over.Sub(e.began))+")")
				}
				if again < 0 || again > 6*time.Second {
					t.Errorf("again in %v", again)
				}
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("told %q, want %q", s, c.want)
			}
		})
	}
}
