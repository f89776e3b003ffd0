package krb5test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
)

// idleTimeout ends a TCP connection on which nothing comes.
const idleTimeout = time.Minute

// notKerberos is what answers where something else listens on the port.
const notKerberos = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n400 Bad Request"

func (s *server) serveUDP() {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := s.udp.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || s.faults.Script().SilentUDP || !s.take() {
			continue
		}
		request := slices.Clone(buf[:n])
		s.wg.Go(func() {
			defer s.give()
			if b, _ := s.reply(request, true); b != nil {
				_, _ = s.udp.WriteToUDPAddrPort(b, from) // whoever asked may be gone
			}
		})
	}
}

func (s *server) serveTCP() {
	for {
		c, err := s.tcp.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		if !s.take() {
			c.Close()
			continue
		}
		s.wg.Go(func() {
			defer s.give()
			defer c.Close()
			stop := context.AfterFunc(s.ctx, func() { c.Close() })
			defer stop()
			for s.turn(c) {
			}
		})
	}
}

// take gets leave to serve one more; there is none when too many are at it, or
// at the end.
func (s *server) take() bool {
	if s.ctx.Err() != nil {
		return false
	}
	select {
	case s.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s *server) give() { <-s.slots }

// turn answers one of several requests on a connection (RFC 4120 §7.2.2: each
// message has its length in four bytes before it). It says whether to go on.
func (s *server) turn(c net.Conn) bool {
	if s.faults.Script().SilentTCP {
		_, _ = io.Copy(io.Discard, c) // until the client gives up
		return false
	}
	_ = c.SetDeadline(time.Now().Add(idleTimeout))
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return false
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxRequest {
		return false
	}
	request := make([]byte, n)
	if _, err := io.ReadFull(c, request); err != nil {
		return false
	}
	script := s.faults.Script()
	b, lost := s.reply(request, false)
	switch {
	case script.CloseTCP:
		return false
	case lost: // on the way: the connection stays, and stays quiet
		return true
	case b == nil:
		return false
	case script.Garbage:
		_, _ = c.Write(b)
		return false
	}
	out := append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
	cut := script.TruncateReply > 0 && script.TruncateReply < len(b)
	if cut {
		out = out[:4+script.TruncateReply]
	}
	_, err := c.Write(out)
	return err == nil && !cut
}

// reply works one message through the script and the desk. lost means that
// something on the way swallowed it; nil without lost, that there is nothing to say.
func (s *server) reply(request []byte, udp bool) (b []byte, lost bool) {
	script := s.faults.Script()
	if script.vanishes(request) {
		return nil, true
	}
	if script.Garbage {
		return []byte(notKerberos), false
	}
	d := desk{
		realm: s.realm, now: s.realm.options.Now().Add(script.ClockOffset),
		script: script, local: s.Addr().Addr(),
	}
	b, n := s.handle(d, request)
	s.count(n, udp)
	if script.SwallowReply && n.kind == KindASPreauth || !s.wait(script.AnswerDelay[n.kind]) {
		return nil, true
	}
	if udp && len(b) > d.udpMax() && b[0] != 0x60|asnAppTag.KRBError {
		b = d.tooBig(request) // a long error goes out as it is: so do Samba, MIT and Heimdal
	}
	if script.vanishes(b) {
		return nil, true
	}
	if udp && script.TruncateReply > 0 && script.TruncateReply < len(b) {
		b = b[:script.TruncateReply]
	}
	return b, false
}

func (s Script) vanishes(message []byte) bool {
	return s.DropLarge > 0 && len(message) > s.DropLarge
}

// wait lets a time pass, unless the server ends first.
func (s *server) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

func (s *server) count(n note, udp bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch n.kind {
	case KindAS:
		s.requests.AS++
	case KindASPreauth:
		s.requests.Preauth[n.user]++
	case KindTGS:
		s.requests.TGS++
		s.requests.Services = append(s.requests.Services, n.service)
	case KindKpasswd:
		s.requests.Kpasswd++
	default:
		s.requests.Other++
	}
	if udp {
		s.requests.UDP++
	} else {
		s.requests.TCP++
	}
}
