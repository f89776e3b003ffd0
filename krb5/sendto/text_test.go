package sendto

import (
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"
)

// drawRoute returns any route whose times are as they are written: in tenths of a second.
func drawRoute(r *rand.Rand) Route {
	tenths := func() time.Duration { return time.Duration(r.IntN(300)) * time.Second / 10 }
	out := Route{Realm: []string{"R.TEST", "corp example", "A;B/C%2F", "Ä"}[r.IntN(4)], UDPLimit: r.IntN(1 << 16), Largest: r.IntN(1 << 17), Find: tenths(), Primary: tenths()}
	for range r.IntN(5) {
		s := Server{Host: []string{"dc1.r.test", "2001:db8::1", "a b", "x/y,z", ""}[r.IntN(5)], Transport: []string{Either, UDP, TCP}[r.IntN(3)], Wait: tenths()}
		for range r.IntN(3) {
			a := netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(256))})
			if r.IntN(2) == 0 {
				a = netip.AddrFrom16([16]byte{0xfd, 15: byte(r.IntN(256))})
			}
			s.Addrs = append(s.Addrs, netip.AddrPortFrom(a, uint16(r.IntN(1<<16))))
		}
		out.Servers = append(out.Servers, s)
	}
	return out
}

// A route goes into a fact of a login as text, and is read from it again.
func TestARouteIsReadAsItIsWritten(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 500 {
		want := drawRoute(r)
		if got, err := Parse(want.String()); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v; want %+v", want.String(), got, err, want)
		}
	}
}

// longest is how long one exchange may take by the times of k5_sendto: each datagram is waited for in each of three
// passes, each connection for a second and, once it was accepted, ten.
func longest(r Route) time.Duration {
	out := r.Find + r.Primary + 14*time.Second
	for _, s := range r.Servers {
		out += s.Wait + time.Duration(len(s.Addrs))*(4*each+accepted)
	}
	return out
}

// Whatever a fact says and whatever KDCs do, an exchange ends within libkrb5's times, is answered by nobody who
// does not answer, and ends with those who were waited for in vain.
func FuzzRoute(f *testing.F) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 20 {
		f.Add(drawRoute(r).String(), r.Uint64(), 100+r.IntN(3000), r.IntN(2) == 0)
	}
	f.Fuzz(func(t *testing.T, text string, deeds uint64, size int, tcpOnly bool) {
		r, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(r.String())
		if err != nil || again.String() != r.String() {
			t.Fatalf("%q is written as %q, and read as %q: %v", text, r.String(), again.String(), err)
		}
		if r.Find < 0 || r.Primary < 0 {
			return
		}
		for _, s := range r.Servers {
			if s.Wait < 0 {
				return
			}
		}
		does := func(a Asked) Does {
			n := deeds>>(a.Addr.Port()%13) + uint64(len(a.Transport))
			return Does{Answers: n%4 == 0, After: time.Duration(n%7) * time.Second / 2, Refuses: n%4 == 1, Accepts: n%4 == 2}
		}
		out := r.Send(size, tcpOnly, does)
		if out.Waited < 0 || out.Waited > longest(r) {
			t.Errorf("%s: %s is waited for, of %s at most", r, out.Waited, longest(r))
		}
		if out.By.Addr.IsValid() && !does(out.By).Answers {
			t.Errorf("%s: answered by %v, which does not answer", r, out.By)
		}
		for _, a := range out.Silent {
			if a == out.By || does(a).Refuses || tcpOnly && a.Transport == UDP {
				t.Errorf("%s: %v was not silent", r, a)
			}
		}
	})
}
