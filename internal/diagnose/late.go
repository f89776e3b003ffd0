package diagnose

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/krb5/sendto"
	"github.com/kerbagent/kerbagent/probe"
)

// lateness is what a program on this host loses at a login.
type lateness struct {
	wait   time.Duration
	places []string // in words
	at     []string // the addresses of these places
}

func (l *lateness) pass(addr netip.AddrPort, what string) {
	l.places = append(l.places, what)
	if !slices.Contains(l.at, addr.String()) {
		l.at = append(l.at, addr.String())
	}
}

// programWait computes what a program loses at a login: at the name servers and addresses that the login itself passed
// over, and at KDCs, by how libkrb5 asks them and what the probes heard of each.
func (v *view) programWait(l *probe.Result) lateness {
	out := lateness{wait: time.Duration(l.Samples[probe.SampleProgramWait] * float64(time.Second)), at: l.Facts.List(probe.FactPassedAt)}
	if passed := l.Facts[probe.FactPassed]; passed != "" {
		out.places = strings.Split(passed, "; ")
	}
	ticket := 0
	for i, text := range strings.Split(l.Facts[probe.FactRoute], "; ") {
		route, err := sendto.Parse(text)
		if err != nil { // none
			continue
		}
		does := v.kdcDoes(route, l.Facts[probe.FactKDC])
		steps := route.Service(ticket, does)
		if i == 0 {
			steps = route.Home(does)
		}
		ticket = route.Largest
		wait, silent := sendto.Lost(steps)
		out.wait += wait
		for _, a := range silent {
			out.pass(a.Addr, fmt.Sprintf("KDC %s over %s: no answer", a.Addr, strings.ToUpper(a.Transport)))
		}
		for _, s := range steps {
			after := does(s.By).After
			what := fmt.Sprintf("KDC %s over %s: an answer after %s", s.By.Addr, strings.ToUpper(s.By.Transport), after.Round(time.Second/10))
			if after >= time.Second && !slices.Contains(out.places, what) {
				out.pass(s.By.Addr, what)
			}
		}
	}
	return out
}

// kdcDoes returns what each KDC of a route does, as its probes have it. Of an address without a probe
// the login's own word counts: those that stand before the one that answered it were silent.
func (v *view) kdcDoes(route sendto.Route, answered string) func(sendto.Asked) sendto.Does {
	var order []string
	for _, s := range route.Servers {
		for _, a := range s.Addrs {
			order = append(order, a.String())
		}
	}
	slow := v.slowServers()
	return func(a sendto.Asked) sendto.Does {
		for _, r := range v.at[a.Addr.Addr()] {
			if r.ID.Kind == probe.KDC && r.ID.Address == a.Addr && string(r.ID.Transport) == a.Transport && r.Outcome != probe.Skipped {
				does := doesOf(r)
				if lostBefore(r) > 0 && !slow[a.Addr] {
					does.After = 0 // by chance: no program loses that each time
				}
				return does
			}
		}
		mine := slices.Index(order, a.Addr.String())
		return sendto.Does{Answers: mine < 0 || mine >= slices.Index(order, answered)}
	}
}

func doesOf(r *probe.Result) sendto.Does {
	switch {
	case !onPath(r):
		return sendto.Does{Answers: true, After: r.Duration}
	case reason(r, probe.ReasonRefused, probe.ReasonForbidden),
		reason(r, probe.ReasonUnreachable, probe.ReasonClosed) && r.ID.Transport == probe.TCP:
		return sendto.Does{Refuses: true} // of a datagram Linux does not say that a host is unreachable (icmp_err_convert)
	}
	return sendto.Does{Accepts: reason(r, probe.ReasonTCPSilent)}
}
