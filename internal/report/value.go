package report

import (
	"fmt"
	"io"
)

// Value writes anything as JSON in the manner of the report: harmless to a
// terminal that it is shown on.
func Value(w io.Writer, v any) error {
	b, err := encode(v, "  ")
	if err != nil {
		return fmt.Errorf("encoding: %w", err)
	}
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}
