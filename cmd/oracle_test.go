package cmd_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// frameID is the identity of a frame in one journal.
type frameID struct {
	position
	seq uint64
}

// oracle remembers every frame that ever left a gateway, byte for byte, and
// every ack: it knows what must not be lost, and what cannot be new. It has no
// code in common with what it judges but the parsing of frames.
type oracle struct {
	mu       sync.Mutex
	left     map[frameID][]byte
	came     map[string]map[frameID]bool // which of them reached a receiver, by its name, and were not acked yet
	kept     map[string]map[frameID]bool // and which were
	acked    map[string]map[position]uint64
	answers  map[string]int // to subscriptions, by their word
	wrong    []string
	more     chan struct{} // closed and replaced whenever something came
	sessions map[net.Conn]bool
}

func newOracle() *oracle {
	return &oracle{left: map[frameID][]byte{}, came: map[string]map[frameID]bool{}, kept: map[string]map[frameID]bool{},
		acked: map[string]map[position]uint64{}, answers: map[string]int{}, more: make(chan struct{}), sessions: map[net.Conn]bool{}}
}

// complain notes a broken promise; mu is held.
func (o *oracle) complain(format string, args ...any) {
	if len(o.wrong) < 20 {
		o.wrong = append(o.wrong, fmt.Sprintf(format, args...))
	}
}

// complaints are the promises broken so far.
func (o *oracle) complaints() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.wrong, "\n")
}

// cutOff breaks all connections.
func (o *oracle) cutOff() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range o.sessions {
		c.Close()
	}
	clear(o.sessions)
}

// tap is a receiver's connection that tells the oracle what crosses it.
type tap struct {
	net.Conn
	o       *oracle
	name    string
	in, out []byte // of a frame that has not come whole
}

func (o *oracle) tap(conn net.Conn, name string) *tap {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sessions[conn] = true
	if o.came[name] == nil {
		o.came[name], o.kept[name], o.acked[name] = map[frameID]bool{}, map[frameID]bool{}, map[position]uint64{}
	}
	return &tap{Conn: conn, o: o, name: name}
}

func (c *tap) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.in = c.pass(append(c.in, b[:n]...), c.came)
	return n, err
}

func (c *tap) Write(b []byte) (int, error) {
	c.out = c.pass(append(c.out, b...), c.went)
	return c.Conn.Write(b)
}

// pass hands whole frames on to use, and returns the rest.
func (c *tap) pass(b []byte, use func(h protocol.Header, frame, payload []byte)) []byte {
	c.o.mu.Lock()
	defer c.o.mu.Unlock()
	for len(b) >= protocol.HeaderSize {
		h, err := protocol.ParseHeader(b)
		if err != nil {
			c.o.complain("%s: what crosses the line is no frame: %v", c.name, err)
			return nil
		}
		if len(b) < h.FrameLen() {
			break
		}
		use(h, b[:h.FrameLen()], b[h.HeaderLen:h.FrameLen()])
		b = b[h.FrameLen():]
	}
	close(c.o.more)
	c.o.more = make(chan struct{})
	return slices.Clone(b)
}

// came is a frame from the gateway; mu is held.
func (c *tap) came(h protocol.Header, frame, payload []byte) {
	switch {
	case h.Type == protocol.TypeSubscribed:
		var s protocol.Subscribed
		if protocol.DecodeJSON(payload, &s) == nil {
			for _, stream := range s.Streams {
				c.o.answers[stream.Answer]++
			}
		}
	case h.Type.Numbered() && h.Stream > 0:
		id := frameID{position{h.Stream, h.Epoch}, h.Seq}
		c.o.leaves(id, frame)
		c.o.came[c.name][id] = !c.o.kept[c.name][id]
	}
}

// leaves notes a frame that left a gateway; mu is held.
func (o *oracle) leaves(id frameID, frame []byte) {
	if old := o.left[id]; old != nil && !bytes.Equal(old, frame) {
		o.complain("frame %d of epoch %d of stream %d left the gateway twice, with other bytes", id.seq, id.epoch, id.id)
	}
	o.left[id] = bytes.Clone(frame)
}

// went is a frame from the receiver; mu is held.
func (c *tap) went(h protocol.Header, _, payload []byte) {
	var a protocol.Ack
	if h.Type != protocol.TypeAck || protocol.DecodeJSON(payload, &a) != nil {
		return
	}
	for _, s := range a.Streams {
		at := position{s.ID, s.Epoch}
		c.o.acked[c.name][at] = max(uint64(s.Seq), c.o.acked[c.name][at])
		for id := range c.o.came[c.name] {
			if id.id == at.id && (id.epoch < at.epoch || id.epoch == at.epoch && id.seq <= uint64(s.Seq)) {
				c.o.kept[c.name][id] = true
				delete(c.o.came[c.name], id)
			}
		}
	}
}

