package receiver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"photongate/protocol"
	"photongate/protocol/pairing"
)

// PairOptions say how to pair with a gateway.
type PairOptions struct {
	As       string // what to call the gateway here; empty: as it calls itself
	Replace  bool   // also in place of another gateway of that name
	Software string
	Dial     Dialer // nil: TCP
}

// Paired says with what this computer was paired.
type Paired struct {
	pairing.Pairing
	Hello  protocol.Hello   // of the gateway
	At     string           // the address that answered
	Again  bool             // it was paired before
	Status *protocol.Status // nil: it did not say
	Notes  []string         // sentences on what is odd
}

// ErrNameTaken says that another gateway is paired under a name.
var ErrNameTaken = errors.New("another gateway is paired under this name")

// Pair takes the line that a gateway printed, connects to the gateway to see
// that it holds, and keeps it for this user. When it does not connect nothing is
// kept. A bad line is ErrUsage.
func Pair(ctx context.Context, line string, o PairOptions) (Paired, error) {
	p, err := pairing.ParseLine(line)
	if err != nil {
		return Paired{}, usage{err}
	}
	if o.As != "" {
		if err := protocol.CheckName(o.As); err != nil {
			return Paired{}, usage{fmt.Errorf("--as: %w", err)}
		}
		p.Name = o.As
	}
	c, err := connect(ctx, paired(p.Name, p), ConnectOptions{Software: o.Software, Dial: o.Dial, Needs: protocol.RightChange})
	if err != nil {
		return Paired{}, fmt.Errorf("%w; nothing was kept", err)
	}
	defer c.Close()
	done := Paired{Hello: c.Hello(), At: c.Peer(), Notes: c.Notes()}
	p.Gateway, p.Journal = done.Hello.Name, done.Hello.ID
	before, err := pairing.Load(p.Name)
	switch {
	case errors.Is(err, pairing.ErrNotPaired):
	case err != nil && !o.Replace:
		return Paired{}, fmt.Errorf("%w; --replace puts the new one in its place", err)
	case err == nil && before.Journal != p.Journal && !o.Replace:
		return Paired{}, usage{fmt.Errorf("%w: %s is the gateway at %s with the journal %.8s; this one has the journal %.8s, and may be a copy of it (a cloned card). Call this one otherwise with --as NAME, or put it in place of the other with --replace",
			ErrNameTaken, p.Name, before.Addresses[0], before.Journal, p.Journal)}
	}
	done.Again = err == nil && before.Journal == p.Journal
	// The address that works is tried first from now on.
	i := slices.Index(p.Addresses, done.At)
	p.Addresses = slices.Concat([]string{done.At}, p.Addresses[:i], p.Addresses[i+1:])
	if err := pairing.Save(p); err != nil {
		return Paired{}, err
	}
	done.Pairing = p
	ask, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if r, err := c.Do(ask, protocol.Request{Do: protocol.DoStatus}); err == nil {
		done.Status = r.Status
	}
	return done, nil
}
