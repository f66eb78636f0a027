package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"photongate/device"
	"photongate/device/recording"
)

// about says what is tried, for the heading of what is shown and of the file
// that is kept.
func (f *tryFlags) about(driver string, line device.Line) recording.About {
	return recording.About{
		Software: software(), System: system(), Driver: driver,
		Port: f.port, PortKind: portKind(f.port), Line: line.String(),
		Began: time.Now().UTC().Truncate(time.Second), For: f.duration,
	}
}

// system names the operating system and the processor: "linux/arm64, Debian
// GNU/Linux 13 (trixie), 6.12.0".
func system() string {
	words := []string{runtime.GOOS + "/" + runtime.GOARCH}
	if name := releaseName("/etc/os-release"); name != "" {
		words = append(words, name)
	}
	if kernel, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		words = append(words, strings.TrimSpace(string(kernel)))
	}
	return strings.Join(words, ", ")
}

// releaseName reads how a Linux system calls itself; empty when it does not say.
func releaseName(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	for s := bufio.NewScanner(f); s.Scan(); {
		if name, ok := strings.CutPrefix(s.Text(), "PRETTY_NAME="); ok {
			return strings.Trim(name, `"'`)
		}
	}
	return ""
}

const (
	tcpPort    = "TCP"
	pseudoPort = "pseudo-terminal"
	usbModem   = "USB modem (CDC-ACM)"
)

// portKind says what a port is, as far as its name and the system tell.
func portKind(port string) string {
	if strings.HasPrefix(port, "tcp://") {
		return tcpPort
	}
	node := port
	if real, err := filepath.EvalSymlinks(port); err == nil {
		node = real
	}
	if strings.HasPrefix(node, "/dev/pts/") {
		return pseudoPort
	}
	kind := "serial port"
	if strings.HasPrefix(node, "/dev/ttyACM") || strings.Contains(node, "usbmodem") {
		kind = usbModem
	}
	list, err := presentPorts()
	if err != nil {
		return kind
	}
	for _, f := range list {
		if f.USB != "" && (f.Port == node || f.named(port)) {
			kind += strings.TrimRight(fmt.Sprintf(", USB %s %s", f.USB, f.Product), " ")
			break
		}
	}
	return kind
}

// rateMatters reports whether the baud rate makes a difference on a port, and
// otherwise why not.
func rateMatters(port string) (matters bool, why string) {
	switch kind := portKind(port); {
	case kind == tcpPort:
		return false, "a TCP port has no baud rate: the serial server is set to one"
	case kind == pseudoPort:
		return false, "a pseudo-terminal has no baud rate"
	case strings.HasPrefix(kind, usbModem):
		return false, "a USB port of the instrument's own (CDC-ACM) usually does not care about the baud rate"
	}
	return true, ""
}
