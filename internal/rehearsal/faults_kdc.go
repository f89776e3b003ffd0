package rehearsal

import (
	"time"

	"github.com/kerbagent/kerbagent/krb5/krb5test"
)

// kdcFaults are those of ports 88 and 464. Where the finding is an error the
// trusted realm's only KDC has the fault, and carol is the one who suffers.
func kdcFaults() []Fault {
	return []Fault{{
		Code:    "kdc-silent",
		Summary: "all packets to dc2's KDC are lost; its DNS and kpasswd answer, and logins go to dc1",
		play: func(w *World) error {
			w.onKDC(w.dc2, "", Drop)
			return nil
		},
	}, {
		Code:    "kdc-hung",
		Summary: "dc2's KDC accepts connections and datagrams, and never answers",
		play: func(w *World) error {
			w.dc2.kdc.Set(krb5test.Script{SilentUDP: true, SilentTCP: true})
			return nil
		},
	}, {
		Code:    "kdc-refused",
		Summary: "dc2's KDC port refuses: a reset over TCP, port unreachable over UDP",
		play: func(w *World) error {
			w.onKDC(w.dc2, "", Refuse)
			return nil
		},
	}, {
		Code:    "kdc-udp-blocked",
		Summary: "dc2's KDC does not answer over UDP, but over TCP",
		play: func(w *World) error {
			w.dc2.kdc.Set(krb5test.Script{SilentUDP: true})
			return nil
		},
	}, {
		Code:    "kdc-tcp-blocked",
		Summary: "the KDC of " + onpremRealm + " answers over UDP; over TCP, it does not connect; carol's login gets no ticket",
		play: func(w *World) error {
			w.onKDC(w.dcOnprem, "tcp", Drop)
			return w.only(carol)
		},
	}, {
		Code:    "kdc-large-messages-lost",
		Summary: "messages of more than 1,400 bytes to and from dc2's KDC are lost over UDP and TCP; smaller ones arrive",
		play: func(w *World) error {
			w.dc2.kdc.Set(krb5test.Script{DropLarge: 1400})
			return nil
		},
	}, {
		Code:    "kdc-not-kerberos",
		Summary: "the KDC port of " + onpremRealm + " answers in HTTP; carol's login gets no ticket",
		play: func(w *World) error {
			w.dcOnprem.kdc.Set(krb5test.Script{Garbage: true})
			return w.only(carol)
		},
	}, {
		Code:    "kdc-unavailable",
		Summary: "dc2's KDC answers everything with error 29; logins go to dc1",
		play: func(w *World) error {
			w.dc2.kdc.Set(krb5test.Script{ErrorCode: 29})
			return nil
		},
	}, {
		Code:    "kdc-wrong-realm",
		Summary: "dc2's KDC does not know the users of " + corpRealm + ": it answers error 6, dc1 asks the same users for preauthentication (25)",
		play: func(w *World) error {
			w.dc2.kdc.Set(krb5test.Script{WrongRealm: true})
			return nil
		},
	}, {
		Code:    "realm-unreachable",
		Summary: "all packets to port 88 of both domain controllers of " + corpRealm + " are lost; their DNS and kpasswd answer; every login fails",
		play: func(w *World) error {
			w.onKDC(w.dc1, "", Drop)
			w.onKDC(w.dc2, "", Drop)
			return nil
		},
	}, {
		Code:    "kpasswd-blocked",
		Summary: "all packets to dc2's kpasswd (port 464) are lost; its KDC answers",
		play: func(w *World) error {
			w.onKpasswd(w.dc2, "", Drop)
			return nil
		},
	}}
}

// wrongBy is how far off a wrong clock is: twice what Kerberos allows.
const wrongBy = 10 * time.Minute

// clockFaults shift the world's clocks, never the agent's own.
func clockFaults() []Fault {
	return []Fault{{
		Code:    "clock-skew",
		Summary: "the clocks of both domain controllers are 10 minutes ahead; the login uses the KDC's time, as libkrb5 does, and the database refuses the ticket",
		play: func(w *World) error {
			w.onlyCorp()
			for _, c := range []*controller{w.dc1, w.dc2} {
				c.kdc.Set(krb5test.Script{ClockOffset: wrongBy})
				c.kpasswd.Set(krb5test.Script{ClockOffset: wrongBy})
			}
			return w.only(alice)
		},
	}, {
		Code:    "clock-skew-one-kdc",
		Summary: "the clock of dc2 is 10 minutes behind; logins go to dc1",
		play: func(w *World) error {
			w.dc2.kdc.Set(krb5test.Script{ClockOffset: -wrongBy})
			w.dc2.kpasswd.Set(krb5test.Script{ClockOffset: -wrongBy})
			return nil
		},
	}}
}
