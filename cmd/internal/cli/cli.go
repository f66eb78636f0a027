// Package cli is what the command lines of photongate have in common: exit
// codes that scripts may rely on, errors that ask for one of them, and signals.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// Exit codes of all programs.
const (
	Done       = 0
	Incomplete = 1 // stopped short, or data are missing
	Usage      = 2 // wrong command line or configuration
	Damaged    = 3 // stored data are damaged
)

// Error asks for an exit code. Err is nil when all has been said already.
type Error struct {
	Code int
	Err  error
}

// Error is what Err says.
func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit status %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Wrong is an error of the one who typed the command: exit code Usage.
func Wrong(format string, args ...any) error {
	return &Error{Usage, fmt.Errorf(format, args...)}
}

// sameWish is how long after the first signal others are taken for the same
// one: timeout(1) and some shells signal a process and its group.
const sameWish = 500 * time.Millisecond

// Main runs the command line of this process and ends it with the exit code.
// The first interrupt ends the command's context, a later one the process.
func Main(root *cobra.Command) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { // ends with the process
		<-signals
		cancel()
		<-time.After(sameWish)
		signal.Stop(signals) // from here on a signal ends the process at once
	}()
	os.Exit(Run(ctx, root, os.Args[1:], os.Stdout, os.Stderr))
}

// Run runs one command line and returns the exit code.
func Run(ctx context.Context, root *cobra.Command, args []string, stdout, stderr io.Writer) int {
	prepare(root)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return Done
	}
	exit, ok := errors.AsType[*Error](err)
	if !ok {
		exit = &Error{Incomplete, err}
	}
	if exit.Err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", root.Name(), exit.Err)
	}
	return exit.Code
}

// prepare makes mistakes on the command line errors of exit code Usage, which
// say where help is; and a command that only holds others says what they are.
func prepare(c *cobra.Command) {
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return Wrong("%w\nsee: %s --help", err, c.CommandPath())
	})
	if !c.Runnable() {
		c.Args = cobra.ArbitraryArgs
		c.RunE = chooseOne
	}
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			err := check(c, args)
			if _, told := errors.AsType[*Error](err); err == nil || told {
				return err
			}
			return Wrong("%s: %d arguments given, expected: %s\nsee: %s --help", c.CommandPath(), len(args), c.UseLine(), c.CommandPath())
		}
	}
	for _, sub := range c.Commands() {
		prepare(sub)
	}
}

// chooseOne is the command that only holds others: alone it prints its help,
// and a word that is none of them is a mistake.
func chooseOne(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return Wrong("%s has no command %q (there are %s)\nsee: %s --help", c.CommandPath(), args[0], strings.Join(names, ", "), c.CommandPath())
}

// Version is a command that prints what a program is.
func Version(software string) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(c.OutOrStdout(), software)
			return err
		},
	}
}
