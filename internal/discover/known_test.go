package discover

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// What DNS says is followed; what it has said stays for ten minutes, and counts
// where it is DNS that does not answer.
func TestKnown(t *testing.T) {
	at := func(host string, ips ...string) Server {
		s := Server{Host: host, Port: 88}
		for _, ip := range ips {
			s.Addrs = append(s.Addrs, netip.MustParseAddr(ip))
		}
		return s
	}
	none := at("dc2")
	none.Err = errNoAddress
	show := func(k *history) string {
		all := func(servers []Server) string {
			var out []string
			for _, s := range Spots(servers) {
				out = append(out, s.Addr.String())
			}
			return strings.Join(out, " ")
		}
		lost, gone := k.formers()
		return all(k.servers) + " / " + all(lost) + " / " + all(gone)
	}
	silence := errors.New("no answer")
	type step struct {
		minute  int
		servers []Server
		err     error
		changed bool
		want    string // found / lost / gone
	}
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"stays", []step{{0, []Server{at("dc1", "10.0.0.1")}, nil, true, "10.0.0.1 /  / "}, {1, []Server{at("dc1", "10.0.0.1")}, nil, false, "10.0.0.1 /  / "}}},
		{"moves", []step{{0, []Server{at("dc1", "10.0.0.1")}, nil, true, "10.0.0.1 /  / "}, {1, []Server{at("dc1", "10.0.0.2")}, nil, true, "10.0.0.2 /  / 10.0.0.1"},
			{10, []Server{at("dc1", "10.0.0.2")}, nil, false, "10.0.0.2 /  / 10.0.0.1"}, {11, []Server{at("dc1", "10.0.0.2")}, nil, true, "10.0.0.2 /  / "}}},
		{"answers in turn", []step{{0, []Server{at("db", "10.0.0.1")}, nil, true, "10.0.0.1 /  / "}, {9, []Server{at("db", "10.0.0.2")}, nil, true, "10.0.0.2 /  / 10.0.0.1"},
			{12, []Server{at("db", "10.0.0.1")}, nil, true, "10.0.0.1 /  / 10.0.0.2"}, {21, []Server{at("db", "10.0.0.1")}, nil, false, "10.0.0.1 /  / 10.0.0.2"}}},
		{"DNS is silent for a while", []step{{0, []Server{at("dc1", "10.0.0.1")}, nil, true, "10.0.0.1 /  / "}, {1, nil, silence, true, " / 10.0.0.1 / "},
			{2, nil, silence, false, " / 10.0.0.1 / "}, {3, []Server{at("dc1", "10.0.0.1")}, nil, true, "10.0.0.1 /  / "}}},
		{"DNS is silent for long", []step{{0, []Server{at("dc1", "10.0.0.1")}, nil, true, "10.0.0.1 /  / "}, {1, nil, silence, true, " / 10.0.0.1 / "}, {11, nil, silence, true, " /  / "}}},
		{"one name of two", []step{{0, []Server{at("dc1", "10.0.0.1"), at("dc2", "10.0.0.2")}, nil, true, "10.0.0.1 10.0.0.2 /  / "},
			{1, []Server{at("dc1", "10.0.0.1"), none}, nil, true, "10.0.0.1 / 10.0.0.2 / "}, {2, []Server{at("dc1", "10.0.0.1")}, nil, true, "10.0.0.1 /  / 10.0.0.2"}}},
		{"another reason", []step{{0, nil, silence, true, " /  / "}, {1, nil, silence, false, " /  / "}, {2, nil, errNoAddress, true, " /  / "}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var k history
			begun := time.Now()
			for _, s := range c.steps {
				changed := k.update(s.servers, s.err, begun.Add(time.Duration(s.minute)*time.Minute))
				if got := show(&k); got != s.want || changed != s.changed {
					t.Errorf("minute %d: %q, changed %v; want %q, %v", s.minute, got, changed, s.want, s.changed)
				}
			}
		})
	}
}
