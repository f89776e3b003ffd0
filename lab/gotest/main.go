// Command gotest runs `go test` with its own arguments and prints what that
// prints, and two things more: the tests that leave themselves out, with their
// reasons, and a line at least every 30 seconds that says what is running.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

const beat = 25 * time.Second

// event is one line of `go test -json` (go doc test2json).
type event struct {
	Action, Package, ImportPath, Test, Output string
}

func main() {
	cmd := exec.Command("go", append([]string{"test", "-json"}, os.Args[1:]...)...)
	cmd.Stderr = os.Stderr
	lines, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "starting go test:", err)
		os.Exit(1)
	}
	p := printer{out: os.Stdout, begun: time.Now(), said: map[string][]string{}, running: map[string]time.Time{}}
	p.follow(read(lines))
	if cmd.Wait() != nil || p.failed {
		os.Exit(1)
	}
}

// read returns the events as they come; a line that is none is passed on as output.
func read(r io.Reader) <-chan event {
	events := make(chan event)
	go func() {
		defer close(events)
		in := bufio.NewReader(r)
		for {
			line, err := in.ReadString('\n')
			if line != "" {
				var e event
				if json.Unmarshal([]byte(line), &e) != nil {
					e = event{Action: "build-output", Output: line}
				}
				events <- e
			}
			if err != nil {
				return
			}
		}
	}()
	return events
}

type printer struct {
	out     io.Writer
	begun   time.Time
	said    map[string][]string  // output of what has not ended, by package and test
	running map[string]time.Time // packages and tests, since when
	failed  bool
}

func (p *printer) follow(events <-chan event) {
	silent := time.NewTimer(beat)
	for {
		select {
		case e, ok := <-events:
			if !ok {
				return
			}
			if p.print(e) {
				silent.Reset(beat)
			}
		case <-silent.C:
			fmt.Fprintln(p.out, p.progress(time.Now()))
			silent.Reset(beat)
		}
	}
}

// print takes one event and reports whether it printed a line.
func (p *printer) print(e event) bool {
	id := strings.TrimSpace(e.Package + " " + e.Test)
	switch e.Action {
	case "start", "run":
		p.running[id] = time.Now()
	case "build-output":
		fmt.Fprint(p.out, e.Output)
		return true
	case "build-fail":
		p.failed = true
	case "output":
		p.said[id] = append(p.said[id], e.Output)
	case "pass", "fail", "skip":
		p.failed = p.failed || e.Action == "fail"
		said := p.said[id]
		if e.Action == "fail" && e.Test == "" {
			said = append(p.unfinished(e.Package), said...)
		}
		delete(p.said, id)
		delete(p.running, id)
		return p.ended(e, said)
	}
	return false
}

// unfinished takes what was said by the tests that were running when their
// package's program ended.
func (p *printer) unfinished(pkg string) []string {
	var said []string
	for id, lines := range p.said {
		if strings.HasPrefix(id, pkg+" ") {
			said = append(said, lines...)
			delete(p.said, id)
			delete(p.running, id)
		}
	}
	return said
}

// ended prints of a test that passed nothing, of a package its last line, and of
// what failed or left itself out all that was said.
func (p *printer) ended(e event, said []string) bool {
	if e.Action == "pass" && e.Test != "" {
		return false
	}
	printed := false
	for _, line := range said {
		noise := strings.HasPrefix(line, "=== ") || line == "PASS\n"
		if noise || e.Action != "fail" && e.Test == "" && !strings.HasPrefix(line, "ok ") && !strings.HasPrefix(line, "? ") {
			continue
		}
		fmt.Fprint(p.out, line)
		printed = true
	}
	return printed
}

// progress reports what has been running for longest, of tests or else of packages.
func (p *printer) progress(now time.Time) string {
	longest := func(tests bool) []string {
		var ids []string
		for id := range p.running {
			if strings.Contains(id, " ") == tests {
				ids = append(ids, id)
			}
		}
		slices.SortFunc(ids, func(a, b string) int { return p.running[a].Compare(p.running[b]) })
		return ids[:min(len(ids), 2)]
	}
	ids := longest(true)
	if len(ids) == 0 {
		ids = longest(false)
	}
	for i, id := range ids {
		ids[i] = fmt.Sprintf("%s (%d s)", id, int(now.Sub(p.running[id]).Seconds()))
	}
	if len(ids) == 0 {
		ids = []string{"building"}
	}
	return fmt.Sprintf("...  %d s: %s", int(now.Sub(p.begun).Seconds()), strings.Join(ids, ", "))
}
