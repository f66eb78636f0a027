// Package mockbus is a USB bus for tests, without hardware, without root and
// without a kernel that knows USB: the real libusb asks umockdev's preload library
// in place of the kernel, and that asks this package, which answers as Linux'
// usbfs would. What a device does is played at the instrument's end of a
// devicetest.NewUSB, so that one play serves both a driver's own tests and those
// through libusb. Or the device is that of a USB/IP server, such as a simulator.
//
// That is the kernel's behaviour as far as it is written down here. The same tests
// run on a real kernel in a virtual machine (.ci/vm), where devices are plugged
// in through its virtual host controller. What the preload library says and
// wants to hear on its sockets is described in umockdev's src/ioctl.vala and
// src/libumockdev-preload.c, the requests and structures of usbfs in the kernel's
// include/uapi/linux/usbdevice_fs.h.
//
// Linux on 64-bit machines only.
package mockbus
