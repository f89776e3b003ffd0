package agent

import (
	"net/netip"
	"slices"
	"time"
)

// keepGone is how long an address that left DNS is still probed and shown: a
// name may give its addresses one at a time, in turn.
const keepGone = 10 * time.Minute

// spot is one address of one server.
type spot struct {
	host   string
	port   uint16
	source string
	addr   netip.Addr
}

// former is a spot that was found before and is not found now.
type former struct {
	spot
	since time.Time // with a monotonic reading
	// lost says that the name could not be looked up, so that its address may
	// well be right; otherwise it was looked up and has other addresses now.
	lost bool
}

// known is what is remembered of the servers of one realm or database.
type known struct {
	asked   bool     // it was looked for at least once
	servers []server // as they were found last
	err     error
	before  []former
	most    int // how many addresses there may be, former ones among them; 0: any number
}

// update takes in what was found, and reports whether anything is different.
func (k *known) update(servers []server, err error, now time.Time) (changed bool) {
	found, unresolved := spots(servers), map[string]bool{}
	stands := setOf(found)
	for _, s := range servers {
		if s.err != nil {
			unresolved[s.host] = true
		}
	}
	var before []former
	for _, f := range k.before {
		if !stands[f.spot] && now.Sub(f.since) < keepGone {
			f.lost = len(servers) == 0 || unresolved[f.host]
			before = append(before, f)
		}
	}
	for _, s := range spots(k.servers) {
		if !stands[s] {
			before = append(before, former{spot: s, since: now, lost: len(servers) == 0 || unresolved[s.host]})
		}
	}
	if room := max(k.most-len(found), 0); k.most > 0 && len(before) > room {
		before = before[len(before)-room:] // the latest
	}
	changed = !slices.Equal(found, spots(k.servers)) || !slices.Equal(before, k.before) || text(err) != text(k.err) || lacks(servers) != lacks(k.servers) ||
		leftOutOf(servers) != leftOutOf(k.servers)
	k.servers, k.err, k.before = servers, err, before
	return changed
}

// formers gives the former servers that count, and those that DNS has let go of.
func (k *known) formers() (lost, gone []server) {
	for _, f := range k.before {
		s := server{host: f.host, port: f.port, source: f.source, addrs: []netip.Addr{f.addr}}
		if f.lost {
			lost = append(lost, s)
		} else {
			gone = append(gone, s)
		}
	}
	return lost, gone
}

func spots(servers []server) []spot {
	var out []spot
	for _, s := range servers {
		for _, a := range s.addrs {
			out = append(out, spot{s.host, s.port, s.source, a})
		}
	}
	return out
}

func setOf(spots []spot) map[spot]bool {
	set := make(map[spot]bool, len(spots))
	for _, s := range spots {
		set[s] = true
	}
	return set
}

// lacks names the servers without an address.
func lacks(servers []server) string {
	all := ""
	for _, s := range servers {
		if len(s.addrs) == 0 {
			all += s.host + " " + text(s.err) + "\n"
		}
	}
	return all
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
