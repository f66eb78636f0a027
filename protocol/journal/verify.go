package journal

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"fmt"
	"hash"
	"path/filepath"
	"time"

	"photongate/protocol"
)

// VerifyOptions say how Verify works. The zero value of each field means the
// default given with it.
type VerifyOptions struct {
	Full    bool              // read files again that were read before and have not changed since
	NoCache bool              // do not leave verified.json in the streams' folders, nor use it
	Streams func(string) bool // which streams; nil: all
	Now     func() time.Time  // time.Now
}

// Verify reads all frames of a journal folder, checks them, and reports what
// is held. The folder may be written meanwhile. fsys nil is the operating
// system's.
//
// What a file gave is kept in verified.json in the stream's folder, if that
// can be written. As long as the file's size and time of change stay the same
// it is not read again, and the report says of how many files that is so; a
// disk that lost bytes by itself is found with Full only. It is kept as well how
// far each epoch was on the disk: what is short of that is a hole `file missing`,
// as what is short of journal.json.
func Verify(ctx context.Context, fsys FS, dir string, o VerifyOptions) (Report, error) {
	f, err := OpenFolder(fsys, dir)
	if err != nil {
		return Report{}, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	r := Report{Journal: f.ID(), Archive: f.Archive(), Gateway: f.Gateway(), Place: f.Place(), Complete: true,
		AsOfNs: protocol.Int64(o.Now().UnixNano()), Streams: []StreamReport{}}
	if f.note != nil {
		r.Trouble = append(r.Trouble, f.note.Error()+"; made up for from the files")
	}
	r.Trouble = append(r.Trouble, f.spoiltNotes()...)
	for _, s := range f.Streams() {
		if o.Streams != nil && !o.Streams(s.Name) {
			continue
		}
		v := verifier{f: f, o: o, r: &r, files: f.files(f.meta.stream(s.Name)), id: s.ID}
		epochs, err := v.stream(ctx)
		if err != nil {
			return r, fmt.Errorf("journal: verify %s, stream %q: %w", dir, s.Name, err)
		}
		r.Streams = append(r.Streams, StreamReport{Name: s.Name, ID: s.ID, Epochs: epochs})
		for i := range epochs {
			r.Complete = r.Complete && epochs[i].Complete()
		}
	}
	return r, nil
}

// spoiltNotes tells of other JSON files beside journal.json, which are their
// writers' business, whose checksum does not hold.
func (f *Folder) spoiltNotes() (all []string) {
	entries, err := f.fs.ReadDir(f.dir)
	if err != nil {
		return nil // whoever reads the streams says so
	}
	for _, e := range entries {
		path := filepath.Join(f.dir, e.Name())
		if e.IsDir() || e.Name() == metaName || filepath.Ext(path) != ".json" {
			continue
		}
		text, err := ReadFile(f.fs, path, metaLimit)
		if err = cmp.Or(err, CheckCRC(text)); err != nil {
			all = append(all, fmt.Sprintf("%s: %v; no frame is lost by it", path, err))
		}
	}
	return all
}

// verifier verifies one stream.
type verifier struct {
	f     *Folder
	o     VerifyOptions
	r     *Report
	files *files
	id    uint32
	old   cache
	new   cache
}

func (v *verifier) stream(ctx context.Context) ([]EpochReport, error) {
	if _, err := v.files.refresh(); err != nil {
		return nil, err
	}
	for _, s := range v.files.strays {
		if s.lost() {
			v.r.Trouble = append(v.r.Trouble, s.Error())
			continue
		}
		v.r.NotUsed = append(v.r.NotUsed, s.Error())
	}
	v.new = cache{Format: cacheFormat, Journal: v.f.ID(), Stream: v.id}
	if !v.o.NoCache {
		var wrong error
		if v.old, wrong = readCache(v.f.fs, v.files.dir, v.f.ID(), v.id); wrong != nil {
			v.r.NotUsed = append(v.r.NotUsed, fmt.Sprintf("%s is damaged: it is but a note of earlier verifies, so all was read, and it is made anew", filepath.Join(v.files.dir, cacheName)))
		}
	}
	v.files.known.verified, v.new.Ends = v.old.Ends, v.old.Ends
	epochs := []EpochReport{}
	for epoch := v.files.known.next(v.files.segs, 0); epoch > 0; epoch = v.files.known.next(v.files.segs, epoch) {
		e, err := v.epoch(ctx, epoch)
		if err != nil {
			return epochs, err
		}
		if end, _ := v.files.known.end(epoch); e.Frames == 0 && v.files.known.dropped.of(epoch) >= max(end, 1) {
			continue // the quota dropped all of it since the files were listed
		}
		epochs = append(epochs, e)
	}
	for _, end := range v.new.Ends {
		if v.files.known.gone(v.files.segs, end.Epoch) {
			v.new.Ends = v.new.Ends.without(end.Epoch)
		}
	}
	if !v.o.NoCache && !v.new.same(v.old) {
		// A folder that cannot be written is read in full each time.
		_ = v.new.write(v.f.fs, v.files.dir)
	}
	return epochs, nil
}

// epoch verifies one epoch: from where earlier work ends, file by file. After
// each file that the next one follows without overlap, what was found is kept.
func (v *verifier) epoch(ctx context.Context, epoch uint32) (EpochReport, error) {
	m := newMerge(v.f.fs, v.f.by(), v.id, epoch, 1)
	defer m.close()
	v.files.place(m)
	segs := m.segs
	kept := v.new.epoch(epoch, m)
	sum := sha256.New()
	report := EpochReport{Epoch: epoch, Files: len(segs), Held: [][2]protocol.Uint64{}}
	done, finished := v.resume(kept, segs, m, sum, &report)
	part := EpochReport{}
	for !finished {
		if err := ctx.Err(); err != nil {
			return report, context.Cause(ctx)
		}
		next, stop := nextBegin(segs, m.want)
		p, ok := m.next(maxWrite, stop)
		if ok {
			count(p, &part, sum)
			if m.want != stop || next == done { // what lies before the first file is kept with it
				continue
			}
		} else {
			next, finished = len(segs), true
		}
		for _, seg := range segs[done:next] {
			damage, err := v.audit(seg)
			if err != nil {
				v.r.Trouble = append(v.r.Trouble, err.Error())
			}
			part.Damage = append(part.Damage, damage...)
		}
		if err := kept.keep(segs[done:next], stop, m, sum, part, finished, v.o.Now()); err != nil {
			return report, err
		}
		v.countRead(segs[done:next])
		report.add(part)
		part, done = EpochReport{}, next
	}
	if m.err != nil {
		kept.Steps = nil
		v.r.Trouble = append(v.r.Trouble, m.err.Error())
	}
	v.new.Ends, _ = v.new.Ends.with(epoch, m.marked())
	report.Digest = hex.EncodeToString(sum.Sum(nil))
	return report, nil
}

// nextBegin is the first of sorted segs that begins after a sequence, and where
// it begins; 0 when none does.
func nextBegin(segs []*segment, want uint64) (next int, first uint64) {
	for i, seg := range segs {
		if seg.first > want {
			return i, seg.first
		}
	}
	return len(segs), 0
}

func (v *verifier) countRead(segs []*segment) {
	for _, seg := range segs {
		v.r.Read += protocol.Int64(seg.size.Load())
	}
}

// count adds one piece to a report and a digest.
func count(p piece, part *EpochReport, sum hash.Hash) {
	if p.hole {
		part.hole(p)
		return
	}
	sum.Write(p.frames)
	for b := p.frames; len(b) > 0; {
		n := frameSize(b)
		h, err := protocol.ParseHeader(b)
		if err != nil {
			panic(err) // it was checked when it was read
		}
		part.frame(h, b[h.HeaderLen:n])
		b = b[n:]
	}
}

// resume takes over what was kept of files that have not changed. done is how
// many files that are; finished means that they are all.
func (v *verifier) resume(kept *cacheEpoch, segs []*segment, m *merge, sum hash.Hash, report *EpochReport) (done int, finished bool) {
	old := v.old.find(kept)
	if old == nil || v.o.Full {
		return 0, false
	}
	n := 0
	for _, step := range old.Steps {
		if finished || !step.fits(segs[done:], m.known) {
			break
		}
		n++
		done += len(step.Files)
		finished = step.Last
	}
	u, ok := sum.(encoding.BinaryUnmarshaler)
	if !ok || n == 0 || u.UnmarshalBinary(old.Steps[n-1].State) != nil {
		return 0, false
	}
	for _, step := range old.Steps[:n] {
		report.add(step.Part)
		v.r.AsOfNs = min(v.r.AsOfNs, step.ReadUTCNs)
	}
	kept.Steps = append(kept.Steps, old.Steps[:n]...)
	m.want = uint64(old.Steps[n-1].Next)
	v.r.Earlier += done
	return done, finished
}
