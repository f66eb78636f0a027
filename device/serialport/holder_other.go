//go:build !linux

package serialport

// Which processes have a port open is told by Linux only.
func holders(string) []holder { return nil }
func foreign(string) []holder { return nil }

func unknownHolderHint(string) string { return "close the other program that uses it" }

func keepFromChildren(string) {}
