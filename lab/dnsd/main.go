// Command dnsd is the lab's DNS server for what real ones would be a nuisance for: it serves a small zone from a file
// (-zone), or passes questions on to a real server and bends some of the answers (-upstream), so that a broken record
// can be put into a domain, and taken away again, without touching the domain.
//
//	dnsd -listen ADDR:PORT,... -zone FILE
//	dnsd -listen ADDR:PORT,... -upstream ADDR:PORT RULE...
//
// A rule is one of
//
//	refuse=ZONE  servfail=ZONE  nxdomain=ZONE  empty=ZONE   every name in that zone gets this code, or no records
//	drop=ZONE                                   no question for it is answered
//	set=RR                                      the answer for RR's name and type is RR (repeat it for more)
//	add=RR                                      RR stands in the answer beside what is there
//	TYPE:VERB=ZONE                              one of the first five, for questions of that type alone (SRV:drop=corp.example.com)
//	parent=ZONE                                 the SOA of that zone is its parent's: it is no zone of its own
//	slow=DURATION                               every answer comes so much later
//	truncate=ZONE                               no answer over UDP, but the word to ask over TCP
//
// RR is in zone file notation: "_kerberos._tcp.corp.example.com. 600 IN SRV 0 100 88 dc9.corp.example.com.".
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

func main() {
	log.SetFlags(log.Lmicroseconds)
	listen := flag.String("listen", "", "addresses, each with a port, separated by commas")
	zone := flag.String("zone", "", "zone file to serve")
	upstream := flag.String("upstream", "", "server to pass questions on to")
	flag.Parse()
	h, err := handler(*zone, *upstream, flag.Args())
	if err == nil {
		err = serve(strings.Split(*listen, ","), h)
	}
	log.Fatal(err)
}

