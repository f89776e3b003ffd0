package sendto

import "time"

// The sizes that decide over which transport libkrb5 sends a request, in bytes: those of requests for a ticket
// without and with a proof, what a request for a service adds to the ticket that it shows, and the longest
// reply that a KDC sends over UDP: Samba's limit. Active Directory's is 1,465; tickets with a PAC are longer than either.
const (
	firstRequest = 200
	proofRequest = 280
	aroundTicket = 260
	Datagram     = 1400
)

// Step is one exchange of a login, and how it went.
type Step struct {
	Outcome
	Service bool // it asks for a service, not for the user's own first ticket
}

// Home are the exchanges by which a user gets a ticket of their realm and then one for a service.
func (r Route) Home(does func(Asked) Does) []Step {
	out := []Step{{Outcome: r.Send(firstRequest, false, does)}}
	if !out[0].By.Addr.IsValid() {
		return out
	}
	proof := r.Send(proofRequest, false, does)
	out = append(out, Step{Outcome: proof})
	if proof.By.Transport == UDP && r.Largest > Datagram {
		proof = r.Send(proofRequest, true, does)
		out = append(out, Step{Outcome: proof})
	}
	if !proof.By.Addr.IsValid() {
		return out
	}
	return append(out, r.Service(r.Largest, does)...)
}

// Service are the exchanges for a service's ticket by means of one of a given size.
func (r Route) Service(ticket int, does func(Asked) Does) []Step {
	got := r.Send(ticket+aroundTicket, false, does)
	out := []Step{{got, true}}
	if got.By.Transport == UDP && r.Largest > Datagram {
		out = append(out, Step{r.Send(ticket+aroundTicket, true, does), true})
	}
	return out
}

// Lost is how long the exchanges take longer than answers do that come at once: what is lost on silent KDCs and slow
// name servers, and who was silent.
func Lost(steps []Step) (lost time.Duration, silent []Asked) {
	had := map[Asked]bool{}
	for _, s := range steps {
		lost += s.Waited
		for _, a := range s.Silent {
			if !had[a] {
				had[a], silent = true, append(silent, a)
			}
		}
	}
	return lost, silent
}
