//go:build !unix

package main

import "photongate/sim"

// watchCable does nothing: this system has no signals to pull the cable with.
func watchCable(*sim.Runner) (stop func()) { return func() {} }
