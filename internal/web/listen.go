package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/mdlayher/vsock"
)

// listen opens one address. While another program has it, or this host does
// not have it so far, listen waits and tries again: the probes need no port, and
// whoever holds ours must not be able to stop them. It returns neither listener
// nor error where ctx ends meanwhile.
func (o ListenOptions) listen(ctx context.Context, address string) (net.Listener, error) {
	open := func() (net.Listener, error) { return net.Listen("tcp", address) }
	if port, ok := strings.CutPrefix(address, "vsock://"); ok {
		n, err := strconv.ParseUint(strings.TrimPrefix(port, ":"), 10, 32)
		if err != nil {
			return nil, fmt.Errorf("the address %q: %w", address, err)
		}
		open = func() (net.Listener, error) { return vsock.Listen(uint32(n), nil) }
	}
	for said := false; ; said = true {
		l, err := open()
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, syscall.EADDRNOTAVAIL) {
			return l, err
		}
		if !said {
			o.Logger.Error("cannot serve the status page and metrics: the address is tried again until it is free; the probes run meanwhile",
				"address", address, "error", err, "every", o.limits.again)
		}
		wait := time.NewTimer(o.limits.again)
		select {
		case <-ctx.Done():
			wait.Stop()
			return nil, nil
		case <-wait.C:
		}
	}
}

// handedOver are the sockets of systemd's socket unit (sd_listen_fds(3)).
func handedOver() ([]net.Listener, error) {
	listeners, err := activation.Listeners()
	switch {
	case err != nil:
	case slices.Contains(listeners, nil): // a datagram socket, say
		err = errors.New("systemd handed a socket over that takes no connections: kerbagent.socket may have ListenStream= alone")
	case len(listeners) == 0:
		err = errors.New("systemd handed no socket over: enable kerbagent.socket, or take --web.systemd-socket out")
	}
	return listeners, err
}
