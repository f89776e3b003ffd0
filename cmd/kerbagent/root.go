package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/kerbagent/kerbagent/internal/spelling"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// exitUsage is for what could not start: usage, configuration, internal.
const exitUsage = 3

// exitError carries an exit code that is no error to be printed.
type exitError int

// Error is never shown.
func (e exitError) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// streams are where a command reads and writes.
type streams struct {
	in       *os.File
	out, err io.Writer
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, in *os.File, out, errOut io.Writer) int {
	root := newRoot(streams{in: in, out: out, err: errOut})
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	err := unknownCommand(root, args)
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	var code exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	}
	fmt.Fprintf(errOut, "kerbagent: %v\n", err)
	return exitUsage
}

func newRoot(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "kerbagent",
		Short: "Do Kerberos logins to Aurora MySQL work from this host?",
		Long: `kerbagent tests every step of a Kerberos login to Aurora MySQL, at every server
separately. It reports the first step that is broken, why, and what to do about it.

Try it without any server:  kerbagent rehearse`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetVersionTemplate("kerbagent {{.Version}} " + runtime.Version() + "\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		var invalid *pflag.InvalidValueError
		if errors.As(err, &invalid) {
			return badValue(c, invalid)
		}
		return misspeltFlag(c, err)
	})
	root.AddCommand(newCheck(s), newRun(s), newRehearse(s), newExplain(s), newTrace(s), newAudit(s), newKrb5Conf(s), newDashboards(s),
		newConfig(s), newBundle(s), newBootstrap(s), newVersion(s), newMan())
	limit(root)
	return root
}

// unknownCommand is nil unless a command or a subcommand is misspelt. Flags
// before it end the search: whether one has a value is its command's to say.
func unknownCommand(root *cobra.Command, args []string) error {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(args...)
	c := root
	for _, arg := range args {
		if strings.HasPrefix(arg, "-") || strings.HasPrefix(arg, cobra.ShellCompRequestCmd) || !c.HasSubCommands() {
			return nil
		}
		i := slices.IndexFunc(c.Commands(), func(sub *cobra.Command) bool { return sub.Name() == arg || sub.HasAlias(arg) })
		if i < 0 {
			message := fmt.Sprintf("unknown command %q for %q", arg, c.CommandPath())
			if near := nearestCommand(c, arg); near != "" {
				return fmt.Errorf("%s; did you mean %q?", message, near)
			}
			return fmt.Errorf("%s; see %s --help", message, c.CommandPath())
		}
		if c = c.Commands()[i]; c.Name() == "help" {
			c = root // help names a command in the arguments that follow
		}
	}
	return nil
}

// nearestCommand returns the subcommand that was probably meant: one within two
// slips, else one that sounds alike (cheque, check), which may be three slips away.
func nearestCommand(c *cobra.Command, arg string) string {
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	if near := spelling.Nearest(arg, names); near != "" {
		return near
	}
	c.SuggestionsMinimumDistance = 3
	for _, near := range c.SuggestionsFor(arg) {
		if len(near) >= 5 && len(arg) >= 3 && strings.HasPrefix(strings.ToLower(arg), near[:3]) {
			return near
		}
	}
	return ""
}

// badValue says what a flag takes. What Go's parsers of numbers and times say is left out.
func badValue(c *cobra.Command, err *pflag.InvalidValueError) error {
	f := err.GetFlag()
	hint := strings.TrimPrefix(err.Unwrap().Error(), "invalid value "+strconv.Quote(err.GetValue())+"; ")
	switch f.Value.Type() {
	case "duration":
		hint = "write a number with its unit, for example 30s or 5m"
	case "int", "intSlice":
		hint = "write a number"
	case "bool":
		hint = "write true or false"
	}
	return fmt.Errorf("--%s: invalid value %q; %s; see %s --help", f.Name, err.GetValue(), hint, c.CommandPath())
}

// oneOf reports a word that is none of those that a flag takes.
func oneOf(word string, words ...string) error {
	if near := spelling.Nearest(word, words); near != "" {
		return fmt.Errorf("invalid value %q; did you mean %q?", word, near)
	}
	return fmt.Errorf("invalid value %q; must be one of %s", word, strings.Join(words, ", "))
}

// misspeltFlag names the flag that was probably meant.
func misspeltFlag(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && len(unknown.GetSpecifiedName()) > 2 {
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		if near := spelling.Nearest(unknown.GetSpecifiedName(), names); near != "" {
			return fmt.Errorf("%w; did you mean --%s?", err, near)
		}
	}
	if errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "" {
		return fmt.Errorf("%w; the long names of flags have two hyphens; see %s --help", err, c.CommandPath())
	}
	return fmt.Errorf("%w; see %s --help", err, c.CommandPath())
}

// enumerated completes a flag that takes one of a few words.
func enumerated(c *cobra.Command, flag string, words ...string) {
	if err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag is registered beside the call
	}
}

func newVersion(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(s.out, "kerbagent %s %s\n", version(), runtime.Version())
			return err
		},
	}
}

// terminal reports whether w is one, and how wide.
func terminal(w io.Writer) (width int, ok bool) {
	f, isFile := w.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		width = 0
	}
	return width, true
}
