package trial

import (
	"bytes"
	"fmt"
	"time"

	"photongate/device"
)

// Read implements device.Port.
func (r *run) Read(b []byte, timeout time.Duration) (int, int64, error) {
	n, at, err := r.Port.Read(b, timeout)
	r.now = max(r.now, at)
	if n > 0 {
		r.heard = r.now
		r.exchange(false, b[:n])
		if r.Driver.CutTalk == nil {
			r.uncut = append(r.uncut, b[:n]...)
			r.cut()
		}
	}
	r.cutTalk()
	return n, r.now, err
}

// Write implements device.Port.
func (r *run) Write(b []byte) (int64, error) {
	at, err := r.Port.Write(b)
	r.now = max(r.now, at)
	if err == nil {
		r.exchange(true, b)
	}
	return r.now, err
}

// Discard implements device.Port. What it throws away is not known, so what
// comes next begins anew.
func (r *run) Discard() error {
	r.position += len(r.uncut)
	r.uncut = r.uncut[:0]
	return r.Port.Discard()
}

// Name implements device.Port.
func (r *run) Name() string { return r.About.Port }

// Close implements device.Port.
func (r *run) Close() error { return r.Port.Close() }

// exchange shows bytes and keeps them to look for quirks.
func (r *run) exchange(sent bool, b []byte) {
	e := device.Exchange{Sent: sent, At: r.since(r.now), Bytes: b}
	if r.Driver.Inputs.Tags != nil {
		r.exchanged(e)
	} else {
		r.out.exchange(e)
	}
	if r.kept += len(b); r.kept <= r.keeps() {
		e.Bytes = bytes.Clone(b)
		r.talk = append(r.talk, e)
	}
}

// keeps is how many bytes are kept to look for quirks.
func (r *run) keeps() int {
	if r.Driver.Inputs.Tags != nil {
		return keptStream
	}
	return keptBytes
}

// cut cuts what was received into pieces and shows them.
func (r *run) cut() {
	used := 0
	for used < len(r.uncut) {
		p := r.Driver.Cut(r.uncut[used:])
		if p.Length <= 0 {
			break
		}
		r.piece(numbered{p, r.position + used, r.position + used + p.Length - 1}, r.uncut[used:used+p.Length])
		used += p.Length
	}
	r.position += used
	r.uncut = append(r.uncut[:0], r.uncut[used:]...)
}

// cutTalk shows the pieces that the conversation has by now, of a driver that cuts
// by the whole of it.
func (r *run) cutTalk() {
	if r.Driver.CutTalk == nil || r.kept > r.keeps() {
		return
	}
	pieces, received := r.Driver.CutTalk(r.talk, r.since(r.now)), device.Received(r.talk)
	for _, p := range pieces[r.cutPieces:] {
		r.piece(numbered{p, r.position, r.position + p.Length - 1}, received[r.position:r.position+p.Length])
		r.position += p.Length
	}
	r.cutPieces = len(pieces)
}

func (r *run) piece(p numbered, content []byte) {
	what := p.What
	switch p.Kind {
	case device.Reading:
		r.unused = append(r.unused, p)
	case device.Single:
		r.singles++
	}
	// Whoever opens the port may come in the middle of a line or packet.
	torn := p.Kind == device.Unfit && !r.first
	if torn {
		what += " (the first bytes may be the rest of something)"
	}
	if !r.hides(p) {
		r.out.line("           = bytes %d to %d: %s", p.from, p.to, what)
	}
	if r.first = true; p.Kind != device.Unfit || torn {
		return
	}
	text := fmt.Sprintf("after %.3f s, bytes %d to %d: %s: %s",
		r.since(r.now).Seconds(), p.from, p.to, p.What, device.ShowBytes(content))
	switch {
	case r.opened:
		r.surprise("%s", text)
	case r.opening == "":
		r.opening = text // of less interest than why the driver gave up, should it
	}
}

// take returns the piece that a reading is, and forgets those before it. It counts
// those among them that the driver had to give. Values that are absent are not
// compared.
func (r *run) take(b *device.Batch, row int) (piece numbered, skipped int, ok bool) {
	for i, p := range r.unused {
		if isReading(p.Values, b, row) {
			r.unused = r.unused[i+1:]
			return p, skipped, true
		}
		if !p.Passing {
			skipped++
		}
	}
	return numbered{}, 0, false
}

func isReading(values []uint64, b *device.Batch, row int) bool {
	if len(values) != len(b.Values) {
		return false
	}
	for c, v := range values {
		if b.ValueFlags[c][row]&device.Absent == 0 && b.Values[c][row] != v {
			return false
		}
	}
	return true
}
