package devicetest

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"photongate/device"
)

// testCut holds the driver's Cut against what the driver reads.
func (s Subject) testCut(t *testing.T) {
	cut := s.Driver.Cut
	if cut == nil {
		t.Fatal("the driver has no Cut: nobody can be shown how its bytes are cut")
	}
	r := s.session(20).mustRead(t)
	var cutRows []device.Piece
	position := 0
	for i, p := range s.pieces(r) {
		if p.What == "" || p.Kind != device.Reading && p.Values != nil {
			t.Errorf("piece %d is not described, or has values without being a reading: %+v", i, p)
		}
		if p.Kind == device.Unfit && i > 0 {
			t.Errorf("bytes from %d are unfit in an undisturbed run: %s: %q", position, p.What, r.bytes[position:position+p.Length])
		}
		if p.Kind == device.Reading {
			cutRows = append(cutRows, p)
		}
		position += p.Length
	}
	for row, values := range r.rows {
		i := slices.IndexFunc(cutRows, func(p device.Piece) bool { return slices.Equal(p.Values, values) })
		if i < 0 || row > 0 && slices.ContainsFunc(cutRows[:i], func(p device.Piece) bool { return !p.Passing }) {
			t.Fatalf("reading %d %v is %d pieces on", row, values, i)
		}
		cutRows = cutRows[i+1:]
	}
	if n, part := device.Fit(cut, r.bytes); s.Driver.CutTalk == nil && (n < len(r.rows) || part < 0.5) {
		t.Errorf("%d readings are %.2f of the bytes", n, part)
	}
	rng := rand.New(rand.NewPCG(2, 2))
	for range 2000 {
		b := slices.Clone(r.bytes[:1+rng.IntN(min(200, len(r.bytes)-1))])
		for range rng.IntN(4) {
			b[rng.IntN(len(b))] = byte(rng.Uint32())
		}
		if p := cut(b); p.Length < 0 || p.Length > len(b) {
			t.Fatalf("%d of %d bytes: %q", p.Length, len(b), b)
		}
	}
}

// pieces cuts what was received in a session, of a conversation if there was one.
func (s Subject) pieces(r *record) []device.Piece {
	if s.Driver.CutTalk == nil {
		return device.Pieces(s.Driver.Cut, r.bytes)
	}
	return s.Driver.CutTalk(r.talk, r.talk[len(r.talk)-1].At+time.Minute)
}

func (s Subject) testQuirks(t *testing.T) {
	r := s.session(20).mustRead(t)
	seen := map[string]bool{}
	for _, q := range s.Driver.Quirks {
		if q.Name == "" || q.Title == "" || q.Source == "" || seen[q.Name] {
			t.Errorf("quirk %q is not described, without a source, or not the only one of its name", q.Name)
		}
		seen[q.Name] = true
		if how := q.Met(nil); how != "" {
			t.Errorf("quirk %q shows before anything was said: %s", q.Name, how)
		}
		if how := q.Met([]device.Exchange{{Bytes: r.bytes}}); how != "" {
			t.Logf("%s: %s", q.Name, how)
		}
	}
}
