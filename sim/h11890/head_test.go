package h11890

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/sim"
	"photongate/sim/bench"
	"photongate/sim/usbip/usbiptest"
)

const second = time.Second

func plug(t testing.TB, o Options, faults ...string) *usbiptest.Bench {
	t.Helper()
	light, err := bench.Light(Inputs(), []float64{50_000})
	if err != nil {
		t.Fatal(err)
	}
	o.Light = light
	head, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	list, err := sim.ParseFaults(faults)
	if err != nil {
		t.Fatal(err)
	}
	return usbiptest.Plug(t, head, sim.Options{Light: light, Faults: list})
}

func say(t testing.TB, c *usbiptest.Client, command string) {
	t.Helper()
	if err := c.Out(1, []byte(command), second); err != nil {
		t.Fatal(err)
	}
}

// in reads one packet; its 8 bytes that count in hex.
func in(t testing.TB, c *usbiptest.Client) string {
	t.Helper()
	b, err := c.In(0x81, 64, 2*second)
	if err != nil {
		return err.Error()
	}
	if len(b) != 64 || strings.Trim(string(b[8:]), "\x00") != "" {
		t.Errorf("a packet of %d bytes: % x", len(b), b)
	}
	return hex.EncodeToString(b[:8])
}

// count reads one packet with an index and a count.
func count(t testing.TB, c *usbiptest.Client) (index, n uint64) {
	t.Helper()
	b, err := hex.DecodeString(in(t, c))
	if err != nil {
		t.Fatal(err)
	}
	return uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[4:]))
}

// The bytes seen on a real head.
func TestCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := plug(t, Options{}, "refuse@30s").Import()
		if d := c.Device; d.Vendor != 0x0661 || d.Product != 0x3705 {
			t.Errorf("it is %+v", d)
		}
		for _, step := range []struct{ say, want string }{
			{"I", "49000000a0860100"}, {"R", "5200000000000000"}, {"V", "5600000000000000"},
			{"DV", "44560000e8030000"}, {"V", "56000000e8030000"},
			{"DV\n", "4243000000000000"}, {"I\r", "4243000000000000"}, {"", "4243000000000000"}, {"X", "4243000000000000"},
			{"I\x00\x00\x00\x10\x27\x00\x00", "4900000010270000"}, {"I", "4900000010270000"},
			{"I\x00\x00\x00\x00\x00\x00\x00", "4243000000000000"}, {"I\x00\x01\x00\x10\x27\x00\x00", "4243000000000000"},
			{"R\x00\x00\x00\x03\x00\x00\x00", "5200000003000000"}, {"V\x00\x00\x00\x00\x00\x00\x00", "5600000000000000"},
			{"\r", "timeout"},
		} {
			say(t, c, step.say)
			if got := in(t, c); got != step.want {
				t.Errorf("%q is answered %s, expected %s", step.say, got, step.want)
			}
		}
		<-time.After(30 * second)
		say(t, c, "I")
		if got := in(t, c); got != "4243000000000000" {
			t.Errorf("refused: %s", got)
		}
	})
}

func TestCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := plug(t, Options{SetSilent: true})
		c := b.Import()
		say(t, c, "I\x00\x00\x00\x10\x27\x00\x00") // 100 ms
		say(t, c, "R\x00\x00\x00\x03\x00\x00\x00")
		say(t, c, "C")
		var rows [][]uint64
		read := func(want uint64) {
			t.Helper()
			index, n := count(t, c)
			if index != want {
				t.Errorf("index %d, expected %d", index, want)
			}
			rows = append(rows, []uint64{n})
		}
		for i := range uint64(3) {
			read(i)
		}
		if got := in(t, c); got != "timeout" {
			t.Errorf("after three: %s", got)
		}
		if diff := cmp.Diff(rows, [][]uint64{{0}, {0}, {0}}); diff != "" {
			t.Errorf("without high voltage (-got +want):\n%s", diff)
		}
		say(t, c, "DV")
		in(t, c)
		say(t, c, "M")
		begin := time.Now()
		for i := range uint64(3) {
			read(i)
			if n := rows[len(rows)-1][0]; n < 4600 || n > 5400 {
				t.Errorf("%d in 100 ms of 50000 a second", n)
			}
		}
		if took := time.Since(begin); took != 300*time.Millisecond {
			t.Errorf("three of 100 ms took %v", took)
		}
		if diff := cmp.Diff(b.Truth(), rows); diff != "" {
			t.Errorf("truth (-got +want):\n%s", diff)
		}
	})
}

// Whoever opens a head that counts finds packets of before, and hears nothing else until
// it is stopped.
func TestLeftRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := plug(t, Options{Running: true, HighVoltage: true, Distinct: true}, "overflow@4500ms").Import()
		<-time.After(2500 * time.Millisecond)
		say(t, c, "I")
		for i, want := range []string{"0000000040420f00", "0100000041420f00", "4243000000000000"} {
			if got := in(t, c); got != want {
				t.Errorf("packet %d: %s, expected %s", i, got, want)
			}
		}
		count(t, c)
		count(t, c)
		if index, n := count(t, c); index != 4 || n != 1_000_004|0x8000 {
			t.Errorf("with too much light: %d, %d", index, n)
		}
		say(t, c, "\r")
		say(t, c, "I")
		if got := in(t, c); got != "49000000a0860100" {
			t.Errorf("stopped: %s", got)
		}
	})
}

// What nobody fetches, and what is lost on its way, is missing from the indexes.
func TestIndexGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := plug(t, Options{Running: true}, "lostpacket@1500ms", "unplug@200s:1s")
		c := b.Import()
		if index, _ := count(t, c); index != 0 {
			t.Errorf("the first is %d", index)
		}
		if index, _ := count(t, c); index != 2 {
			t.Errorf("with a packet lost the next is %d", index)
		}
		<-time.After(100 * second)
		for range maxWaiting {
			count(t, c)
		}
		if index, _ := count(t, c); index < 100 {
			t.Errorf("after 100 s without a host: %d", index)
		}
		<-time.After(100 * second)
		if err := c.Out(1, []byte("I"), second); !errors.Is(err, usbiptest.ErrGone) {
			t.Errorf("unplugged: %v", err)
		}
		c = b.Import()
		say(t, c, "I")
		if got := in(t, c); got != "49000000a0860100" {
			t.Errorf("after power was off: %s", got)
		}
	})
}

func FuzzCommands(f *testing.F) {
	f.Add([]byte("DV"))
	f.Add([]byte("I\x00\x00\x00\x01\x00\x00\x00"))
	f.Add([]byte("\r"))
	f.Fuzz(func(t *testing.T, p []byte) {
		light, err := bench.Light(Inputs(), nil)
		if err != nil {
			t.Fatal(err)
		}
		h, err := New(Options{Light: light})
		if err != nil {
			t.Fatal(err)
		}
		h.Handle(sim.Event{Kind: sim.PowerOn, At: bench.PowerOn}, nil)
		h.Out(bench.PowerOn, 1, p, nil)
		if len(h.waiting) > 1 {
			t.Errorf("%q is answered %d times", p, len(h.waiting))
		}
	})
}
