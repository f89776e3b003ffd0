package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	warmUp   = 3 * time.Second
	measured = 20 * time.Second

	// In the client's namespace, where nothing else listens there.
	listenTheirs = "127.0.0.1:19115"
	listenOurs   = "127.0.0.1:19116"
)

// probes compares the CPU and memory of asking, against the blackbox exporter:
// it runs itself on the client host.
func (b bench) probes() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command("ip", "netns", "exec", clientHost(), self, "-inside", "beside-blackbox", "-blackbox", b.blackbox, "-kerbagent", b.kerbagent, "-unit", b.unit, "-state", b.state)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("comparing with the blackbox exporter: %w", err)
	}
	return nil
}

// cost is what a process has used.
type cost struct {
	cpu             time.Duration // user and system
	rss, peak, anon int           // KiB; anon is rss without the pages of files
	touched         int           // KiB of files' pages that were touched while it was measured
}

// server is one of the two, and what it has cost.
type server struct {
	listen string
	cmd    *exec.Cmd
	drive  func(context.Context) (probes int, err error)

	cost
	probes int
}

func (s *server) perThousand() float64 { return s.cpu.Seconds() * 1000 / float64(s.probes) }

// besideBlackbox measures both.
func besideBlackbox(b bench) error {
	blackbox, err := exec.LookPath(b.blackbox)
	if err != nil {
		return fmt.Errorf("looking for Debian's package prometheus-blackbox-exporter: %w", err)
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	mine, its := filepath.Join(dir, "kerbagent.yaml"), filepath.Join(dir, "blackbox.yml")
	ours := &server{listen: listenOurs, drive: scrapeOurs,
		cmd: exec.Command(b.kerbagent, "run", "--config", mine, "--state-dir", filepath.Join(dir, "state"), "--web.listen-address", listenOurs)}
	environment, err := unitEnvironment(b.unit)
	if err != nil {
		return err
	}
	ours.cmd.Env = append(os.Environ(), environment...)
	theirs := &server{listen: listenTheirs,
		cmd: exec.Command(blackbox, "--config.file", its, "--web.listen-address", listenTheirs)}
	if err := os.WriteFile(mine, []byte(b.kerbagentConfig()), 0o600); err != nil {
		return err
	}
	stop, err := ours.start()
	if err != nil {
		return err
	}
	defer stop()
	if err := ready(listenOurs); err != nil {
		return err
	}
	all, err := askedBy(listenOurs)
	if err != nil {
		return err
	}
	if err := os.WriteFile(its, []byte(blackboxConfig(all)), 0o600); err != nil {
		return err
	}
	// The daemon asks most questions every few beats: the exporter is asked as many a second.
	n, err := ours.run(warmUp)
	if err != nil {
		return err
	}
	each := warmUp * time.Duration(len(all)) / time.Duration(max(n, 1))
	theirs.drive = func(ctx context.Context) (int, error) { return askBlackbox(ctx, all, each) }
	if stop, err = theirs.start(); err != nil {
		return err
	}
	defer stop()
	// Side by side, so that whatever else this machine does is done to both.
	var both errgroup.Group
	both.Go(theirs.measure)
	both.Go(ours.measure)
	if err := both.Wait(); err != nil {
		return err
	}
	printBeside(ours, theirs)
	return nil
}

// printBeside prints what both took.
func printBeside(ours, theirs *server) {
	fmt.Printf("\nCPU, user and system, of %.0f probes a second for %v; ours is kerbagent run, which speaks Kerberos where theirs connects\n", float64(ours.probes)/measured.Seconds(), measured)
	fmt.Printf("  blackbox exporter             %6.2f s for 1,000 probes (%d)\n", theirs.perThousand(), theirs.probes)
	fmt.Printf("  kerbagent run                 %6.2f s for 1,000 probes (%d), %.2f of it (at most 0.35)\n", ours.perThousand(), ours.probes, ours.perThousand()/theirs.perThousand())
	fmt.Printf("Resident memory then, and at its peak; its own (not a file's), and of the program's file the pages that it touched then:\n")
	fmt.Printf("the kernel maps those around them along with them, as many as its page cache happens to have in one piece, and takes them back first\n")
	fmt.Printf("  blackbox exporter             %6.1f MiB, %6.1f MiB; %6.1f MiB and %6.1f MiB\n", mib(theirs.rss), mib(theirs.peak), mib(theirs.anon), mib(theirs.touched))
	fmt.Printf("  kerbagent run                 %6.1f MiB, %6.1f MiB; %6.1f MiB and %6.1f MiB\n", mib(ours.rss), mib(ours.peak), mib(ours.anon), mib(ours.touched))
	ratio := func(of func(*server) int) float64 { return float64(of(ours)) / float64(of(theirs)) }
	fmt.Printf("  ours to theirs                %6.2f resident, %.2f its own (at most 0.8), %.2f its own and touched\n",
		ratio(func(s *server) int { return s.rss }), ratio(func(s *server) int { return s.anon }), ratio(func(s *server) int { return s.anon + s.touched }))
}

// unitEnvironment is what a unit sets for Go's runtime.
func unitEnvironment(unit string) (out []string, err error) {
	text, err := os.ReadFile(unit)
	for line := range strings.Lines(string(text)) {
		if set, is := strings.CutPrefix(strings.TrimSpace(line), "Environment=GO"); is {
			out = append(out, "GO"+set)
		}
	}
	return out, err
}

// ready waits until the daemon's first round is over.
func ready(daemon string) error {
	for range 600 {
		resp, err := http.Get("http://" + daemon + "/-/ready")
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("kerbagent run is not ready after 30 s")
}

func mib(kib int) float64 { return float64(kib) / 1024 }

// start starts the server, and returns what ends it.
func (s *server) start() (stop func(), err error) {
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		s.cmd.Process.Kill()
		s.cmd.Wait()
	}
	if err := s.listening(); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

// measure drives the server, and takes down what that cost and how many probes
// were made.
func (s *server) measure() error {
	if _, err := s.run(warmUp); err != nil {
		return err
	}
	pid := s.cmd.Process.Pid
	before, err := spent(pid)
	if err != nil {
		return err
	}
	// From here on pages are marked that are touched (proc_pid_clear_refs(5)).
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("1"), 0); err != nil {
		return err
	}
	if s.probes, err = s.run(measured); err != nil {
		return err
	}
	if s.cost, err = spent(pid); err != nil {
		return err
	}
	s.cpu -= before.cpu
	s.touched, err = touched(pid)
	return err
}

func (s *server) run(d time.Duration) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return s.drive(ctx)
}

