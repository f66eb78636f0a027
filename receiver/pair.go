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
	As      string // what to call the gateway here; empty: as it calls itself
	Replace bool   // also in place of another gateway of that name
	// Unreached keeps the line without connecting, for a gateway that cannot be
	// reached and dials this computer. Its journal is noted when it does so first.
	Unreached bool
	Software  string
	Dial      Dialer // nil: TCP
}

// Paired says with what this computer was paired.
type Paired struct {
	pairing.Pairing
	Hello  protocol.Hello   // of the gateway; zero: it was not asked
	At     string           // the address that answered; empty: it was not asked
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
	if o.Unreached || len(p.Addresses) == 0 {
		return pairUnreached(p, o.Replace)
	}
	asked := p
	asked.Gateway = "" // what it calls itself now is what counts
	c, err := askPaired(ctx, paired(p.Name, asked), o)
	if errors.Is(err, ErrUnreachable) {
		return Paired{}, fmt.Errorf("%w; nothing was kept. If the gateway is behind a firewall and dials this computer (forward in its configuration), keep the line with --unreached", err)
	}
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
	case err == nil && before.Journal.IsZero() && before.CertificateSHA256 == p.CertificateSHA256: // it was not reached before
	case err == nil && before.Journal != p.Journal && !o.Replace:
		return Paired{}, usage{fmt.Errorf("%w: %s is the gateway at %s with the journal %.8s; this one has the journal %.8s, and may be a copy of it (a cloned card). Call this one otherwise with --as NAME, or put it in place of the other with --replace",
			ErrNameTaken, p.Name, before.Where(), before.Journal, p.Journal)}
	}
	done.Again = err == nil && (before.Journal == p.Journal || before.Journal.IsZero())
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

// askPaired opens a session with the gateway of a line.
func askPaired(ctx context.Context, to destination, o PairOptions) (*Client, error) {
	by := ConnectOptions{Software: o.Software, Dial: o.Dial}
	by.complete()
	id := protocol.NewID()
	s, err := openSession(ctx, to, by.Dial, identity{name: defaultName(id), id: id, software: by.Software, needs: protocol.RightChange})
	if err != nil {
		return nil, err
	}
	return newClient(s, ""), nil
}

// pairUnreached keeps a line as it is. That of a gateway which was paired before
// keeps the journal that is known of it.
func pairUnreached(p pairing.Pairing, replace bool) (Paired, error) {
	before, err := pairing.Load(p.Name)
	same := err == nil && before.CertificateSHA256 == p.CertificateSHA256 && before.Gateway == p.Gateway
	switch {
	case errors.Is(err, pairing.ErrNotPaired):
	case err != nil && !replace:
		return Paired{}, fmt.Errorf("%w; --replace puts the new one in its place", err)
	case same && !replace:
		p.Journal = before.Journal
	case !replace:
		return Paired{}, usage{fmt.Errorf("%w: %s is the gateway %s with another key, at %s. Call this one otherwise with --as NAME, or put it in place of the other with --replace",
			ErrNameTaken, p.Name, before.Gateway, before.Where())}
	}
	if err := pairing.Save(p); err != nil {
		return Paired{}, err
	}
	return Paired{Pairing: p, Again: same}, nil
}
