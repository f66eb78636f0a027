package receiver

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// lackingFolder is a journal folder of an archive and what it lacks.
type lackingFolder struct {
	folder     *journal.Folder
	lacks      []*lack
	last       map[string]protocol.Cursor // by stream: the last frame held
	trouble    []string                   // sentences: what cannot be read
	unrecorded uint64                     // frames never asked for, which are left out
}

// lack is a stretch of frames of one epoch that a folder does not hold.
type lack struct {
	stream   journal.StreamInfo
	epoch    uint32
	from, to uint64
	holes    []journal.HoleReport // what is said of it here, in order; they cover it
	before   protocol.Cursor      // the last frame of the epoch held before it; sequence 0: there is none
	tail     bool                 // nothing that follows it in the stream is held
	open     bool                 // it goes on behind "to", nobody here knows how far
}

// lacking reads a folder and finds its holes.
func (r *repairer) lacking(ctx context.Context, folder *journal.Folder) (*lackingFolder, error) {
	f := &lackingFolder{folder: folder, last: map[string]protocol.Cursor{}}
	found, err := journal.Verify(ctx, r.o.FS, folder.Dir(), journal.VerifyOptions{
		Full: true, NoCache: r.o.DryRun,
		Streams: func(name string) bool { return matches(r.o.Streams, folder.Gateway(), name) },
	})
	if err != nil {
		return nil, err
	}
	for _, t := range found.Trouble {
		if note := folder.Note(); note != nil && strings.HasPrefix(t, note.Error()) {
			f.trouble = append(f.trouble, t+"; without --dry-run it is made anew")
			continue
		}
		f.trouble = append(f.trouble, t+"; what it held is looked for at the gateway, and the file itself is yours to move away")
	}
	infos := map[string]journal.StreamInfo{}
	for _, s := range folder.Streams() {
		infos[s.Name] = s
	}
	for _, s := range found.Streams {
		epochs := withoutEarlier(withLostEnds(s.Epochs, descriptorsOf(folder, s.Name, s.Epochs), folder.Gateway()), folder)
		for i := range epochs {
			for _, d := range epochs[i].Damage {
				d.File = filepath.Join(folder.Dir(), d.File)
				r.note("%s", d)
			}
			f.add(infos[s.Name], &epochs[i], r.o.Unrecorded)
		}
		f.finishStream(infos[s.Name], epochs)
	}
	for _, l := range f.lacks {
		r.report.Frames += protocol.Uint64(l.to - l.from + 1)
	}
	return f, nil
}

// descriptorsOf reads the descriptors that a stream of a folder holds.
func descriptorsOf(folder *journal.Folder, stream string, epochs []journal.EpochReport) map[uint32]protocol.Descriptor {
	all := map[uint32]protocol.Descriptor{}
	for _, e := range epochs {
		frame, ok := heldFrame(folder, stream, e.Epoch, 1)
		if !ok {
			continue
		}
		var d protocol.Descriptor
		if h, payload, _, err := protocol.ParseFrame(frame); err == nil && h.Type == protocol.TypeDescriptor && protocol.DecodeJSON(payload, &d) == nil {
			all[e.Epoch] = d
		}
	}
	return all
}

// heldFrame is a copy of one frame of a folder, if it is held.
func heldFrame(folder *journal.Folder, stream string, epoch uint32, seq uint64) ([]byte, bool) {
	if seq == 0 {
		return nil, false
	}
	r := folder.ReaderFrom(stream, journal.Position{Epoch: epoch, Seq: seq - 1})
	defer r.Close()
	frames, err := r.Next()
	if err != nil {
		return nil, false
	}
	h, err := protocol.ParseHeader(frames)
	if err != nil || h.Type == protocol.TypeHole || h.Epoch != epoch || h.Seq != seq {
		return nil, false
	}
	return slices.Clone(frames[:h.FrameLen()]), true
}

