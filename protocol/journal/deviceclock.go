package journal

import "photongate/protocol"

// DeviceClock holds what an epoch's clock frames of kind device say: stretches
// between which an unknown number of readings is missing, so that a straight
// line goes through the pairs of one of them only. For a stream of tags the index
// of a pair is a tick of the instrument's clock, which goes on while tags are
// missing.
type DeviceClock []Stretch

// Stretch is pairs of a reading's index and the moment its end arrived, thinned
// out evenly: of every Stride in succession the least late one. There are at
// most 128.
type Stretch struct {
	Stride uint64               `json:"stride"`
	Filled uint64               `json:"filled"` // how many the last pair stands for
	Pairs  []protocol.ClockPair `json:"pairs"`
}

const (
	maxPairs     = 128
	maxStretches = 64
)

// add takes the next pairs.
func (d *DeviceClock) add(pairs []protocol.ClockPair) {
	if len(*d) == 0 {
		*d = DeviceClock{{Stride: 1}}
	}
	s := &(*d)[len(*d)-1]
	for _, p := range pairs {
		s.add(p)
	}
}

// part begins a new stretch. Where there are too many the shortest is given up,
// but not the first one, which what lies before may go on to.
func (d *DeviceClock) part() {
	if n := len(*d); n == 0 {
		*d = DeviceClock{{Stride: 1}}
	} else if n > 1 && len((*d)[n-1].Pairs) == 0 {
		return
	}
	*d = append(*d, Stretch{Stride: 1})
	if len(*d) <= maxStretches {
		return
	}
	shortest := 1
	for i := 1; i < maxStretches; i++ {
		if (*d)[i].readings() < (*d)[shortest].readings() {
			shortest = i
		}
	}
	*d = append((*d)[:shortest], (*d)[shortest+1:]...)
}

// whole makes one stretch of all.
func (d *DeviceClock) whole() {
	for _, s := range (*d)[1:] {
		(*d)[0].join(s)
	}
	*d = (*d)[:1]
}

// join takes what follows.
func (d *DeviceClock) join(o DeviceClock) {
	for i := range o {
		switch {
		case len(*d) == 0:
			*d = DeviceClock{{Stride: 1}}
		case i > 0:
			d.part()
		}
		(*d)[len(*d)-1].join(o[i])
	}
}

// readings is how many readings lie between the first pair and the last.
func (s *Stretch) readings() uint64 {
	if len(s.Pairs) == 0 {
		return 0
	}
	return uint64(s.Pairs[len(s.Pairs)-1].Index - s.Pairs[0].Index)
}

func (s *Stretch) add(p protocol.ClockPair) {
	n := len(s.Pairs)
	if n > 0 && p.Index <= s.Pairs[n-1].Index {
		return
	}
	if s.Filled < s.Stride && n > 1 {
		if s.Filled++; s.late(p) < s.late(s.Pairs[n-1]) {
			s.Pairs[n-1] = p
		}
		return
	}
	s.Pairs, s.Filled = append(s.Pairs, p), 1
	if len(s.Pairs) > maxPairs {
		s.halve()
	}
}

// join takes a stretch that goes on where s ends.
func (s *Stretch) join(o Stretch) {
	if len(s.Pairs) == 0 {
		*s = Stretch{Stride: o.Stride, Filled: o.Filled, Pairs: append([]protocol.ClockPair(nil), o.Pairs...)}
		return
	}
	o.Pairs = append([]protocol.ClockPair(nil), o.Pairs...)
	for s.Stride < o.Stride {
		s.halve()
	}
	for o.Stride < s.Stride {
		o.halve()
	}
	if len(o.Pairs) > 0 {
		s.Pairs, s.Filled = append(s.Pairs, o.Pairs...), o.Filled
	}
	for len(s.Pairs) > maxPairs {
		s.halve()
	}
}

// late is how late a pair is by the straight line from the first to the last.
func (s *Stretch) late(p protocol.ClockPair) float64 {
	first, last := s.Pairs[0], s.Pairs[len(s.Pairs)-1]
	if last.Index <= first.Index {
		return 0
	}
	gate := float64(last.BaseNs-first.BaseNs) / float64(last.Index-first.Index)
	return float64(p.BaseNs-first.BaseNs) - gate*float64(p.Index-first.Index)
}

// halve keeps the less late one of every two.
func (s *Stretch) halve() {
	kept := make([]protocol.ClockPair, 0, maxPairs)
	for i := 0; i < len(s.Pairs); i += 2 {
		best := s.Pairs[i]
		if i+1 < len(s.Pairs) && s.late(s.Pairs[i+1]) < s.late(best) {
			best = s.Pairs[i+1]
		}
		kept = append(kept, best)
	}
	if len(s.Pairs)%2 == 0 {
		s.Filled += s.Stride
	}
	s.Pairs, s.Stride = kept, 2*s.Stride
}
