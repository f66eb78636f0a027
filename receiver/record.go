package receiver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// DefaultDir is where recordings go when nobody says otherwise.
const DefaultDir = "photongate-data"

// RecordOptions say what to record, from where and for how long. A run has For
// or Readings set; without them it is a standing recording.
type RecordOptions struct {
	Addresses []string // of gateways to dial, as ParseAddress takes them
	Listen    []string // "host:port" or "host" to listen on for gateways that dial; at least one of both
	Dir       string   // the archive; empty: DefaultDir
	Name      string   // of this receiver, as gateways know it; empty: the one it had, or made from the host's
	Streams   []string // patterns of streams to record; none: all

	For      time.Duration // ends after this time by the gateway's clock; 0: not
	Readings uint64        // ends when every stream that gives readings has given so many, whole frames; 0: not
	// Resume makes a run begin where the archive ends, instead of now. A standing
	// recording always does, and a new one begins with the oldest the gateway holds.
	Resume bool
	// TakeOver makes the receiver's name that of this archive, whichever had it
	// before: it then holds nothing of a gateway's journal any more.
	TakeOver bool

	CSV bool // write CSV files as it goes, beside the archive's streams

	Token    []byte         // shown to the gateway; empty: none, which is enough on one machine
	Software string         // "photonrecv 0.1.0"
	Log      zerolog.Logger // used from several goroutines at once; the zero value says nothing
	// OnProgress is called at most five times a second, from one goroutine, and
	// once at the end. It must return soon. nil: not.
	OnProgress func(Progress)

	// Dial connects to host:port, OpenListener listens on one; nil: TCP.
	Dial         Dialer
	OpenListener Listener

	FS journal.FS // where the archive is; nil: the operating system's
}

func (o *RecordOptions) run() bool { return o.For > 0 || o.Readings > 0 }

// Summary says what a recording gave.
type Summary struct {
	Dir      string
	Name     string // of this receiver
	Streams  []StreamProgress
	Complete bool     // the run reached its end, and nothing is missing in it
	Earlier  bool     // the folder held recordings before, of which Complete says nothing
	Why      []string // sentences: what is missing, or what ended it early; empty when Complete
	Notes    []string // sentences that are worth knowing, though nothing is missing
}

// progressEvery is the least time between two calls of OnProgress.
const progressEvery = 200 * time.Millisecond

// Record records until the run is at its end or ctx ends, and then flushes,
// syncs, acks for the last time and says goodbye. Connections that are lost are
// made again for ever. Errors are those that trying again cannot mend: a wrong
// option, a folder in use, a refusal.
func Record(ctx context.Context, o RecordOptions) (Summary, error) {
	if o.Dir == "" {
		o.Dir = DefaultDir
	}
	if o.FS == nil {
		o.FS = journal.OS{}
	}
	if o.Dial == nil {
		o.Dial = dialTCP
	}
	if o.Software == "" {
		o.Software = "photonrecv"
	}
	targets, err := checkRecord(&o)
	if err != nil {
		return Summary{}, usage{err}
	}
	dir, err := openArchiveDir(o.FS, o.Dir, o.Name, o.Log)
	if err != nil {
		return Summary{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		board     = newScoreboard()
		recorders sync.WaitGroup
		failed    = make([]error, len(targets))
	)
	door, err := openDoor(ctx, &o, dir, board, cancel)
	if err != nil {
		return Summary{}, errors.Join(err, dir.close())
	}
	for i, to := range targets {
		r := &recorder{o: &o, via: &dialled{to, o.Dial}, door: door, hostPort: to.name, dir: dir, board: board, log: o.Log.With().Str("gateway", to.name).Logger()}
		if len(o.Listen) > 0 {
			r.in = newGuest(to.name, dir.changed)
			r.via = &either{&dialled{to, o.Dial}, r.in}
		}
		recorders.Go(func() {
			if failed[i] = r.run(ctx); failed[i] != nil {
				cancel()
			}
		})
	}
	stopReports := reportProgress(&o, board)
	if len(o.Listen) > 0 {
		err = door.run(ctx)
	}
	recorders.Wait()
	stopReports()
	summary := board.summary()
	summary.Dir, summary.Name, summary.Earlier = o.Dir, dir.name, dir.heldBefore()
	return summary, errors.Join(errors.Join(failed...), err, dir.close())
}

// ownIdentity is how a recording introduces itself.
func ownIdentity(o *RecordOptions, dir *archiveDir) identity {
	return identity{name: dir.name, id: dir.id, software: o.Software, token: o.Token, needs: protocol.RightArchive}
}

// checkRecord checks the options and returns what the addresses stand for.
func checkRecord(o *RecordOptions) ([]destination, error) {
	if len(o.Addresses)+len(o.Listen) == 0 {
		return nil, errors.New("no gateway to record from: name its address")
	}
	if o.For < 0 {
		return nil, fmt.Errorf("a recording cannot last %v", o.For)
	}
	var targets []destination
	for _, address := range o.Addresses {
		to, err := resolve(address)
		if err != nil {
			return nil, err
		}
		if len(to.tries) == 0 {
			return nil, fmt.Errorf("%s cannot be dialled: it dials this computer; --listen ADDRESS waits for it", to.name)
		}
		targets = append(targets, to)
	}
	if o.Name != "" {
		if err := protocol.CheckName(o.Name); err != nil {
			return nil, fmt.Errorf("the name of this receiver: %w", err)
		}
	}
	return targets, checkPatterns(o.Streams)
}

// reportProgress calls OnProgress, and tells of streams that fall silent, until the
// function it returns is called, which makes the last call and waits for it.
func reportProgress(o *RecordOptions, board *scoreboard) (stop func()) {
	every, show := progressEvery, o.OnProgress
	if show == nil {
		every, show = time.Second, func(Progress) {}
	}
	end := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		told := changes{log: o.Log, told: map[streamKey]absence{}}
		for {
			select {
			case now := <-tick.C:
				p := board.progress()
				told.look(p.Streams, now)
				show(p)
			case <-end:
				show(board.progress())
				return
			}
		}
	})
	return func() {
		close(end)
		wg.Wait()
	}
}
