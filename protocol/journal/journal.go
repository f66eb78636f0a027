package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"photongate/protocol"
)

// Place says whose files a journal folder holds.
type Place string

// Places a journal folder can be.
const (
	InJournal Place = protocol.PlaceJournal // a gateway's own
	InArchive Place = protocol.PlaceArchive // a receiver's
)

// Position is a place in a stream: the last frame that lies before it. The
// zero Position lies before everything.
type Position struct {
	Epoch     uint32
	Seq       uint64
	HeaderCRC uint32 // of the frame; 0 when it is a hole or not known
}

// Options say how a journal is kept. The zero value of each field means the
// default given with it.
type Options struct {
	FS        FS          // where the files are; nil: the operating system's
	Place     Place       // InJournal
	Journal   protocol.ID // zero: what the folder has; a new one in a new folder
	Gateway   string      // name of the gateway; empty: what the folder has. Needed for a new folder
	Archive   protocol.ID // the archive's own id; zero: what the folder has, a new one in a new archive
	By        string      // name that hole frames made here bear; the gateway's name, in an archive "archive"
	OnTrouble func(error) // called from goroutines of the journal, without locks, when Err changes to an error, and at Open for what was found and not used; nil: not

	SegmentBytes int64         // a file is closed when it has so many bytes; 64 MiB
	SegmentAge   time.Duration // or is so old; 1 h
	SyncEvery    time.Duration // time between two sync rounds; 1 s
	TailBytes    int64         // frames kept in memory, unwritten ones included; 32 MiB
	ReserveBytes int64         // room on the disk kept for when it is full, so that files can be ended and the stream gateway can say so; 0: none
	WaitWhenFull bool          // Append waits for the disk when the tail is full, instead of dropping the frame

	Now func() time.Time // for names of moments in files, SegmentAge and Unsynced; time.Now
}

func (o *Options) defaults() {
	if o.FS == nil {
		o.FS = OS{}
	}
	if o.Place == "" {
		o.Place = InJournal
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = 64 << 20
	}
	if o.SegmentAge <= 0 {
		o.SegmentAge = time.Hour
	}
	if o.SyncEvery <= 0 {
		o.SyncEvery = time.Second
	}
	if o.TailBytes <= 0 {
		o.TailBytes = 32 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.OnTrouble == nil {
		o.OnTrouble = func(error) {}
	}
}

// What callers of a journal branch on.
var (
	ErrTailFull = errors.New("the disk is too slow or full, and the memory for frames that wait for it is full too: frame not taken")
	ErrClosed   = errors.New("the journal is closed")
	ErrOrder    = errors.New("out of order")
	ErrNotHeld  = errors.New("not held here")
	ErrOther    = errors.New("the folder belongs to another journal")
)

// Journal is a folder of segment files, being written. All methods may be
// called from several goroutines.
type Journal struct {
	fs   FS
	dir  string
	o    Options
	lock io.Closer

	metaMu  sync.Mutex // guards these and the writing of journal.json
	meta    meta
	unsaved bool // meta says what the file does not: the disk was full

	id      protocol.ID // these four never change
	archive protocol.ID
	gateway string
	begins  bool // what was dropped before is not known: journal.json was lost

	mu      sync.Mutex // guards all below, and the fields of streams and chunks
	space   sync.Cond  // of mu: room in the tail, or a stream not busy any more
	tail    tail
	reserve reserve
	streams []*Stream // sorted by name
	changed chan struct{}
	clock   []byte // last clock frame of the stream gateway
	hurried bool   // nobody waits for room in the tail any more
	closing bool
	closed  bool
	trouble error
	told    string // the text OnTrouble was called with last

	work  chan struct{} // appender: something to write. One waits at most
	asks  chan ask      // syncer: requests
	renew chan struct{} // syncer: a stream needs a new file. One waits at most
	done  chan struct{} // closed: both end
	wg    sync.WaitGroup

	progressed time.Time // syncer: when it was last noted how far the open epochs are on the disk
}

// Open opens the journal folder dir, makes it where it is missing, finds what
// it holds, and locks it for this process; a second process gets [ErrLocked].
// It deletes and changes nothing that it finds, and reads no more than the
// begin of each file and the end of the last ones. What it cannot use is told
// to OnTrouble. The journal must be closed.
func Open(dir string, o Options) (*Journal, error) {
	o.defaults()
	dir = filepath.Clean(dir)
	if err := makePath(o.FS, dir); err != nil {
		return nil, fmt.Errorf("journal: make folder: %w", err)
	}
	lock, err := o.FS.Lock(filepath.Join(dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("journal: lock: %w", err)
	}
	j := &Journal{fs: o.FS, dir: dir, o: o, lock: lock, progressed: o.Now(),
		changed: make(chan struct{}), work: make(chan struct{}, 1), asks: make(chan ask), renew: make(chan struct{}, 1), done: make(chan struct{})}
	j.space.L = &j.mu
	j.tail.limit = o.TailBytes
	j.reserve.bytes = max(o.ReserveBytes, 0)
	j.findReserve()
	if err := j.recover(); err != nil {
		return nil, errors.Join(fmt.Errorf("journal: %w", err), lock.Close())
	}
	j.wg.Go(j.syncer)
	j.wg.Go(j.appender)
	return j, nil
}

// Close writes and syncs everything appended, ends the goroutines and gives
// the folder back. It waits for the disk for as long as the disk takes; when
// the disk refuses, the error says what is not in the files. Calls after the
// first return nil.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closing {
		j.mu.Unlock()
		return nil
	}
	j.closing = true
	for _, s := range j.streams {
		s.flushDropsLocked()
	}
	j.space.Broadcast()
	j.mu.Unlock()

	a := ask{kind: askClose, reply: make(chan error, 1)}
	j.asks <- a
	err := <-a.reply
	close(j.done)
	j.mu.Lock()
	j.closed = true
	for _, s := range j.streams {
		s.notifyLocked()
		s.notifyDurableLocked()
	}
	j.mu.Unlock()
	j.wg.Wait()
	return errors.Join(err, j.lock.Close())
}