func handler(zone, upstream string, rules []string) (dns.Handler, error) {
	if zone != "" {
		return readZone(zone)
	}
	b := &bender{upstream: upstream}
	for _, r := range rules {
		if err := b.rule(r); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// serve answers over UDP and TCP at every address until one of them fails.
func serve(addresses []string, h dns.Handler) error {
	failed := make(chan error)
	for _, a := range addresses {
		for _, network := range []string{"udp", "tcp"} {
			up := make(chan struct{})
			s := &dns.Server{Addr: a, Net: network, Handler: h, NotifyStartedFunc: func() { close(up) }}
			go func() { failed <- s.ListenAndServe() }()
			select {
			case err := <-failed:
				return err
			case <-up:
			}
		}
	}
	log.Print("ready")
	return <-failed
}

// bender passes questions on and bends the answers.
type bender struct {
	upstream string
	verdicts []verdict
	slow     time.Duration
	set, add []dns.RR
}

// verdict is what questions for a zone get, of one type or (0) of all.
type verdict struct {
	zone  string
	qtype uint16
	verb  string
}

func (v verdict) meets(q dns.Question) bool {
	return dns.IsSubDomain(v.zone, dns.CanonicalName(q.Name)) && (v.qtype == 0 || v.qtype == q.Qtype)
}

func codes() map[string]int {
	return map[string]int{"refuse": dns.RcodeRefused, "servfail": dns.RcodeServerFailure, "nxdomain": dns.RcodeNameError, "empty": dns.RcodeSuccess}
}

func (b *bender) rule(text string) (err error) {
	verb, what, ok := strings.Cut(text, "=")
	if !ok {
		return fmt.Errorf("no rule: %q", text)
	}
	v := verdict{zone: dns.CanonicalName(what), verb: verb}
	if of, verb, typed := strings.Cut(verb, ":"); typed {
		if v.qtype, v.verb = dns.StringToType[of], verb; v.qtype == 0 {
			return fmt.Errorf("no type: %q", text)
		}
	}
	_, isCode := codes()[v.verb]
	switch {
	case verb == "slow":
		b.slow, err = time.ParseDuration(what)
		return err
	case isCode, v.verb == "drop", v.verb == "truncate", v.verb == "parent":
		b.verdicts = append(b.verdicts, v)
		return nil
	case verb != "set" && verb != "add":
		return fmt.Errorf("no rule: %q", text)
	}
	rr, err := dns.NewRR(what)
	if err != nil {
		return fmt.Errorf("reading rule %q: %w", text, err)
	}
	if verb == "set" {
		b.set = append(b.set, rr)
	} else {
		b.add = append(b.add, rr)
	}
	return nil
}

// ServeDNS implements dns.Handler.
func (b *bender) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	time.Sleep(b.slow)
	q := r.Question[0]
	if i := slices.IndexFunc(b.verdicts, func(v verdict) bool { return v.meets(q) }); i >= 0 && b.judge(w, r, b.verdicts[i]) {
		return
	}
	if rrs := matching(b.set, q); len(rrs) > 0 {
		m := new(dns.Msg).SetReply(r)
		m.Authoritative, m.Answer = true, rrs
		reply(w, m)
		return
	}
	c := dns.Client{Net: w.LocalAddr().Network(), Timeout: 3 * time.Second}
	m, _, err := c.Exchange(r, b.upstream)
	if err != nil {
		log.Print(q.String(), " ", err)
		return // as silent as the real one
	}
	m.Extra = slices.DeleteFunc(m.Extra, func(rr dns.RR) bool { // addresses beside SRV records: none of a name that is bent
		h := rr.Header()
		of := dns.Question{Name: h.Name, Qtype: h.Rrtype}
		return len(matching(b.set, of))+len(matching(b.add, of)) > 0 || slices.ContainsFunc(b.verdicts, func(v verdict) bool { return v.meets(of) })
	})
	if rrs := matching(b.add, q); len(rrs) > 0 {
		m.Rcode, m.Authoritative, m.Answer = dns.RcodeSuccess, true, append(m.Answer, rrs...)
	}
	reply(w, m)
}

// judge reports whether that was all there is to say.
func (b *bender) judge(w dns.ResponseWriter, r *dns.Msg, v verdict) bool {
	m := new(dns.Msg).SetReply(r)
	m.RecursionAvailable = true // without it glibc takes an answer that has nothing in it for a lame server's
	switch v.verb {
	case "drop":
		return true
	case "truncate":
		if m.Truncated = true; w.LocalAddr().Network() != "udp" {
			return false
		}
	case "parent":
		if r.Question[0].Qtype != dns.TypeSOA || dns.CanonicalName(r.Question[0].Name) != v.zone {
			return false
		}
		_, parent, _ := strings.Cut(v.zone, ".")
		m.Authoritative = true
		head := dns.RR_Header{Name: parent, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 600}
		m.Ns = []dns.RR{&dns.SOA{Hdr: head, Ns: "ns." + parent, Mbox: "admin." + parent, Serial: 1, Refresh: 900, Retry: 600, Expire: 86400, Minttl: 600}}
	default:
		m.Rcode = codes()[v.verb]
	}
	reply(w, m)
	return true
}

func matching(rrs []dns.RR, q dns.Question) (found []dns.RR) {
	for _, rr := range rrs {
		if strings.EqualFold(rr.Header().Name, q.Name) && rr.Header().Rrtype == q.Qtype {
			found = append(found, rr)
		}
	}
	return found
}

func reply(w dns.ResponseWriter, m *dns.Msg) {
	if err := w.WriteMsg(m); err != nil {
		log.Print(err)
	}
}

// zone is a zone that is all in one file; its first record is the SOA.
type zone []dns.RR

func readZone(file string) (zone, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var z zone
	p := dns.NewZoneParser(f, ".", file)
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		z = append(z, rr)
	}
	if err := p.Err(); err != nil {
		return nil, fmt.Errorf("reading zone: %w", err)
	}
	if len(z) == 0 || z[0].Header().Rrtype != dns.TypeSOA {
		return nil, fmt.Errorf("reading zone %s: the first record must be the SOA", file)
	}
	return z, nil
}

// ServeDNS implements dns.Handler.
func (z zone) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	q := r.Question[0]
	if !dns.IsSubDomain(z[0].Header().Name, q.Name) {
		reply(w, new(dns.Msg).SetRcode(r, dns.RcodeRefused))
		return
	}
	m := new(dns.Msg).SetReply(r)
	m.Authoritative, m.Answer = true, matching(z, q)
	if len(m.Answer) == 0 {
		m.Ns = z[:1]
		if !z.exists(q.Name) {
			m.Rcode = dns.RcodeNameError
		}
	}
	reply(w, m)
}

func (z zone) exists(name string) bool {
	for _, rr := range z {
		if dns.IsSubDomain(name, rr.Header().Name) {
			return true
		}
	}
	return false
}
