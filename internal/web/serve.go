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
)

// ListenOptions say where to serve.
type ListenOptions struct {
	Addresses     []string // host:port
	SystemdSocket bool     // the sockets that systemd hands over, in place of Addresses
	ConfigFile    string   // exporter-toolkit's: TLS and basic auth; empty: neither
	Logger        *slog.Logger

	limits *limits // for tests; nil: the usual ones
}

// Note says what somebody should know about these options; empty: nothing.
func (o ListenOptions) Note() string {
	if o.ConfigFile != "" || o.SystemdSocket {
		return ""
	}
	for _, a := range o.Addresses {
		if !loopback(a) {
			return "everyone who reaches " + a + " can read the status page: there is no --web.config.file with TLS or basic auth"
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

// limits are those of a connection. Who reads or writes more slowly is cut off,
// however steadily.
type limits struct{ header, read, write, idle time.Duration }

// usual: a scrape is over after 10 seconds by default, and the page is small.
func usual() *limits {
	return &limits{header: 5 * time.Second, read: 10 * time.Second, write: 15 * time.Second, idle: 90 * time.Second}
}

const (
	maxHeader = 16 << 10
	// stopTime is what requests get to end, so that the daemon is gone within 2 seconds.
	stopTime = 1500 * time.Millisecond
)

// Serve serves until ctx ends, then lets running requests end for a moment.
// The error is of the listeners or of the web configuration file.
func Serve(ctx context.Context, h http.Handler, o ListenOptions) error {
	if err := toolkit.Validate(o.ConfigFile); err != nil {
		return fmt.Errorf("reading web configuration: %w", err)
	}
	most := o.limits
	if most == nil {
		most = usual()
	}
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: most.header, ReadTimeout: most.read, WriteTimeout: most.write, IdleTimeout: most.idle, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug), // broken TLS handshakes and the like: others' trouble
	}
	ended := make(chan error, 1)
	go func() {
		flags := toolkit.FlagConfig{WebListenAddresses: &o.Addresses, WebSystemdSocket: &o.SystemdSocket, WebConfigFile: &o.ConfigFile}
		ended <- toolkit.ListenAndServe(server, &flags, o.Logger)
	}()
	select {
	case err := <-ended:
		return fmt.Errorf("serving HTTP: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	if server.Shutdown(stop) != nil {
		server.Close() // who has not read its answer by now does not get it
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving HTTP: %w", err)
	}
	return nil
}
