package gmc

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
	"photongate/device/devicetest"
)

func TestConformance(t *testing.T) {
	for name, tc := range map[string]struct {
		box    func() *box
		unseen int // of five records: each bit 0, all of bits 0 to 6, and bit 7, of the bytes in which that still is a count
	}{
		"RFC1201": {newBox, 5 * (3 + 2)},
		"RFC1801": {newWideBox, 5 * (3 + 3)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			devicetest.Run(t, devicetest.Subject{
				Driver: Driver, Gate: time.Second, Exact: true, Inserts: []byte{0x00, 0x1C, 0xFF}, Unseen: tc.unseen,
				Play: func(end *devicetest.End, truth *devicetest.Truth) { tc.box().play(end, truth) },
			})
		})
	}
}

// use opens the driver on a box and reads for a time.
func use(t *testing.T, x *box, s device.Settings, d time.Duration, check func(device.Description, *device.Batch)) error {
	t.Helper()
	var err error
	devicetest.Bubble(t, x.play, func(p device.Port) {
		var src device.Source
		src, err = Driver.Open(t.Context(), device.OpenRequest{Port: p, Settings: s, Clock: devicetest.Clock})
		if err != nil {
			return
		}
		b := device.NewBatch(1)
		for begin := time.Now(); err == nil && time.Since(begin) < d; {
			err = src.Read(b)
		}
		check(src.Describe(), b)
		if err := src.Close(); err != nil {
			t.Error(err)
		}
		synctest.Wait() // for the unit to hear of it
	})
	return err
}

func nothing(device.Description, *device.Batch) {}

func TestDescribe(t *testing.T) {
	for _, tc := range []struct {
		box    *box
		change func(*box)
		s      device.Settings
		want   device.Description
	}{
		{newBox(), nil, nil, device.Description{
			Model: "GMC-320", Firmware: "4.26", Serial: "f488007e051234", Channels: []device.Channel{{Name: "counts", Input: "tube", Kind: device.Count, Width: 14}},
			Settings: []device.Setting{
				{Key: "gate", Value: "1s", How: "fixed"},
				{Key: "baud", Value: "115200", How: "confirmed by its answers"},
				{Key: "protocol", Value: "rfc1201", How: "found from the model"},
				{Key: "voltage", Value: "9.8", Unit: "V", How: device.ReadBack},
			},
		}},
		{newWideBox(), nil, nil, device.Description{
			Model: "GMC-500+", Firmware: "2.22", Serial: "303021572157f6", Channels: []device.Channel{{Name: "counts", Input: "tube", Kind: device.Count, Width: 32}},
			Settings: []device.Setting{
				{Key: "gate", Value: "1s", How: "fixed"},
				{Key: "baud", Value: "115200", How: "confirmed by its answers"},
				{Key: "protocol", Value: "rfc1801", How: "found from the model"},
				{Key: "voltage", Value: "4.0", Unit: "V", How: device.ReadBack},
			},
		}},
		{newBox(), func(x *box) {
			x.version, x.mute = "GMC-900Re 1.00", []string{"<GETSERIAL>>", "<GETVOLT>>"}
		}, device.Settings{"protocol": "rfc1201", "baud": int64(57600)}, device.Description{
			Model: "GMC-900", Firmware: "1.00", Channels: []device.Channel{{Name: "counts", Input: "tube", Kind: device.Count, Width: 14}},
			Settings: []device.Setting{
				{Key: "gate", Value: "1s", How: "fixed"},
				{Key: "baud", Value: "57600", How: "confirmed by its answers"},
				{Key: "protocol", Value: "rfc1201", How: "as configured"},
			},
		}},
	} {
		if tc.change != nil {
			tc.change(tc.box)
		}
		err := use(t, tc.box, tc.s, 4*time.Second, func(d device.Description, b *device.Batch) {
			tc.want.Identity, tc.want.Port, tc.want.Gate, tc.want.Timing = device.Confirmed, "memory", time.Second, device.ByDevice
			tc.want.Late, tc.want.Blind = late, blind
			if diff := cmp.Diff(d, tc.want); diff != "" {
				t.Errorf("description (-got +want):\n%s", diff)
			}
			if b.Len() < 2 {
				t.Errorf("%d readings in 4 s", b.Len())
			}
		})
		if err != nil {
			t.Errorf("%s: %v", tc.box.version, err)
		}
	}
}

