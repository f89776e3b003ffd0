package web

import (
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/internal/report"
	"github.com/kerbagent/kerbagent/probe"
)

// awsRegion is what AWS reports in one Region.
type awsRegion struct {
	Name, Age string
	Rows      []pair
	More      int // rows beyond those
}

// maxAWSRows is above what a cluster of 15 instances and its directory have.
const maxAWSRows = 60

func awsRegions(s State) (out []awsRegion) {
	var results []probe.Result
	for _, e := range s.Entries {
		if r := e.Result; r.ID.Kind == probe.AWS && (r.Facts[probe.FactRegion] != "" || r.Outcome == probe.Skipped) {
			results = append(results, r)
		}
	}
	of := func(r probe.Result) string { return r.Facts[probe.FactRegion] }
	slices.SortStableFunc(results, func(a, b probe.Result) int { return strings.Compare(awsOrder(a), awsOrder(b)) })
	for _, r := range results {
		if r.ID.Variant != "" {
			continue
		}
		one := awsRegion{Name: clean(r.ID.Target, maxName), Age: ago(s.Now.Sub(r.Started))}
		if r.Err != nil {
			one.Rows = append(one.Rows, pair{"not read", clean(r.Err.Error(), maxText)})
		}
		if text := r.Facts[probe.FactNotSeen]; text != "" {
			one.Rows = append(one.Rows, pair{"not seen", clean(text, maxText)})
		}
		for _, part := range results {
			if part.ID.Variant == "" || of(part) != of(r) {
				continue
			}
			if len(one.Rows) == maxAWSRows {
				one.More++
				continue
			}
			name, text := report.AWSLine(part)
			one.Rows = append(one.Rows, pair{clean(name, maxName), clean(text, maxText)})
		}
		out = append(out, one)
	}
	return out
}

// awsOrder puts clusters before their instances, and those before directories.
func awsOrder(r probe.Result) string {
	order := []string{"", probe.AWSCluster, probe.AWSInstance, probe.AWSWay, probe.AWSDirectory}
	return string(rune('0'+slices.Index(order, r.ID.Variant))) + r.ID.Target
}
