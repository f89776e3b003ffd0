package metrics

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// What Prometheus gets is to the letter what the client library's histogram
// would give it, at the ends of buckets and in the middle, with gaps of any
// width, and of nothing.
func TestHistogramIsTheClientLibrarys(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	values := map[string][]float64{
		"nothing": nil, "zero": {0, 0}, "one": {0.03}, "ends": {0.002, 0.01, 0.05, 0.2, 1, 5, 0.25, 0.5, 2, 4, 1024}, "extremes": {1e-9, 1e-40, time.Duration(math.MaxInt64).Seconds()},
		"a gap of one": {1, 1.15, 1.4},
	}
	for range 2000 {
		values["usual"] = append(values["usual"], 0.02*math.Exp(random.NormFloat64()))
		values["wide"] = append(values["wide"], math.Exp(4*random.NormFloat64()))
	}
	for name, of := range values {
		t.Run(name, func(t *testing.T) {
			ends := bounds()
			theirs := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "x", Buckets: ends[:], NativeHistogramBucketFactor: 1.1})
			var ours histogram
			for _, v := range of {
				theirs.Observe(v)
				ours.observe(v)
			}
			var want dto.Metric
			if err := theirs.Write(&want); err != nil {
				t.Fatal(err)
			}
			want.Histogram.CreatedTimestamp = nil
			if diff := cmp.Diff(asJSON(t, want.Histogram), asJSON(t, ours.metric())); diff != "" {
				t.Errorf("(- theirs, + ours):\n%s", diff)
			}
		})
	}
}

func asJSON(t *testing.T, h *dto.Histogram) string {
	b, err := json.MarshalIndent(h, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
