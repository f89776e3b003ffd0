package locate

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/kerbagent/kerbagent/probe/login"
)

// Trail says how a program found what a login went to: the KDCs of realms, of
// which kdc answered, and a database's host.
func (p *Programs) Trail(name string, realms []string, kdc netip.AddrPort) login.Trail {
	p.mu.Lock()
	defer p.mu.Unlock()
	var t login.Trail
	last := func(key string) *found {
		f := p.found[key]
		if f != nil && f.until.IsZero() { // another login is looking it up anew
			f = f.before
		}
		return f
	}
	add := func(f *found, realm string) {
		if f == nil {
			return
		}
		t.Wait += f.wait
		t.Passed = append(t.Passed, f.passed...)
		if f.lack != nil && t.Lack == nil {
			t.Lack, t.LackRealm = f.lack, realm
		}
	}
	for _, realm := range realms {
		f := last("realm " + realm)
		add(f, realm)
		if f == nil {
			continue
		}
		if i := slices.Index(f.addrs, kdc); i > 0 {
			for _, a := range f.addrs[:i] {
				t.Passed = append(t.Passed, fmt.Sprintf("KDC %s: no answer", a))
			}
			t.Wait += LostOn(i, f.udpFirst)
		}
	}
	add(last("host "+name), "")
	return t
}

// LostOn is how long libkrb5 (1.20) waits at a login for KDCs that are silent and
// stand before one that answers: a second for each of them and each exchange.
// These are with and without a proof, and for the service; and where UDP comes
// first, once more over TCP, since the answer is too large.
func LostOn(silent int, udpFirst bool) time.Duration {
	exchanges := 3
	if udpFirst {
		exchanges++
	}
	return time.Duration(exchanges*silent) * time.Second
}
