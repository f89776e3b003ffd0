package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/audit"
)

// look returns what the application's next login goes by.
func (a *asApp) look(ctx context.Context, cfg *config.Config) (audit.View, error) {
	o := audit.Options{Config: cfg, Addresses: addressesOf, Systemd: audit.Systemctl, Now: time.Now}
	if pid, err := strconv.Atoi(a.name); err == nil {
		o.PIDs = []int{pid}
	} else {
		o.Units = []string{a.name}
	}
	v, err := audit.As(ctx, o, a.credentials)
	if err != nil {
		return v, fmt.Errorf("--as-app %s: %w", a.name, err)
	}
	return v, nil
}
