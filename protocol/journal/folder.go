package journal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"photongate/protocol"
)

// Folder is a journal folder that is only read, without its lock: while
// another process writes it, or nobody does. Its methods may be called from
// several goroutines.
type Folder struct {
	fs   FS
	dir  string
	meta meta
	note error
}

// OpenFolder opens a journal folder for reading. fsys nil is the operating
// system's. It changes nothing. A journal.json that is missing or damaged is
// made up for from the segments; Note tells.
func OpenFolder(fsys FS, dir string) (*Folder, error) {
	if fsys == nil {
		fsys = OS{}
	}
	m, err := readMeta(fsys, dir)
	if err == nil {
		return &Folder{fs: fsys, dir: dir, meta: m}, nil
	}
	if errors.Is(err, protocol.ErrVersion) {
		return nil, fmt.Errorf("journal: %w", err)
	}
	m, found, rerr := rebuildMeta(fsys, dir)
	if rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
		return nil, fmt.Errorf("journal: %w; %w", err, rerr)
	}
	if !found {
		return nil, fmt.Errorf("journal: %s is no folder of frames: %w", dir, err)
	}
	return &Folder{fs: fsys, dir: dir, meta: m, note: err}, nil
}

// Note says what was wrong with journal.json, nil when nothing was.
func (f *Folder) Note() error { return f.note }

// ID is the id of the journal whose frames the folder holds.
func (f *Folder) ID() protocol.ID { return f.meta.Journal }

// Archive is the archive's own id, zero in a gateway's journal.
func (f *Folder) Archive() protocol.ID { return f.meta.Archive }

// Gateway is the name of the gateway.
func (f *Folder) Gateway() string { return f.meta.Gateway }

// Created is when the folder was made, by the clock of the computer it was made on.
func (f *Folder) Created() time.Time { return time.Unix(0, int64(f.meta.CreatedUTCNs)) }

// Place says whether it is a gateway's journal or an archive.
func (f *Folder) Place() Place { return f.meta.Place }

// Dir is the folder.
func (f *Folder) Dir() string { return f.dir }

// StreamInfo is one stream of a folder.
type StreamInfo struct {
	Name      string
	ID        uint32
	LastEpoch uint32 // the last one whose number was used
}

// Streams returns the streams of the folder, sorted by name.
func (f *Folder) Streams() []StreamInfo {
	infos := make([]StreamInfo, len(f.meta.Streams))
	for i, s := range f.meta.Streams {
		infos[i] = StreamInfo{Name: s.Name, ID: s.ID, LastEpoch: s.LastEpoch}
	}
	slices.SortFunc(infos, func(a, b StreamInfo) int { return strings.Compare(a.Name, b.Name) })
	return infos
}

// by is the name that holes made here bear.
func (f *Folder) by() string {
	if f.meta.Place == InArchive {
		return string(InArchive)
	}
	return f.meta.Gateway
}

// files are the segments of a stream.
func (f *Folder) files(s *metaStream) *files {
	return newFiles(f.fs, f.dir, f.meta, *s)
}

// FolderReader reads a stream of a Folder in order. One goroutine.
type FolderReader struct {
	f     *Folder
	files *files
	id    uint32
	epoch uint32
	m     *merge
	last  Position
	err   error
}

// folderPiece is about how much FolderReader returns at once, in bytes.
const folderPiece = 256 << 10

// followEvery is how often Follow looks for more.
const followEvery = 200 * time.Millisecond

// Reader returns a reader of a stream from its oldest frame on. It must be
// closed.
func (f *Folder) Reader(stream string) *FolderReader { return f.ReaderFrom(stream, Position{}) }

// ReaderFrom returns a reader that begins with the first frame after a
// position. It must be closed.
func (f *Folder) ReaderFrom(stream string, after Position) *FolderReader {
	s := f.meta.stream(stream)
	if s == nil {
		return &FolderReader{err: f.noStream(stream)}
	}
	r := &FolderReader{f: f, files: f.files(s), id: s.ID, last: after}
	if after.Epoch > 0 {
		// Without the list of files all would look missing.
		if _, err := r.files.refresh(); err != nil {
			r.err = fmt.Errorf("journal: %w", err)
			return r
		}
		r.enter(after.Epoch, after.Seq+1)
	}
	return r
}

// noStream is the error for a stream that is not there: it says which are.
func (f *Folder) noStream(stream string) error {
	names := make([]string, 0, len(f.meta.Streams))
	for _, s := range f.Streams() {
		names = append(names, s.Name)
	}
	return fmt.Errorf("journal: %s has no stream %q, there are: %s: %w", f.dir, stream, strings.Join(names, ", "), ErrNotHeld)
}

// enter goes to a place in an epoch.
func (r *FolderReader) enter(epoch uint32, want uint64) {
	r.Close()
	r.epoch = epoch
	r.m = newMerge(r.f.fs, r.f.by(), r.id, epoch, want)
	r.place()
}

// place tells the merge which files there are.
func (r *FolderReader) place() {
	if r.m == nil {
		return
	}
	r.files.place(r.m)
}