// Nothing is sent but questions and the heartbeat, off at first and at last.
func TestSent(t *testing.T) {
	x := newBox()
	err := use(t, x, nil, 3*time.Second, func(_ device.Description, b *device.Batch) {
		text := b.Notes[0].Event.Text
		if !strings.Contains(text, "heartbeat was switched on") || !strings.Contains(text, "switched off when it is closed") ||
			!strings.HasSuffix(text, "sent <HEARTBEAT0>> <GETVER>> <GETSERIAL>> <GETVOLT>> <HEARTBEAT1>>") {
			t.Errorf("opened: %s", text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"<HEARTBEAT0>>", "<GETVER>>", "<GETVER>>", "<GETSERIAL>>", "<GETSERIAL>>", "<GETVOLT>>", "<GETVOLT>>", "<HEARTBEAT1>>", "<HEARTBEAT0>>"}
	if diff := cmp.Diff(x.commands, want); diff != "" {
		t.Errorf("sent (-got +want):\n%s", diff)
	}
	if x.beats {
		t.Error("it is left beating")
	}
}

// One that was left beating is quietened, and its beats are not taken for answers.
func TestLeftBeating(t *testing.T) {
	told := false
	for ms := range 10 {
		x := newBox()
		x.beats = true
		x.change = func(_ uint64, beat []byte) []byte { return beat }
		err := use(t, x, nil, 4*time.Second, func(d device.Description, b *device.Batch) {
			if d.Model != "GMC-320" || d.Serial != "f488007e051234" || b.Len() < 2 {
				t.Errorf("%+v, %d readings", d, b.Len())
			}
			told = told || strings.Contains(b.Notes[0].Event.Text, "it was sending before (00 2b")
		})
		if err != nil {
			t.Errorf("%d: %v", ms, err)
		}
	}
	if told {
		t.Error("the first beat came later than that")
	}
	x := newBox()
	x.beats = true
	devicetest.Bubble(t, func(end *devicetest.End, truth *devicetest.Truth) {
		if end.Wait(50 * time.Millisecond) {
			end.Write([]byte{0x00, 0x2B})
			x.play(end, truth)
		}
	}, func(p device.Port) {
		src, err := Driver.Open(t.Context(), device.OpenRequest{Port: p, Clock: devicetest.Clock})
		if err != nil {
			t.Fatal(err)
		}
		b := device.NewBatch(1)
		if err := src.Read(b); err != nil || !strings.Contains(b.Notes[0].Event.Text, "it was sending before (00 2b") {
			t.Errorf("%+v, %v", b.Notes, err)
		}
		_ = src.Close()
	})
}

func TestRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*box)
		kind   error
		want   string
	}{
		"unknown model": {func(x *box) { x.version = "GMC-900Re 1.00" }, device.ErrNonsense, `option protocol = "rfc1201"`},
		"other text":    {func(x *box) { x.version = "hello" }, device.ErrNonsense, `expected something like "GMC-300Re 2.10", got`},
		"silent":        {func(x *box) { x.mute = []string{"<GETVER>>"} }, device.ErrTimeout, "wants baud = 57600"},
		"never twice":   {func(x *box) { x.version = "GMC-300Re 2.1\xb0" }, device.ErrNonsense, "option baud"},
	} {
		x := newBox()
		tc.change(x)
		err := use(t, x, nil, 0, nothing)
		if !errors.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
		if slices.Contains(x.commands, beatOn) {
			t.Errorf("%s: its heartbeat was switched on", name)
		}
	}
}

