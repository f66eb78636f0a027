package journal

import (
	"bytes"
	"fmt"
	"path/filepath"

	"photongate/protocol"
)

// FileDamage is bytes of a segment file that have changed although no frame is
// missing because of it: frames that are missing are holes.
type FileDamage struct {
	File     string          `json:"file"` // with the stream's folder
	From     protocol.Int64  `json:"from"` // first and last byte
	To       protocol.Int64  `json:"to"`
	What     DamagedPart     `json:"what"`
	Readings protocol.Uint64 `json:"readings"` // good ones in the file
}

// DamagedPart says what it was that is damaged.
type DamagedPart string

// What can be damaged in a file beside frames.
const (
	DamagedHead DamagedPart = "head"
	DamagedMark DamagedPart = "mark" // or what stands where only a mark can
)

// String says it in a sentence for people.
func (d FileDamage) String() string {
	if d.What == DamagedHead {
		behind := "no reading stands behind it"
		if d.Readings > 0 {
			behind = fmt.Sprintf("the %d readings behind it are whole", d.Readings)
		}
		return fmt.Sprintf("%s: the file's head is damaged (somewhere in bytes %d to %d); %s, and nothing has to be fetched", d.File, d.From, d.To, behind)
	}
	return fmt.Sprintf("%s: bytes %d to %d are damaged, where the file said how far it was saved; no reading is lost by it, and nothing has to be fetched", d.File, d.From, d.To)
}

// audit reads all of a file and finds what has changed in it between its frames.
// Every byte belongs to the preamble, a mark or a frame, but for what a crash left
// behind the last frame.
func (v *verifier) audit(seg *segment) ([]FileDamage, error) {
	f, err := v.f.fs.Open(seg.path)
	if err != nil {
		return nil, nil // gone or unreadable: whoever wanted its frames says so
	}
	defer f.Close()
	a := auditor{s: newScanner(f, seg, v.id, seg.epoch)}
	a.s.onBad = func(from, to int64) { a.open = append(a.open, [2]int64{from, to}) }
	return a.run(filepath.Join(filepath.Base(v.files.dir), seg.name), seg.spoilt != nil)
}

// auditor audits one file. Stretches are open until it is known what followed.
type auditor struct {
	s        *scanner
	open     [][2]int64
	found    [][2]int64
	readings uint64
}

func (a *auditor) run(name string, head bool) ([]FileDamage, error) {
	first, prev := int64(-1), uint64(0)
	if !head {
		prev = a.s.seg.first - 1
	}
	for ; a.s.peek(); prev = a.s.prev {
		if first < 0 {
			first = a.s.offset()
		}
		// Whatever cost frames is a hole, or another file has them.
		if a.s.head.Seq == prev+1 && !(head && first == a.s.offset()) {
			a.found = append(a.found, a.open...)
		}
		a.open = a.open[:0]
		if t := a.s.head.Type; t == protocol.TypeCounts || t == protocol.TypeTags {
			a.readings += uint64(a.s.head.Count)
		}
		a.s.take()
	}
	for _, bad := range a.open {
		if mark, err := a.wasMark(bad); err != nil {
			return nil, err
		} else if mark {
			a.found = append(a.found, bad)
		}
	}
	var all []FileDamage
	add := func(from, to int64, what DamagedPart) {
		all = append(all, FileDamage{File: name, From: protocol.Int64(from), To: protocol.Int64(to - 1), What: what, Readings: protocol.Uint64(a.readings)})
	}
	begin := a.s.seg.begin
	if begin == 0 {
		begin = max(first, 1)
	}
	if head {
		add(0, begin, DamagedHead)
	}
	for _, bad := range a.found {
		add(bad[0], bad[1], DamagedMark)
	}
	return all, nil
}

// wasMark reports whether a stretch behind the last frame is not what a crash
// left: a good mark follows that tells of no frame behind the last one, or it is a
// mark in which one bit has changed.
func (a *auditor) wasMark(bad [2]int64) (bool, error) {
	if a.s.marked && int64(a.s.mark.Offset) >= bad[1] && a.s.mark.LastSeq <= a.s.prev {
		return true, nil
	}
	if bad[1]-bad[0] != protocol.MarkSize {
		return false, nil
	}
	var b [protocol.MarkSize]byte
	if n, err := readAt(a.s.f, b[:], bad[0]); err != nil || n < len(b) {
		return false, err
	}
	for bit := range 8 * len(b) {
		c := bytes.Clone(b[:])
		c[bit/8] ^= 1 << (bit % 8)
		if m, err := protocol.ParseMark(c); err == nil && m.Offset <= uint64(bad[0]) {
			return true, nil
		}
	}
	return false, nil
}