// StopWaiting ends all waiting of Append for room in the tail, now and later:
// where it would wait it refuses the frame with [ErrTailFull]. It is for whoever
// wants to end although the disk is full.
func (j *Journal) StopWaiting() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.hurried = true
	j.space.Broadcast()
}

// ID is the id of the journal whose frames the folder holds.
func (j *Journal) ID() protocol.ID { return j.id }

// Archive is the archive's own id, zero in a gateway's journal.
func (j *Journal) Archive() protocol.ID { return j.archive }

// Gateway is the name of the gateway.
func (j *Journal) Gateway() string { return j.gateway }

// Dir is the folder.
func (j *Journal) Dir() string { return j.dir }

// Streams returns all streams, sorted by name.
func (j *Journal) Streams() []*Stream {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.streams)
}

// Changed returns a channel that is closed when a stream is added.
func (j *Journal) Changed() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.changed
}

// Stream opens the stream of this name, or makes it. With id 0 a new one gets
// the next free id; otherwise it has that id, and another one is an error. A
// new stream's folder and id are on the disk when Stream returns.
func (j *Journal) Stream(name string, id uint32) (*Stream, error) {
	if err := protocol.CheckName(name); err != nil {
		return nil, fmt.Errorf("journal: stream: %w", err)
	}
	j.metaMu.Lock()
	defer j.metaMu.Unlock()
	j.mu.Lock()
	s, closing := j.findLocked(name), j.closing
	j.mu.Unlock()
	switch {
	case closing:
		return nil, ErrClosed
	case s != nil && id != 0 && s.id != id:
		return nil, fmt.Errorf("journal: stream %q has id %d in %s, not %d: %w", name, s.id, j.dir, id, ErrOther)
	case s != nil:
		return s, nil
	}
	m := j.meta.clone()
	id, err := m.addStream(name, id)
	if err != nil {
		return nil, fmt.Errorf("journal: %s: %w", j.dir, err)
	}
	s = j.newStream(name, id)
	if err := makePath(j.fs, s.dir); err != nil {
		return nil, fmt.Errorf("journal: stream %q: %w", name, err)
	}
	if err := j.saveMeta(m); err != nil {
		return nil, fmt.Errorf("journal: stream %q: %w", name, err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.addLocked(s)
	close(j.changed)
	j.changed = make(chan struct{})
	return s, nil
}

// makePath makes a folder and those above it, and puts the names of the new
// ones on the disk. It may come after an earlier try that was cut short, so
// the folder's own name is synced in any case.
func makePath(fsys FS, dir string) error {
	parents := []string{filepath.Dir(dir)}
	for at := parents[0]; ; at = filepath.Dir(at) {
		if _, err := fsys.Stat(at); err == nil || filepath.Dir(at) == at {
			break
		}
		parents = append(parents, filepath.Dir(at))
	}
	_, had := fsys.Stat(filepath.Join(dir, metaName))
	if err := fsys.MkdirAll(dir); err != nil || had == nil {
		return err
	}
	for _, at := range parents {
		// A folder above may be one that this user may pass, not read.
		if err := fsys.SyncDir(at); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return nil
}

func (j *Journal) addLocked(s *Stream) {
	j.streams = append(j.streams, s)
	slices.SortFunc(j.streams, func(a, b *Stream) int { return strings.Compare(a.name, b.name) })
}

func (j *Journal) findLocked(name string) *Stream {
	for _, s := range j.streams {
		if s.name == name {
			return s
		}
	}
	return nil
}

// Sync writes and syncs all that was appended before, and returns when that is
// done. When ctx ends first, the disk goes on.
func (j *Journal) Sync(ctx context.Context) error {
	return j.ask(ctx, ask{kind: askSync})
}

// Err is the trouble with the disk at present, nil when all is well.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.trouble
}

// setTrouble notes what the disk did last, nil when it did well, and tells
// OnTrouble when it is something new.
func (j *Journal) setTrouble(err error) {
	j.mu.Lock()
	if err == nil {
		err = j.reserve.full // the disk is full for as long as the reserve is not back
	}
	j.trouble = err
	text := ""
	if err != nil {
		text = err.Error()
	}
	news := text != j.told && err != nil
	j.told = text
	j.mu.Unlock()
	if news {
		j.o.OnTrouble(err)
	}
}
