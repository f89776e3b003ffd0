package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/kerbagent/kerbagent/internal/diagnose"
)

// maxErrorText is how much of the standard input is read.
const maxErrorText = 1 << 20

// explainText explains what is no code: an error that a program has printed. unknown is
// what to say of one that nobody knows.
func explainText(s streams, args []string, unknown error) error {
	text := strings.Join(args, " ")
	if text == "-" {
		read, err := io.ReadAll(io.LimitReader(s.in, maxErrorText))
		if err != nil {
			return fmt.Errorf("reading the standard input: %w", err)
		}
		text = string(read)
		unknown = fmt.Errorf("no error in this text is known; run kerbagent check on the host where it happens")
	}
	found := diagnose.Recognize(text)
	if len(found) == 0 {
		if strings.Contains(strings.TrimSpace(text), " ") && unknown != nil && len(args) == 1 && args[0] != "-" {
			return fmt.Errorf("this error is not known; run kerbagent check on the host where it happens")
		}
		return unknown
	}
	var b strings.Builder
	for i, r := range found {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%q\n", r.Seen)
		put(&b, "  ", r.Says)
		if len(r.Codes) > 0 {
			b.WriteString("  It may be, the likeliest first:\n")
		}
		for _, code := range r.Codes {
			if rule, ok := diagnose.Lookup(code); ok {
				title, _, _, _ := rule.Print()
				fmt.Fprintf(&b, "    %-26s %s\n", code, title)
			}
		}
		if r.Look != "" {
			b.WriteString("  To see which:\n    " + strings.ReplaceAll(r.Look, "\n", "\n    ") + "\n")
		}
	}
	_, err := io.WriteString(s.out, b.String())
	return err
}
