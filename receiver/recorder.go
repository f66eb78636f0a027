package receiver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"photongate/protocol"
)

// recorder records from one gateway, over one session after the other.
type recorder struct {
	o        *RecordOptions
	via      meeting
	door     *door  // where gateways dial in
	in       *guest // what the gateway that is dialled may come by as well; nil: nothing
	hostPort string // what the gateway is called in messages: its pairing's name, or where it is
	dir      *archiveDir
	board    *scoreboard
	log      zerolog.Logger

	store     *store // of the gateway's journal; nil before the first session
	csv       *csvFollower
	path      string // of the store
	journal   protocol.ID
	seen      map[string]bool            // streams this run has stored frames of
	began     map[string]protocol.Extent // where each stream of a run from now began (zero: it is told what is missing); nil before it did
	begun     bool                       // a subscription was answered
	deadline  time.Time                  // of a run for a time
	toNs      int64                      // the same, on the time base toBase
	toBase    protocol.ID
	lastSaid  string
	since     time.Time // of the present connection; zero: there is none
	lost      time.Time // when the connection was lost; zero: it was not
	noted     int       // how many notes on a session were told last
	answered  error     // why there was no session with something that answered; nil: nothing did, or there was one
	fits      bool      // a stream fitted what was asked for
	streams   []string  // of the gateway, when none did
	disk      diskState
	named     bool // the gateway knows the archive by its name
	elsewhere bool // it is recorded since it dials in
}

// meeting is how a recorder comes by sessions with its gateway: it dials, or
// the gateway does.
type meeting interface {
	// session opens or awaits the next session. A run is given up at until (zero:
	// never). Errors are sentences.
	session(ctx context.Context, own identity, until time.Time) (*session, error)
	// dials reports whether each session is an attempt of this end, to be made
	// again after a pause and given up when it is hopeless.
	dials() bool
	// pause waits before the next attempt. It reports false when ctx ended first.
	pause(ctx context.Context, d time.Duration) bool
}

// What ends a session or a recording in good order.
var (
	errDone      = errors.New("the run is at its end")
	errReconnect = errors.New("subscribe anew")
)

const (
	firstPause = 250 * time.Millisecond
	longPause  = 10 * time.Second
	// goodSession is how long a session must have lasted for the pauses to begin
	// anew: a gateway that is started again is found again soon.
	goodSession = 2 * time.Second
	// grace is how long a run waits beyond its end for a gateway that is silent
	// or away.
	grace = 15 * time.Second
	// leastWait is for how long a run for a time looks for a gateway at least; as a
	// rule it does so for the time it is to last.
	leastWait = time.Minute
	// farewell bounds the last sync, and then the last bytes to the gateway.
	farewell = 5 * time.Second
)

// run records until the run is done or ctx ends (nil), or until something
// that trying again cannot mend.
func (r *recorder) run(ctx context.Context) (err error) {
	r.seen = map[string]bool{}
	started := time.Now()
	defer func() {
		r.nothingFits()
		err = errors.Join(err, r.closeStore())
	}()
	for pause := firstPause; ; {
		began := time.Now()
		err := r.once(ctx)
		switch {
		case errors.Is(err, errDone):
			return nil
		case ctx.Err() != nil:
			r.stopped()
			return nil
		case errors.Is(err, errReconnect):
			pause = firstPause
			continue
		case r.hopeless(err):
			return err
		case !r.deadline.IsZero() && time.Now().After(r.deadline.Add(grace)):
			r.board.incomplete("the run is over, and its last readings are not here: %v; fetch them with --resume", err)
			return nil
		case r.o.For > 0 && r.deadline.IsZero() && time.Since(started) > max(r.o.For, leastWait):
			r.board.incomplete("nothing was recorded from %s, which was not there for all the time to record: %v", r.hostPort, err)
			return nil
		}
		if time.Since(began) > goodSession {
			pause = firstPause
		}
		if !r.since.IsZero() && time.Since(r.since) > goodSession {
			r.lastSaid = "" // it was good for a while: that it is gone is news
		}
		r.say(err, pause)
		if !r.via.pause(ctx, jitter(pause)) {
			r.stopped()
			return nil
		}
		pause = min(2*pause, longPause)
	}
}

