//go:build !unix

package main

import (
	"io"

	"photongate/sim"
)

// cableHelp is empty: this system has no signals to pull the cable with.
const cableHelp = ""

// watchCable does nothing.
func watchCable(*sim.Runner, io.Writer) (stop func()) { return func() {} }
