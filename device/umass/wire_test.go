package umass

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
)

func TestRegisters(t *testing.T) {
	for _, tc := range []struct {
		write bool
		reg   uint16
		value uint32
		want  []byte
	}{
		{false, 0x02, 0, []byte{0xAA, 0, 2, 0, 0, 0, 0, 0}},
		{true, 0x03, 3, []byte{0xAA, 1, 3, 0, 3, 0, 0, 0}},
		{true, 0x0128, 0x12345678, []byte{0xAA, 1, 0x28, 1, 0x78, 0x56, 0x34, 0x12}},
	} {
		if got := command(tc.write, tc.reg, tc.value); !bytes.Equal(got, tc.want) {
			t.Errorf("register %04x: % x, want % x", tc.reg, got, tc.want)
		}
	}
	if v, err := parseReply([]byte{0x00, 0x20, 0xA1, 0x07}); v != 128000000 || err != nil {
		t.Errorf("%d, %v", v, err)
	}
	for _, p := range [][]byte{nil, {1, 2, 3}, {1, 2, 3, 4, 5}} {
		if _, err := parseReply(p); err == nil {
			t.Errorf("% x is taken for a reply", p)
		}
	}
}

// Records and the tags they make, worked out by hand. Channels: S0 to S3 are 0 to 3, D0+
// D0- are 4 and 5, D1+ D1- 6 and 7.
func TestRecords(t *testing.T) {
	both := wire(0xF, 0x3)
	one := wire(0xF, 0x1)
	for _, tc := range []struct {
		name     string
		wiring   *wiring
		bytes    []byte
		ticks    []uint64
		channels []uint8
		losses   []device.Loss
		gaps     int
		until    uint64
	}{
		{"a strobe", both, []byte{0x00, 0x10, 0x00, 0x00, 0x03, 0xE8}, []uint64{1000}, []uint8{0}, nil, 0, 1000},
		{"two in one tick", both, []byte{0x00, 0x50, 0x00, 0x00, 0x03, 0xE9}, []uint64{1001, 1001}, []uint8{0, 2}, nil, 0, 1001},
		{"the last tick", both, []byte{0x00, 0x8F, 0xFF, 0xFF, 0xFF, 0xFF}, []uint64{68719476735}, []uint8{3}, nil, 0, 68719476735},
		{"the first record says that it wrapped", both, []byte{0x40, 0, 0, 0, 0, 0, 0x00, 0x20, 0, 0, 0, 7}, []uint64{7}, []uint8{1}, nil, 0, 7},
		{"wrapped, and no event", both, []byte{
			0x00, 0x1F, 0xFF, 0xFF, 0xFF, 0xFE, 0x40, 0, 0, 0, 0, 0, 0x00, 0x20, 0, 0, 0, 5,
		}, []uint64{68719476734, 68719476741}, []uint8{0, 1}, nil, 0, 68719476741},
		{"the wrap flag on an event", both, []byte{0x00, 0x10, 0, 0, 0, 9, 0x40, 0x20, 0, 0, 0, 4}, []uint64{9, 68719476740}, []uint8{0, 1}, nil, 0, 68719476740},
		{"the same beyond the time before", both, []byte{0x00, 0x10, 0, 0, 0, 9, 0x40, 0x20, 0, 0, 0, 12}, []uint64{9, 68719476748}, []uint8{0, 1}, nil, 0, 68719476748},
		{"lost", both, []byte{0x00, 0x10, 0, 0, 0, 9, 0x80, 0x20, 0, 0, 0, 12}, []uint64{9, 12}, []uint8{0, 1}, []device.Loss{{From: 9, To: 12, Channel: -1}}, 0, 12},
		{"lost twice in a row", both, []byte{0x00, 0x10, 0, 0, 0, 9, 0x80, 0x20, 0, 0, 0, 12, 0x80, 0x20, 0, 0, 0, 15},
			[]uint64{9, 12, 15}, []uint8{0, 1, 1}, []device.Loss{{From: 9, To: 15, Channel: -1}}, 0, 15},
		{"lost with the wrap", both, []byte{0x00, 0x1F, 0xFF, 0xFF, 0xFF, 0xFE, 0x80, 0x20, 0, 0, 0, 5},
			[]uint64{68719476734, 68719476741}, []uint8{0, 1}, []device.Loss{{From: 68719476734, To: 68719476741, Channel: -1}}, 0, 68719476741},
		{"a delta input alone", one, []byte{0x20, 0x10, 0, 0, 0, 9, 0x20, 0x00, 0, 0, 0, 12}, []uint64{9, 12}, []uint8{4, 5}, nil, 0, 12},
		{"which of two changed first is open", both, []byte{0x20, 0x10, 0, 0, 0, 9, 0x20, 0x30, 0, 0, 0, 12, 0x20, 0x20, 0, 0, 0, 15},
			[]uint64{12, 15}, []uint8{6, 5}, []device.Loss{{From: 9, To: 10, Channel: 4}, {From: 9, To: 10, Channel: 7}}, 0, 15},
		{"and behind lost records", both, []byte{0x20, 0x10, 0, 0, 0, 9, 0x20, 0x30, 0, 0, 0, 12, 0xA0, 0x20, 0, 0, 0, 15, 0x20, 0x30, 0, 0, 0, 16},
			[]uint64{12, 16}, []uint8{6, 4}, []device.Loss{
				{From: 9, To: 10, Channel: 4}, {From: 9, To: 10, Channel: 7},
				{From: 12, To: 15, Channel: -1}, {From: 15, To: 16, Channel: 5}, {From: 15, To: 16, Channel: 6},
			}, 0, 16},
		{"both changed", both, []byte{0x20, 0x00, 0, 0, 0, 9, 0x20, 0x30, 0, 0, 0, 12}, []uint64{12, 12}, []uint8{4, 6},
			[]device.Loss{{From: 9, To: 10, Channel: 5}, {From: 9, To: 10, Channel: 7}}, 0, 12},
		{"bytes that are none, then records", both, slices.Concat([]byte{0x00, 0x10, 0, 0, 0, 9}, []byte{0xFF, 0x1F, 0xFF}, []byte{
			0x00, 0x10, 0, 0, 0, 11, 0x00, 0x10, 0, 0, 0, 12, 0x00, 0x10, 0, 0, 0, 13, 0x00, 0x10, 0, 0, 0, 14,
		}), []uint64{9, 11, 12, 13, 14}, []uint8{0, 0, 0, 0, 0}, []device.Loss{{From: 9, To: 11, Channel: -1}}, 1, 14},
		{"a fall without a flag, then records", both, []byte{
			0x00, 0x10, 0, 0, 1, 9, 0x00, 0x10, 0, 0, 0, 9, 0x00, 0x20, 0, 0, 1, 11, 0x00, 0x20, 0, 0, 1, 12, 0x00, 0x20, 0, 0, 1, 13, 0x00, 0x20, 0, 0, 1, 14,
		}, []uint64{265, 267, 268, 269, 270}, []uint8{0, 1, 1, 1, 1}, []device.Loss{{From: 265, To: 267, Channel: -1}}, 1, 270},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, cut := range []int{len(tc.bytes), 1, 3, 6, 7, 11} { // packets of so many bytes
				s, b := newSource(tc.wiring), device.NewBatch(len(tc.wiring.channels))
				var at int64
				for p := tc.bytes; len(p) > 0; {
					n := copy(s.data[s.left:], p[:min(cut, len(p))])
					p = p[n:]
					if at = 1e9 + s.ns(s.tick); len(p) == 0 || len(tc.ticks) > 0 && tc.ticks[0] > period/2 {
						at = 1e9 + s.ns(tc.until)
					}
					if err := s.take(b, s.left+n, at); err != nil {
						t.Fatal(err)
					}
				}
				if !slices.Equal(b.Tags.Tick, tc.ticks) || !slices.Equal(b.Tags.Channel, tc.channels) {
					t.Errorf("cut at %d: ticks %d of %d, want %d of %d", cut, b.Tags.Tick, b.Tags.Channel, tc.ticks, tc.channels)
				}
				if diff := cmp.Diff(b.Tags.Losses, tc.losses); diff != "" {
					t.Errorf("cut at %d: losses (-got +want):\n%s", cut, diff)
				}
				if len(b.Notes) != tc.gaps || b.Tags.Until != tc.until || b.Tags.At > at {
					t.Errorf("cut at %d: notes %+v, until %d at %d", cut, b.Notes, b.Tags.Until, b.Tags.At)
				}
			}
		})
	}
}

