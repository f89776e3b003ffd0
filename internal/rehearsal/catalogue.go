package rehearsal

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/krb5/krb5test"
)

// Fault is one thing that can be wrong with the world.
type Fault struct {
	Code    diagnose.Code // the finding that it leads to
	Summary string        // what is done, and what each probe sees of it
	before  bool          // made in the state directory before anything runs
	play    func(*World) error
}

// Catalogue lists the faults that can be played, in the order of the finding
// codes.
//
// A fault that breaks one account or one realm leaves no other login in the
// configuration, and one that breaks one server breaks dc2, which has one
// address and dc1 beside it: so the finding stands alone.
func Catalogue() []Fault {
	return slices.Concat(hostFaults(), dnsFaults(), kdcFaults(), clockFaults(), accountFaults(), serviceFaults(), databaseFaults())
}

// find returns the fault of a code, and one that does nothing for no code.
func find(code diagnose.Code) (Fault, error) {
	if code == "" {
		return Fault{play: func(*World) error { return nil }}, nil
	}
	for _, f := range Catalogue() {
		if f.Code == code {
			return f, nil
		}
	}
	return Fault{}, fmt.Errorf("finding %q cannot be rehearsed; kerbagent rehearse --list shows those that can", string(code))
}

// hostFaults are those of the agent's own host, and of whole machines.
func hostFaults() []Fault {
	return []Fault{{
		Code:    "host-out-of-resources",
		Summary: "every attempt to open a socket fails with EMFILE: this host has no file descriptor left, so no probe is sent",
		play: func(w *World) error {
			w.path.Add(Rule{Effect: Exhausted})
			return nil
		},
	}, {
		Code:    "host-offline",
		Summary: "every packet gets EHOSTUNREACH (no route to host): every probe fails before anything is sent",
		play: func(w *World) error {
			w.path.Add(Rule{Effect: Unreachable})
			return nil
		},
	}, {
		Code:    "path-lossy",
		Summary: "the first datagram of every question to dc2 is lost, and its repetition is answered; TCP works",
		play: func(w *World) error {
			w.path.Add(Rule{To: one(w.dc2.ip()), Effect: Lossy})
			return nil
		},
	}, {
		Code:    "server-slow",
		Summary: "dc2's KDC takes 1.2 seconds for each answer; logins go to dc1",
		play: func(w *World) error {
			w.dc2.kdc.Set(krb5test.Script{AnswerDelay: map[krb5test.Kind]time.Duration{krb5test.KindAS: 1200 * time.Millisecond}})
			return nil
		},
	}, {
		Code:    "server-down",
		Summary: "all packets to dc2 are lost: its DNS, KDC and kpasswd do not answer; dc1 answers, and logins work",
		play: func(w *World) error {
			w.path.Add(Rule{To: one(w.dc2.ip()), Effect: Drop})
			return nil
		},
	}}
}

// one is the prefix of a single address.
func one(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// onKDC, onKpasswd and onDNS put a rule on one service of a machine, at each
// of its addresses.
func (w *World) onKDC(c *controller, transport string, e Effect) {
	w.onPort(c, c.kdcPort, transport, e)
}
func (w *World) onKpasswd(c *controller, transport string, e Effect) {
	w.onPort(c, c.kpasswdPort, transport, e)
}
func (w *World) onDNS(c *controller, transport string, e Effect) {
	w.onPort(c, c.dns.addr.Port(), transport, e)
}

func (w *World) onPort(c *controller, port uint16, transport string, e Effect) {
	for _, a := range c.addrs {
		w.path.Add(Rule{To: one(a), Port: port, Transport: transport, Effect: e})
	}
}

// only leaves one of the logins.
func (w *World) only(user string) error {
	for _, l := range w.settings.logins {
		if l.user == user {
			w.settings.logins = []loginSettings{l}
			return nil
		}
	}
	return fmt.Errorf("no login of %s", user)
}

// The logins by name.
const (
	alice = "alice@" + corpRealm
	etl   = "etl@" + corpRealm
	carol = "carol@" + onpremRealm
)

// onlyCorp leaves the trusted realm and its user out of the configuration.
func (w *World) onlyCorp() {
	w.settings.realms = w.settings.realms[:1]
	w.settings.logins = slices.DeleteFunc(w.settings.logins, func(l loginSettings) bool { return l.user == carol })
}
