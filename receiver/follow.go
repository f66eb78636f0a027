package receiver

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/table"
)

const (
	followEvery = 200 * time.Millisecond // between two looks at the archive
	pieceBytes  = 1 << 20                // of frames taken at once
	leadIn      = 64                     // frames before the first row that are read, for where the readings before it end
	csvRetry    = 5 * time.Second        // before files go on for which the disk had no room; then twice as long, and so on
	csvSeldom   = 10 * time.Minute       // at most
	csvRoom     = 256 << 10              // bytes that must be free for it
)

// csvFollower writes CSV files of an archive that is being written. It reads
// the archive as anyone could: recording does not wait for it. Its one
// goroutine ends with finish.
type csvFollower struct {
	journal  *journal.Journal
	fs       journal.FS
	dir      string
	software string
	log      zerolog.Logger
	clocks   *table.ClockTable
	goOn     bool
	begin    map[string]journal.Position // where each stream's files begin
	follows  map[string]*followedStream
	present  presence

	stop context.CancelFunc
	done sync.WaitGroup
	err  error // the first that was met; it ends the files of its stream
}

// followedStream is one stream and its files.
type followedStream struct {
	reader  *journal.Reader
	decoder *table.Decoder
	files   *csvFiles        // nil for the stream "gateway"
	from    journal.Position // rows begin behind it
	broken  bool
	told    bool          // that its tags are not written
	again   time.Time     // when to try anew, the disk having been full; zero: it was not
	pause   time.Duration // until then
}

