package receiver

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"photongate/protocol"
	"photongate/protocol/pairing"
)

// at makes a door what a command listens at.
func (g *gate) at(_ context.Context, _ string) (net.Listener, error) { return g, nil }

// TestMeasureWithWhoDialsIn cuts the connection of a gateway that dials in after so
// many bytes, from the first to the last; it dials again, and the measurement has
// every reading once.
func TestMeasureWithWhoDialsIn(t *testing.T) {
	t.Setenv(pairing.FolderVariable, t.TempDir())
	cuts := 0
	for cut := 200; cut < 3600; cut += 61 {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, 10)
			b.cutAfter = func(session int) int { return map[bool]int{true: cut, false: -1}[session == 1] }
			door := newGate()
			var gateway sync.WaitGroup
			gateway.Go(func() { _ = b.calls(door, near) })
			m, folder, err := b.measure(t.Context(), func(o *MeasureOptions) { o.Listen, o.OpenListener, o.Dial = []string{":7310"}, door.at, nil })
			gateway.Wait()
			if err != nil { // before it began
				if !errors.Is(err, ErrUnreachable) {
					t.Errorf("cut after %d bytes: %v", cut, err)
				}
				return
			}
			cuts++
			if rows := columnA(t, folder); rows != fiveRows || m.State != protocol.MeasurementComplete {
				t.Errorf("cut after %d bytes: %s %s %v", cut, m.State, rows, m.Why)
			}
		})
	}
	if cuts < 30 {
		t.Errorf("only %d connections were cut within a measurement", cuts)
	}
}

// TestWaitsForOneGateway: of all that dial in, a command takes the one that was
// named, or that a folder is of; the others are told so.
func TestWaitsForOneGateway(t *testing.T) {
	for name, c := range map[string]struct {
		want wanted
		pair string      // the gateway that dials is paired under this name
		as   protocol.ID // or rather one with this journal; zero: not
		in   bool
	}{
		"by its own name":          {want: wanted{address: "PI-lab3"}, in: true},
		"another name":             {want: wanted{address: "pi-lab5"}},
		"paired":                   {want: wanted{address: "table"}, pair: "table", in: true},
		"paired otherwise":         {want: wanted{address: "pi-lab5"}, pair: "table"},
		"in place of a paired one": {want: wanted{address: "table"}, pair: "table", as: protocol.ID{7}},
		"of a folder":              {want: wanted{folders: []wantedOf{{protocol.ID{1}, "pi-lab5"}, {mustID(t, "00112233445566778899aabbccddeeff"), "pi-lab3"}}}, in: true},
		"of a folder, renamed":     {want: wanted{folders: []wantedOf{{mustID(t, "00112233445566778899aabbccddeeff"), "attic"}}}, in: true},
		"of another folder":        {want: wanted{folders: []wantedOf{{protocol.ID{1}, "pi-lab5"}}}},
		"named, of another folder": {want: wanted{address: "pi-lab3", folders: []wantedOf{{protocol.ID{1}, "pi-lab3"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			_, p, _ := pairedStub(t)
			if err := pairing.Remove(p.Name); err != nil {
				t.Fatal(err)
			}
			if p.Name = c.pair; c.pair != "" {
				if !c.as.IsZero() {
					p.Journal = c.as
				}
				save(t, p)
			}
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, 2)
				l.stay = true
				l.journal = mustID(t, "00112233445566778899aabbccddeeff")
				if c.pair != "" {
					l.token, l.rights = mustToken(t, p), []string{protocol.RightRead}
				}
				door := newGate()
				w, err := openWay(t.Context(), c.want, &ConnectOptions{Listen: []string{":7310"}, OpenListener: door.at, Log: zerolog.New(zerolog.SyncWriter(&l.log))})
				if err != nil {
					t.Fatal(err)
				}
				var gateways sync.WaitGroup
				told := make(chan error, 1)
				gateways.Go(func() {
					mine, theirs := net.Pipe()
					door.enter(theirs)
					told <- l.callIn(mine, 1)
				})
				client, err := w.connect(t.Context(), "", firstVisit)
				if !c.in {
					if err == nil {
						err = errors.Join(errors.New("nothing"), client.Close())
					}
					why := <-told
					if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "turned away meanwhile: pi-lab3") || why == nil || !strings.Contains(why.Error(), "pi-lab3 is not it") {
						t.Errorf("the command ends with %v, the gateway is told %v", err, why)
					}
					w.end()
					gateways.Wait()
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				// Another one, of the same name or not, does not take its place.
				gateways.Go(func() {
					other := newStub(t).withBench(1)
					other.journal = protocol.ID{9, 9}
					mine, theirs := net.Pipe()
					door.enter(theirs)
					time.AfterFunc(time.Minute, func() { mine.Close() })
					if err := other.callIn(mine, 1); err == nil || !strings.Contains(err.Error(), "is not it") {
						t.Errorf("another gateway of that name is told %v", err)
					}
				})
				synctest.Wait()
				if err := client.Err(); err != nil {
					t.Errorf("the session ended with %v", err)
				}
				if err := client.Close(); err != nil {
					t.Error(err)
				}
				w.end()
				gateways.Wait()
			})
		})
	}
}