// The rest of a record that a packet cuts off may never come.
func TestRestNeverComes(t *testing.T) {
	s, b := newSource(wire(0xF, 0)), device.NewBatch(inputs)
	for _, p := range [][]byte{
		{0x00, 0x10, 0, 0, 0, 9, 0x00, 0x10, 0},
		{0x80, 0x10, 0, 0, 0, 16, 0x00, 0x20, 0, 0, 0, 17, 0x00, 0x10, 0, 0, 0, 18, 0x00, 0x10, 0, 0, 0, 19, 0x00, 0x20, 0, 0, 0, 20},
	} {
		n := copy(s.data[s.left:], p)
		if err := s.take(b, s.left+n, 1e9); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(b.Tags.Tick, []uint64{9, 16, 17, 18, 19, 20}) || !slices.Equal(b.Tags.Channel, []uint8{0, 0, 1, 0, 0, 1}) {
		t.Errorf("ticks %d of %d", b.Tags.Tick, b.Tags.Channel)
	}
	if diff := cmp.Diff(b.Tags.Losses, []device.Loss{{From: 9, To: 16, Channel: -1}}); diff != "" || len(b.Notes) != 1 {
		t.Errorf("notes %+v, losses (-got +want):\n%s", b.Notes, diff)
	}
}

// newSource is a source whose data a test gives it.
func newSource(w *wiring) *source {
	return &source{decoder: decoder{wiring: w}, hertz: 128e6, data: make([]byte, mostLeft+bufferBytes+2), talk: &talk{clock: func() int64 { return 1e9 }}}
}

func TestInputLists(t *testing.T) {
	for text, want := range map[string]uint32{"0": 1, "0 1 2 3": 15, "3,1": 10, " 2 ": 4, "none": 0} {
		if got, err := parseInputs(text); got != want || err != nil {
			t.Errorf("%q: %x, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "4", "-1", "1 1", "all", "0x1"} {
		if err := checkInputs(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	if got := inputList(10); got != "1 3" {
		t.Errorf("%q", got)
	}
	names := ""
	for _, c := range wire(0x9, 0x4).channels {
		names += c.Name + " " + c.Input + " " + string(c.Edge) + ";"
		if !Driver.Inputs.May(c.Name) || !Driver.Inputs.May(c.Input) {
			t.Errorf("%+v may not be named", c)
		}
	}
	if want := "S0 strobe 0 rising;S3 strobe 3 rising;D2+ delta 2 rising rising;D2- delta 2 falling falling;"; names != want {
		t.Errorf("%s", names)
	}
}

// FuzzRecords: whatever comes, in whatever packets, has the form that a source is to
// give.
func FuzzRecords(f *testing.F) {
	f.Add([]byte{0x40, 0, 0, 0, 0, 0, 0x00, 0x50, 0, 0, 3, 0xE9, 0xA0, 0x20, 0, 0, 4, 0, 0x00, 0x1F, 0xFF, 0xFF, 0xFF, 0xFE}, 6)
	f.Fuzz(func(t *testing.T, p []byte, cut int) {
		s := newSource(wire(0xF, 0x3))
		b := device.NewBatch(len(s.channels))
		var until, from uint64
		for cut = min(max(cut, 1), bufferBytes); len(p) > 0; {
			n := copy(s.data[s.left:s.left+min(cut, len(p))], p)
			p = p[n:]
			b.Reset()
			err := s.take(b, s.left+n, 1e9)
			if s.left > mostLeft {
				t.Fatalf("%d bytes are left", s.left)
			}
			if b.Tags.At != 0 && b.Tags.Until < until || len(b.Tags.Tick) != len(b.Tags.Channel) {
				t.Fatalf("until %d after %d, %d ticks, %d channels", b.Tags.Until, until, len(b.Tags.Tick), len(b.Tags.Channel))
			}
			for n, tick := range b.Tags.Tick {
				if tick < until || tick>>63 != 0 || int(b.Tags.Channel[n]) >= len(s.channels) {
					t.Fatalf("tag at %d of channel %d, until %d", tick, b.Tags.Channel[n], until)
				}
			}
			for _, l := range b.Tags.Losses {
				if l.From < from || l.To < l.From || l.Channel >= len(s.channels) {
					t.Fatalf("loss %+v behind one from %d", l, from)
				}
				from = l.From
			}
			if b.Tags.At != 0 {
				until = b.Tags.Until
			}
			if err != nil {
				return
			}
		}
	})
}