// stopped notes that the user ended the recording.
func (r *recorder) stopped() {
	switch {
	case !r.begun && r.elsewhere:
	case !r.begun && r.answered != nil:
		r.board.incomplete("nothing was recorded from %s: %v", r.hostPort, r.answered)
	case !r.begun:
		r.board.incomplete("nothing was recorded from %s: it was never reached", r.hostPort)
	case r.o.run():
		r.board.incomplete("ended before its time")
	}
}

// nothingFits notes that no stream of the gateway was asked for.
func (r *recorder) nothingFits() {
	if r.begun && !r.fits && len(r.o.Streams) > 0 {
		r.board.incomplete("%s", r.misfit())
	}
}

// misfit says which streams there are, when none fits.
func (r *recorder) misfit() string {
	text := fmt.Sprintf("no stream of %s fits %s", r.hostPort, patternText(r.o.Streams))
	if len(r.streams) > 0 {
		text += ": there are " + strings.Join(r.streams, ", ")
	}
	return text
}

// hopeless reports whether trying again cannot help.
func (r *recorder) hopeless(err error) bool {
	refused, ok := errors.AsType[*Refused](err)
	if ok && !r.via.dials() {
		return false // others may dial in
	}
	if isTrust(err) {
		return !r.begun // later, pairing anew mends it while this goes on
	}
	if ok {
		return refused.final()
	}
	return !errors.Is(err, ErrUnreachable) && !isSessionEnd(err)
}

// isSessionEnd reports whether an error is one after which the next session
// goes on.
func isSessionEnd(err error) bool {
	if _, ok := errors.AsType[*damagedFrame](err); ok {
		return true
	}
	if _, ok := errors.AsType[*diskTrouble](err); ok {
		return true
	}
	_, ok := errors.AsType[*goodbye](err)
	return ok
}

// say logs why there is no session; the same reason only once in a row.
func (r *recorder) say(err error, pause time.Duration) {
	r.board.setConnected(r.hostPort, false)
	if !r.since.IsZero() {
		r.since, r.lost = time.Time{}, time.Now()
	}
	if err.Error() == r.lastSaid {
		r.log.Debug().Err(err).Dur("again_in", pause).Msg("still no connection")
		return
	}
	r.lastSaid = err.Error()
	then := "; trying again until it works"
	if !r.via.dials() {
		then = "; waiting for it to dial in again"
	}
	r.log.Warn().Msg(err.Error() + then)
}

func jitter(d time.Duration) time.Duration {
	return d/2 + time.Duration(rand.Int64N(int64(d)))
}

// sleep waits; it reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// once connects, subscribes and records until the session ends.
func (r *recorder) once(ctx context.Context) error {
	var until time.Time
	if !r.deadline.IsZero() {
		until = r.deadline.Add(grace)
	}
	s, err := r.via.session(ctx, ownIdentity(r.o, r.dir), until)
	if ctx.Err() == nil && (err == nil || !isSilent(err)) {
		r.answered = err
	}
	if err != nil {
		return err
	}
	r.note(s)
	err = r.useStore(&s.hello, false)
	if errors.Is(err, errTaken) && len(r.o.Listen) > 0 {
		return r.waitForRoom(ctx, s)
	}
	defer s.conn.Close()
	if err != nil {
		return whilePassing(err)
	}
	ask := r.subscription(s)
	if err := s.send(protocol.TypeSubscribe, ask); err != nil {
		return explainLost(r.hostPort, err)
	}
	err = r.serve(ctx, s)
	if errors.Is(err, errDiverged) {
		return r.startOver(&s.hello, err)
	}
	return err
}

