// Command photongate is the acquisition gateway: it reads photon-counting
// instruments on the machine they are plugged into, keeps every reading in a
// journal on disk, and forwards it over TCP to receivers on workstations.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is the program's own; the build sets it for releases.
var version = "0.1.0-dev"

// Exit codes that scripts may rely on.
const (
	exitDone       = 0
	exitIncomplete = 1 // stopped short, or data are missing
	exitUsage      = 2 // wrong command line or configuration
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
	os.Exit(run(ctx, os.Args[1:]))
}

func run(ctx context.Context, args []string) int {
	root := newRootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	exit, ok := errors.AsType[*exitError](err)
	if !ok {
		fmt.Fprintf(os.Stderr, "photongate: %v\n", err)
		return exitIncomplete
	}
	if exit.err != nil {
		fmt.Fprintf(os.Stderr, "photongate: %v\n", exit.err)
	}
	return exit.code
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "photongate",
		Short: "acquisition gateway for photon counters",
		Long: `photongate reads photon counters on the machine they are plugged into, keeps
every reading in a journal on disk and forwards it over TCP (port 7310) to
photonrecv on the workstations.

  photongate demo                                  see it work without hardware
  photongate devices                               what is plugged in here
  photongate run --device cd48@/dev/ttyACM0        serve one instrument
  photongate run -c photongate.toml                serve what the file says`,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError("%w\nsee: %s --help", err, c.CommandPath())
	})
	root.AddCommand(newRunCommand(), newCheckCommand(), newDriversCommand(), newDevicesCommand(),
		newTryCommand(), newJournalCommand(), newDemoCommand())
	for _, c := range root.Commands() {
		wrapArgs(c)
	}
	wrapArgs(root)
	return root
}

// wrapArgs makes a wrong number or kind of arguments a usage error.
func wrapArgs(c *cobra.Command) {
	for _, sub := range c.Commands() {
		wrapArgs(sub)
	}
	check := c.Args
	if check == nil {
		return
	}
	c.Args = func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usageError("%w\nsee: %s --help", err, c.CommandPath())
		}
		return nil
	}
}
