package labjack

import (
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

// plug makes a box and plugs it in.
func plug(t testing.TB, o Options, faults ...string) *usbiptest.Bench {
	t.Helper()
	light, err := bench.Light(Inputs(), []float64{50_000, 20_000})
	if err != nil {
		t.Fatal(err)
	}
	o.Light = light
	box, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	list, err := sim.ParseFaults(faults)
	if err != nil {
		t.Fatal(err)
	}
	return usbiptest.Plug(t, box, sim.Options{Light: light, Faults: list})
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ask sends a packet and returns the answer in hex.
func ask(t testing.TB, c *usbiptest.Client, packet string) string {
	t.Helper()
	if err := c.Out(1, unhex(t, packet), second); err != nil {
		t.Fatal(err)
	}
	answer, err := c.In(0x82, 64, second)
	if err != nil {
		return err.Error()
	}
	return strings.ToUpper(hex.EncodeToString(answer))
}

// The packets of the published scripts, and what the boxes said.
func TestPublishedPackets(t *testing.T) {
	zeros := func(n int) string { return strings.Repeat("00", n) }
	for name, c := range map[string]struct {
		options   Options
		ask, want string
	}{
		"enable counter 0":        {Options{}, "5F F8 03 0B 58 00 05 00 44 00 0F 00", "5AF8030B5300000044000F00"},
		"enable both":             {Options{}, "67 F8 03 0B 60 00 05 00 4C 00 0F 00", "62F8030B5B0000004C000F00"},
		"counter 0 is on no pin":  {Options{}, "31 F8 02 00 36 00 00 36 00 00", "FCF8040000000000000000000000"},
		"checksum8 wrong":         {Options{}, "32 F8 02 00 36 00 00 36 00 00", "B8B8"},
		"checksum16 wrong":        {Options{}, "32 F8 02 00 37 00 00 36 00 00", "B8B8"},
		"no command":              {Options{}, "F7 F8 00 FE 00 00", "timeout"},
		"too short":               {Options{}, "31 F8", "timeout"},
		"analog pin":              {Options{Analog: 0x10}, "50 F8 03 0B 49 00 01 00 44 00 04 00", "B8F8030BB100610040001000"},
		"pin offset 0":            {Options{}, "0F F8 03 0B 08 00 01 00 04 00 03 00", "89F8030B8200420040000000"},
		"both counters of a U6":   {Options{Model: U6}, "0D F8 05 0B 04 00 01 00 03 00" + zeros(6), "0CF8050B0300" + "0000000300" + zeros(5)},
		"calibration":             {Options{}, "27 F8 01 2D 00 00 00 00", "3BF8112D0400" + zeros(2) + strings.Repeat("0000000001000000", 4)},
		"calibration, last block": {Options{}, "2B F8 01 2D 04 00 00 04", "3BF8112D0400" + zeros(2) + strings.Repeat("0000000001000000", 4)},
		"calibration, no block":   {Options{}, "2C F8 01 2D 05 00 00 05", "4DF8112D1600" + "1600" + zeros(32)},
		"identity": {Options{Serial: 0x13130539, Analog: 0x0F}, "0B F8 0A 08 00 00" + zeros(20),
			"19F8100807010000002E0100001E01" + "39051313" + "0300" + "01" + "40" + "0F" + zeros(13) + "02"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := ask(t, plug(t, c.options).Import(), c.ask)
				if got != c.want {
					t.Errorf("%s was answered\n%s, expected\n%s", c.ask, got, c.want)
				}
			})
		})
	}
}

func TestDescriptors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := plug(t, Options{Model: U6}).Import()
		if d := c.Device; d.Vendor != 0x0CD5 || d.Product != 6 || d.Speed != 2 {
			t.Errorf("it is %+v", d)
		}
		got, err := c.Control(0x80, 6, 0x0200, 0, make([]byte, 255), second)
		want := unhex(t, "09 02 27 00 01 01 00 80 32 09 04 00 00 03 FF FF FF 02 07 05 01 02 40 00 00 07 05 82 02 40 00 00 07 05 83 02 40 00 00")
		if diff := cmp.Diff(got, want); err != nil || diff != "" {
			t.Errorf("configuration: %v (-got +want):\n%s", err, diff)
		}
		if _, err := c.Control(0xC0, 1, 0, 0, make([]byte, 8), second); !errors.Is(err, usbiptest.ErrStall) {
			t.Errorf("a request it has not: %v", err)
		}
	})
}

// value is the counter at byte 9 or 13 of an answer.
func value(t testing.TB, answer string, n int) int {
	t.Helper()
	b := unhex(t, answer)
	if len(b) < 13+4*n {
		t.Fatalf("answer %s", answer)
	}
	b = b[9+4*n:]
	return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 | int(b[3])<<24
}

const (
	enableBoth = "67 F8 03 0B 60 00 05 00 4C 00 0F 00"
	readBoth   = "69 F8 03 00 6D 00 00 36 00 37 00 00"
	resetBoth  = "6B F8 03 00 6F 00 00 36 01 37 01 00"
	readZero   = "31 F8 02 00 36 00 00 36 00 00"
)

