//go:build linux

package audit

import (
	"bufio"
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
)

// An audit of a host with 2,000 more processes, none of which has a connection to
// a database: what kerbagent-audit.timer costs every five minutes. Wanted: under
// a second of CPU.
func BenchmarkAudit2000(b *testing.B) {
	crowd := exec.CommandContext(b.Context(), "/bin/sh", "-c", "i=0; while [ $i -lt 2000 ]; do sleep 3600 & i=$((i+1)); done; echo running; wait")
	crowd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := crowd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := crowd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = syscall.Kill(-crowd.Process.Pid, syscall.SIGKILL); _ = crowd.Wait() })
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "running\n" {
		b.Fatalf("the crowd says %q", line)
	}
	o := Options{Now: time.Now, Config: &config.Config{
		Realms:       []config.Realm{{Name: "CORP.EXAMPLE.COM", Kind: config.ActiveDirectory}},
		Databases:    []config.Database{{Name: "orders", Host: "db.example.net", Port: 3306, Realm: "CORP.EXAMPLE.COM"}},
		Applications: []config.Application{{Unit: "orders.service", Database: "orders"}},
	}, Addresses: func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
	}}
	before := used(b)
	for b.Loop() {
		if _, err := Run(b.Context(), o); err != nil && !errors.Is(err, ErrNoProcess) {
			b.Fatal(err)
		}
	}
	spent := used(b) - before
	entries, err := os.ReadDir("/proc")
	if err != nil {
		b.Fatal(err)
	}
	processes := 0
	for _, e := range entries {
		if e.Name()[0] >= '0' && e.Name()[0] <= '9' {
			processes++
		}
	}
	b.ReportMetric(spent.Seconds()*1000/float64(b.N), "cpu-ms/audit")
	b.ReportMetric(float64(processes), "processes")
}

// used is the CPU time of this process, user and system.
func used(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
