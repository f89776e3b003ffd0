package apply

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// MITValidator returns a function that asks MIT's library whether it takes a
// file, where that library's tools are installed. It runs ktutil with nothing
// to do: the tool reads the configuration and ends. Heimdal's tool of that name
// then shows its usage and fails: one that refuses an empty file is not asked.
func MITValidator(ctx context.Context) (validate func(ctx context.Context, path string) error, ok bool) {
	tool, err := exec.LookPath("ktutil")
	if err != nil {
		return nil, false
	}
	validate = func(ctx context.Context, path string) error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, tool)
		cmd.Env = append(os.Environ(), "KRB5_CONFIG="+path, "LC_ALL=C")
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return fmt.Errorf("MIT's library refuses it: %s", strconv.Quote(string(bytes.TrimSpace(out))))
		}
		return err
	}
	return validate, validate(ctx, os.DevNull) == nil
}