func near(t *testing.T, what string, got, want int) {
	t.Helper()
	if slack := want/20 + 1; got < want-slack || got > want+slack {
		t.Errorf("%s: %d, expected about %d", what, got, want)
	}
}

// A reset reads first, so that no pulse is lost between two gates.
func TestResetReadsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := plug(t, Options{})
		c := b.Import()
		ask(t, c, enableBoth)
		time.Sleep(second)
		first := ask(t, c, readBoth)
		near(t, "a second", value(t, first, 0), 50_000)
		near(t, "a second of the other", value(t, first, 1), 20_000)
		if len(first) != 2*18 {
			t.Errorf("an answer of %d digits", len(first))
		}
		time.Sleep(second)
		second1 := ask(t, c, resetBoth)
		near(t, "two seconds", value(t, second1, 0), 100_000)
		time.Sleep(second)
		third := ask(t, c, resetBoth)
		near(t, "one second after a reset", value(t, third, 1), 20_000)
		var want [][]uint64
		for _, a := range []string{first, second1, third} {
			want = append(want, []uint64{uint64(value(t, a, 0)), uint64(value(t, a, 1))})
		}
		if diff := cmp.Diff(b.Truth(), want); diff != "" {
			t.Errorf("truth (-got +want):\n%s", diff)
		}
	})
}

func TestDistinct(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := plug(t, Options{Distinct: true}).Import()
		ask(t, c, enableBoth)
		for i := range 3 {
			if got := value(t, ask(t, c, resetBoth), 0); got != 1_000_000+i {
				t.Errorf("reading %d is %d", i, got)
			}
		}
	})
}

func TestFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := plug(t, Options{}, "overflow@1s:0", "refuse@2s", "stall@3s:1s", "flip@5s", "late@6500ms:200ms").Import()
		ask(t, c, enableBoth)
		time.Sleep(1005 * time.Millisecond)
		if got := uint32(value(t, ask(t, c, readBoth), 0)); got < 1<<32-1000 {
			t.Errorf("before running over: %d", got)
		}
		time.Sleep(500 * time.Millisecond)
		near(t, "after running over", value(t, ask(t, c, readBoth), 0), 24_250)
		time.Sleep(500 * time.Millisecond)
		if got := ask(t, c, readZero); got[12:18] != "420100" {
			t.Errorf("refused: %s", got)
		}
		time.Sleep(1100 * time.Millisecond)
		if got := ask(t, c, readZero); got != "timeout" {
			t.Errorf("silent: %s", got)
		}
		time.Sleep(2 * second)
		if a := unhex(t, ask(t, c, readZero)); checksum8(a) == a[0] && checksum16(a[6:]) == uint16(a[4])|uint16(a[5])<<8 {
			t.Errorf("a byte should be wrong in % x", a)
		}
		time.Sleep(time.Second)
		begin := time.Now()
		if got := ask(t, c, readZero); time.Since(begin) != 200*time.Millisecond {
			t.Errorf("%s after %v", got, time.Since(begin))
		}
	})
}

// Without its cable it has no power: nothing is left of what it was told.
func TestUnpluggedInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := plug(t, Options{}, "unplug@2s:1s")
		c := b.Import()
		ask(t, c, enableBoth)
		if _, err := c.In(0x82, 64, 10*second); !errors.Is(err, usbiptest.ErrGone) {
			t.Errorf("with the cable pulled: %v", err)
		}
		if _, err := usbiptest.Import(b.Dial(), "1-1"); !errors.Is(err, usbiptest.ErrRefused) {
			t.Errorf("while it is out: %v", err)
		}
		time.Sleep(1100 * time.Millisecond)
		again := b.Import()
		if again.Device.Number == c.Device.Number {
			t.Error("it came back under the same number")
		}
		if got := ask(t, again, readZero); value(t, got, 0) != 0 {
			t.Errorf("plugged in again it reads %s", got)
		}
	})
}

// A brown-out takes it from the bus, and it comes back as after power-on.
func TestBrownout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := plug(t, Options{}, "brownout@1s:500ms")
		c := b.Import()
		ask(t, c, enableBoth)
		<-c.Gone()
		time.Sleep(600 * time.Millisecond)
		if got := ask(t, b.Import(), readZero); value(t, got, 0) != 0 {
			t.Errorf("after a brown-out it reads %s", got)
		}
	})
}

func FuzzPackets(f *testing.F) {
	for _, p := range []string{enableBoth, resetBoth, "27 F8 01 2D 00 00 00 00", "F8", ""} {
		f.Add(unhex(f, p))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if len(p) > 64 {
			return
		}
		light, err := bench.Light(Inputs(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, model := range []Model{U3, U6} {
			b, err := New(Options{Light: light, Model: model})
			if err != nil {
				t.Fatal(err)
			}
			b.Handle(sim.Event{Kind: sim.PowerOn, At: bench.PowerOn}, nil)
			if answer := b.obey(bench.PowerOn, p, nowhere{}); len(answer) > 64 || len(answer)%2 != 0 {
				t.Errorf("% x is answered % x", p, answer)
			}
		}
	})
}

// nowhere takes truth and does nothing with it.
type nowhere struct{}

func (nowhere) Latched(time.Time, []uint64) {}
func (nowhere) Leave(time.Duration)         {}
