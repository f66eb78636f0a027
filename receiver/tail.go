package receiver

import (
	"context"
	"errors"
	"io"
	"path/filepath"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/table"
)

// TailOptions say what Tail hands to whom.
type TailOptions struct {
	Dir string // a folder of recordings, or of one journal
	// Sink returns where the readings of a stream go. It is called once for each,
	// the stream "gateway" excepted, which is read for its clocks. All calls of sinks
	// and of Round come from the goroutine that called Tail.
	Sink func(gateway, stream string, clocks *table.ClockTable) table.Sink
	// Round is called whenever all that is there was handed out; it may return an
	// error to end Tail. nil: nothing.
	Round func() error
}

// Tail follows recordings that are being written: from the begin of the newest
// file of each stream on, until ctx ends (nil) or the folder cannot be read.
// Streams that appear later are followed as well.
func Tail(ctx context.Context, o TailOptions) error {
	paths, err := findFolders(o.Dir)
	if err != nil {
		return err
	}
	t := &tailer{o: o, streams: map[string]*tailed{}, clocks: map[string]*table.ClockTable{}}
	defer t.close()
	for round := 0; ; round++ {
		if round%tailLook == 0 {
			for _, path := range paths {
				if err := t.open(path); err != nil {
					return err
				}
			}
		}
		if err := t.round(ctx); err != nil {
			return err
		}
		if !sleep(ctx, followEvery) {
			return nil
		}
	}
}

// tailLook is every how many rounds new streams are looked for.
const tailLook = 10

// tailer is one call of Tail.
type tailer struct {
	o       TailOptions
	order   []string // of streams, clocks before the others of their folder
	streams map[string]*tailed
	clocks  map[string]*table.ClockTable // by folder
}

// tailed is one stream that is followed.
type tailed struct {
	reader  *journal.FolderReader
	decoder *table.Decoder
	sink    table.Sink
}

// open begins to follow the streams of a folder that are not followed yet.
func (t *tailer) open(path string) error {
	folder, err := journal.OpenFolder(journal.OS{}, path)
	if err != nil {
		return err
	}
	if t.clocks[path] == nil {
		t.clocks[path] = table.NewClockTable()
	}
	for _, isClocks := range []bool{true, false} {
		for _, info := range folder.Streams() {
			key := filepath.Join(path, info.Name)
			if (info.Name == gatewayStream) != isClocks || t.streams[key] != nil {
				continue
			}
			s := &tailed{decoder: table.NewDecoder(folder.Gateway(), info.Name, t.clocks[path]), sink: table.Discard{}}
			s.decoder.Look = looker(journal.OS{}, key)
			s.reader = folder.Reader(info.Name)
			if !isClocks {
				s.sink = t.o.Sink(folder.Gateway(), info.Name, t.clocks[path])
				s.reader = folder.ReaderFrom(info.Name, newest(key))
			}
			t.streams[key] = s
			t.order = append(t.order, key)
		}
	}
	return nil
}

// newest is the position before the newest file of a stream.
func newest(streamDir string) journal.Position {
	var at journal.Position
	for p := range preambles(journal.OS{}, streamDir) {
		if first := uint64(p.FirstSeq); p.Epoch > at.Epoch || p.Epoch == at.Epoch && first > at.Seq {
			at = journal.Position{Epoch: p.Epoch, Seq: first - 1}
		}
	}
	return at
}

// round hands out all that is there.
func (t *tailer) round(ctx context.Context) error {
	for _, key := range t.order {
		s := t.streams[key]
		for ctx.Err() == nil {
			frames, err := s.reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			err = forEachFrame(frames, func(h protocol.Header, payload []byte) error { return s.decoder.Frame(h, payload, s.sink) })
			if err != nil {
				return err
			}
		}
	}
	if t.o.Round == nil {
		return nil
	}
	return t.o.Round()
}

func (t *tailer) close() {
	for _, s := range t.streams {
		s.reader.Close()
	}
}
