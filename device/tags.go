package device

// MaxTags bounds the tags that one Source.Read appends.
const MaxTags = 1 << 16

// Tick is how long one tick of an instrument's clock lasts: Num/Den seconds. The
// zero value: the instrument gives readings, and no tags.
type Tick struct{ Num, Den uint64 }

// Ns is n ticks as nanoseconds, for times that need not be exact.
func (t Tick) Ns(n float64) float64 { return n * float64(t.Num) / float64(t.Den) * 1e9 }

// Tags is what a [Source] whose Description has a Tick gives in place of readings:
// time-stamped detections in columns, len(Tick) == len(Channel), in the order in
// which the instrument sent them, which need not be quite that of their times.
// Ticks count from some moment of the instrument's clock on, the same for as long
// as the Source is open, wraps undone; they are below 2^63.
type Tags struct {
	Tick    []uint64 // when, in ticks
	Channel []uint8  // of what: an index into Description.Channels
	Losses  []Loss   // stretches of which tags may be missing, in order of From

	// Until says how far the instrument's clock is known to have come: what it
	// sends from now on is of Until or later, but for the small disorder that it
	// is known for. It never goes back, and moves on also when it is dark, where
	// the instrument's bytes tell. At is the time base when the bytes that tell it
	// had arrived; 0: nothing has told it yet.
	Until uint64
	At    int64
}

// Loss is a stretch of the instrument's clock of which tags may be missing.
type Loss struct {
	From, To uint64 // ticks, To behind the stretch
	Channel  int    // index of the channel that may lack some; -1: all of them
	// Missing is the number of tags lost; when Known is false it is not known and
	// Missing is 0.
	Missing uint64
	Known   bool
}

func (t *Tags) reset() {
	t.Tick, t.Channel, t.Losses = t.Tick[:0], t.Channel[:0], t.Losses[:0]
	t.Until, t.At = 0, 0
}

func (t *Tags) append(src *Tags) {
	t.Tick = append(t.Tick, src.Tick...)
	t.Channel = append(t.Channel, src.Channel...)
	t.Losses = append(t.Losses, src.Losses...)
	if src.At != 0 {
		t.Until, t.At = src.Until, src.At
	}
}
