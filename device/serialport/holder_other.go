//go:build !linux

package serialport

func holderHint(string) string { return "close the other program that uses it" }

func keepFromChildren(string) {}