// Next returns whole frames back to back: those held, and hole frames for what
// is missing between them. At the present end it returns io.EOF, and more when
// it is called again after more was written. What it returns is valid until
// the reader is used again.
func (r *FolderReader) Next() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	for {
		if r.m != nil {
			if p, ok := r.m.next(folderPiece, 0); ok {
				r.last = Position{Epoch: r.epoch, Seq: p.to}
				if !p.hole {
					r.last.HeaderCRC = p.last.HeaderCRC
				}
				return p.frames, nil
			}
		}
		more, err := r.files.refresh()
		if err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
		r.place()
		if more && r.m != nil {
			continue
		}
		next := r.files.known.next(r.files.segs, r.epoch)
		if next == 0 {
			return nil, io.EOF
		}
		r.enter(next, 1)
	}
}

// Follow is Next that waits at the present end, until ctx ends.
func (r *FolderReader) Follow(ctx context.Context) ([]byte, error) {
	for {
		b, err := r.Next()
		if !errors.Is(err, io.EOF) {
			return b, err
		}
		wait := time.NewTimer(followEvery)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return nil, context.Cause(ctx)
		}
	}
}

// Position is the last frame given out, or where the reader began.
func (r *FolderReader) Position() Position { return r.last }

// Trouble says what the reader found and could not read, nil when that is nothing.
func (r *FolderReader) Trouble() error {
	var errs []error
	if r.files != nil {
		for _, s := range r.files.strays {
			if s.lost() {
				errs = append(errs, s)
			}
		}
	}
	if r.m != nil {
		errs = append(errs, r.m.err)
	}
	return joined(errs)
}

// Close gives the reader's files back.
func (r *FolderReader) Close() {
	if r.m != nil {
		r.m.close()
		r.m = nil
	}
}

// Digest is the SHA-256, as hex digits, over the frames a to b (inclusive) of
// an epoch; see SPEC.md, section 2. When the folder does not hold all of them, the
// error is [ErrNotHeld] and says which are missing and which there are.
func (f *Folder) Digest(stream string, epoch uint32, a, b uint64) (string, error) {
	s := f.meta.stream(stream)
	if s == nil {
		return "", f.noStream(stream)
	}
	if a == 0 || a > b || b == 1<<64-1 {
		return "", fmt.Errorf("journal: digest of frames %d to %d: sequences begin with 1 and go up: %w", a, b, ErrOrder)
	}
	l := f.files(s)
	if _, err := l.refresh(); err != nil {
		return "", fmt.Errorf("journal: %w", err)
	}
	m := newMerge(f.fs, f.by(), s.ID, epoch, a)
	l.place(m)
	defer m.close()
	sum := sha256.New()
	for m.want <= b {
		from := m.want
		p, ok := m.next(maxWrite, b+1)
		switch {
		case ok && !p.hole:
			sum.Write(p.frames)
			continue
		case m.err != nil:
			return "", fmt.Errorf("journal: %w", m.err)
		case !ok:
			return "", f.lacks(s, l, epoch, from, b)
		}
		return "", f.lacks(s, l, epoch, from, min(p.to, b))
	}
	return hex.EncodeToString(sum.Sum(nil)), m.err
}

// lacks is the error for frames that are not here: it says what is.
func (f *Folder) lacks(s *metaStream, l *files, epoch uint32, from, to uint64) error {
	held := fmt.Sprintf("there is no part %d", epoch)
	if epochs := heldEpochs(l.segs); len(epochs) > 0 {
		held += ", there are the parts " + strings.Join(epochs, ", ")
	}
	if segs := epochSegments(l.segs, epoch); len(segs) > 0 {
		held = fmt.Sprintf("of part %d there are the frames ", epoch) + f.held(s, l, epoch)
	}
	return fmt.Errorf("journal: %s, stream %q: frames %d to %d of part %d are not here: %s: %w", f.dir, s.Name, from, to, epoch, held, ErrNotHeld)
}

// held lists the stretches of an epoch that are held.
func (f *Folder) held(s *metaStream, l *files, epoch uint32) string {
	m := newMerge(f.fs, f.by(), s.ID, epoch, 1)
	l.place(m)
	defer m.close()
	var part EpochReport
	for {
		p, ok := m.next(maxWrite, 0)
		if !ok {
			break
		}
		if !p.hole {
			part.add(EpochReport{Frames: 1, Held: [][2]protocol.Uint64{{protocol.Uint64(p.from), protocol.Uint64(p.to)}}})
		}
	}
	words := make([]string, len(part.Held))
	for i, r := range part.Held {
		words[i] = fmt.Sprintf("%d to %d", r[0], r[1])
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

// heldEpochs lists the epochs of which sorted segs hold a file.
func heldEpochs(segs []*segment) []string {
	var list []string
	for epoch := nextEpoch(segs, 0); epoch > 0; epoch = nextEpoch(segs, epoch) {
		list = append(list, fmt.Sprint(epoch))
	}
	return list
}