// TestWaitsForNoAddress: who dials in is known by a name, which an address is not; and
// a gateway that no folder is of is not waited for.
func TestWaitsForNoAddress(t *testing.T) {
	_, p, _ := pairedStub(t)
	if err := pairing.Remove(p.Name); err != nil {
		t.Fatal(err)
	}
	known, unreached := p, p
	known.Name, known.Gateway, known.Journal = "table", "pi-lab3", protocol.ID{7}
	unreached.Name, unreached.Gateway, unreached.Journal, unreached.Addresses = "attic", "pi-lab9", protocol.ID{}, nil
	save(t, known)
	save(t, unreached)
	const isAddress = "is an address, and a gateway that dials in has none: with --listen write its name"
	archive := []wantedOf{{protocol.ID{8}, "pi-pair"}}
	for _, c := range []struct {
		want wanted
		err  string // empty: it is waited for
	}{
		{wanted{address: "127.0.0.1:9999"}, isAddress},
		{wanted{address: "127.0.0.1"}, isAddress},
		{wanted{address: "localhost"}, isAddress},
		{wanted{address: "LocalHost:7419"}, isAddress},
		{wanted{address: "pi-play:7411"}, isAddress},
		{wanted{address: "::1"}, isAddress},
		{wanted{address: known.Addresses[0]}, isAddress},
		{wanted{address: "pi-play"}, ""},
		{wanted{address: "TABLE"}, ""},
		{wanted{}, ""},
		{wanted{address: "pi-play", folders: archive}, "the folder holds nothing of pi-play: it is of pi-pair (journal 08000000); leave --from out"},
		{wanted{address: "table", folders: archive}, "the folder holds nothing of table (journal 07000000): it is of pi-pair (journal 08000000)"},
		{wanted{address: "attic", folders: archive}, "the folder holds nothing of attic: it is of pi-pair"},
		{wanted{address: "Pi-Pair", folders: archive}, ""},
		{wanted{address: "table", folders: []wantedOf{{protocol.ID{7}, "its name of then"}}}, ""},
		{wanted{address: "attic", folders: []wantedOf{{protocol.ID{8}, "pi-lab9"}}}, ""},
		{wanted{folders: archive}, ""},
	} {
		door := newGate()
		w, err := openWay(t.Context(), c.want, &ConnectOptions{Listen: []string{":7310"}, OpenListener: door.at})
		if err == nil {
			w.end()
		}
		if c.err == "" && err != nil || c.err != "" && (!errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%+v: got %v, want %q", c.want, err, c.err)
		}
	}
}

// TestRefusedByWhoDialsIn: where the gateway does not know the token, waiting for it to
// dial in again does not help.
func TestRefusedByWhoDialsIn(t *testing.T) {
	_, p, _ := pairedStub(t)
	p.Journal = mustID(t, "00112233445566778899aabbccddeeff")
	save(t, p)
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2)
		l.journal, l.token, l.rights = p.Journal, make([]byte, 32), []string{protocol.RightRead}
		door, began := newGate(), time.Now()
		told := make(chan error, 1)
		go func() {
			_, err := Connect(t.Context(), p.Name, ConnectOptions{Listen: []string{":7310"}, OpenListener: door.at})
			told <- err
		}()
		synctest.Wait()
		mine, theirs := net.Pipe()
		go func() {
			door.enter(theirs)
			_ = l.callIn(mine, 1) // what it refuses is told by the other end
		}()
		err := <-told
		if refused, ok := errors.AsType[*Refused](err); !ok || refused.Code != protocol.RefuseToken || MayRecover(err) || time.Since(began) > firstVisit/2 {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

func mustToken(t *testing.T, p pairing.Pairing) []byte {
	t.Helper()
	token, err := p.TokenBytes()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestNobodyDialsInForACommand: it says what to look at after a minute, and ends at
// once when it is asked to.
func TestNobodyDialsInForACommand(t *testing.T) {
	t.Setenv(pairing.FolderVariable, t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := Connect(t.Context(), "pi-lab3", ConnectOptions{Listen: []string{":7310"}, OpenListener: newGate().at})
		if err == nil || !errors.Is(err, ErrUnreachable) || time.Since(began) != time.Minute ||
			err.Error() != "pi-lab3 did not dial in at 192.0.2.9:7310: forward in its configuration must name this computer with this port, and a firewall here must let it in; photongate status there says why it is not reached" {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if _, err := Connect(ctx, "pi-lab3", ConnectOptions{Listen: []string{":7310"}, OpenListener: newGate().at}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended by who waits: %v", err)
		}
	})
}
