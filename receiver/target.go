package receiver

import (
	"context"
	"errors"
	"net"
)

// Dialer connects to host:port.
type Dialer func(ctx context.Context, hostPort string) (net.Conn, error)

// destination is a gateway as the user named it: where to look for it.
type destination struct {
	name  string   // for messages
	tries []string // host:port, in the order in which they are tried
}

// resolve finds what the address of a gateway stands for.
func resolve(address string) (destination, error) {
	hostPort, err := ParseAddress(address)
	if err != nil {
		return destination{}, err
	}
	return destination{name: hostPort, tries: []string{hostPort}}, nil
}

// openSession connects to the first address of a gateway that answers as it
// should, and says hello. Its errors are sentences; of several addresses that
// of the first one that answered at all.
func openSession(ctx context.Context, to destination, dial Dialer, own identity) (*session, error) {
	var told error
	for _, hostPort := range to.tries {
		s, err := openAt(ctx, hostPort, dial, own)
		if err == nil || ctx.Err() != nil {
			return s, err
		}
		if told == nil || isSilent(told) && !isSilent(err) {
			told = err
		}
	}
	return nil, told
}

func openAt(ctx context.Context, hostPort string, dial Dialer, own identity) (*session, error) {
	conn, err := dial(ctx, hostPort)
	if err != nil {
		if !errors.Is(err, ErrUnreachable) {
			err = explainDial(hostPort, err, onThisMachine)
		}
		return nil, err
	}
	return greet(ctx, conn, hostPort, own)
}
