//go:build !linux

package serialport

// Holders is empty: which processes have a port open is told by Linux only.
func Holders(string) []Holder { return nil }

func foreign(string) []Holder { return nil }

func unknownHolderHint(string) string { return "close the other program that uses it" }

func keepFromChildren(string) {}
