//go:build linux

package audit

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// As looks at the one program that o selects. Its credentials are read only
// where they are asked for, and then only what its own user may read.
func As(ctx context.Context, o Options, credentials bool) (View, error) {
	var v View
	s := newSurvey(ctx, o)
	s.keep = credentials
	processes, _, err := s.selected(ctx)
	defer func() {
		for _, p := range processes {
			p.close()
		}
	}()
	if err != nil {
		return v, err
	}
	if len(processes) == 0 {
		return v, ErrNoProcess
	}
	seen := make(chan View, 1)
	s.saw = func(c *inspection) {
		seen <- View{Reading: c.reading, User: c.user, CCache: c.cache, Keytab: c.keytab}
	}
	// Of several processes the first: those that log in are selected where any does.
	app, err := s.within(ctx, processes[0])
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			processes = processes[1:] // somebody still looks at it: it is not closed under them
		}
		return v, err
	}
	v = <-seen
	v.Application = app
	if v.Reading == nil {
		return v, fmt.Errorf("%s: %w: %s", app.Name, ErrNoReading, strings.Join(append(codesOf(app), app.Unread...), "; "))
	}
	if credentials && len(v.CCache)+len(v.Keytab) == 0 {
		return v, fmt.Errorf("%s: %w: %s", app.Name, ErrNoCredentials, strings.Join(append(codesOf(app), app.Unread...), "; "))
	}
	return v, nil
}

func codesOf(a Application) []string {
	var out []string
	for _, i := range a.Issues {
		out = append(out, i.Code)
	}
	return out
}
