package locate

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/kerbagent/kerbagent/probe/login"
)

// Trail says how a program found what a login went to: the KDCs of realms, of
// which kdc answered, and a database's host. The KDCs that told said no at once, which costs nothing.
func (p *Programs) Trail(name string, realms []string, kdc netip.AddrPort, told func(netip.AddrPort) bool) login.Trail {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := login.Trail{NoTCP: map[string]error{}, Written: map[string][]login.Written{}}
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
		t.Passed, t.At = append(t.Passed, f.passed...), append(t.At, f.passedAt...)
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
		if len(f.written) > 0 {
			t.Written[realm] = f.written
		}
		if f.noTCP != nil {
			t.NoTCP[realm] = f.noTCP
		}
		i := max(0, slices.Index(f.addrs, kdc))
		silent := slices.DeleteFunc(slices.Clone(f.addrs[:i]), told)
		for _, a := range silent {
			t.Passed, t.At = append(t.Passed, fmt.Sprintf("KDC %s: no answer", a)), append(t.At, a)
		}
		t.Wait += LostOn(len(silent), f.udpFirst)
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