// followCSV begins to write what is appended to the journal from now on. With
// goOn, files that a crash left unfinished are written again first.
func followCSV(j *journal.Journal, fsys journal.FS, goOn bool, software string, log zerolog.Logger) *csvFollower {
	f := &csvFollower{
		journal: j, fs: fsys, dir: j.Dir(), software: software, log: log, clocks: table.NewClockTable(),
		goOn: goOn, begin: map[string]journal.Position{}, follows: map[string]*followedStream{},
	}
	for _, s := range j.Streams() {
		if last, ok := s.Last(); ok {
			f.begin[s.Name()] = last
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	f.done.Go(func() { f.run(ctx) })
	return f
}

func (f *csvFollower) run(ctx context.Context) {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		f.round()
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// finish writes what was appended until now, closes the files and returns
// their names by stream.
func (f *csvFollower) finish() (map[string][]string, error) {
	f.stop()
	f.done.Wait()
	for _, s := range f.follows {
		if !s.again.IsZero() {
			s.again = time.Now() // the last chance
		}
	}
	f.round()
	names := map[string][]string{}
	for name, s := range f.follows {
		s.reader.Close()
		if s.files == nil {
			continue
		}
		if s.again.IsZero() {
			err := s.decoder.Finish(s.files)
			if g := f.present.gap(s.decoder); g != nil {
				err = errors.Join(err, s.files.Gap(s.decoder.Part(), *g))
			}
			f.note(s, errors.Join(err, s.files.finish()))
		}
		if !s.again.IsZero() && f.err == nil {
			f.err = errDiskFull
		}
		names[name] = s.files.names
	}
	return names, f.err
}

// round writes all that is there. The stream of clocks comes first, so that
// rows find the time.
func (f *csvFollower) round() {
	streams := f.journal.Streams()
	slices.SortStableFunc(streams, func(a, b *journal.Stream) int {
		switch {
		case a.Name() == gatewayStream:
			return -1
		case b.Name() == gatewayStream:
			return 1
		}
		return 0
	})
	for _, stream := range streams {
		s := f.follows[stream.Name()]
		if s == nil {
			s = f.follow(stream)
			f.follows[stream.Name()] = s
		}
		if !s.again.IsZero() && f.roomAgain(s) {
			s = f.anew(stream, s)
			f.follows[stream.Name()] = s
		}
		if !s.broken && s.again.IsZero() {
			f.note(s, f.take(s))
		}
	}
}

// errDiskFull says why files end before their time.
var errDiskFull = errors.New("the disk is full")

// roomAgain reports whether files may go on for which the disk had no room.
func (f *csvFollower) roomAgain(s *followedStream) bool {
	if time.Now().Before(s.again) {
		return false
	}
	free, _, err := f.fs.Space(f.dir)
	return err != nil || free >= csvRoom
}

// anew writes the set of files again that had come to its end on a full disk, from
// the archive, and goes on.
func (f *csvFollower) anew(stream *journal.Stream, s *followedStream) *followedStream {
	s.reader.Close()
	begin, number, whole := s.files.abandon()
	f.log.Info().Msg(s.files.dir + ": the CSV files of " + stream.Name() + " go on, written anew from the recording")
	next := f.open(stream, begin, number)
	next.files.names, next.pause = whole, min(2*s.pause, csvSeldom)
	return next
}

func (f *csvFollower) follow(stream *journal.Stream) *followedStream {
	name := stream.Name()
	begin, again := f.begin[name], 0
	if number, at, ok := unfinished(f.dir, f.journal.Gateway(), name, f.journal.ID()); ok && f.goOn {
		begin, again = at, number
	}
	return f.open(stream, begin, again)
}

// open begins with the frame behind a position. again is the number of a set of
// files that is written again; 0: none.
func (f *csvFollower) open(stream *journal.Stream, begin journal.Position, again int) *followedStream {
	name := stream.Name()
	s := &followedStream{decoder: table.NewDecoder(f.journal.Gateway(), name, f.clocks), pause: csvRetry}
	s.decoder.Look = looker(f.fs, filepath.Join(f.dir, name))
	if name == gatewayStream {
		s.reader = stream.Reader(journal.Position{}) // all clocks, whenever they were noted
		return s
	}
	s.files = &csvFiles{dir: f.dir, clocks: f.clocks, software: f.software, journal: f.journal.ID(), number: again, at: begin, noTags: true}
	s.from = begin
	s.reader = stream.Reader(journal.Position{Epoch: begin.Epoch, Seq: begin.Seq - min(begin.Seq, leadIn)})
	return s
}

// take writes what a stream has at present.
func (f *csvFollower) take(s *followedStream) error {
	var out table.Sink = table.Discard{}
	if s.files != nil {
		out = s.files
	}
	for {
		frames, err := s.reader.TryNext(pieceBytes)
		if err != nil && !errors.Is(err, journal.ErrClosed) {
			return err
		}
		if len(frames) == 0 {
			break
		}
		err = forEachFrame(frames, func(h protocol.Header, payload []byte) error {
			at := journal.Position{Epoch: h.Epoch, Seq: h.Seq}
			to := out
			if s.files != nil && !after(at, s.from) {
				to = table.Discard{}
			}
			err := s.decoder.Frame(h, payload, to)
			if s.files == nil {
				f.present.frame(f.journal.Gateway(), &s.decoder.Part().Desc, h, payload)
			}
			if s.files != nil && h.Type.Numbered() && after(at, s.from) {
				s.files.at = at
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if s.files == nil {
		return nil
	}
	if s.files.tagsSeen && !s.told {
		s.told = true
		p := s.decoder.Part()
		f.log.Info().Msgf("%s gives time tags, which are recorded and not written as CSV: photonrecv cat %s --stream %s --out FOLDER does", p.Name(), f.dir, p.Stream)
	}
	return s.files.flush()
}

// note keeps the first error, and ends the files of the stream that had it. A full
// disk is waited for.
func (f *csvFollower) note(s *followedStream, err error) {
	if err == nil {
		return
	}
	if journal.IsFull(err) && s.files != nil {
		if s.again.IsZero() {
			f.log.Warn().Msg(s.files.dir + ": the disk has no room for CSV files; they go on by themselves when it has")
		}
		s.again = time.Now().Add(s.pause)
		return
	}
	s.broken = true
	if f.err == nil {
		f.err = err
		f.log.Error().Err(err).Msg("cannot write CSV any more; recording goes on")
	}
}