// The bytes of a second are lost or changed in every way: the others stay as they were.
func TestByteSlip(t *testing.T) {
	const at = 8
	for name, tc := range map[string]struct {
		change  func([]byte) []byte
		missing uint64
	}{
		"a byte lost":       {func(b []byte) []byte { return b[1:] }, 1},
		"all lost":          {func([]byte) []byte { return nil }, 1},
		"a byte put in":     {func(b []byte) []byte { return append([]byte{0x3F}, b...) }, 1},
		"another one":       {func(b []byte) []byte { return append(b, b...) }, 1},
		"text in a second":  {func(b []byte) []byte { return append(b, "->Display Mode"...) }, 1},
		"half a minute's":   {func(b []byte) []byte { return append(b, make([]byte, 60)...) }, 1},
		"nothing is wrong":  {func(b []byte) []byte { return b }, 0},
		"more than fits in": {func(b []byte) []byte { return append(b, make([]byte, 9001)...) }, 1},
	} {
		for _, wide := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				x := newBox()
				if wide {
					x = newWideBox()
				}
				x.change = func(n uint64, beat []byte) []byte {
					if n == at {
						return tc.change(beat)
					}
					return beat
				}
				err := use(t, x, nil, 30*time.Second, func(_ device.Description, b *device.Batch) {
					var missing uint64
					for _, n := range b.Notes {
						if n.Gap != nil {
							missing += n.Gap.Missing
						}
					}
					if missing != tc.missing || b.Len() < 15 {
						t.Errorf("%d missing, want %d; %d readings", missing, tc.missing, b.Len())
					}
					for row, v := range b.Values[0] {
						step := b.Values[0][1] - b.Values[0][0]
						// Late says that the gap may as well stand on the other side of it.
						if off := (v - 3) % step; off != 0 || tc.missing > 0 && (v-3)/step == at || b.Flags[row]&^device.Late != 0 {
							t.Errorf("reading %d is %d, flagged %v", row, v, b.Flags[row])
						}
					}
				})
				if err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// Reserved bits are no counts; more than a tube can count is flagged.
func TestOddValues(t *testing.T) {
	x := newBox()
	x.reserved = 0xC000
	err := use(t, x, nil, 6*time.Second, func(_ device.Description, b *device.Batch) {
		for row, v := range b.Values[0] {
			if v >= 1000 || b.Flags[row] != 0 {
				t.Errorf("reading %d is %d, flagged %v", row, v, b.Flags[row])
			}
		}
	})
	if err != nil {
		t.Error(err)
	}
	x = newWideBox()
	x.change = func(n uint64, beat []byte) []byte {
		if n == 5 {
			beat[0] = 0x10
		}
		return beat
	}
	err = use(t, x, nil, 10*time.Second, func(_ device.Description, b *device.Batch) {
		flagged := 0
		for row, v := range b.Values[0] {
			if v > maxCPS && b.Flags[row] == device.Implausible && b.ValueFlags[0][row] == device.Suspect {
				flagged++
			}
		}
		if flagged != 1 {
			t.Errorf("%d readings are flagged: %v %v", flagged, b.Values[0], b.Flags)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func TestGivenUp(t *testing.T) {
	x := newBox()
	x.noise = "->Display Mode"
	if err := use(t, x, nil, time.Minute, nothing); !errors.Is(err, device.ErrNonsense) || !strings.Contains(err.Error(), "echo its menus") {
		t.Errorf("%v", err)
	}
}

// A host that is held up within a record, and for long, loses none.
func TestHeldUp(t *testing.T) {
	x := newBox()
	devicetest.Bubble(t, x.play, func(p device.Port) {
		src, err := Driver.Open(t.Context(), device.OpenRequest{Port: torn{p}, Clock: devicetest.Clock})
		if err != nil {
			t.Fatal(err)
		}
		b := device.NewBatch(1)
		for n := 0; b.Len() < 60; n++ {
			if err := src.Read(b); err != nil {
				t.Fatal(err)
			}
			if n%7 == 6 {
				<-time.After(time.Duration(n%4) * 470 * time.Millisecond)
			}
		}
		for row, v := range b.Values[0] {
			if v != b.Values[0][0]+40*uint64(row) || b.Flags[row] != 0 {
				t.Errorf("reading %d is %d, flagged %v", row, v, b.Flags[row])
			}
		}
		for _, n := range b.Notes {
			if n.Gap != nil {
				t.Errorf("%+v", *n.Gap)
			}
		}
		_ = src.Close()
	})
}

// torn hands out one byte at a time.
type torn struct{ device.Port }

func (p torn) Read(b []byte, timeout time.Duration) (int, int64, error) {
	return p.Port.Read(b[:1], timeout)
}

func TestOptions(t *testing.T) {
	for _, o := range Driver.Options {
		if o.Name == "baud" && (o.Check(int64(57600)) != nil || o.Check(int64(57601)) == nil) {
			t.Error("baud takes what no unit has, or not what one has")
		}
	}
	if !Driver.Inputs.May("counts") || !Driver.Inputs.May("tube") || Driver.Inputs.May("A") {
		t.Error("inputs")
	}
}
