package ni6501

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

// The packets of the kernel's driver.
const (
	start  = "00 01 00 0C 00 08 01 09 02 20 00 00"
	stop   = "00 01 00 0C 00 08 01 0C 02 20 00 00"
	read   = "00 01 00 0C 00 08 01 0E 02 20 00 00"
	write0 = "00 01 00 10 00 0C 01 0F 02 20 00 00 00 00 00 00"
	write1 = "00 01 00 10 00 0C 01 0F 02 20 00 00 01 02 03 04"
	fine   = "0001000c0008010000000002"
	reads  = "00010010000c010000000002"
)

func plug(t testing.TB, o Options, faults ...string) *usbiptest.Bench {
	t.Helper()
	light, err := bench.Light(Inputs(), []float64{50_000})
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

func ask(t testing.TB, c *usbiptest.Client, packet string) string {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(packet, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Out(2, b, second); err != nil {
		t.Fatal(err)
	}
	answer, err := c.In(0x81, 64, second)
	if err != nil {
		return err.Error()
	}
	return hex.EncodeToString(answer)
}

// number is the count of an answer to read.
func number(t testing.TB, c *usbiptest.Client) uint64 {
	t.Helper()
	answer := ask(t, c, read)
	rest, ok := strings.CutPrefix(answer, reads)
	b, err := hex.DecodeString(rest)
	if !ok || err != nil || len(b) != 4 {
		t.Fatalf("read is answered %s", answer)
	}
	return uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])
}

func TestPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := plug(t, Options{}, "refuse@10s").Import()
		if d := c.Device; d.Vendor != 0x3923 || d.Product != 0x718A {
			t.Errorf("it is %+v", d)
		}
		for _, step := range []struct{ ask, want string }{
			{read, reads + "00000000"}, {start, fine}, {stop, fine}, {write1, fine}, {read, reads + "01020304"},
			{write0, fine}, {read, reads + "00000000"},
			{"00", "0001000c0008018000000002"}, {"00 01 00 0C 00 08 01 0B 02 20 00 00", "0001000c0008018000000002"},
		} {
			if got := ask(t, c, step.ask); got != step.want {
				t.Errorf("%s is answered %s, expected %s", step.ask, got, step.want)
			}
		}
		time.Sleep(10 * second)
		if got := ask(t, c, read); got != "0001000c0008018000000002" {
			t.Errorf("refused: %s", got)
		}
	})
}

func near(t *testing.T, what string, got uint64, want int) {
	t.Helper()
	if slack := want/20 + 1; int(got) < want-slack || int(got) > want+slack {
		t.Errorf("%s: %d, expected about %d", what, got, want)
	}
}

func TestCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := plug(t, Options{}, "overflow@10s", "unplug@12s:1s")
		c := b.Import()
		time.Sleep(second)
		if n := number(t, c); n != 0 {
			t.Errorf("it counts before it was started: %d", n)
		}
		ask(t, c, start)
		time.Sleep(second)
		first := number(t, c)
		near(t, "a second", first, 50_000)
		time.Sleep(second)
		near(t, "reading clears nothing", number(t, c), 100_000)
		ask(t, c, stop)
		held := number(t, c)
		time.Sleep(second)
		if n := number(t, c); n != held {
			t.Errorf("stopped it went from %d to %d", held, n)
		}
		ask(t, c, start)
		time.Sleep(second)
		near(t, "started again", number(t, c)-held, 50_000)
		time.Sleep(6 * second) // runs over at 11 s, 1000 counts after 10 s
		if n := number(t, c); n > 100_000 {
			t.Errorf("after it ran over: %d", n)
		}
		want := [][]uint64{{0}, {first}}
		if diff := cmp.Diff(b.Truth()[:2], want); diff != "" {
			t.Errorf("truth (-got +want):\n%s", diff)
		}
		if _, err := c.In(0x81, 64, 10*second); !errors.Is(err, usbiptest.ErrGone) {
			t.Errorf("unplugged: %v", err)
		}
		time.Sleep(1100 * time.Millisecond)
		if n := number(t, b.Import()); n != 0 {
			t.Errorf("plugged in again it has %d", n)
		}
	})
}

func TestLeftRunningAndDistinct(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := plug(t, Options{Running: true}).Import()
		time.Sleep(second)
		near(t, "left running", number(t, c), 50_000)
		c = plug(t, Options{Distinct: true}).Import()
		for i := range uint64(3) {
			if n := number(t, c); n != 1_000_000+i {
				t.Errorf("reading %d is %d", i, n)
			}
		}
	})
}

func FuzzRequests(f *testing.F) {
	for _, text := range []string{start, write1, ""} {
		b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		light, err := bench.Light(Inputs(), nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := New(Options{Light: light})
		if err != nil {
			t.Fatal(err)
		}
		b.Handle(sim.Event{Kind: sim.PowerOn, At: bench.PowerOn}, nil)
		if n := len(b.obey(bench.PowerOn, p, nowhere{})); n != 12 && n != 16 {
			t.Errorf("% x is answered with %d bytes", p, n)
		}
	})
}

// nowhere takes truth and does nothing with it.
type nowhere struct{}

func (nowhere) Latched(time.Time, []uint64) {}
func (nowhere) Leave(time.Duration)         {}
