package receiver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// dialTimeout bounds one attempt to connect, name lookup included.
const dialTimeout = 10 * time.Second

// ErrUnreachable is wrapped by every error that says a gateway could not be
// reached, or that what was reached is no gateway. Trying again may help.
var ErrUnreachable = errors.New("gateway not reached")

// unreachable is a sentence for the user together with its cause.
type unreachable struct {
	text   string
	cause  error
	silent bool // nothing answered
}

func (e *unreachable) Error() string   { return e.text }
func (e *unreachable) Unwrap() []error { return []error{ErrUnreachable, e.cause} }

// isSilent reports whether an error says that there was no connection at all.
func isSilent(err error) bool {
	e, ok := errors.AsType[*unreachable](err)
	return ok && e.silent
}

// dialTCP connects to host:port. Its errors are sentences that say what is
// known of the reason and what to look at.
func dialTCP(ctx context.Context, hostPort string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", hostPort)
	if err != nil {
		return nil, explainDial(hostPort, err, onThisMachine)
	}
	return conn, nil
}

// explainDial turns the error of a dial into a sentence. local reports whether
// a host is this machine.
func explainDial(hostPort string, err error, local func(host string) bool) error {
	host, port, splitErr := net.SplitHostPort(hostPort)
	if splitErr != nil {
		host, port = hostPort, DefaultPort
	}
	say := func(format string, args ...any) error {
		return &unreachable{text: fmt.Sprintf(format, args...), cause: err, silent: true}
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return say("no machine is called %s: check the spelling, or use its number (as in 192.168.1.5)", host)
		}
		return say("the name %s cannot be looked up: no name server answers; check the network, or use the machine's number (as in 192.168.1.5)", host)
	}
	timeout := errors.Is(err, context.DeadlineExceeded)
	if netErr, ok := errors.AsType[net.Error](err); ok && netErr.Timeout() {
		timeout = true
	}
	here := local(host)
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Addr != nil && !here {
		if tcp, ok := op.Addr.(*net.TCPAddr); ok {
			here = local(tcp.IP.String())
		}
	}
	switch {
	case isRefused(err) && here:
		return say("no gateway listens on %s: is photongate running?", hostPort)
	case isRefused(err):
		return say("%s answers, but nothing listens there on %s: the gateway is not running, or serves programs on its own computer only; in the latter case set listen = \"0.0.0.0:%s\" there, start it again, and paste here the line that it prints",
			host, port, port)
	case isNoRoute(err):
		return say("there is no way to %s: check the cable, the address, and that both machines are in the same network or VPN", host)
	case timeout:
		return say("%s does not answer on %s: it is switched off, the cable is out, the address is another machine's, or a firewall drops the connection", host, port)
	}
	return say("connect to %s: %v", hostPort, err)
}

// onThisMachine reports whether host names this machine: localhost, a loopback
// address, or an address of one of its interfaces.
func onThisMachine(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	if ip == nil {
		return false
	}
	if ip.IsLoopback() || ip.IsUnspecified() {
		return true
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range own {
		if n, ok := a.(*net.IPNet); ok && n.IP.Equal(ip) {
			return true
		}
	}
	return false
}
