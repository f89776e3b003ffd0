package web

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/kerbagent/kerbagent/internal/results"
	"github.com/kerbagent/kerbagent/probe"
)

// A chart is runs from left to right, the latest at the right edge: a bar as
// high as the run took long, a full bar with a gap in it for a failure, a dot
// for a run that did not ask.
const (
	chartRuns   = 60
	chartStep   = 2 // of the view box, a bar and the space beside it
	chartWidth  = chartRuns * chartStep
	chartHeight = 20
)

// chart is drawn by the strokes of three SVG paths, each with a pattern of its own, so that colour is not all that tells them apart.
type chart struct {
	Good, Bad, Idle string // path data
	Text            string // what the picture says, for who does not see it
}

// newChart joins the histories of what was asked side by side: of each run the
// longest time and the worst outcome. nil where there is nothing to show.
func newChart(entries []*results.Entry) *chart {
	runs := join(entries)
	if len(runs) == 0 {
		return nil
	}
	longest := float32(0.001) // below a millisecond all are alike: noise is not a mountain range
	for _, p := range runs {
		if p.Outcome == probe.OK {
			longest = max(longest, p.Seconds)
		}
	}
	var good, bad, idle strings.Builder
	failed, asked := 0, 0
	for i, p := range runs {
		x := strconv.Itoa(chartWidth - chartStep*(len(runs)-i))
		switch p.Outcome {
		case probe.OK:
			asked++
			h := max(1, int(p.Seconds/longest*(chartHeight-4)+0.5))
			good.WriteString("M" + x + " 20v-" + strconv.Itoa(h))
		case probe.Failed:
			asked++
			failed++
			bad.WriteString("M" + x + " 20V0")
		default:
			idle.WriteString("M" + x + " 20v-1")
		}
	}
	text := plural(asked, "run") + ", none failed"
	if failed > 0 {
		text = fmt.Sprintf("%d of the last %d runs failed", failed, asked)
	}
	if asked == 0 {
		text = "not asked"
	} else if failed < asked {
		text += fmt.Sprintf(", the slowest good one took %s", span(seconds(longest)))
	}
	return &chart{good.String(), bad.String(), idle.String(), text}
}

// join puts histories on top of each other, the latest runs together.
func join(entries []*results.Entry) []results.Point {
	most := 0
	for _, e := range entries {
		most = max(most, min(len(e.History), chartRuns))
	}
	runs := make([]results.Point, most) // no outcome yet: not asked
	for _, e := range entries {
		h := e.History[max(0, len(e.History)-chartRuns):]
		for i, p := range h {
			run := &runs[most-len(h)+i]
			if worse(p.Outcome) > worse(run.Outcome) {
				run.Outcome = p.Outcome
			}
			if p.Outcome == probe.OK {
				run.Seconds = max(run.Seconds, p.Seconds)
			}
		}
	}
	return runs
}

func worse(o probe.Outcome) int {
	switch o {
	case probe.Failed:
		return 2
	case probe.OK:
		return 1
	}
	return 0
}
