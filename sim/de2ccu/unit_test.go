package de2ccu

import (
	"encoding/hex"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/sim"
)

// unhex reads hand-worked bytes.
func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPacketBytes(t *testing.T) {
	for name, c := range map[string]struct {
		values []uint64
		want   string
	}{
		"eight counters": {
			[]uint64{1000, 2000, 300, 400, 50, 60, 7, 8},
			`68 07 00 00 00  50 0F 00 00 00  2C 02 00 00 00  10 03 00 00 00
			 32 00 00 00 00  3C 00 00 00 00  07 00 00 00 00  08 00 00 00 00  FF`,
		},
		"large":   {[]uint64{4321, 4294967295}, "61 21 00 00 00  7F 7F 7F 7F 0F  FF"},
		"borders": {[]uint64{0, 127, 128, 1 << 14, 1 << 21, 1 << 28}, "0000000000 7F00000000 0001000000 0000010000 0000000100 0000000001 FF"},
	} {
		if diff := cmp.Diff(appendPacket(nil, c.values), unhex(t, c.want)); diff != "" {
			t.Errorf("%s (-got +want):\n%s", name, diff)
		}
	}
}

// recorder is a line that remembers.
type recorder struct {
	packets [][]byte
	ends    []time.Time
	rows    [][]uint64
	tears   int
}

func (r *recorder) Send(_ time.Time, b []byte) {
	r.packets = append(r.packets, append([]byte(nil), b...))
}

func (r *recorder) TearNext() { r.tears++ }

func (r *recorder) Latched(at time.Time, values []uint64) {
	r.ends = append(r.ends, at)
	r.rows = append(r.rows, append([]uint64(nil), values...))
}

