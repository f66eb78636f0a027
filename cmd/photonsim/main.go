// Photonsim is a simulated photon counter: it speaks the bytes of the real
// instrument on a pseudo-terminal, a TCP port or a USB bus.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// version is the program's own; the build sets it for releases.
var version = "0.1.0-dev"

// Exit codes shared by the command lines of the project.
const (
	exitDone       = 0
	exitIncomplete = 1
	exitUsage      = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

func run(ctx context.Context, args []string) int {
	root := newRoot(os.Stderr)
	root.SetArgs(args)
	err := addFile(root, args, os.Stderr)
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	if err == nil {
		return exitDone
	}
	fmt.Fprintln(os.Stderr, "photonsim:", err)
	if _, ok := errors.AsType[*runError](err); ok {
		return exitIncomplete
	}
	return exitUsage
}

// runError is a failure of the simulation itself rather than of its settings.
type runError struct{ error }

func (e *runError) Unwrap() error { return e.error }