func (s *server) listening() error {
	for range 100 {
		c, err := net.Dial("tcp", s.listen)
		if err == nil {
			return c.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("%s does not listen", s.cmd.Path)
}

// askBlackbox is Prometheus: each question once in a while, spread over it.
func askBlackbox(ctx context.Context, all []question, each time.Duration) (int, error) {
	var wg sync.WaitGroup
	var sent, good atomic.Int64
	transport := &http.Transport{MaxIdleConnsPerHost: len(all)}
	defer transport.CloseIdleConnections()
	for i, q := range all {
		wg.Go(func() {
			module, _ := q.module()
			probe := "http://" + listenTheirs + "/probe?module=" + url.QueryEscape(module) + "&target=" + url.QueryEscape(q.server)
			timer := time.NewTimer(each * time.Duration(i) / time.Duration(len(all)))
			defer timer.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-timer.C:
					timer.Reset(each)
				}
				sent.Add(1)
				body, err := get(transport, probe)
				if err == nil && sum(body, "probe_success ") == 1 {
					good.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return enough(int(good.Load()), int(sent.Load()))
}

// scrapeOurs scrapes once a beat, and counts by what is scraped at the first
// and the last moment.
func scrapeOurs(ctx context.Context) (int, error) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	scrape := func() (runs, failures int, err error) {
		// The query has no meaning but that the page is not one that was kept.
		body, err := get(transport, fmt.Sprintf("http://%s/metrics?%d", listenOurs, time.Now().UnixNano()))
		return sum(body, "kerbagent_probe_duration_seconds_count{"), sum(body, "kerbagent_probe_failures_total{"), err
	}
	runs, failures, err := scrape()
	if err != nil {
		return 0, err
	}
	beats := time.NewTicker(beat)
	defer beats.Stop()
	for {
		select {
		case <-beats.C:
			if _, _, err := scrape(); err != nil {
				return 0, err
			}
		case <-ctx.Done():
			allRuns, allFailures, err := scrape()
			if err != nil {
				return 0, err
			}
			n := allRuns - runs
			return enough(n-(allFailures-failures), n)
		}
	}
}

// enough sees to it that the figure is one of probes that worked.
func enough(good, all int) (int, error) {
	if good < all*98/100 {
		return 0, fmt.Errorf("only %d of %d probes were answered well: is the lab healthy?", good, all)
	}
	return all, nil
}

// get asks as Prometheus does: for OpenMetrics, and for gzip, which the
// transport does by itself.
func get(t *http.Transport, from string) (string, error) {
	req, err := http.NewRequest(http.MethodGet, from, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Accept", "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3")
	resp, err := (&http.Client{Transport: t, Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

// sum adds up the series of a scrape that begin so.
func sum(scrape, prefix string) (total int) {
	for line := range strings.Lines(scrape) {
		if strings.HasPrefix(line, prefix) {
			n, _ := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:]), 64)
			total += int(n)
		}
	}
	return total
}
