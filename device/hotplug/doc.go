// Package hotplug notices that something was plugged in or unplugged: on Linux by
// the messages the kernel sends at that moment, and everywhere by looking once a
// second at what is there. Neither needs a udev daemon.
//
// The messages do not reach containers with a network of their own, which is why
// it looks as well.
package hotplug
