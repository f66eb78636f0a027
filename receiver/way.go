package receiver

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"photongate/protocol"
)

// How long a command waits for a gateway to dial in, which tries every ten seconds
// at least.
const (
	firstVisit = time.Minute
	nextVisit  = longPause // until it is told that the gateway is still away
)

// way is how a command comes by sessions with one gateway: it dials it, or waits
// until the gateway dials in. One goroutine uses it.
type way struct {
	meeting
	own identity
	end func() // of the waiting
}

// wanted says with which gateway a command has to do.
type wanted struct {
	address string     // of it, or its name where it is waited for; empty: any
	folders []wantedOf // it is that of one of these; none: any
}

// wantedOf is a folder that a gateway was recorded into.
type wantedOf struct {
	journal protocol.ID
	gateway string // its name then
}

// check refuses a gateway that none of the folders is of.
func (w *wanted) check(to *destination) error {
	if to.said == "" || len(w.folders) == 0 || slices.ContainsFunc(w.folders, func(f wantedOf) bool { return to.isOf(f.journal, f.gateway) }) {
		return nil
	}
	said := to.said
	if to.pairing != nil && !to.pairing.Journal.IsZero() {
		said += fmt.Sprintf(" (journal %.8s)", to.pairing.Journal)
	}
	return fmt.Errorf("the folder holds nothing of %s: it is of %s; leave --from out, and that is waited for", said, namesOf(w.folders))
}

// namesOf are the gateways of folders, in words.
func namesOf(folders []wantedOf) string {
	var names []string
	for _, f := range folders {
		names = append(names, fmt.Sprintf("%s (journal %.8s)", f.gateway, f.journal))
	}
	return strings.Join(names, " or ")
}

// openWay dials the gateway, or begins to wait for it where the options say so.
func openWay(ctx context.Context, want wanted, o *ConnectOptions) (*way, error) {
	o.complete()
	id := protocol.NewID()
	w := &way{own: identity{name: defaultName(id), id: id, software: o.Software, token: o.Token, needs: o.Needs}, end: func() {}}
	if len(o.Listen) == 0 {
		to, err := resolve(want.address)
		if err != nil {
			return nil, usage{err}
		}
		w.meeting = &dialled{to, o.Dial}
		return w, nil
	}
	var to destination
	if want.address != "" {
		var err error
		if to, err = resolveCaller(want.address); err != nil {
			return nil, usage{err}
		}
	}
	if err := want.check(&to); err != nil {
		return nil, usage{err}
	}
	a, err := await(ctx, to, want.folders, w.own, o)
	if err != nil {
		return nil, err
	}
	w.meeting, w.end = a, a.end
	return w, nil
}

// session opens or awaits the next session, the latter for a time.
func (w *way) session(ctx context.Context, patience time.Duration) (*session, error) {
	return w.meeting.session(ctx, w.own, time.Now().Add(patience))
}

// awaited is the meeting with one gateway that dials in for a command.
type awaited struct {
	reception
	to      destination // zero: any gateway
	folders []wantedOf  // of which it is
	leave   func()

	mu    sync.Mutex
	found *guest      // the sessions of the gateway
	is    protocol.ID // its journal, when it has come; zero: it has not
	name  string      // likewise
	away  string      // why a gateway was turned away last

	giveUp context.CancelCauseFunc // ends the waiting for a session; nil: nobody waits yet
}

// await begins to wait until end is called.
func await(ctx context.Context, to destination, folders []wantedOf, own identity, o *ConnectOptions) (*awaited, error) {
	a := &awaited{to: to, folders: folders, found: newGuest(to.name, nil)}
	a.reception = newReception(o.Log, func() identity { return own }, a.wanted, a.hand)
	a.told.also, a.final = a.turnedAway, a.refused
	cure := "if it is photonrecv record --listen, what dials in there is recorded and does nothing else; give this command a port of its own, as in --listen :7311, and name both in forward on the gateway, as in forward = [\"ws-ana:7310\", \"ws-ana:7311\"]"
	if err := a.listen(ctx, o.OpenListener, o.Listen, cure); err != nil {
		return nil, err
	}
	a.leave = a.receive(context.WithoutCancel(ctx)) // it goes on until end
	o.Log.Info().Msgf("waiting at %s for %s to dial in", a.where(), a.whom())
	return a, nil
}

// end waits for nobody any more, and closes what was not taken.
func (a *awaited) end() {
	a.found.end()
	a.leave()
}

// whom is who is waited for, in words.
func (a *awaited) whom() string {
	switch {
	case a.to.said != "":
		return a.to.said
	case len(a.folders) > 0:
		return namesOf(a.folders)
	}
	return "the gateway"
}

func (a *awaited) dials() bool { return false }

func (a *awaited) pause(context.Context, time.Duration) bool { return true }

// session waits until the gateway dials in.
func (a *awaited) session(ctx context.Context, own identity, until time.Time) (*session, error) {
	waiting, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	a.mu.Lock()
	a.giveUp = giveUp
	a.mu.Unlock()
	s, err := a.found.session(waiting, own, until)
	if err == nil || ctx.Err() != nil {
		return s, err
	}
	if waiting.Err() != nil {
		return nil, context.Cause(waiting)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case !a.is.IsZero():
		err = fmt.Errorf("%s has not dialled in again at %s", a.name, a.where())
	case a.away != "":
		err = fmt.Errorf("%s did not dial in at %s; turned away meanwhile: %s", a.whom(), a.where(), a.away)
	default:
		err = fmt.Errorf("%s did not dial in at %s: forward in its configuration must name this computer with this port, and a firewall here must let it in; photongate status there says why it is not reached", a.whom(), a.where())
	}
	return nil, &unreachable{text: err.Error(), cause: context.DeadlineExceeded, silent: true}
}

// wanted refuses all gateways but the one that the command is about.
func (a *awaited) wanted(v *visitor, hello *protocol.Hello) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.is.IsZero() && a.fits(v, hello) || a.is == hello.ID {
		return nil
	}
	return &busyHere{fmt.Sprintf("a command there waits for %s, and %s is not it", a.whom(), hello.Name)}
}

// fits reports whether a gateway is the one that was named.
func (a *awaited) fits(v *visitor, hello *protocol.Hello) bool {
	switch {
	case len(a.folders) > 0 && !slices.ContainsFunc(a.folders, func(f wantedOf) bool { return f.journal == hello.ID }):
		return false
	case a.to.said == "":
		return true
	case a.to.pairing != nil:
		return v.pairing != nil && v.pairing.Name == a.to.pairing.Name
	}
	return v.known == nil && strings.EqualFold(a.to.name, hello.Name) // one of this computer
}

// hand leaves a session to be taken.
func (a *awaited) hand(_ context.Context, s *session) error {
	a.mu.Lock()
	if a.is.IsZero() {
		a.is, a.name = s.hello.ID, s.name
	}
	mine := a.is == s.hello.ID
	a.mu.Unlock()
	if !mine || !a.found.put(s) {
		return &busyHere{"the command there is at its end, or is about another gateway"}
	}
	return nil
}

// refused ends the waiting: the gateway does not let this end in, and will not when
// it dials again.
func (a *awaited) refused(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.giveUp != nil {
		a.giveUp(err)
	}
}

func (a *awaited) turnedAway(text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.away = text
}

// complete puts in what was left out.
func (o *ConnectOptions) complete() {
	if o.Dial == nil {
		o.Dial = dialTCP
	}
	if o.Software == "" {
		o.Software = "photonrecv"
	}
	if o.Needs == "" {
		o.Needs = protocol.RightRead
	}
}
