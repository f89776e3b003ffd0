package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	toolkit "github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"
)

// ListenOptions say where to serve.
type ListenOptions struct {
	Addresses     []string // host:port
	SystemdSocket bool     // the sockets that systemd hands over, in place of Addresses
	ConfigFile    string   // exporter-toolkit's: TLS and basic auth; empty: neither
	Logger        *slog.Logger

	limits *limits // other limits for tests; nil: the default limits
}

// Note reports what somebody should know about these options; empty: nothing.
func (o ListenOptions) Note() string {
	if o.ConfigFile != "" || o.SystemdSocket {
		return ""
	}
	for _, a := range o.Addresses {
		if !loopback(a) {
			return open(a)
		}
	}
	return ""
}

func open(a string) string {
	return "everyone who reaches " + a + " can read the status page: there is no --web.config.file with TLS or basic auth"
}

// noteOf is Note of the sockets that systemd hands over, which nobody knows before. A
// Unix socket is as open as its file's mode says.
func (o ListenOptions) noteOf(listeners []net.Listener) string {
	for _, l := range listeners {
		if a := l.Addr(); o.ConfigFile == "" && a.Network() != "unix" && !loopback(a.String()) {
			return open(a.String())
		}
	}
	return ""
}

func loopback(address string) bool {
	if strings.HasPrefix(address, "vsock://") {
		return false
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// limits are those of connections and requests. A client that writes more slowly is
// cut off; a reader gets more time as long as it reads (see steady).
type limits struct {
	header, read, write, idle time.Duration
	answer                    time.Duration // for a whole answer, whose reader takes a piece of it within each write
	connections               int           // open at once on each address; more wait in the kernel's queue, where they cost no descriptor
	requests                  int           // answered at once; more get 503
	again                     time.Duration // after which an address that is taken is tried again
}

// usual: a scrape is over after 10 seconds by default, and the page is small. A
// fleet's Prometheus, a browser and a person with curl are a dozen connections.
func usual() *limits {
	return &limits{header: 5 * time.Second, read: 10 * time.Second, write: 15 * time.Second, idle: 30 * time.Second, answer: 2 * time.Minute,
		connections: 64, requests: 16, again: 10 * time.Second}
}

const (
	maxHeader = 16 << 10
	// stopTime is what requests get to end, so that the daemon is gone within 2 seconds.
	stopTime = 1500 * time.Millisecond
)

// Serve serves until ctx ends, then lets running requests end for a moment. An
// address that is taken, or that this host does not have so far, is tried again
// until it can be had. The error is of the options or of the web configuration
// file.
func Serve(ctx context.Context, h http.Handler, o ListenOptions) error {
	if err := toolkit.Validate(o.ConfigFile); err != nil {
		return fmt.Errorf("reading web configuration: %w", err)
	}
	if len(o.Addresses) == 0 && !o.SystemdSocket {
		return errors.New("serving HTTP: no address to listen on: give --web.listen-address")
	}
	if o.limits == nil {
		o.limits = usual()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h = atMost(o.limits.requests, steady(o.limits, h))
	var group errgroup.Group
	serve := func(listen func(context.Context) (net.Listener, error)) {
		group.Go(func() error {
			defer cancel() // one that fails ends the others
			l, err := listen(ctx)
			if err == nil && l != nil {
				err = o.serve(ctx, l, h)
			}
			if err != nil {
				return fmt.Errorf("serving HTTP: %w", err)
			}
			return nil
		})
	}
	if o.SystemdSocket {
		listeners, err := handedOver()
		if err != nil {
			return fmt.Errorf("serving HTTP: %w", err)
		}
		if note := o.noteOf(listeners); note != "" {
			o.Logger.Warn(note)
		}
		for _, l := range listeners {
			serve(func(context.Context) (net.Listener, error) { return l, nil })
		}
		return group.Wait()
	}
	for _, a := range o.Addresses {
		serve(func(ctx context.Context) (net.Listener, error) { return o.listen(ctx, a) })
	}
	return group.Wait()
}

// serve serves one listener until ctx ends.
func (o ListenOptions) serve(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: o.limits.header, ReadTimeout: o.limits.read, WriteTimeout: o.limits.write, IdleTimeout: o.limits.idle, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug), // broken TLS handshakes and the like: others' trouble
	}
	ended := make(chan error, 1)
	go func() {
		flags := toolkit.FlagConfig{WebListenAddresses: &[]string{}, WebSystemdSocket: new(bool), WebConfigFile: &o.ConfigFile}
		ended <- toolkit.Serve(netutil.LimitListener(l, o.limits.connections), server, &flags, o.Logger)
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	if server.Shutdown(stop) != nil {
		server.Close() // who has not read its answer by now does not get it
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// atMost answers n requests at once, and refuses more.
func atMost(n int, h http.Handler) http.Handler {
	places := make(chan struct{}, n)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
			h.ServeHTTP(w, r)
		default:
			w.Header().Set("Retry-After", "1")
			http.Error(w, "too many requests at once", http.StatusServiceUnavailable)
		}
	})
}
