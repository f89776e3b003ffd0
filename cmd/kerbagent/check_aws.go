package main

import (
	"context"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/awsview"
	"github.com/kerbagent/kerbagent/probe"
)

// awsLimit is how long AWS may take in all; awsRest is what it gets when the probes have
// ended.
const (
	awsLimit = 20 * time.Second
	awsRest  = 10 * time.Second
)

// askAWS begins to read what AWS reports, beside the probes. The function that it
// returns waits for it, at the end and not for long.
func askAWS(ctx context.Context, cfg *config.Config, stateDir string) func() []probe.Result {
	ctx, cancel := context.WithTimeout(ctx, awsLimit)
	p := awsview.Probe{Reader: awsview.Reader{Config: cfg, Now: time.Now, Addresses: awsview.HostAddresses},
		Cache: awsview.CacheIn(stateDir, time.Now)}
	read := make(chan []awsview.View, 1)
	go func() { read <- p.Views(ctx) }()
	return func() []probe.Result {
		defer cancel()
		rest := time.AfterFunc(awsRest, cancel)
		defer rest.Stop()
		views := []awsview.View{{Region: cfg.AWS.Region, Read: time.Now(), Refused: "it was not read within the time that it is given"}}
		select {
		case views = <-read:
		case <-time.After(awsRest + time.Second): // a program that finds credentials may not end when it is told to
		}
		return awsview.Results(cfg, views, true)
	}
}
