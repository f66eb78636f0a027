package watch

import (
	"context"
	"time"

	"photongate/protocol/table"
	"photongate/receiver"
)

// folderFeed puts into a board what is recorded into a folder.
type folderFeed struct {
	board *board
	dir   string
	now   func() time.Time

	caughtUp bool // what was there at the begin has been read
}

// run feeds the board until ctx ends (nil) or the folder cannot be read.
func (f *folderFeed) run(ctx context.Context) error {
	return receiver.Tail(ctx, receiver.TailOptions{
		Dir: f.dir,
		Sink: func(_, _ string, clocks *table.ClockTable) table.Sink {
			return table.CountTags(&sink{board: f.board, now: f.now, age: func(p *table.Part, ns int64) (time.Duration, bool) {
				// The clocks of gateway and workstation may differ: what comes while we
				// look came now.
				utc, known := clocks.UTC(p.Desc.Base, ns)
				return f.now().Sub(time.Unix(0, utc)), known && !f.caughtUp
			}})
		},
		Round: func() error { f.caughtUp = true; return nil },
	})
}
