package sendto

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// String writes a route as Parse reads it: "REALM limit largest find primary host/transport/wait/address,address ...".
func (r Route) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d %d %s %s", url.PathEscape(r.Realm), r.UDPLimit, r.Largest, round(r.Find), round(r.Primary))
	for _, s := range r.Servers {
		var addrs []string
		for _, a := range s.Addrs {
			addrs = append(addrs, a.String())
		}
		fmt.Fprintf(&b, " %s/%s/%s/%s", url.PathEscape(s.Host), s.Transport, round(s.Wait), strings.Join(addrs, ","))
	}
	return b.String()
}

// round leaves out what no program notices.
func round(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }

// Parse reads what String wrote. Servers whose names were not found have no addresses, and cost their look-up alone.
func Parse(text string) (Route, error) {
	var r Route
	f := strings.Fields(text)
	var find, primary string
	if len(f) < 5 {
		return r, fmt.Errorf("no route: %q", text)
	}
	if _, err := fmt.Sscan(strings.Join(f[:5], " "), &r.Realm, &r.UDPLimit, &r.Largest, &find, &primary); err != nil {
		return r, fmt.Errorf("reading route %q: %w", text, err)
	}
	var err [3]error
	r.Realm, err[0] = url.PathUnescape(r.Realm)
	r.Find, err[1] = time.ParseDuration(find)
	r.Primary, err[2] = time.ParseDuration(primary)
	for _, e := range err {
		if e != nil {
			return r, fmt.Errorf("reading route %q: %w", text, e)
		}
	}
	for _, entry := range f[5:] {
		s, err := parseServer(entry)
		if err != nil {
			return r, fmt.Errorf("reading route %q: %w", text, err)
		}
		r.Servers = append(r.Servers, s)
	}
	return r, nil
}

func parseServer(entry string) (Server, error) {
	p := strings.Split(entry, "/")
	if len(p) != 4 {
		return Server{}, fmt.Errorf("no server: %q", entry)
	}
	host, err := url.PathUnescape(p[0])
	if err != nil {
		return Server{}, err
	}
	s := Server{Host: host, Transport: p[1]}
	if s.Wait, err = time.ParseDuration(p[2]); err != nil {
		return s, err
	}
	for a := range strings.SplitSeq(p[3], ",") {
		if a == "" {
			continue
		}
		at, err := netip.ParseAddrPort(a)
		if err != nil {
			return s, err
		}
		s.Addrs = append(s.Addrs, at)
	}
	return s, nil
}
