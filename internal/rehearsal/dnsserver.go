package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// dnsServer answers on one address over UDP and TCP, from zones of its own.
type dnsServer struct {
	addr      netip.AddrPort
	resolving bool // a host's resolver; else a domain controller, which knows its own zones only
	servers   []*dns.Server

	healthy []*zone // as at the start

	mu        sync.Mutex
	zones     []*zone
	rcode     int           // what is said to every question, unless 0
	udpSilent bool          // datagrams get no answer
	refused   uint16        // questions of this type are REFUSED
	delay     time.Duration // until an answer goes out
}

// startDNS binds a free port that UDP and TCP share.
func startDNS(ip netip.Addr, resolving bool, zones ...*zone) (*dnsServer, error) {
	tcp, udp, err := listenBoth(ip)
	if err != nil {
		return nil, fmt.Errorf("starting the DNS server on %s: %w", ip, err)
	}
	s := &dnsServer{addr: tcp.Addr().(*net.TCPAddr).AddrPort(), resolving: resolving}
	for _, z := range zones {
		s.healthy = append(s.healthy, z.clone())
	}
	s.heal()
	s.servers = []*dns.Server{{Listener: tcp, Handler: s}, {PacketConn: udp, Handler: s}}
	for _, srv := range s.servers {
		up := make(chan struct{})
		failed := make(chan error, 1)
		srv.NotifyStartedFunc = func() { close(up) }
		go func() { failed <- srv.ActivateAndServe() }()
		select {
		case <-up:
		case err := <-failed:
			return nil, errors.Join(fmt.Errorf("serving DNS on %s: %w", s.addr, err), tcp.Close(), udp.Close())
		}
	}
	return s, nil
}

// listenBoth finds a port that is free for TCP and UDP.
func listenBoth(ip netip.Addr) (net.Listener, net.PacketConn, error) {
	const tries = 20 // the port that TCP gets is taken for UDP now and then
	var err error
	for range tries {
		var tcp net.Listener
		if tcp, err = net.Listen("tcp", netip.AddrPortFrom(ip, 0).String()); err != nil {
			return nil, nil, err
		}
		var udp net.PacketConn
		if udp, err = net.ListenPacket("udp", tcp.Addr().String()); err == nil {
			return tcp, udp, nil
		}
		tcp.Close()
	}
	return nil, nil, err
}

// close ends both listeners and waits a moment for answers under way.
func (s *dnsServer) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var errs []error
	for _, srv := range s.servers {
		errs = append(errs, srv.ShutdownContext(ctx))
	}
	return errors.Join(errs...)
}

// heal makes the server as it was at the start.
func (s *dnsServer) heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zones = nil
	for _, z := range s.healthy {
		s.zones = append(s.zones, z.clone())
	}
	s.rcode, s.refused, s.udpSilent, s.delay = 0, 0, false, 0
}

// edit changes this server's copy of a zone.
func (s *dnsServer) edit(origin string, change func(*zone)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, z := range s.zones {
		if z.origin == dns.CanonicalName(origin) {
			change(z)
		}
	}
}

// forget makes the server not know a zone.
func (s *dnsServer) forget(origin string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zones = slices.DeleteFunc(s.zones, func(z *zone) bool { return z.origin == dns.CanonicalName(origin) })
}

// always makes the server say rcode to every question.
func (s *dnsServer) always(rcode int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rcode = rcode
}

// refuseType makes the server refuse questions of one type, as a filter does.
func (s *dnsServer) refuseType(qtype uint16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = qtype
}

// slow makes the server answer so much later.
func (s *dnsServer) slow(by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay = by
}

// muteUDP makes the server take datagrams and say nothing.
func (s *dnsServer) muteUDP() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.udpSilent = true
}

// ServeDNS answers one question.
func (s *dnsServer) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	_, datagram := w.RemoteAddr().(*net.UDPAddr)
	s.mu.Lock()
	reply := s.reply(q)
	silent, delay := s.udpSilent && datagram, s.delay
	s.mu.Unlock()
	if silent {
		return
	}
	time.Sleep(delay)
	size := dns.MaxMsgSize
	if datagram {
		size = dns.MinMsgSize
	}
	if opt := q.IsEdns0(); opt != nil {
		if datagram {
			size = int(max(opt.UDPSize(), dns.MinMsgSize))
		}
		reply.SetEdns0(dns.DefaultMsgSize, opt.Do())
	}
	reply.Truncate(size)
	_ = w.WriteMsg(reply) // whoever asked is gone: nobody to tell
}

func (s *dnsServer) reply(q *dns.Msg) *dns.Msg {
	r := new(dns.Msg).SetReply(q)
	r.RecursionAvailable = s.resolving
	if s.rcode != 0 {
		r.Rcode = s.rcode
		return r
	}
	question := q.Question[0]
	if s.refused != 0 && question.Qtype == s.refused {
		r.Rcode = dns.RcodeRefused
		return r
	}
	name := strings.ToLower(question.Name)
	for _, z := range s.zones {
		if z.holds(name) {
			r.Authoritative = !s.resolving
			r.Rcode, r.Answer, r.Ns = z.lookup(name, question.Qtype)
			return r
		}
	}
	// A Samba domain controller says nothing, politely, about what is not
	// its own; the VPC's resolver asked the public DNS, which has no such name.
	if s.resolving {
		r.Rcode = dns.RcodeNameError
	}
	return r
}
