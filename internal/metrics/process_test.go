package metrics

import (
	"math"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"
)

// The process's own figures are those of Prometheus' client: the same names, types,
// helps and values, but for the traffic of the whole host.
func TestProcessIsAsTheClientHasIt(t *testing.T) {
	gather := func(c prometheus.Collector) map[string]*dto.MetricFamily {
		r := prometheus.NewPedanticRegistry()
		r.MustRegister(c)
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]*dto.MetricFamily{}
		for _, f := range families {
			if !strings.HasPrefix(f.GetName(), "process_network_") {
				out[f.GetName()] = f
			}
		}
		return out
	}
	ours := gather(newProcess())
	theirs := gather(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if len(ours) != len(theirs) || len(ours) < 7 {
		t.Errorf("%d families, the client has %d", len(ours), len(theirs))
	}
	value := func(f *dto.MetricFamily) float64 {
		return f.GetMetric()[0].GetGauge().GetValue() + f.GetMetric()[0].GetCounter().GetValue()
	}
	for name, want := range theirs {
		got := ours[name]
		if got.GetHelp() != want.GetHelp() || got.GetType() != want.GetType() {
			t.Errorf("%s: %v, the client has %v", name, got, want)
			continue
		}
		tolerance := value(want) / 4 // memory and time go on between the two
		if name == "process_cpu_seconds_total" {
			tolerance += 1
		}
		if math.Abs(value(got)-value(want)) > tolerance {
			t.Errorf("%s is %v, the client says %v", name, value(got), value(want))
		}
	}
	before := value(ours["process_open_fds"])
	f, err := os.Open("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if after := value(gather(newProcess())["process_open_fds"]); after != before+1 {
		t.Errorf("%v descriptors, and with one more %v", before, after)
	}
}
