package receiver

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
)

const (
	// repairTemp is where a file stands, in the journal's folder, until it is whole.
	repairTemp = "repair.tmp"
	// repairFileBytes is about how long a file of a repair gets. It bounds as well
	// what is fetched again after a repair was cut short.
	repairFileBytes = 16 << 20
)

// patch is a segment file that fills a lack, being written. It appears in the
// stream's folder when it is whole and on the disk, so that a repair that is cut
// short changes nothing. What it does not bring of the lack it states as the
// archive did before: the cause of a hole does not change because something
// beside it was repaired.
type patch struct {
	fs     journal.FS
	folder *journal.Folder
	lack   *lack
	file   journal.File
	size   int64
	first  uint64 // of its preamble
	next   uint64 // the sequence that follows what it covers
	frames int    // in it, without holes
}

// beginPatch makes the file, which covers a lack from a sequence on.
func beginPatch(fsys journal.FS, folder *journal.Folder, l *lack, first uint64, copies [][]byte) (*patch, error) {
	if err := removeLeftover(fsys, folder.Dir()); err != nil {
		return nil, err
	}
	head, err := protocol.AppendPreamble(nil, protocol.Preamble{
		Journal: folder.ID(), Gateway: folder.Gateway(), Stream: l.stream.Name, StreamID: l.stream.ID, Epoch: l.epoch, FirstSeq: protocol.Uint64(first),
		Place: protocol.PlaceArchive, CreatedUTCNs: protocol.Int64(time.Now().UnixNano()), Copies: copies,
	})
	if err != nil {
		return nil, err
	}
	file, err := fsys.Create(filepath.Join(folder.Dir(), repairTemp))
	if err != nil {
		return nil, err
	}
	p := &patch{fs: fsys, folder: folder, lack: l, file: file, first: first, next: first}
	if err := p.write(head); err != nil {
		return nil, errors.Join(err, p.discard())
	}
	return p, nil
}

func (p *patch) write(b []byte) error {
	n, err := p.file.Write(b)
	p.size += int64(n)
	return err
}

// put appends a frame that checks, of the lack's stream and epoch and not before
// what is there. What lies between is stated.
func (p *patch) put(h protocol.Header, frame []byte) error {
	if err := p.state(h.Seq - 1); err != nil {
		return err
	}
	if err := p.write(frame); err != nil {
		return err
	}
	p.next = h.Seq + 1
	p.frames++
	return nil
}

// state appends what the archive said before of the frames up to "to".
func (p *patch) state(to uint64) error {
	for _, h := range p.lack.said(p.next, to) {
		frame, err := protocol.AppendJSON(nil, protocol.Header{Type: protocol.TypeHole, Stream: p.lack.stream.ID, Epoch: p.lack.epoch, Seq: uint64(h.From)}, &h.Hole)
		if err != nil {
			return err
		}
		if err := p.write(frame); err != nil {
			return err
		}
		p.next = uint64(h.To) + 1
	}
	return nil
}

// discard throws the file away, which nobody has seen.
func (p *patch) discard() error {
	return errors.Join(p.file.Close(), removeLeftover(p.fs, p.folder.Dir()))
}

// seal puts the file on the disk and into the stream's folder, and returns its
// name.
func (p *patch) seal() (string, error) {
	err := error(nil)
	if !p.lack.tail { // behind the last frame held, the next recording goes on
		err = p.state(p.lack.to)
	}
	if err == nil {
		err = p.file.Sync()
	}
	if err == nil {
		err = p.write(protocol.AppendMark(nil, protocol.Mark{Offset: uint64(p.size), LastSeq: p.next - 1}))
	}
	if err == nil {
		err = p.file.Sync()
	}
	if err != nil {
		return "", errors.Join(err, p.discard())
	}
	if err := p.file.Close(); err != nil {
		return "", errors.Join(err, removeLeftover(p.fs, p.folder.Dir()))
	}
	dir := filepath.Join(p.folder.Dir(), p.lack.stream.Name)
	if err := p.fs.MkdirAll(dir); err != nil { // somebody may have removed it
		return "", err
	}
	name, err := p.freeName(dir)
	if err != nil {
		return "", err
	}
	if err := p.fs.Rename(filepath.Join(p.folder.Dir(), repairTemp), name); err != nil {
		return "", err
	}
	return name, errors.Join(p.fs.SyncDir(dir), p.fs.SyncDir(p.folder.Dir()))
}

// freeName is a name in a folder that no file has: nothing that is there is
// replaced.
func (p *patch) freeName(dir string) (string, error) {
	for try := 1; try < 1000; try++ {
		name := filepath.Join(dir, fmt.Sprintf("%06d-%012d-filled%d%s", p.lack.epoch, p.first, try, segmentExt))
		switch _, err := p.fs.Stat(name); {
		case errors.Is(err, fs.ErrNotExist):
			return name, nil
		case err != nil:
			return "", err
		}
	}
	return "", fmt.Errorf("%s: all names for a file that fills frame %d of part %d are there", dir, p.first, p.lack.epoch)
}
