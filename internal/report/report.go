// Package report prints a report: for a person, as JSON, and for nagios. It
// reads probe results and findings and decides nothing about them; it imports
// neither configuration nor a protocol, and asks no server.
//
// What a peer said is hostile text and is escaped for each output, in
// escape.go and nowhere else.
package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/ladder"
	"github.com/kerbagent/kerbagent/probe"
)

// Input is everything that is printed.
type Input struct {
	Report    diagnose.Report
	Results   []probe.Result
	Started   time.Time
	Elapsed   time.Duration
	Only      []probe.Kind    // the rungs that were asked; empty for all
	Past      map[string]Past // of failing probes, by ID, with hidden names where they are hidden; never decides the verdict
	HideUsers bool            // "user-1" in place of each user name, everywhere
	Users     []string        // the users to hide: the configured users (user@REALM), in the order of their logins

	aws []probe.Result // of Results, what AWS reports; see apart
}

// ExitCode is the exit code of `kerbagent check` and of a nagios plugin, whose
// words for it are OK, WARNING, CRITICAL and UNKNOWN.
func ExitCode(v diagnose.Verdict) int {
	switch v {
	case diagnose.VerdictOK:
		return 0
	case diagnose.VerdictDegraded:
		return 1
	case diagnose.VerdictUnknown:
		return 3
	default:
		return 2
	}
}

// Line writes the headline alone.
func Line(w io.Writer, in Input) error { return flush(w, []byte(Headline(in)+"\n")) }

// Headline is the verdict in one line, escaped for a terminal: what is broken,
// or what was found to work and what was not tried.
func Headline(in Input) string { return headline(hidden(in)) }

func headline(in Input) string {
	switch in.Report.Verdict {
	case diagnose.VerdictOK:
		return "ok: " + covered(in)
	case diagnose.VerdictDegraded:
		return "DEGRADED: " + firstFinding(in.Report) + "; " + covered(in)
	case diagnose.VerdictUnknown:
		return "UNKNOWN: " + unknown(slices.Concat(in.Results, in.aws)) + part("; ", in.Only)
	default:
		return "FAILED: " + firstFinding(in.Report) + failing(in.Results) + part("; ", in.Only)
	}
}

// part says which part of the ladder was asked, where it was not all of it.
func part(before string, asked []probe.Kind) string {
	if len(asked) == 0 {
		return ""
	}
	return before + "only " + join(asked) + " checked"
}

// omitted returns the rungs that were not asked because others were asked for.
func omitted(asked []probe.Kind) []probe.Kind {
	if len(asked) == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(probe.Rungs()), func(k probe.Kind) bool { return slices.Contains(asked, k) })
}

// unknown reports what was not finished, or which login or database was not tried.
func unknown(results []probe.Result) string {
	var left []probe.ID
	var why error
	ordered := sorted(results)
	slices.Reverse(ordered) // logins first: they are what was asked for
	for _, r := range ordered {
		if r.Outcome == probe.Skipped && r.Reason == probe.ReasonCanceled {
			left = append(left, r.ID)
			why = r.Err
		}
	}
	if len(left) > 0 {
		return Terminal(clip(fmt.Sprintf("%d of %d probes are %s: %s", len(left), len(results), errorText(why), places(left, 4)), maxError))
	}
	if i := slices.IndexFunc(results, func(r probe.Result) bool { return r.ID.Kind == probe.AWS && r.Outcome == probe.Skipped }); i >= 0 {
		return Terminal(clip("AWS was not read: "+errorText(results[i].Err), maxError))
	}
	return Terminal(clip("not tried: "+places(diagnose.Untried(ordered), 4), maxError))
}

func firstFinding(r diagnose.Report) string {
	if len(r.Findings) == 0 {
		return "no finding explains it"
	}
	f := r.Findings[0]
	text := string(f.Code) + " — " + Terminal(clip(f.Title, maxTitle))
	further := 0
	for _, f := range r.Findings[1:] {
		if f.Severity != diagnose.Info {
			further++
		}
	}
	switch further {
	case 0:
	case 1:
		text += "; 1 more finding"
	default:
		text += fmt.Sprintf("; %d more findings", further)
	}
	return text
}

