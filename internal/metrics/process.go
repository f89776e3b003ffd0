package metrics

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// process is what Prometheus' client says of a process, under the same names, without the
// traffic of the whole network namespace: reading that took most of the time, and a
// quarter of a scrape's.
type process struct {
	cpu, openFiles, mostFiles, virtual, mostVirtual, resident, start *prometheus.Desc

	started float64 // seconds since 1970; 0: not known
}

func newProcess() *process {
	desc := func(name, help string) *prometheus.Desc { return prometheus.NewDesc("process_"+name, help, nil, nil) }
	return &process{
		cpu:         desc("cpu_seconds_total", "Total user and system CPU time spent in seconds."),
		openFiles:   desc("open_fds", "Number of open file descriptors."),
		mostFiles:   desc("max_fds", "Maximum number of open file descriptors."),
		virtual:     desc("virtual_memory_bytes", "Virtual memory size in bytes."),
		mostVirtual: desc("virtual_memory_max_bytes", "Maximum amount of virtual memory available in bytes."),
		resident:    desc("resident_memory_bytes", "Resident memory size in bytes."),
		start:       desc("start_time_seconds", "Start time of the process since unix epoch in seconds."),
		started:     startTime(),
	}
}

// startTime asks the client's own collector, once.
func startTime() float64 {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	families, _ := r.Gather() // what cannot be read is not there
	for _, f := range families {
		if f.GetName() == "process_start_time_seconds" {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return 0
}

// Describe implements [prometheus.Collector].
func (p *process) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{p.cpu, p.openFiles, p.mostFiles, p.virtual, p.mostVirtual, p.resident, p.start} {
		to <- d
	}
}

// Collect implements [prometheus.Collector]. What cannot be read is left out.
func (p *process) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64) { to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil {
		used := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
		to <- prometheus.MustNewConstMetric(p.cpu, prometheus.CounterValue, used.Seconds())
	}
	if n, ok := openFiles(); ok {
		gauge(p.openFiles, float64(n))
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		gauge(p.mostFiles, float64(limit.Cur))
	}
	if syscall.Getrlimit(syscall.RLIMIT_AS, &limit) == nil {
		gauge(p.mostVirtual, float64(limit.Cur))
	}
	var virtual, resident int // pages: proc_pid_statm(5)
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		if n, _ := fmt.Sscan(string(text), &virtual, &resident); n == 2 {
			gauge(p.virtual, float64(virtual*os.Getpagesize()))
			gauge(p.resident, float64(resident*os.Getpagesize()))
		}
	}
	if p.started > 0 {
		gauge(p.start, p.started)
	}
}

// openFiles counts the descriptors, but for the one that it counts with.
func openFiles() (int, bool) {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0, false
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	return len(names) - 1, err == nil
}
