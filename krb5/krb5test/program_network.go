package krb5test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// request is a message of gokrb5's.
type request interface{ Marshal() ([]byte, error) }

// maxUDPRequest is libkrb5's udp_preference_limit: what is longer goes over TCP first.
const maxUDPRequest = 1465

// way is one address over one transport.
type way struct {
	network string
	addr    netip.AddrPort
}

// ask sends a request to a realm's KDCs and returns the first usable answer.
func (p *Program) ask(ctx context.Context, realm string, r request) ([]byte, error) {
	kdcs, err := p.KDCs(ctx, realm)
	if err != nil || len(kdcs) == 0 {
		return nil, fmt.Errorf("cannot find a KDC for %s: %w", realm, err)
	}
	b, err := r.Marshal()
	if err != nil {
		return nil, err
	}
	order := []string{"udp", "tcp"}
	if len(b) > maxUDPRequest {
		order = []string{"tcp", "udp"}
	}
	answer, err := p.sendTo(ctx, kdcs, order, b)
	if e := krbErrorOf(answer); e != nil && e.ErrorCode == errResponseTooBig {
		answer, err = p.sendTo(ctx, kdcs, []string{"tcp"}, b)
	}
	return answer, err
}

// sendTo tries every address over the first transport, then over the next: the
// next one as soon as one fails, or has been silent for a while.
func (p *Program) sendTo(ctx context.Context, kdcs []netip.AddrPort, order []string, b []byte) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var ways []way
	for _, network := range order {
		for _, a := range kdcs {
			ways = append(ways, way{network, a})
		}
	}
	type reply struct {
		b   []byte
		err error
	}
	replies := make(chan reply, len(ways))
	var last error
	for next, open := 0, 0; ; {
		wait := p.Patience
		if next < len(ways) {
			w := ways[next]
			go func() {
				answer, err := p.exchange(ctx, w, b)
				replies <- reply{answer, err}
			}()
			next, open = next+1, open+1
			if next < len(ways) {
				wait = p.Wait
			}
		}
		select {
		case r := <-replies:
			open--
			if e := krbErrorOf(r.b); e != nil && e.ErrorCode == errUnavailable {
				r.err = &KRBError{e.ErrorCode}
			}
			if r.err == nil {
				return r.b, nil
			}
			if last = r.err; open == 0 && next == len(ways) {
				return nil, errors.Join(errors.New("cannot contact any KDC"), last)
			}
		case <-time.After(wait):
			if next == len(ways) {
				return nil, errors.Join(errors.New("cannot contact any KDC"), last)
			}
		}
	}
}

// exchange asks once. Over UDP whatever comes is the answer; over TCP a length
// beyond a mebibyte is none (sendto_kdc.c, service_tcp_read).
func (p *Program) exchange(ctx context.Context, w way, b []byte) ([]byte, error) {
	conn, err := p.Dial(ctx, w.network, w.addr.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now()) })()
	if w.network == "udp" {
		if _, err := conn.Write(b); err != nil {
			return nil, err
		}
		answer := make([]byte, 1<<16)
		n, err := conn.Read(answer)
		return answer[:n], err
	}
	if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > 1<<20 {
		return nil, fmt.Errorf("an answer of %d bytes", n)
	}
	answer := make([]byte, n)
	_, err = io.ReadFull(conn, answer)
	return answer, err
}
