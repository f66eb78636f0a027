package main

import (
	"io"
	"strings"
	"testing"
)

// TestPairReadsStandardInput: the line need not stand in the list of processes.
func TestPairReadsStandardInput(t *testing.T) {
	c := newPairCommand()
	c.SetArgs([]string{"-"})
	c.SetIn(strings.NewReader("photonrecv pair pi-lab3@192.0.2.1:7310\n"))
	c.SetOut(io.Discard)
	c.SetErr(io.Discard)
	if err := c.Execute(); err == nil || !strings.Contains(err.Error(), "behind the @ are 1 parts") {
		t.Errorf("got %v", err)
	}
}
