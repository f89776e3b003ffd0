package secrets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/probe/login"
)

// What a password_command may take.
const (
	commandLimit  = 5 * time.Second
	commandOutput = 64 << 10 // far above any password
)

// fetch runs a password_command and returns what it printed, without one line end.
// Nothing that it printed is in an error.
func fetch(ref config.SecretRef) ([]byte, error) {
	argv := ref.Command()
	unusable := func(problem config.SecretProblem, err error) error {
		return &login.MaterialError{Problem: string(problem), Err: fmt.Errorf("password_command %s: %w", argv[0], err)}
	}
	if !ref.MayRun() {
		return nil, unusable(config.SecretCommand, errors.New("is run only for a configuration file that root alone can write"))
	}
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	out := &capped{most: commandOutput, full: cancel}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdout = []string{}, "/", out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // and whatever it started
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	switch {
	case out.over:
		return nil, unusable(config.SecretTooLarge, fmt.Errorf("printed more than %d KiB", commandOutput>>10))
	case ctx.Err() != nil:
		return nil, unusable(config.SecretCommand, fmt.Errorf("took longer than %s", commandLimit))
	case err != nil:
		return nil, unusable(config.SecretCommand, err) // the exit status: its output is not in it
	}
	b := bytes.TrimSuffix(bytes.TrimSuffix(out.b, []byte("\n")), []byte("\r"))
	if problem := config.PasswordProblem(b); problem != "" {
		return nil, unusable(problem, fmt.Errorf("what it printed cannot be a password (%s)", problem))
	}
	return b, nil
}

// capped keeps what is written up to a size, and calls full once there is more.
type capped struct {
	b    []byte
	most int
	over bool
	full func()
}

// Write implements [io.Writer].
func (c *capped) Write(p []byte) (int, error) {
	if c.over = c.over || len(c.b)+len(p) > c.most; c.over {
		c.full()
		return len(p), nil
	}
	c.b = append(c.b, p...)
	return len(p), nil
}
