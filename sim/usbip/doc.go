// Package usbip lets computers take a simulated USB device over TCP, as the usbip
// command of Linux does: `usbip attach -r HOST -b 1-1` on a machine with the module
// vhci-hcd plugs the device into that machine's own USB stack.
//
// One device is offered, and one host has it at a time. Unplugged, the connection
// closes and the list is empty; plugged in again, the device may be taken anew.
//
// Source: Documentation/usb/usbip_protocol.rst of torvalds/linux, version 0x0111, and
// include/uapi/linux/usbip.h for the flags of a transfer.
package usbip
