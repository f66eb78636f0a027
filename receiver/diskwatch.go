package receiver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
)

const (
	lookEvery    = time.Second      // at the disk
	heldUp       = 2 * time.Second  // later than that a look is that of a process that was stopped
	diskRetry    = time.Second      // between two tries of what the disk refused
	diskRoom     = 64 << 10         // bytes that must be free for another try: less holds no new file
	diskStalled  = 10 * time.Second // without a sync, though frames wait for one
	diskWell     = 3 * time.Second  // that trouble must be over before it is said to be
	repeatDisk   = 10 * time.Minute // until trouble that lasts is told again; then twice as long, and so on
	repeatSeldom = 4 * time.Hour    // at most
	repeatAnew   = 30 * time.Second // at least, between telling it and telling that it is full anew; then twice as long, and so on
	askDisk      = 10 * time.Second // between two questions how long the gateway can hold what waits
	holdsShort   = 10 * time.Minute // that the gateway can hold: less is told at once
	statusWait   = 5 * time.Second  // for the gateway's answer to what it can hold
)

// diskState is what was said of the archive's disk. It outlives sessions. Only
// the watch of the present session uses it.
type diskState struct {
	since time.Time // of the trouble; zero: there is none
	well  time.Time // since when it seems to be over; zero: it is not
	next  time.Time // when it is told again
	every time.Duration
	told  time.Time     // last
	anew  bool          // it seemed to be over since, or something was synced
	gap   time.Duration // until that is told
	asked time.Time     // when the gateway was asked last
	said  waitingThen   // what was told last

	counted bool           // dropped is what the gateway said first
	dropped protocol.Int64 // bytes that it had dropped unconfirmed before the trouble
}

// waitingThen is how it stands with what waits at the gateway.
type waitingThen struct {
	lasts    time.Duration // that the gateway can hold more; 0: not known
	dropping bool          // it drops the oldest
}

// worse reports whether it stands so much worse than before that it is to be told
// at once: the gateway begins to drop, or the time it can hold has halved or is
// short now.
func (n waitingThen) worse(before waitingThen) bool {
	switch {
	case n.dropping || before.dropping:
		return n.dropping && !before.dropping
	case n.lasts == 0:
		return false
	case before.lasts == 0 || 2*n.lasts <= before.lasts:
		return true
	}
	return n.lasts < holdsShort && before.lasts >= holdsShort
}

// diskWatch follows the archive's disk during a session. While the disk takes
// nothing, nothing is acked, the gateway is asked how long it can hold what waits,
// and the user is told, rarely. Whoever stores waits in insist, for which the
// session goes on: what it holds in memory is bounded by its credit.
type diskWatch struct {
	r    *recorder
	s    *session
	acks *ackBook

	replies chan protocol.Reply // to requests for the gateway's status
	asked   protocol.Uint64     // id of the last one
	durable map[uint32]journal.Position
	moved   time.Time // when something was synced last, or nothing waited
	synced  time.Time // when something was synced last

	mu    sync.Mutex
	stuck error // what whoever stores waits for; nil: for nothing
}

func newDiskWatch(r *recorder, s *session, acks *ackBook) *diskWatch {
	return &diskWatch{r: r, s: s, acks: acks, replies: make(chan protocol.Reply, 1), durable: map[uint32]journal.Position{}, moved: time.Now()}
}

// sorter takes what a session brings: replies are the watch's, all else goes into
// the queue.
type sorter struct {
	q       *frameQueue
	replies chan<- protocol.Reply
}

func (t *sorter) put(frame []byte) error {
	h, err := protocol.ParseHeader(frame)
	if err != nil || h.Type != protocol.TypeReply {
		return errors.Join(err, t.q.put(frame))
	}
	var r protocol.Reply
	if err := protocol.DecodeJSON(frame[h.HeaderLen:], &r); err != nil {
		return err
	}
	select {
	case t.replies <- r:
	default: // nobody waits any more
	}
	return nil
}

