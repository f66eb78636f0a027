package receiver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"photongate/protocol"
	"photongate/protocol/pairing"
)

// Dialer connects to host:port.
type Dialer func(ctx context.Context, hostPort string) (net.Conn, error)

// tryTimeout bounds the connecting to one of several addresses.
const tryTimeout = 4 * time.Second

// destination is a gateway as the user named it: where to look for it, and how
// to know it.
type destination struct {
	said    string           // by the user
	name    string           // for messages: of the pairing, or host:port
	tries   []string         // host:port, in the order in which they are tried
	pairing *pairing.Pairing // nil: not paired
}

// resolve finds what the address of a gateway stands for: the name of a pairing,
// an address of one, or any other address.
func resolve(address string) (destination, error) {
	name := strings.ToLower(strings.TrimSpace(address))
	if protocol.CheckName(name) == nil {
		switch p, err := pairing.Load(name); {
		case err == nil:
			return paired(address, p), nil
		case !errors.Is(err, pairing.ErrNotPaired):
			return destination{}, err
		}
	}
	hostPort, err := ParseAddress(address)
	if err != nil {
		return destination{}, err
	}
	to := destination{said: address, name: hostPort, tries: []string{hostPort}}
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return destination{}, err
	}
	all, _ := pairing.List() // what cannot be read is told when it is named
	for _, p := range all {
		if p.Name == strings.ToLower(host) || slices.Contains(p.Addresses, hostPort) {
			to.name, to.pairing = p.Name, &p
			break
		}
	}
	return to, nil
}

// resolveCaller finds which gateway that dials in is meant by a name: that of a
// pairing, or its own. An address tells of who is dialled, and not of who dials.
func resolveCaller(name string) (destination, error) {
	to, err := resolve(name)
	if err != nil {
		return destination{}, err
	}
	own := strings.ToLower(strings.TrimSpace(name))
	if to.pairing != nil && to.pairing.Name == own {
		return to, nil
	}
	if protocol.CheckName(own) != nil || own == "localhost" || net.ParseIP(own) != nil {
		return destination{}, fmt.Errorf("%s is an address, and a gateway that dials in has none: with --listen write its name, as pi-lab3 (photongate status there shows it), or the name of its pairing", name)
	}
	if to.pairing == nil {
		to.name = own
	}
	return to, nil
}

// isOf reports whether the gateway is the one with a journal, as far as that can be
// told before it is met. gateway is the name it had when the journal was recorded.
func (d *destination) isOf(journal protocol.ID, gateway string) bool {
	switch {
	case d.pairing == nil:
		return strings.EqualFold(d.name, gateway)
	case d.pairing.Journal.IsZero():
		return d.pairing.Gateway == gateway
	}
	return d.pairing.Journal == journal
}

// paired is the destination that a pairing describes.
func paired(said string, p pairing.Pairing) destination {
	return destination{said: said, name: p.Name, tries: slices.Clone(p.Addresses), pairing: &p}
}

// dialled is the meeting with a gateway that this end dials.
type dialled struct {
	to   destination
	dial Dialer
}

func (d *dialled) dials() bool { return true }

func (d *dialled) pause(ctx context.Context, pause time.Duration) bool { return sleep(ctx, pause) }

func (d *dialled) session(ctx context.Context, own identity, _ time.Time) (*session, error) {
	if to, err := resolve(d.to.said); err == nil {
		d.to = to // it may have been paired anew
	}
	return openSession(ctx, d.to, d.dial, own)
}

// openSession connects to the first address of a gateway that answers as it
// should, and says hello. Its errors are sentences; of several addresses that
// of the first one that answered at all.
func openSession(ctx context.Context, to destination, dial Dialer, own identity) (*session, error) {
	if len(to.tries) == 0 {
		return nil, usage{fmt.Errorf("%s cannot be dialled: it dials this computer, and --listen ADDRESS waits for it", to.name)}
	}
	var told error
	for _, hostPort := range to.tries {
		s, err := openAt(ctx, to, hostPort, dial, own)
		if err == nil || ctx.Err() != nil {
			return s, err
		}
		if told == nil || isSilent(told) && !isSilent(err) {
			told = err
		}
	}
	if len(to.tries) > 1 && isSilent(told) {
		told = alsoTried(to, told)
	}
	return nil, told
}

func openAt(ctx context.Context, to destination, hostPort string, dial Dialer, own identity) (*session, error) {
	conn, err := dialOne(ctx, to, hostPort, dial)
	if err != nil {
		return nil, err
	}
	if to.pairing != nil {
		return openPaired(ctx, to, conn, hostPort, own)
	}
	if !isHere(conn.RemoteAddr()) {
		conn.Close()
		return nil, notPaired(hostPort)
	}
	own.local = len(own.token) == 0
	s, err := greet(ctx, conn, hostPort, own)
	if refused, ok := errors.AsType[*Refused](err); ok && own.local && refused.Code == protocol.RefuseToken {
		// What a gateway left for this user is out of date; without it it can be read all the same.
		own.local = false
		if conn, err = dialOne(ctx, to, hostPort, dial); err == nil {
			s, err = greet(ctx, conn, hostPort, own)
		}
	}
	return s, err
}

func dialOne(ctx context.Context, to destination, hostPort string, dial Dialer) (net.Conn, error) {
	if len(to.tries) > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, tryTimeout)
		defer cancel()
	}
	conn, err := dial(ctx, hostPort)
	if err != nil && !errors.Is(err, ErrUnreachable) {
		err = explainDial(hostPort, err, onThisMachine)
	}
	return conn, err
}

// isHere reports whether the other end of a connection is on this computer.
func isHere(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback() // what is no TCP does not leave the computer
}