// forget leaves out what reached a receiver that lost its power: what it had not
// acked it may have lost, and ack later as the hole that a gateway which lost it
// too made of it.
func (o *oracle) forget(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.came[name])
}

// part is what a folder holds of an epoch of a stream, in order.
type part struct {
	position
	frames map[uint64][]byte
	holes  [][2]uint64
	last   uint64
	order  []uint64
}

// readParts reads a journal folder whole. Nothing in it may be out of order, and
// every number is a frame or in a hole.
func readParts(fsys journal.FS, dir string) (map[string][]*part, error) {
	f, err := journal.OpenFolder(fsys, dir)
	if err != nil {
		return nil, err
	}
	all := map[string][]*part{}
	for _, s := range f.Streams() {
		r := f.Reader(s.Name)
		for {
			frames, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return nil, err
			}
			for len(frames) > 0 {
				h, payload, rest, err := protocol.ParseFrame(frames)
				if err != nil {
					return nil, err
				}
				if all[s.Name], err = addToPart(all[s.Name], h, frames[:h.FrameLen()], payload); err != nil {
					return nil, fmt.Errorf("%s, stream %s: %w", filepath.Base(dir), s.Name, err)
				}
				frames = rest
			}
		}
		r.Close()
	}
	return all, nil
}

func addToPart(parts []*part, h protocol.Header, frame, payload []byte) ([]*part, error) {
	at := position{h.Stream, h.Epoch}
	if n := len(parts); n == 0 || parts[n-1].epoch != h.Epoch {
		if n > 0 && parts[n-1].epoch > h.Epoch {
			return parts, fmt.Errorf("epoch %d after %d", h.Epoch, parts[n-1].epoch)
		}
		parts = append(parts, &part{position: at, frames: map[uint64][]byte{}})
	}
	p := parts[len(parts)-1]
	if h.Seq != p.last+1 {
		return parts, fmt.Errorf("epoch %d: %d after %d", h.Epoch, h.Seq, p.last)
	}
	p.last = h.Seq
	if h.Type == protocol.TypeHole {
		var hole protocol.Hole
		if err := protocol.DecodeJSON(payload, &hole); err != nil {
			return parts, err
		}
		p.last = uint64(hole.To)
		p.holes = append(p.holes, [2]uint64{h.Seq, p.last})
		return parts, nil
	}
	p.frames[h.Seq] = bytes.Clone(frame)
	p.order = append(p.order, h.Seq)
	return parts, nil
}

// checkArchive compares an archive with what left the gateway for it and what
// it acked. It returns how many acked frames there are.
func (o *oracle) checkArchive(fsys journal.FS, dir, name string) (acked int, err error) {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return 0, nil // it was cut off before it began
	}
	var folders []string
	for _, e := range entries {
		if e.IsDir() {
			folders = append(folders, filepath.Join(dir, e.Name()))
		}
	}
	if len(folders) != 1 {
		if len(folders) == 0 && len(o.acked[name]) == 0 {
			return 0, nil
		}
		return 0, fmt.Errorf("%s: the archive has the folders %q, expected one: it was taken for another's", name, folders)
	}
	all, err := readParts(fsys, folders[0])
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	held := map[frameID]bool{}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, parts := range all {
		for _, p := range parts {
			for seq, frame := range p.frames {
				id := frameID{p.position, seq}
				held[id] = true
				if !bytes.Equal(o.left[id], frame) {
					return 0, fmt.Errorf("%s: frame %d of epoch %d of stream %d has other bytes in the archive than left the gateway", name, seq, p.epoch, p.id)
				}
			}
		}
	}
	for id := range o.kept[name] {
		if acked++; !held[id] {
			return 0, fmt.Errorf("%s: frame %d of epoch %d of stream %d was acked up to %d, and is not in the archive, which has:%s",
				name, id.seq, id.epoch, id.id, o.acked[name][id.position], tellParts(all))
		}
	}
	return acked, nil
}

// tellParts says in short what a folder holds.
func tellParts(all map[string][]*part) string {
	var text strings.Builder
	for name, parts := range all {
		fmt.Fprintf(&text, "\n%s:", name)
		for _, p := range parts {
			fmt.Fprintf(&text, " %d: %d frames up to %d, holes %v;", p.epoch, len(p.frames), p.last, p.holes)
		}
	}
	return text.String()
}

// checkJournal notes what a gateway's journal holds: it may leave it at any time.
func (o *oracle) checkJournal(fsys journal.FS, dir string) (map[string][]*part, error) {
	all, err := readParts(fsys, dir)
	if err != nil {
		return nil, fmt.Errorf("the journal: %w", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, parts := range all {
		for _, p := range parts {
			for seq, frame := range p.frames {
				o.leaves(frameID{p.position, seq}, frame)
			}
		}
	}
	return all, nil
}