func newUnit(t *testing.T, o Options, s sim.LightSettings) *Unit {
	t.Helper()
	inputs, err := Inputs(o.Counters)
	if err != nil {
		t.Fatal(err)
	}
	s.Inputs = inputs
	if o.Light, err = sim.NewLight(s); err != nil {
		t.Fatal(err)
	}
	u, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

var powerOn = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// run gives the unit power and looks at it at the given times after that.
func run(u *Unit, looks ...time.Duration) *recorder {
	var r recorder
	u.Handle(sim.Event{Kind: sim.PowerOn, At: powerOn}, &r)
	for _, after := range looks {
		u.Advance(powerOn.Add(after), &r)
	}
	return &r
}

// 2604 x 1920 / 50 MHz: a packet every 99.9936 ms. Nothing is merged or skipped
// when nobody looks for a while.
func TestEveryGateHasItsOwnTime(t *testing.T) {
	u := newUnit(t, Options{Counters: 8}, sim.LightSettings{RatesHz: []float64{1e5, 1e5, 1e5, 1e5}})
	r := run(u, 99_993_599, 99_993_600, 105*time.Millisecond, time.Second)
	for i, end := range r.ends {
		if want := time.Duration(i+1) * 99_993_600; end.Sub(powerOn) != want {
			t.Errorf("gate %d ended at %v, expected %v", i, end.Sub(powerOn), want)
		}
		if got := r.rows[i][0]; got < 9_500 || got > 10_500 {
			t.Errorf("gate %d counted %d, expected about 10000", i, got)
		}
	}
	if len(r.ends) != 10 || len(r.packets) != 10 {
		t.Errorf("%d gates and %d packets in a second, expected 10", len(r.ends), len(r.packets))
	}
	if next := u.Next().Sub(powerOn); next != 11*99_993_600 {
		t.Errorf("the next gate ends at %v", next)
	}
}

func TestCrystalRunsFast(t *testing.T) {
	r := run(newUnit(t, Options{Counters: 8, FastPPM: 20}, sim.LightSettings{}), 1000*time.Second)
	// 10000 gates of 99.9936 ms / 1.00002 take 999.916001680 s.
	if got, want := r.ends[9999].Sub(powerOn), 999_916_001_680*time.Nanosecond; got != want {
		t.Errorf("10000 gates took %v, expected %v", got, want)
	}
}

// decode reads a packet with nothing of the code under test.
func decode(t *testing.T, packet []byte) []uint64 {
	t.Helper()
	if len(packet)%5 != 1 || packet[len(packet)-1] != 0xFF {
		t.Fatalf("no packet: % x", packet)
	}
	var values []uint64
	for i := 0; i+5 < len(packet)+4; i += 5 {
		b := packet[i:]
		values = append(values, uint64(b[0])+uint64(b[1])*128+uint64(b[2])*16384+uint64(b[3])*2097152+uint64(b[4])*268435456)
		for _, group := range b[:5] {
			if group > 0x7F {
				t.Fatalf("bit 7 is set in data: % x", packet)
			}
		}
	}
	return values
}

func TestPacketsAreTheTruth(t *testing.T) {
	for _, c := range []struct{ counters, bytes int }{{8, 41}, {15, 76}} {
		u := newUnit(t, Options{Counters: c.counters}, sim.LightSettings{
			RatesHz: []float64{3e6, 2e6, 1e6, 5e5},
			Pairs:   []sim.Pair{{A: 0, B: 1, RateHz: 1e5}},
			Window:  20 * time.Nanosecond,
			Seed:    5,
		})
		r := run(u, 10*time.Second)
		for i, packet := range r.packets {
			if len(packet) != c.bytes {
				t.Fatalf("%d counters: packet of %d bytes, expected %d", c.counters, len(packet), c.bytes)
			}
			if diff := cmp.Diff(decode(t, packet), r.rows[i]); diff != "" {
				t.Fatalf("packet %d and its truth differ (-packet +truth):\n%s", i, diff)
			}
		}
	}
}

// Pairs of one pair of inputs alone show which counter counts what.
func TestCountersByName(t *testing.T) {
	for name, c := range map[string]struct {
		counters int
		pair     sim.Pair
		want     []string // counters that see it
	}{
		"A and B":   {8, sim.Pair{A: 0, B: 1}, []string{"A", "B", "AB"}},
		"B and A'":  {8, sim.Pair{A: 1, B: 2}, []string{"B", "A'", "A'B"}},
		"A and B'":  {8, sim.Pair{A: 0, B: 3}, []string{"A", "B'", "AB'"}},
		"A' and B'": {8, sim.Pair{A: 2, B: 3}, []string{"A'", "B'", "A'B'"}},
		"A and A'":  {8, sim.Pair{A: 0, B: 2}, []string{"A", "A'"}},
		"B and D":   {15, sim.Pair{A: 1, B: 3}, []string{"B", "D", "BD"}},
		"C and D":   {15, sim.Pair{A: 2, B: 3}, []string{"C", "D", "CD"}},
	} {
		c.pair.RateHz = 1000
		s := sim.LightSettings{RatesHz: make([]float64, 4), Pairs: []sim.Pair{c.pair}}
		s.RatesHz[c.pair.A], s.RatesHz[c.pair.B] = 1000, 1000
		u := newUnit(t, Options{Counters: c.counters}, s)
		r := run(u, time.Second)
		var got []string
		for i, channel := range u.Channels() {
			if r.rows[0][i] > 0 {
				got = append(got, channel)
			}
		}
		if diff := cmp.Diff(got, c.want); diff != "" {
			t.Errorf("%s is seen by (-got +want):\n%s", name, diff)
		}
	}
	// Full light on all inputs fires all counters of 15, in this order.
	u := newUnit(t, Options{Counters: 15}, sim.LightSettings{})
	if got, want := strings.Join(u.Channels(), " "), "A B C D AB AC AD BC BD CD ABC BCD ACD ABD ABCD"; got != want {
		t.Errorf("15 counters are %s, expected %s", got, want)
	}
}

// Each triple is seen by the counter of its name: windows wide enough make
// chance triples of the three inputs that are lit.
func TestTriplesByName(t *testing.T) {
	for dark, want := range []string{"BCD", "ACD", "ABD", "ABC"} {
		rates := []float64{1e5, 1e5, 1e5, 1e5}
		rates[dark] = 0
		u := newUnit(t, Options{Counters: 15}, sim.LightSettings{RatesHz: rates, Window: time.Microsecond})
		r := run(u, time.Second)
		for i, channel := range u.Channels()[10:] {
			if seen := r.rows[0][10+i] > 0; seen != (channel == want) {
				t.Errorf("%s in the light: %s counted %d", want, channel, r.rows[0][10+i])
			}
		}
	}
}

func TestDistinctRows(t *testing.T) {
	r := run(newUnit(t, Options{Counters: 8, Distinct: true}, sim.LightSettings{RatesHz: []float64{1e5, 0, 0, 0}}), time.Second)
	for i, row := range r.rows {
		if row[0] != uint64(1_000_000+i) || decode(t, r.packets[i])[0] != row[0] {
			t.Errorf("row %d reads %d, its packet %d", i, row[0], decode(t, r.packets[i])[0])
		}
	}
}

func TestBytesFromTheHostAreIgnored(t *testing.T) {
	u := newUnit(t, Options{Counters: 8}, sim.LightSettings{})
	r := run(u)
	u.Handle(sim.Event{Kind: sim.Received, At: powerOn, Data: []byte("hello\r\n")}, r)
	u.Advance(powerOn.Add(50*time.Millisecond), r)
	if len(r.packets) != 0 {
		t.Errorf("it answered % x", r.packets)
	}
}

func TestUnplugStopsNothing(t *testing.T) {
	u := newUnit(t, Options{Counters: 8}, sim.LightSettings{})
	r := run(u, 150*time.Millisecond)
	u.Handle(sim.Event{Kind: sim.Unplugged, At: powerOn.Add(150 * time.Millisecond)}, r)
	u.Advance(powerOn.Add(time.Second), r)
	if len(r.rows) != 10 {
		t.Errorf("%d gates in a second, expected 10: the cable is not its power supply", len(r.rows))
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := Inputs(9); err == nil || !strings.Contains(err.Error(), "8 or 15") {
		t.Errorf("9 counters: %v", err)
	}
	light, err := sim.NewLight(sim.LightSettings{Inputs: []string{"A"}})
	if err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]Options{
		"8 or 15":                {Counters: 0, Light: light},
		"must have the 4 inputs": {Counters: 8, Light: light},
		"the 4 inputs [A B C D]": {Counters: 15},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, expected one with %q", err, want)
		}
	}
}