// insist does what needs the disk, again and again while the disk refuses, until
// ctx ends. do must be one that can be done again after it failed.
func (w *diskWatch) insist(ctx context.Context, do func() error) error {
	defer w.setStuck(nil)
	for {
		err := w.pressed()
		if err == nil {
			err = do()
		}
		if _, passes := errors.AsType[*diskTrouble](err); !passes {
			return err
		}
		w.setStuck(err)
		for again := false; !again; again = w.roomy() {
			if !sleep(ctx, diskRetry) {
				return err
			}
		}
	}
}

// pressed is the disk's trouble while half of the memory for frames that wait for
// it is taken: beyond that, storing would wait where no end of the session is seen.
func (w *diskWatch) pressed() error {
	j := w.r.store.journal
	err := j.Err()
	if err == nil {
		return nil
	}
	if used, limit := j.Tail(); used > limit/2 {
		return &diskTrouble{err}
	}
	return nil
}

// roomy reports whether the disk may have room for a new file.
func (w *diskWatch) roomy() bool {
	free, _, err := w.r.dir.fs.Space(w.r.store.path)
	return err != nil || free >= diskRoom
}

func (w *diskWatch) setStuck(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stuck = err
}

// run looks at the disk each second until ctx ends.
func (w *diskWatch) run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for looked := time.Now(); ; looked = time.Now() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		w.afterPause(looked, now)
		w.look(ctx, now)
	}
}

// afterPause leaves out the time for which nothing moved in this process, as in one
// that was suspended: it says nothing of the disk.
func (w *diskWatch) afterPause(looked, now time.Time) {
	if held := now.Sub(looked) - lookEvery; held > heldUp {
		w.moved = w.moved.Add(held)
	}
}

// look tells of trouble when it begins, rarely while it lasts, at once when it
// gets worse, and when it is over.
func (w *diskWatch) look(ctx context.Context, now time.Time) {
	d := &w.r.disk
	err := w.trouble(now)
	switch {
	case err != nil:
		if d.since.IsZero() {
			d.since, d.next, d.every, d.gap = now, now, repeatDisk, repeatAnew
		}
		d.anew = d.anew || !d.well.IsZero() || w.synced.After(d.told)
		d.well = time.Time{}
		what, _ := diskWords(err, now.Sub(w.moved))
		w.s.setTrouble(what)
		w.lasting(ctx, now, err)
	case d.since.IsZero():
	case d.well.IsZero():
		d.well = now
	case now.Sub(d.well) >= diskWell:
		w.r.board.setTrouble(w.r.hostPort, "", "")
		w.s.setTrouble("")
		w.r.log.Info().Stringer("after", now.Sub(d.since).Round(time.Second)).Msg("the archive's disk takes what comes again; what waited at " + w.s.hello.Name + " is fetched")
		*d = diskState{}
	}
}

// lasting asks the gateway now and then how it stands with what waits there, and
// tells it when it is time to, or when it has changed.
func (w *diskWatch) lasting(ctx context.Context, now time.Time, err error) {
	d := &w.r.disk
	due := !now.Before(d.next)
	anew := d.anew && now.Sub(d.told) >= d.gap
	if !due && !anew && now.Sub(d.asked) < askDisk {
		return
	}
	d.asked = now
	waiting, then := w.waiting(ctx)
	what, cure := diskWords(err, now.Sub(w.moved))
	w.r.board.setTrouble(w.r.hostPort, what, waiting)
	worse := then.worse(d.said) && (now.Sub(d.told) >= repeatAnew || then.dropping)
	switch {
	case due:
		d.next, d.every = now.Add(d.every), min(2*d.every, repeatSeldom)
	case anew:
		d.gap = min(2*d.gap, repeatSeldom)
		what += " again"
	case !worse:
		return
	}
	d.told, d.anew, d.said = now, false, then
	w.r.log.Warn().Str("folder", w.r.path).Msg(what + ": " + waiting + "; " + cure)
}

// errStalled says that the disk does not answer.
var errStalled = errors.New("it does not answer")

// trouble is what is wrong with the disk at present, nil when nothing is.
func (w *diskWatch) trouble(now time.Time) error {
	w.mu.Lock()
	stuck := w.stuck
	w.mu.Unlock()
	stalled := w.stalled(now)
	switch err := w.r.store.journal.Err(); {
	case stuck != nil:
		return stuck
	case err != nil:
		return err
	case stalled:
		return errStalled
	}
	return nil
}

