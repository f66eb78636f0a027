package watch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gdamore/tcell/v2"
	"golang.org/x/sync/errgroup"

	"photongate/receiver"
)

// Options say what to watch and how.
type Options struct {
	Source   string        // the address of a gateway, or a folder that is being recorded
	Channels []string      // AB, bench/AB, with * and ?; in this order; none: all
	Smooth   time.Duration // over which rates are taken; 0: one second
	Beep     string        // a channel whose rate is to be heard as a pitch; empty: none
	Connect  receiver.ConnectOptions

	screen tcell.Screen // of tests; nil: the terminal
	tone   tone         // of tests; nil: what the system has
}

// drawEvery is the pace of drawing.
const drawEvery = 100 * time.Millisecond

// errQuit ends the watching by key.
var errQuit = errors.New("quit")

// Run watches until the user quits or ctx ends, both of which are no error. It
// uses the whole terminal and leaves it as it was.
func Run(ctx context.Context, o Options) error {
	if o.Smooth == 0 {
		o.Smooth = time.Second
	}
	if o.Smooth < minSmooth || o.Smooth > maxSmooth {
		return fmt.Errorf("%w: smoothing over %v: expected %v to %v", receiver.ErrUsage, o.Smooth, minSmooth, maxSmooth)
	}
	b := newBoard(o.Source, o.Smooth, o.Channels)
	var feed interface{ run(context.Context) error } = &gatewayFeed{board: b, address: o.Source, options: o.Connect, now: time.Now}
	if receiver.IsFolder(o.Source) {
		feed = &folderFeed{board: b, dir: o.Source, now: time.Now}
	}
	s, err := newScreen(b, o)
	if err != nil {
		return err
	}
	defer s.close()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return feed.run(ctx) })
	group.Go(func() error { return s.run(ctx) })
	if err := group.Wait(); !errors.Is(err, errQuit) {
		return err
	}
	return nil
}