// waitForRoom has a gateway that is recorded already, since it dials in, be recorded
// over this session where it has gone away, and otherwise ends the session. It waits
// for as long as that goes on.
func (r *recorder) waitForRoom(ctx context.Context, s *session) error {
	r.elsewhere = true
	r.board.forget(r.hostPort)
	if !r.via.dials() { // it was dialled in the same moment: that recorder takes whoever dials in from now on
		r.turnBack(s)
		return errDone
	}
	id, name := s.hello.ID, s.hello.Name
	g := r.door.guestOf(id)
	if g != nil && g.lend(s) {
		r.log.Info().Msg(r.hostPort + " has not dialled in again, and answers: recording goes on over the connection that was dialled")
	} else {
		r.turnBack(s)
		r.log.Warn().Msg(r.hostPort + " is recorded already, since it dials in here; it is not dialled for as long as that goes on")
	}
	r.dir.await(ctx, func() bool { return g != nil && g.waits() || !r.dir.uses(name, id) })
	return errReconnect
}

// turnBack ends a session with a gateway that is recorded otherwise.
func (r *recorder) turnBack(s *session) {
	_ = s.send(protocol.TypeRefuse, &protocol.Refusal{Code: protocol.RefuseBusy, Text: alreadyRecorded}) // it is closed either way
	s.drain()
	s.conn.Close()
}

// note tells, once, what is odd.
func (r *recorder) note(s *session) {
	if len(s.notes) == r.noted {
		return
	}
	r.noted = len(s.notes)
	for _, n := range s.notes {
		r.log.Warn().Msg(n)
	}
}

// useStore opens the archive of the gateway's journal, unless it is open.
func (r *recorder) useStore(hello *protocol.Hello, fresh bool) error {
	if r.store != nil && r.journal == hello.ID && !fresh {
		return nil
	}
	if err := r.closeStore(); err != nil {
		return err
	}
	path, err := r.dir.folderFor(hello.Name, hello.ID, fresh)
	if err != nil {
		return err
	}
	st, err := openStore(r.dir, path, hello, r.log)
	if err != nil {
		r.dir.release(path)
		return err
	}
	if r.fromNow() && !r.journal.IsZero() && r.journal != hello.ID {
		r.board.incomplete("%s came back with another journal: what it measured before this computer knew of it is not in this recording; photonrecv repair --unrecorded fetches it", hello.Name)
	}
	r.store, r.path, r.journal, r.begun = st, path, hello.ID, false
	r.door.own(r.journal, r.in)
	r.began = nil
	clear(r.seen)
	if r.o.CSV {
		r.csv = followCSV(st.journal, r.dir.fs, !r.o.run() || r.o.Resume, r.o.Software, r.log)
	}
	return nil
}

func (r *recorder) closeStore() error {
	if r.store == nil {
		return nil
	}
	var err error
	if r.csv != nil {
		files, csvErr := r.csv.finish()
		r.board.csvFiles(r.store.journal.Gateway(), files)
		if csvErr != nil {
			r.log.Error().Err(csvErr).Msg("CSV files are not complete")
			r.board.incomplete("the CSV files of %s end where they could not be written any more (%v); the recording has what they lack: write them anew with photonrecv cat %s --out FOLDER",
				r.store.journal.Gateway(), csvErr, r.o.Dir)
		}
		r.csv = nil
	}
	err = r.store.journal.Close()
	r.door.disown(r.journal, r.in)
	r.dir.release(r.path)
	r.store = nil
	if err != nil {
		return fmt.Errorf("archive %s: %w", r.path, err)
	}
	return nil
}

// startOver goes on in a new folder, since what the gateway now calls by the
// same numbers is something else.
func (r *recorder) startOver(hello *protocol.Hello, why error) error {
	earlier := r.path
	if err := r.useStore(hello, true); err != nil {
		return whilePassing(err)
	}
	r.log.Error().Str("kept", earlier).Str("new", r.path).Err(why).
		Msg("THE GATEWAY'S RECORD IS NOT THE ONE THIS ARCHIVE HOLDS: its journal was put back to an earlier state, or copied. Nothing is lost here: the archive stays as it is, and recording goes on in a new folder")
	r.board.incomplete("the gateway's record and the archive differ: both are kept, in %s and %s", filepath.Base(earlier), filepath.Base(r.path))
	return errReconnect
}

