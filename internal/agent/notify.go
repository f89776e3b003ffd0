package agent

import (
	"context"
	"strings"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
)

// Manager is who started the daemon, and wants to hear how it does. The zero
// Manager is nobody.
type Manager struct {
	Notify   func(state string) // sd_notify(3)
	Watchdog time.Duration      // how often it wants to hear that the daemon lives; 0: never
}

// Systemd is the service manager, where this process is its service.
func Systemd() Manager {
	every, err := systemd.SdWatchdogEnabled(false)
	if err != nil { // not for this process
		every = 0
	}
	return Manager{Notify: func(state string) {
		// Where it cannot be told, it will say so itself, by a timeout.
		_, _ = systemd.SdNotify(false, state)
	}, Watchdog: every}
}

func (d *daemon) notify(state ...string) {
	if d.o.Manager.Notify != nil {
		d.o.Manager.Notify(strings.Join(state, "\n"))
	}
}

// status shows the verdict in `systemctl status`, and says when the first
// round is over.
func (d *daemon) status(headline string) {
	first := !d.announced
	if !first && headline == d.headline {
		return
	}
	d.announced, d.headline = true, headline
	state := []string{"STATUS=" + headline}
	if first {
		state = append(state, systemd.SdNotifyReady)
		d.o.Log.Info("the first round is over", "verdict", headline)
	}
	d.notify(state...)
}

// watch tells the watchdog that the daemon lives, as long as its jobs run.
func (d *daemon) watch(ctx context.Context) {
	if d.o.Manager.Watchdog <= 0 {
		return
	}
	tick := time.NewTicker(d.o.Manager.Watchdog / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := d.Healthy(); err != nil {
			d.o.Log.Error("the watchdog is not fed", "error", err)
			continue
		}
		d.notify(systemd.SdNotifyWatchdog)
	}
}
