package web

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/internal/ladder"
	"github.com/kerbagent/kerbagent/internal/report"
	"github.com/kerbagent/kerbagent/probe"
)

// Caps, in runes, on what a peer can make the page grow by.
const (
	maxName = 120
	maxText = 1500
)

// clean makes a text that may be a peer's fit to be shown in one line: the
// template escapes it for HTML, this makes what hides or turns text visible.
func clean(s string, most int) string {
	if len(s) > most {
		for i := range s {
			if most == 0 {
				s = s[:i] + "…"
				break
			}
			most--
		}
	}
	return report.Terminal(s)
}

// span prints a duration with two digits that matter.
func span(d time.Duration) string {
	switch {
	case d <= 0:
		return "0 ms"
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond))
	default:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
}

// seconds is a duration of a history.
func seconds(s float32) time.Duration { return time.Duration(float64(s) * float64(time.Second)) }

// ago is a span as people say it.
func ago(d time.Duration) string {
	switch {
	case d < time.Second:
		return "1 s"
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h", d.Hours())
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}

// moment is a time on the page.
type moment struct{ ISO, Text, Ago string }

// at returns a moment seen from now; nil for no time.
func at(t, now time.Time) *moment {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	text := t.Format("15:04:05 UTC")
	if t.Format(time.DateOnly) != now.UTC().Format(time.DateOnly) {
		text = t.Format("2006-01-02 15:04:05 UTC")
	}
	return &moment{t.Format(time.RFC3339), text, ago(now.Sub(t))}
}

func count(n int) string { return strconv.Itoa(n) }

// plural counts: "1 run", "2 runs", "2 addresses".
func plural(n int, word string) string {
	switch {
	case n == 1:
		return "1 " + word
	case strings.HasSuffix(word, "s"):
		return fmt.Sprintf("%d %ses", n, word)
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// userOf and databaseOf name a login: "user@REALM" at "database".
func userOf(r probe.Result) string {
	if u := r.Facts[probe.FactUser]; u != "" {
		return u
	}
	if parts := strings.SplitN(r.ID.Target, "@", 3); len(parts) > 2 {
		return parts[0] + "@" + parts[1]
	}
	return r.ID.Target
}

func databaseOf(r probe.Result) string {
	if d := r.Facts[probe.FactDatabase]; d != "" {
		return ladder.Place(&r, d)
	}
	return strings.TrimPrefix(strings.TrimPrefix(r.ID.Target, userOf(r)), "@")
}

// anchor makes an id that stays the same from one page to the next.
func anchor(words ...string) string {
	for i, w := range words {
		words[i] = url.PathEscape(w)
	}
	return strings.Join(words, "-")
}
