// Command photonrecv is the receiver: it records what gateways measure into a
// folder on the workstation, hands it on as text, and reports what is whole
// and what is missing.
package main

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

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// version is the program's own; the build sets it for releases.
var version = "0.1.0-dev"

// Exit codes that scripts may rely on.
const (
	exitDone       = 0
	exitIncomplete = 1 // stopped short, or data are missing
	exitUsage      = 2 // wrong command line
	exitDamaged    = 3 // stored data are damaged
)

// exitError carries the exit code that an error asks for.
type exitError struct {
	code int
	err  error // nil when all has been said already
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usageError(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for an orderly stop; with the handler gone, a second one ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run runs one command line and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	exit, ok := errors.AsType[*exitError](err)
	if !ok {
		exit = &exitError{exitIncomplete, err}
	}
	if exit.err != nil {
		fmt.Fprintf(stderr, "photonrecv: %v\n", exit.err)
	}
	return exit.code
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "photonrecv",
		Short: "receiver for photongate: record, read and check photon counts",
		Long: `photonrecv records what a photongate gateway measures into a folder on this
computer, and reads and checks what was recorded.

  photonrecv record localhost --dir counts          record until Ctrl-C, and go on there next time
  photonrecv record pi-lab3 --dir run7 --for 10m --csv   ten minutes from now, with CSV files
  photonrecv cat counts > counts.csv                what was recorded, as CSV
  photonrecv cat localhost                          live, as CSV
  photonrecv verify counts                          is it all there?

Exit codes: 0 done, 1 incomplete, 2 wrong command line, 3 damaged data.`,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError("%w\nsee: %s --help", err, c.CommandPath())
	})
	root.AddCommand(newRecordCommand(), newCatCommand(), newVerifyCommand(), newVersionCommand())
	for _, c := range root.Commands() {
		wrapArgs(c)
	}
	wrapArgs(root)
	return root
}

// wrapArgs makes a wrong number or kind of arguments a usage error.
func wrapArgs(c *cobra.Command) {
	check := c.Args
	c.Args = func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usageError("%w\nsee: %s --help", err, c.CommandPath())
		}
		return nil
	}
}

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(c.OutOrStdout(), software())
			return err
		},
	}
}

// software is how this program introduces itself.
func software() string { return "photonrecv " + version }

// newLog makes the log: lines for people on w.
func newLog(w io.Writer, verbose bool) zerolog.Logger {
	level := zerolog.InfoLevel
	if verbose {
		level = zerolog.DebugLevel
	}
	return zerolog.New(zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly, NoColor: !isTerminal(w)}).Level(level).With().Timestamp().Logger()
}

// isTerminal reports whether w is a terminal, or writes to one.
func isTerminal(w io.Writer) bool {
	switch w := w.(type) {
	case *os.File:
		return term.IsTerminal(int(w.Fd()))
	case *statusLine:
		return isTerminal(w.w)
	}
	return false
}

// readToken reads the token from a file; no name, no token.
func readToken(name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, usageError("--token-file: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return nil, usageError("--token-file: %s is empty", name)
	}
	return []byte(token), nil
}
