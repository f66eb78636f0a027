//go:build !linux

package hotplug

func listen() (messages, error) { return nil, errNoMessages }