// failing reports which logins fail: the first of them, and how many more.
func failing(results []probe.Result) string {
	var bad []string
	for _, r := range results {
		if r.ID.Kind == probe.Login && r.Outcome == probe.Failed {
			user, database := loginNames(r)
			bad = append(bad, user+" at "+database)
		}
	}
	switch len(bad) {
	case 0:
		return ""
	case 1:
		return "; failing login: " + Terminal(clip(bad[0], maxTitle))
	}
	return fmt.Sprintf("; failing logins: %s and %d more", Terminal(clip(bad[0], maxTitle)), len(bad)-1)
}

// covered reports what an ok covers: a path alone is not a login, and a login
// that was held back is not one that works.
func covered(in Input) string {
	if len(in.Only) == 0 {
		return loggedIn(in.Results)
	}
	text := part("", in.Only) + ": "
	if slices.Contains(in.Only, probe.Login) {
		return text + loggedIn(in.Results)
	}
	good := 0
	for _, r := range in.Results {
		if r.Outcome == probe.OK {
			good++
		}
	}
	return text + fmt.Sprintf("%d of %d probes are ok", good, len(in.Results))
}

func loggedIn(results []probe.Result) string {
	var good, untried []string
	var bad int
	for _, r := range results {
		switch {
		case r.ID.Kind != probe.Login:
		case r.Outcome == probe.OK:
			good = append(good, loginText(r))
		case r.Outcome == probe.Skipped:
			user, database := loginNames(r)
			untried = append(untried, user+" at "+database)
		default:
			bad++
		}
	}
	var text string
	switch {
	case len(good)+bad+len(untried) == 0:
		return "path only, no login was tried"
	case len(good)+bad == 0 && len(untried) == 1:
		return "login not tried: " + Terminal(clip(untried[0], maxTitle))
	case len(good)+bad == 0:
		return fmt.Sprintf("%d logins not tried", len(untried))
	case bad > 0:
		text = fmt.Sprintf("%d of %d logins work", len(good), len(good)+bad)
	case len(good) == 1:
		text = Terminal(clip(good[0], maxTitle))
	default:
		text = fmt.Sprintf("%d logins work", len(good))
	}
	if len(untried) > 0 {
		text += fmt.Sprintf(", %d not tried", len(untried))
	}
	return text
}

func loginText(r probe.Result) string {
	user, database := loginNames(r)
	if database == "" {
		return user + " logs in"
	}
	return user + " logs in to " + database
}

// loginNames returns user@REALM and database of a login's result.
func loginNames(r probe.Result) (user, database string) {
	user, database = r.Facts[probe.FactUser], r.Facts[probe.FactDatabase]
	if user == "" {
		user = r.ID.Target
		if database != "" {
			user = strings.TrimSuffix(user, "@"+database)
		}
	}
	return user, ladder.Place(&r, database)
}

// sorted returns a copy of results: by rung, then target, address, transport.
func sorted(results []probe.Result) []probe.Result {
	out := slices.Clone(results)
	slices.SortStableFunc(out, func(a, b probe.Result) int {
		x, y := a.ID, b.ID
		return cmp.Or(
			cmp.Compare(slices.Index(probe.Rungs(), x.Kind), slices.Index(probe.Rungs(), y.Kind)),
			cmp.Compare(x.Target, y.Target),
			x.Address.Addr().Compare(y.Address.Addr()),
			cmp.Compare(x.Address.Port(), y.Address.Port()),
			cmp.Compare(y.Transport, x.Transport), // udp before tcp
			cmp.Compare(x.Variant, y.Variant),
		)
	})
	return out
}

// errorText is the error's chain, capped, as it is: each output escapes it.
func errorText(err error) string {
	if err == nil {
		return ""
	}
	return clip(err.Error(), maxError)
}

// Caps, in runes, on what a peer can make a report grow by.
const (
	maxTitle = 160
	maxFact  = 1024
	maxError = 2048
)

// clip cuts a text after n runes and says so. Invalid bytes stay as they are.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := range s {
		if n == 0 {
			return s[:i] + "…"
		}
		n--
	}
	return s
}
