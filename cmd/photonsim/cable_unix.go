//go:build unix

package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"

	"photongate/sim"
)

// watchCable lets SIGUSR1 pull the cable and SIGUSR2 put it back, until the
// function it returns is called.
func watchCable(r *sim.Runner) (stop func()) {
	signals := make(chan os.Signal, 8) // more in one go than a person sends
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGUSR2)
	var done sync.WaitGroup
	done.Go(func() {
		for s := range signals {
			if s == syscall.SIGUSR1 {
				r.Unplug()
			} else {
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
