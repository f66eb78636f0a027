package receiver

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// DefaultPort is the TCP port of a gateway where an address names none.
const DefaultPort = "7310"

// ParseAddress brings the address of a gateway into the form host:port:
// "pi-lab3", "pi-lab3:7311", "192.168.1.5", "::1", "[::1]:7311" and
// "fe80::1%eth0" are understood. A missing port is 7310.
func ParseAddress(address string) (hostPort string, err error) {
	text := strings.TrimPrefix(strings.TrimSpace(address), "tcp://")
	if text == "" {
		return "", fmt.Errorf("the address of the gateway is empty: write its name or number, as in pi-lab3 or 192.168.1.5")
	}
	host, port := text, DefaultPort
	switch {
	case strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]"):
		host = text[1 : len(text)-1]
	case strings.HasPrefix(text, "[") || strings.Count(text, ":") == 1:
		host, port, err = net.SplitHostPort(text)
		if err != nil {
			return "", fmt.Errorf("address %q: write host, host:port or [IPv6]:port", address)
		}
	}
	if port == "" {
		port = DefaultPort
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("address %q: %q is no port, which is a number from 1 to 65535", address, port)
	}
	if host == "" || strings.ContainsAny(host, " /\\\"'[]") {
		return "", fmt.Errorf("address %q: %q is no host; write host, host:port or [IPv6]:port", address, host)
	}
	return net.JoinHostPort(host, port), nil
}

// ParseListen brings an address to listen on into the form host:port: as
// ParseAddress, and ":7311" or "7311", which are all addresses of this computer.
func ParseListen(address string) (hostPort string, err error) {
	text := strings.TrimPrefix(strings.TrimSpace(address), "tcp://")
	port, all := strings.CutPrefix(text, ":")
	if n, err := strconv.ParseUint(port, 10, 16); err == nil && (all || !strings.Contains(text, ".")) {
		return net.JoinHostPort("", strconv.FormatUint(n, 10)), nil
	}
	if text == "" {
		return "", fmt.Errorf("the address to listen on is empty: write :%s for all that this computer has", DefaultPort)
	}
	return ParseAddress(text)
}
