package gateway

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// maxForwards bounds how many receivers a gateway dials.
const maxForwards = 16

// checkForward checks the addresses of receivers that the gateway dials. Names
// are not looked up: they may be known later.
func (c Config) checkForward(src *source) {
	if len(c.Forward) > maxForwards {
		src.report("gateway.forward", "%d addresses are too many (expected at most %d)", len(c.Forward), maxForwards)
		return
	}
	listen := c.Listen
	if len(listen) == 0 {
		listen = []string{DefaultListen}
	}
	seen := map[string]bool{}
	for i, addr := range c.Forward {
		path := "gateway.forward"
		if len(c.Forward) > 1 {
			path = fmt.Sprintf("gateway.forward[%d]", i)
		}
		hostPort := withPort(addr)
		if problem := dialProblem(addr); problem != "" {
			src.report(path, "%s", problem)
			continue
		}
		if seen[strings.ToLower(hostPort)] {
			src.report(path, "%q is named twice (expected each receiver once)", addr)
		}
		seen[strings.ToLower(hostPort)] = true
		for _, own := range listen {
			if ownAddress(hostPort, withPort(own)) {
				src.report(path, "%q is where this gateway itself listens (expected the address of a workstation, where `photonrecv record --listen` runs; on this computer give it another port)", addr)
				break
			}
		}
	}
}

// dialProblem says why an address cannot be dialled, "" when it can.
func dialProblem(addr string) string {
	const expected = `expected the workstation's HOST or HOST:PORT, as in "ws-ana:7310" or "[fd00::7]:7310"`
	host, port, err := net.SplitHostPort(withPort(addr))
	if err != nil || host == "" || strings.ContainsAny(host, " /@,\\\"'[]") || strings.Count(host, ":") > 0 && !isIP(host) {
		return fmt.Sprintf("%q is no address to dial (%s)", addr, expected)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Sprintf("%q is no port (%s)", port, expected)
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		return fmt.Sprintf("%q is any address, and none to dial (%s)", addr, expected)
	}
	return ""
}

// isIP reports whether a host is a number, with a zone or without.
func isIP(host string) bool {
	number, _, _ := strings.Cut(host, "%")
	return net.ParseIP(number) != nil
}

// ownAddress reports whether dialling an address leads to one that this gateway
// listens on, as far as that can be seen without asking the network.
func ownAddress(dial, listen string) bool {
	host, port, err := net.SplitHostPort(dial)
	own, ownPort, ownErr := net.SplitHostPort(listen)
	if err != nil || ownErr != nil || port != ownPort || port == "0" {
		return false
	}
	if strings.EqualFold(host, own) {
		return true
	}
	ip, ownIP := net.ParseIP(host), net.ParseIP(own)
	here := strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
	everywhere := own == "" || ownIP != nil && ownIP.IsUnspecified()
	if here && everywhere {
		return true
	}
	if strings.EqualFold(own, "localhost") {
		return ip != nil && ip.IsLoopback()
	}
	return strings.EqualFold(host, "localhost") && ownIP != nil && (ownIP.Equal(net.IPv4(127, 0, 0, 1)) || ownIP.Equal(net.IPv6loopback)) ||
		ip != nil && ip.Equal(ownIP)
}
