package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/kerbagent/kerbagent/internal/report"
)

// output is the -o flag.
type output string

func (o *output) register(c *cobra.Command) {
	*o = "human"
	c.Flags().VarP(o, "output", "o", "how to print the report: human, json or nagios")
	enumerated(c, "output", "human", "json", "nagios")
}

// quiet registers -q, which is an output of its own.
func (o *output) quiet(c *cobra.Command) {
	c.Flags().BoolFuncP("quiet", "q", "print one line: the verdict and the first finding", func(string) error {
		*o = "line"
		return nil
	})
	c.MarkFlagsMutuallyExclusive("quiet", "output")
}

// Set takes one of the formats.
func (o *output) Set(s string) error {
	switch s {
	case "human", "json", "nagios":
		*o = output(s)
		return nil
	}
	return oneOf(s, "human", "json", "nagios")
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
	case "line":
		err = report.Line(w, in)
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

// live shows on a terminal what is being waited for; nil where there is none.
func (o output) live(w io.Writer, hideUsers bool) *report.Progress {
	width, tty := terminal(w)
	if !tty || o != "human" {
		return nil
	}
	if width == 0 {
		width = 80
	}
	return report.NewProgress(w, width, 0, hideUsers)
}