// subscription says what to ask for in this session.
func (r *recorder) subscription(s *session) *protocol.Subscribe {
	ask := &protocol.Subscribe{Sub: 1, Kind: protocol.SubscribeArchive, Streams: patternsFor(r.o.Streams, s.hello.Name), Credit: creditBytes,
		TakeOver: r.o.TakeOver && !r.named} // once: two that take over would do it for ever
	switch fromNow := r.fromNow(); {
	case fromNow && len(r.seen) == 0:
		ask.From = protocol.FromNow
		r.board.runBegan(s.hello.Name, s.clock.baseNow(time.Now()))
	case fromNow:
		ask.From, ask.Rest, ask.Cursors = protocol.FromCursor, protocol.FromNow, r.store.cursors(r.seen)
	default:
		ask.Cursors = r.store.cursors(nil)
		ask.From, ask.Rest = protocol.FromCursor, protocol.FromOldest
		if len(ask.Cursors) == 0 {
			ask.From, ask.Rest = protocol.FromOldest, ""
		}
	}
	if r.o.For > 0 {
		now := time.Now()
		if r.deadline.IsZero() {
			r.deadline = now.Add(r.o.For)
		}
		if r.toBase != s.hello.Base {
			r.toBase, r.toNs = s.hello.Base, s.clock.baseNow(now)+int64(r.deadline.Sub(now))
		}
		ask.ToNs = protocol.Ref(protocol.Int64(r.toNs))
		r.board.runEnds(s.hello.Name, r.toNs)
	}
	return ask
}

// fromNow reports whether what the gateway held before is not asked for.
func (r *recorder) fromNow() bool { return r.o.run() && !r.o.Resume }

// missed notes what came of streams of a run from now before their first frame was
// here, when the session was lost meanwhile: it is asked for from now again, since
// there is no frame to go on behind.
func (r *recorder) missed(streams []protocol.SubscribedStream) {
	if !r.fromNow() {
		return
	}
	first := r.began == nil
	if first {
		r.began = map[string]protocol.Extent{}
	}
	for _, a := range streams {
		at := protocol.Extent{Epoch: max(a.Epoch, 1), Seq: max(a.Seq, 1)}
		before, known := r.began[a.Name]
		if !known {
			before = protocol.Extent{Epoch: 1, Seq: 1}
		}
		told := known && before.Epoch == 0
		if a.Answer != protocol.AnswerStart || a.Name == gatewayStream || r.seen[a.Name] || told {
			continue
		}
		r.began[a.Name] = at
		if !first && before != at {
			r.began[a.Name] = protocol.Extent{}
			r.board.incomplete("%s/%s: the connection was lost before its first reading came; what was measured until it was back, if anything, is not in this recording: photonrecv repair --unrecorded fetches it",
				r.store.journal.Gateway(), a.Name)
		}
	}
}

// announce says where recording begins.
func (r *recorder) announce(streams []protocol.SubscribedStream, ask string) {
	r.since = time.Now()
	if r.begun {
		after := ""
		if !r.lost.IsZero() {
			after = " after " + shortSpan(r.since.Sub(r.lost))
		}
		r.log.Info().Msg("connected again" + after + "; recording goes on")
		return
	}
	r.begun = true
	r.lastSaid = ""
	var names []string
	for _, s := range streams {
		if s.Name != gatewayStream {
			names = append(names, s.Name)
		}
	}
	list := strings.Join(names, ", ")
	if list == "" {
		list = "none yet"
	}
	r.log.Info().Str("streams", list).Str("folder", r.path).Str("as", r.dir.name).Msg("recording from " + r.store.journal.Gateway() + " " + ask)
}
