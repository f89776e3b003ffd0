package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/kerbagent/kerbagent/internal/agent"
	"github.com/kerbagent/kerbagent/internal/report"
)

// output is the -o flag.
type output string

func (o *output) register(c *cobra.Command) {
	*o = "human"
	c.Flags().VarP(o, "output", "o", "how to print the report: human, json or nagios")
	if err := c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"human", "json", "nagios"}, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag was registered a line above
	}
}

// Set takes one of the formats.
func (o *output) Set(s string) error {
	switch s {
	case "human", "json", "nagios":
		*o = output(s)
		return nil
	}
	return fmt.Errorf("%q is none of human, json, nagios", s)
}

// String is the format.
func (o *output) String() string { return string(*o) }

// Type is the word in the help.
func (o *output) Type() string { return "FORMAT" }

// print writes the report and returns the exit code as an error, nil for 0.
func (o output) print(w io.Writer, in report.Input) error {
	var err error
	switch o {
	case "json":
		err = report.JSON(w, in)
	case "nagios":
		err = report.Nagios(w, in)
	default:
		width, tty := terminal(w)
		err = report.Human(w, in, report.Options{Color: tty && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb", Width: width})
	}
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if code := report.ExitCode(in.Report.Verdict); code != 0 {
		return exitError(code)
	}
	return nil
}

// unknown reports what kept a check from starting; nagios wants it on its own line.
func (o output) unknown(s streams, err error) error {
	if o != "nagios" {
		return err
	}
	if err := report.NagiosUnknown(s.out, err.Error()); err != nil {
		return err
	}
	return exitError(exitUsage)
}

// liveLine shows on a terminal what is being waited for, and wipes it away.
type liveLine struct {
	w     io.Writer
	width int
	start time.Time
}

// newLiveLine is nil where there is no terminal to show it on.
func (o output) newLiveLine(w io.Writer) *liveLine {
	width, tty := terminal(w)
	if !tty || o != "human" {
		return nil
	}
	if width < 20 {
		width = 80
	}
	return &liveLine{w: w, width: width, start: time.Now()}
}

func (l *liveLine) show(p agent.Progress) {
	line := fmt.Sprintf("%d of %d answered, %.1f s; waiting for %s", p.Done, p.Total, time.Since(l.start).Seconds(), report.Terminal(p.Waiting.String()))
	if p.Waiting.Kind == "" {
		line = fmt.Sprintf("%d of %d answered", p.Done, p.Total)
	}
	if runes := []rune(line); len(runes) >= l.width {
		line = string(runes[:l.width-1])
	}
	fmt.Fprintf(l.w, "\r\x1b[K%s", line)
}

func (l *liveLine) wipe() { fmt.Fprint(l.w, "\r\x1b[K") }