// stalled reports whether frames have waited for too long for a sync that neither
// ends nor fails.
func (w *diskWatch) stalled(now time.Time) bool {
	waits := false
	for _, s := range w.r.store.journal.Streams() {
		at := s.Durable()
		if before, known := w.durable[s.ID()]; at != before {
			w.durable[s.ID()], w.moved = at, now
			if known {
				w.synced = now
			}
		}
		last, ok := s.Last()
		waits = waits || ok && after(last, at)
	}
	if !waits {
		w.moved = now
	}
	return now.Sub(w.moved) >= diskStalled
}

// diskWords says what is wrong with a disk, and what helps.
func diskWords(err error, silent time.Duration) (what, cure string) {
	if trouble, ok := errors.AsType[*diskTrouble](err); ok {
		err = trouble.err
	}
	switch {
	case journal.IsFull(err):
		return "the archive's disk is full", "free some space, and recording goes on by itself"
	case errors.Is(err, errStalled):
		return fmt.Sprintf("the archive's disk has not answered for %s", spanText(silent)), "recording goes on by itself when it does"
	}
	return fmt.Sprintf("the archive's disk does not take what comes (%v)", err), "recording goes on by itself when it does"
}

// waiting asks the gateway how much waits there, and for how long it can.
func (w *diskWatch) waiting(ctx context.Context) (string, waitingThen) {
	status, err := w.status(ctx)
	if err != nil {
		return w.s.hello.Name + " keeps what was not stored, and does not say for how long (" + err.Error() + ")", w.r.disk.said
	}
	d := &w.r.disk
	n := w.mine(status)
	if !d.counted {
		d.counted, d.dropped = true, n.LostBytes
	}
	n.LostBytes = max(n.LostBytes-d.dropped, 0)
	return waitingText(w.s.hello.Name, &n, status), thenOf(&n, status)
}

// mine is what a gateway's status says of this archive.
func (w *diskWatch) mine(status *protocol.Status) protocol.ArchiveInfo {
	for _, a := range status.Archives {
		if a.ID == w.r.dir.id {
			return a
		}
	}
	return protocol.ArchiveInfo{BehindBytes: status.Journal.HeldBytes}
}

// thenOf is how it stands with what waits for an archive, by a gateway's status. The
// archive's lost bytes are those of this trouble.
func thenOf(archive *protocol.ArchiveInfo, status *protocol.Status) waitingThen {
	n := waitingThen{dropping: status.Journal.State == protocol.JournalFull || archive.LostBytes > 0}
	if s := status.Journal.LastsS; s != nil {
		n.lasts = max(time.Duration(*s*float64(time.Second)), 1)
	}
	return n
}

// status asks for the gateway's status over the session.
func (w *diskWatch) status(ctx context.Context) (*protocol.Status, error) {
	w.asked++
	if err := w.s.send(protocol.TypeRequest, &protocol.Request{ID: w.asked, Do: protocol.DoStatus}); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, statusWait)
	defer cancel()
	for {
		select {
		case reply := <-w.replies:
			switch {
			case reply.ID != w.asked: // of an earlier one
			case reply.Code != "":
				return nil, &NotDone{reply}
			case reply.Status == nil:
				return nil, fmt.Errorf("%w: a status without one", protocol.ErrFormat)
			default:
				return reply.Status, nil
			}
		case <-ctx.Done():
			return nil, errors.New("it did not answer")
		}
	}
}

// waitingText says what a gateway's status means for an archive whose disk takes
// nothing. The archive's lost bytes are those of this trouble.
func waitingText(gateway string, archive *protocol.ArchiveInfo, status *protocol.Status) string {
	j := &status.Journal
	text := fmt.Sprintf("%s wait at %s", SizeText(int64(archive.BehindBytes)), gateway)
	switch {
	case j.State == protocol.JournalFull || archive.LostBytes > 0:
		text += ", WHICH IS FULL ITSELF and drops the oldest"
		if j.Dropped != "" {
			text += " (" + j.Dropped + ")"
		}
	case j.LastsS != nil:
		text += ", which can hold about " + spanText(time.Duration(*j.LastsS*float64(time.Second))) + " more"
	default:
		text += ", which can hold more for as long as can be told"
	}
	return text
}
