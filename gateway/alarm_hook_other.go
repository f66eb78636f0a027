//go:build !unix

package gateway

import "os/exec"

// ownGroup does nothing here: there are no process groups, and only the program
// itself is ended.
func ownGroup(*exec.Cmd) {}
