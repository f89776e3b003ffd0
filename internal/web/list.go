package web

import "slices"

// list is rows, worst first: what is broken is to be seen, the rest is folded
// away where it is long, and there is a bound to both.
type list[R any] struct {
	Open, Folded  []R
	FoldedBad     int // how many of the folded ones are not well
	More, MoreBad int // rows beyond those, and how many of them are not well
}

// Bounds of a list. All is in the report.
const (
	maxAll    = 12 // so many can be seen at once, and none is folded away
	maxOpen   = 20
	maxFolded = 60
)

// fold makes a list of rows in these states; only those that are shown are made.
func fold[R any](states []state, row func(i int) R) list[R] {
	order := make([]int, len(states))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return worst(states[a], states[b]) })
	var l list[R]
	for at, i := range order {
		bad := states[i] == failed || states[i] == partly
		switch {
		case len(states) <= maxAll || bad && at < maxOpen:
			l.Open = append(l.Open, row(i))
		case len(l.Folded) < maxFolded:
			l.Folded = append(l.Folded, row(i))
			if bad {
				l.FoldedBad++
			}
		default:
			l.More++
			if bad {
				l.MoreBad++
			}
		}
	}
	return l
}