// A host that opens the port finds itself in mid-packet, then whole packets.
func TestOpenedInMidPacket(t *testing.T) {
	for _, pace := range []time.Duration{0, ByteTime} {
		synctest.Test(t, func(t *testing.T) {
			u := newUnit(t, Options{Counters: 8, Distinct: true}, sim.LightSettings{})
			conn := sim.NewMemory()
			runner, err := sim.NewRunner(u, conn, sim.Options{BytePace: pace, Seed: 2})
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- runner.Run(t.Context()) }()
			t.Cleanup(func() { <-done })
			// Packet 10 begins at 999.9 ms; at 19200 Bd it takes 21.4 ms.
			time.Sleep(1010 * time.Millisecond)
			port, err := conn.Open()
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(490 * time.Millisecond) // until shortly after packet 15 began, paced or not
			buf := make([]byte, 1000)
			n, err := port.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			pieces := strings.Split(string(buf[:n]), "\xff")
			if len(pieces[0]) == 40 {
				t.Errorf("pace %v: the first packet is whole", pace)
			}
			for i, piece := range pieces[1:] {
				if len(piece) != 40 && i != len(pieces)-2 {
					t.Errorf("pace %v: a later packet has %d bytes", pace, len(piece))
				}
			}
			if len(pieces) < 4 {
				t.Errorf("pace %v: only %d packets", pace, len(pieces))
			}
		})
	}
}
