package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/internal/bootstrap"
	"github.com/kerbagent/kerbagent/internal/report"
)

func printBootstrapJSON(w io.Writer, rep bootstrap.Report) error {
	if rep.Steps == nil { // a list, always
		rep.Steps = []bootstrap.StepReport{}
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(rep); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// printBootstrap is the table of a plan, or of the status, which leaves out what
// is still to be done.
func printBootstrap(w io.Writer, rep bootstrap.Report, plan bool) {
	if rep.Account == "" {
		return
	}
	account := rep.Account
	if rep.Alias != "" {
		account += " (" + rep.Alias + ")"
	}
	fmt.Fprintf(w, "AWS account %s, %s\n\n", report.Terminal(account), report.Terminal(rep.Region))
	for _, s := range rep.Steps {
		mark := "to do"
		switch {
		case s.Done:
			mark = "done"
		case s.Waiting != "":
			mark = "waiting"
		}
		fmt.Fprintf(w, "%-15s %-8s %s\n", s.Step, mark, report.Terminal(s.Is))
		if plan {
			for _, m := range s.Missing {
				fmt.Fprintf(w, "%24s + %s\n", "", report.Terminal(m))
			}
		}
		if s.Waiting != "" {
			printLines(w, "waiting for: "+s.Waiting)
		}
		for _, n := range s.Notes {
			printLines(w, "note: "+n)
		}
	}
	if plan {
		for _, s := range rep.Steps {
			for _, b := range s.Billed {
				fmt.Fprintln(w, "AWS bills: "+report.Terminal(b))
			}
		}
	}
	for _, n := range rep.Notes {
		fmt.Fprintln(w, "note: "+report.Terminal(n))
	}
}

func printLines(w io.Writer, text string) {
	for _, line := range strings.Split(text, "\n") {
		fmt.Fprintf(w, "%24s %s\n", "", report.Terminal(line))
	}
}

func printBootstrapError(w io.Writer, e *bootstrap.Error) {
	what := map[bootstrap.Exit]string{bootstrap.ExitWaiting: "waiting", bootstrap.ExitCredentials: "credentials",
		bootstrap.ExitPermission: "not allowed", bootstrap.ExitLocked: "locked"}[e.Exit]
	if what == "" {
		what = "failed"
	}
	for i, line := range strings.Split(e.Text, "\n") {
		if i == 0 {
			line = "kerbagent: " + what + " at " + e.Step + ": " + line
		}
		fmt.Fprintln(w, report.Terminal(line))
	}
	for _, more := range []string{e.Next, e.Policy} {
		if more == "" {
			continue
		}
		for _, line := range strings.Split(more, "\n") {
			fmt.Fprintln(w, "  "+report.Terminal(line))
		}
	}
}

// stillEvery is how often a wait is told of where there is no terminal to redraw.
const stillEvery = 5 * time.Minute

// bootstrapProgress tells what is done and waited for, line by line.
type bootstrapProgress struct {
	w    io.Writer
	tty  bool
	open bool // the last line is a wait, to be drawn over

	waiting string
	told    time.Duration
}

func (p *bootstrapProgress) event(e bootstrap.Event) {
	if e.Kind == bootstrap.EventWaiting {
		p.wait(e)
		return
	}
	p.close()
	p.waiting = ""
	mark := map[bootstrap.EventKind]string{bootstrap.EventFound: " ", bootstrap.EventDoing: "+", bootstrap.EventAgain: "~",
		bootstrap.EventNote: "!", bootstrap.EventDone: "="}[e.Kind]
	for i, line := range strings.Split(e.Text, "\n") {
		step := ""
		if i == 0 {
			step = e.Step
		}
		fmt.Fprintf(p.w, "%-15s %s %s\n", step, mark, report.Terminal(line))
	}
}

func (p *bootstrapProgress) wait(e bootstrap.Event) {
	line := fmt.Sprintf("%-15s … %s for %s; usually %s", e.Step, e.For.Round(time.Second), report.Terminal(e.Text), e.Wait.Usual)
	if p.tty {
		fmt.Fprintf(p.w, "\r\x1b[K%s", line)
		p.open = true
		return
	}
	if e.Text == p.waiting && e.For < p.told+stillEvery {
		return
	}
	p.waiting, p.told = e.Text, e.For
	fmt.Fprintln(p.w, line)
}

// close ends a line that is still open.
func (p *bootstrapProgress) close() {
	if p.open {
		fmt.Fprintln(p.w)
		p.open = false
	}
}