// add notes what an epoch lacks. Holes that follow each other are one lack.
func (f *lackingFolder) add(stream journal.StreamInfo, e *journal.EpochReport, unrecorded bool) {
	holes := slices.SortedFunc(slices.Values(e.Holes), func(a, b journal.HoleReport) int { return int(min(max(int64(a.From-b.From), -1), 1)) })
	for _, h := range holes {
		if h.Cause == protocol.CauseNotHeld && h.By != f.folder.Gateway() && !unrecorded {
			f.unrecorded += uint64(h.To - h.From + 1)
			continue
		}
		if n := len(f.lacks); n > 0 {
			l := f.lacks[n-1]
			if l.stream == stream && l.epoch == e.Epoch && l.to+1 == uint64(h.From) {
				l.to, l.open, l.holes = uint64(h.To), h.Open, append(l.holes, h)
				continue
			}
		}
		f.lacks = append(f.lacks, &lack{stream: stream, epoch: e.Epoch, from: uint64(h.From), to: uint64(h.To), open: h.Open, holes: []journal.HoleReport{h}, before: f.cursor(stream.Name, e, uint64(h.From))})
	}
}

// cursor is the last frame of an epoch held before a sequence.
func (f *lackingFolder) cursor(stream string, e *journal.EpochReport, before uint64) protocol.Cursor {
	c := protocol.Cursor{Stream: stream, Epoch: e.Epoch}
	for _, held := range slices.Backward(e.Held) {
		if uint64(held[0]) >= before {
			continue
		}
		seq := min(uint64(held[1]), before-1)
		if frame, ok := heldFrame(f.folder, stream, e.Epoch, seq); ok {
			if h, err := protocol.ParseHeader(frame); err == nil {
				c.Seq, c.CRC = protocol.Uint64(seq), protocol.CRC(h.HeaderCRC)
				return c
			}
		}
	}
	return c
}

// finishStream notes the last frame of a stream that is held, and which lacks
// nothing follows.
func (f *lackingFolder) finishStream(stream journal.StreamInfo, epochs []journal.EpochReport) {
	for i := range epochs {
		if c := f.cursor(stream.Name, &epochs[i], 1<<64-1); c.Seq > 0 {
			f.last[stream.Name] = c
		}
	}
	last := f.last[stream.Name]
	for _, l := range f.lacks {
		if l.stream == stream {
			l.tail = l.epoch > last.Epoch || l.epoch == last.Epoch && l.from > uint64(last.Seq)
		}
	}
}

// said is what the archive says of the stretch from..to of a lack: the holes that
// were there before.
func (l *lack) said(from, to uint64) []journal.HoleReport {
	var said []journal.HoleReport
	for i, h := range l.holes {
		if l.open && i == len(l.holes)-1 {
			h.To = protocol.Uint64(max(to, uint64(h.To)))
		}
		h.From, h.To = max(h.From, protocol.Uint64(from)), min(h.To, protocol.Uint64(to))
		if h.From <= h.To {
			said = append(said, h)
		}
	}
	return said
}

// cause joins the causes of a lack.
func (l *lack) cause() string {
	var causes []string
	for _, h := range l.holes {
		if !slices.Contains(causes, h.Cause) {
			causes = append(causes, h.Cause)
		}
	}
	return strings.Join(causes, ", ")
}

// result begins the report on a lack; what lies from a sequence on did not come.
func (l *lack) result(f *lackingFolder, left uint64, why string) RepairedHole {
	h := RepairedHole{Stream: f.folder.Gateway() + "/" + l.stream.Name, Folder: filepath.Base(f.folder.Dir()), Part: l.epoch,
		From: protocol.Uint64(l.from), To: protocol.Uint64(l.to), Cause: l.cause()}
	if left <= l.to {
		h.leave(left, l.to, "%s", why)
	}
	return h
}

// leave notes that frames did not come.
func (h *RepairedHole) leave(from, to uint64, format string, args ...any) {
	why := fmt.Sprintf(format, args...)
	if n := len(h.Left); n > 0 && h.Left[n-1].Why == why && uint64(h.Left[n-1].To)+1 == from {
		h.Left[n-1].To = protocol.Uint64(to)
		return
	}
	h.Left = append(h.Left, LeftMissing{From: protocol.Uint64(from), To: protocol.Uint64(to), Why: why})
}
