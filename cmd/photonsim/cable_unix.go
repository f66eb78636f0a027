//go:build unix

package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"photongate/sim"
)

// cableHelp ends the help of every instrument.
const cableHelp = `

The signal SIGUSR1 unplugs it and SIGUSR2 plugs it in again, as in
pkill -USR1 photonsim.`

// watchCable lets SIGUSR1 pull the cable and SIGUSR2 put it back, and tells of
// it, until the function it returns is called.
func watchCable(r *sim.Runner, notices io.Writer) (stop func()) {
	signals := make(chan os.Signal, 8) // more in one go than a person sends
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGUSR2)
	var done sync.WaitGroup
	done.Go(func() {
		for s := range signals {
			if s == syscall.SIGUSR1 {
				fmt.Fprintln(notices, "unplugged by SIGUSR1; SIGUSR2 plugs it in again")
				r.Unplug()
			} else {
				fmt.Fprintln(notices, "plugged in by SIGUSR2")
				r.Plug()
			}
		}
	})
	return func() {
		signal.Stop(signals)
		close(signals)
		done.Wait()
	}
}
