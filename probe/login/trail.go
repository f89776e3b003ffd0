package login

import (
	"cmp"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/krb5/sendto"
	"github.com/kerbagent/kerbagent/probe"
)

// Heard is what a login heard of the KDCs.
type Heard struct {
	Realms   []string                  // on its way, the user's first
	KDCs     map[string]netip.AddrPort // who answered last over TCP, or over UDP alone, by realm
	Datagram netip.AddrPort            // who answered the first request over UDP; not valid where nobody did
	Told     func(netip.AddrPort) bool // reports the KDCs that failed at once, which costs a program nothing
	Largest  map[string]int            // the size of the largest reply, in bytes, by realm
}

// Trail is how a program on this host finds the servers that a login went to.
type Trail struct {
	Wait      time.Duration    // that a program spends on what it passes over, beside the exchanges with KDCs
	Routes    []sendto.Route   // to the KDCs of the realms on the way
	Passed    []string         // what that is, in words
	At        []netip.AddrPort // the servers among it
	Lack      error            // a program does not find a server that the login found otherwise
	LackRealm string           // whose KDCs those are; empty: the database
	LackHost  string           // the names of KDCs whose look-ups are why; empty: it is for another reason
	LackAt    string           // the exchange that a program ends at for it: probe.AtAS or probe.AtTGS; of KDCs alone
	LackOf    probe.Reason     // the krb5.conf is why, and how; empty: names are not found
	ForNow    map[string]bool  // realms whose records are not found for now: a name server answers SERVFAIL or REFUSED, or not at all
	NoTCP     map[string]error // realms of which a program knows KDCs for datagrams alone

	Written map[string][]Written // by realm: the KDCs that the host's krb5.conf names
}

// Written is a KDC that a krb5.conf names.
type Written struct {
	Host  string
	Port  uint16
	Place string       // file and line
	Addrs []netip.Addr // none where the name was not resolved
}

// written are the facts of what krb5.conf names for the realms on a login's way:
// "REALM host:port address,address place", one after another with "; " between them.
func (t Trail) written(realms []string) string {
	var out []string
	for _, realm := range realms {
		for _, w := range t.Written[realm] {
			var addrs []string
			for _, a := range w.Addrs {
				addrs = append(addrs, a.Unmap().String())
			}
			out = append(out, strings.Join([]string{realm, net.JoinHostPort(w.Host, strconv.Itoa(int(w.Port))), cmp.Or(strings.Join(addrs, ","),
				"-"), w.Place}, " "))
		}
	}
	return strings.Join(out, "; ")
}

// withoutTCP sets what a program lacks of the realms on the way, whose replies were so long.
func (t *Trail) withoutTCP(realms []string, largest map[string]int) {
	for _, realm := range realms {
		if t.Lack == nil && t.NoTCP[realm] != nil && largest[realm] > sendto.Datagram {
			t.Lack, t.LackRealm, t.LackAt = t.NoTCP[realm], realm, probe.AtAS
		}
	}
}

// comesFirst reports whether a program ends at what it does not find before it comes to
// what the login ended with.
func (t Trail) comesFirst(home string, res probe.Result) bool {
	at, stage := res.Facts[probe.FactFailedAt], res.Facts[probe.FactDBStage]
	switch {
	case res.Outcome == probe.OK, t.LackRealm == home && t.LackAt != probe.AtTGS:
		return true
	case t.LackRealm == "":
		return at == probe.AtDatabase || at == probe.AtTGS
	}
	return at == probe.AtDatabase && (stage == StageToken || stage == StageQuery) || at == probe.AtTGS &&
		res.Facts[probe.FactFailedRealm] == t.LackRealm
}
