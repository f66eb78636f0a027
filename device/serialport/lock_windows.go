package serialport

import "io"

// noLock is what a system needs whose ports are exclusive by themselves.
type noLock struct{}

func (noLock) Close() error { return nil }

func lockNode(string) (io.Closer, error) { return noLock{}, nil }

func isAbsent(error) bool { return false }

func permissionHint(string) string { return "another program may hold the port" }
