package umass

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
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

// plugged is a tagger with a host.
type plugged struct {
	t      *testing.T
	bench  *usbiptest.Bench
	losses *bytes.Buffer
	*usbiptest.Client
}

func plug(t *testing.T, ratesHz []float64, o Options, faults ...string) *plugged {
	t.Helper()
	light, err := bench.Light(Inputs(), ratesHz, sim.Pair{A: 0, B: 1, RateHz: min(ratesHz[0], ratesHz[1]) / 10})
	if err != nil {
		t.Fatal(err)
	}
	o.Light = light
	tagger, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	list, err := sim.ParseFaults(faults)
	if err != nil {
		t.Fatal(err)
	}
	p := &plugged{t: t, losses: new(bytes.Buffer)}
	p.bench = usbiptest.Plug(t, tagger, sim.Options{Light: light, Faults: list, Losses: p.losses})
	p.Client = p.bench.Import()
	return p
}

// ask sends a command given in hex and returns the answer in hex.
func (p *plugged) ask(command string) string {
	p.t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(command, " ", ""))
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.Out(0x02, b, second); err != nil {
		p.t.Fatal(err)
	}
	answer, err := p.In(0x88, 64, second/10)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("% x", answer)
}

// set writes a register.
func (p *plugged) set(reg byte, value uint32) {
	p.t.Helper()
	b := binary.LittleEndian.AppendUint32([]byte{0xAA, 1, reg, 0}, value)
	if want, got := fmt.Sprintf("% x", b[4:]), p.ask(hex.EncodeToString(b)); reg < 6 && got != want {
		p.t.Errorf("register %d was set to %s and is %s", reg, want, got)
	}
}

// get reads one.
func (p *plugged) get(reg byte) uint32 {
	p.t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(p.ask(hex.EncodeToString([]byte{0xAA, 0, reg, 0, 0, 0, 0, 0})), " ", ""))
	if err != nil || len(b) != 4 {
		p.t.Fatalf("register %d: % x, %v", reg, b, err)
	}
	return binary.LittleEndian.Uint32(b)
}

// packets reads data until there is none for a while, at most for so long.
func (p *plugged) packets(during time.Duration) (all [][]byte) {
	p.t.Helper()
	start := time.Now()
	for time.Since(start) < during {
		b, err := p.In(0x86, 512, second/5)
		if errors.Is(err, usbiptest.ErrTimeout) || errors.Is(err, usbiptest.ErrGone) {
			return all
		}
		if err != nil {
			p.t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// record is one of 6 bytes taken apart with nothing of the code under test.
type record struct {
	Time              uint64
	Inputs            byte
	Delta, Wrap, Lost bool
}

func decode(t *testing.T, b []byte) (records []record) {
	t.Helper()
	for r := range slices.Chunk(b, 6) {
		if len(r) < 6 || r[0]&0x1F != 0 {
			t.Fatalf("% x is no record", r)
		}
		n := uint64(r[1]&15)<<32 | uint64(r[2])<<24 | uint64(r[3])<<16 | uint64(r[4])<<8 | uint64(r[5])
		records = append(records, record{n, r[1] >> 4, r[0]&32 != 0, r[0]&64 != 0, r[0]&128 != 0})
	}
	return records
}

// joined are the records of whole packets.
func joined(t *testing.T, packets [][]byte) []record {
	t.Helper()
	return decode(t, slices.Concat(packets...))
}

// truth is what it really detected, by tick: the inputs as bits.
func (p *plugged) truth() (ticks []uint64, inputs map[uint64]byte) {
	p.t.Helper()
	inputs = map[uint64]byte{}
	for r := range slices.Chunk(p.bench.End(), 9) {
		tick := binary.LittleEndian.Uint64(r)
		if inputs[tick] == 0 {
			ticks = append(ticks, tick)
		}
		inputs[tick] |= 1 << r[8]
	}
	return ticks, inputs
}

func TestRegisters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plug(t, make([]float64, 4), Options{Version: 7})
		if d := p.Device; d.Vendor != 0x04B4 || d.Product != 0x1004 || d.Speed != 3 {
			t.Errorf("it is %+v", d)
		}
		for _, c := range [][2]string{
			{"AA 00 01 00 00 00 00 00", "07 00 00 00"},
			{"AA 00 02 00 00 00 00 00", "00 20 a1 07"}, // 128 MHz
			{"AA 00 03 00 00 00 00 00", "00 00 00 00"},
			{"AA 00 04 00 00 00 00 00", "0f 00 00 00"},
			{"AA 01 04 00 05 00 00 00", "05 00 00 00"},
			{"AA 00 04 00 FF FF FF FF", "05 00 00 00"},
			{"AA 01 05 00 02 00 00 00", "02 00 00 00"},
			{"AA 01 01 00 63 00 00 00", "07 00 00 00"}, // tells its version and takes none
			{"AA 00 07 00 00 00 00 00", "00 00 00 00"},
			{"AA 01 04 00 F7 FF FF FF", "07 00 00 00"}, // there are four inputs
			{"AA 00 99 00 00 00 00 00", "00 00 00 00"},
			{"00 01 AA 00 01", "timeout"},     // noise, and a command that is complete
			{"00 00 00 00 00", "07 00 00 00"}, // only now
			{"AA 01 03 00 04 00 00 00", "04 00 00 00"},
		} {
			if got := p.ask(c[0]); got != c[1] {
				t.Errorf("%s was answered %s, expected %s", c[0], got, c[1])
			}
		}
		// Two in one go are answered one after the other.
		if got := p.ask("AA 00 01 00 00 00 00 00 AA 00 05 00 00 00 00 00"); got != "07 00 00 00" {
			t.Errorf("the first of two: %s", got)
		}
		if b, err := p.In(0x88, 64, second); err != nil || fmt.Sprintf("% x", b) != "02 00 00 00" {
			t.Errorf("the second: % x, %v", b, err)
		}
		for _, c := range []struct {
			kind, request uint8
			value         uint16
			fine          bool
		}{{0x40, 1, 510, true}, {0x40, 1, 0, false}, {0x40, 1, 513, false}, {0x40, 2, 0, true}, {0x40, 3, 0, false}, {0xC0, 1, 510, false}} {
			if _, err := p.Control(c.kind, c.request, c.value, 0, nil, second); (err == nil) != c.fine {
				t.Errorf("request %02x %02x %d: %v", c.kind, c.request, c.value, err)
			}
		}
	})
}

// What comes is the truth, record by record.
func TestRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plug(t, []float64{50_000, 20_000, 1000, 5000}, Options{Tags: sim.TagSettings{JitterNs: 20}})
		p.set(4, 0x0B) // not input 3
		if _, err := p.Control(0x40, 1, 510, 0, nil, second); err != nil {
			t.Fatal(err)
		}
		p.set(3, 3)
		packets := p.packets(second)
		p.set(3, 0)
		packets = append(packets, p.packets(second)...)
		for i, b := range packets {
			if len(b) != 510 {
				t.Fatalf("packet %d has %d bytes", i, len(b))
			}
		}
		records := joined(t, packets)
		if n := int(p.get(6)); n-len(records) < 0 || n-len(records) >= 85 || len(records) < 65_000 {
			t.Errorf("%d records were made and %d came", n, len(records))
		}
		ticks, inputs := p.truth()
		for i, r := range records {
			want := record{Time: ticks[i], Inputs: inputs[ticks[i]]}
			if r != want {
				t.Fatalf("record %d is %+v, the truth %+v", i, r, want)
			}
		}
		if p.losses.Len() > 0 {
			t.Errorf("losses %q", p.losses)
		}
	})
}

// Packets of the usual size end inside a record, and the next one goes on with it.
func TestPacketsOf512(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plug(t, []float64{50_000, 0, 0, 0}, Options{})
		p.set(3, 3)
		packets := p.packets(second / 2)
		for i, b := range packets {
			if len(b) != 512 {
				t.Fatalf("packet %d has %d bytes", i, len(b))
			}
		}
		whole := len(packets) / 3 * 3 // of 512 bytes are 256 records
		if records := joined(t, packets[:whole]); len(records) < 20_000 || !slices.IsSortedFunc(records, func(a, b record) int { return int(a.Time) - int(b.Time) }) {
			t.Errorf("%d records, in order or not", len(records))
		}
	})
}

func TestWraps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The timer wraps after 0.5 s, and then every 17.2 s.
		p := plug(t, []float64{2000, 0, 0, 0}, Options{ClockHz: 4e9, WrapIn: second / 2})
		if got := p.get(2); got != 4_000_000_000 {
			t.Errorf("its clock has %d Hz", got)
		}
		p.set(3, 4)
		p.set(3, 3)
		packets := p.packets(40 * second)
		var wraps []int
		records := joined(t, packets[:len(packets)/3*3])
		for i, r := range records {
			if r.Wrap {
				wraps = append(wraps, i)
			}
			if i > 0 && r.Wrap != (r.Time < records[i-1].Time) {
				t.Errorf("record %d: %+v after %+v", i, r, records[i-1])
			}
		}
		if len(wraps) != 3 {
			t.Errorf("wraps at records %v, expected three", wraps)
		}
		if first := records[0].Time; first < 1<<36-2_000_000_000 {
			t.Errorf("the first record has the time %d, expected one just before 2^36", first)
		}
	})
}

func TestDelta(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plug(t, make([]float64, 4), Options{Delta: 100 * time.Microsecond})
		p.set(5, 0x05) // delta inputs 1 and 3: every 200 us one of them, in turn
		p.set(3, 3)
		packets := p.packets(second / 2)
		records := joined(t, packets[:len(packets)/3*3])
		if len(records) < 2000 {
			t.Fatalf("%d records", len(records))
		}
		for i, r := range records[:2000] {
			want := records[0].Time + uint64(i)*25_600
			if r.Time != want || !r.Delta || r.Inputs&^5 != 0 || i > 0 && r.Inputs^records[i-1].Inputs != []byte{1, 4}[(int(r.Time/25_600)+0)%2] {
				t.Fatalf("record %d is %+v", i, r)
			}
		}
		ticks, inputs := p.truth()
		if inputs[ticks[0]] != 1<<4 && inputs[ticks[0]] != 1<<6 {
			t.Errorf("the truth begins with %x", inputs[ticks[0]])
		}
	})
}

// A host that comes late finds what fitted into the memory, a record that is cut, and the
// flag on the first one after the loss. What is missing is where it says.
func TestOverrun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plug(t, []float64{100_000, 20_000, 0, 0}, Options{FIFO: 6000}, "overflow@2s")
		if _, err := p.Control(0x40, 1, 510, 0, nil, second); err != nil {
			t.Fatal(err)
		}
		p.set(3, 3)
		<-time.After(50 * time.Millisecond)
		packets := p.packets(3 * second)
		p.set(3, 0)
		lost := p.get(7)
		packets = append(packets, p.packets(second)...)
		var got []record
		cuts := 0
		for _, b := range packets {
			whole := len(b) / 6 * 6
			if whole < len(b) {
				cuts++
			}
			got = append(got, decode(t, b[:whole])...)
		}
		flags := 0
		ticks, inputs := p.truth()
		missing, next := 0, 0
		var losses []bench.Loss
		for line := range strings.Lines(p.losses.String()) {
			var l bench.Loss
			var all string
			if _, err := fmt.Sscanf(line, "%d %d %s", &l.From, &l.To, &all); err != nil || all != "all" || !strings.HasSuffix(line, " all its memory ran over\n") {
				t.Errorf("loss %q (%v)", line, err)
			}
			losses = append(losses, l)
		}
		for i, r := range got {
			if r.Lost {
				flags++
			}
			for before := next; ticks[next] != r.Time; next++ {
				if !r.Lost || next-before > 10_000 {
					t.Fatalf("record %d is %+v, the truth %d", i, r, ticks[next])
				}
				missing++
				if !slices.ContainsFunc(losses, func(l bench.Loss) bool { return l.From <= ticks[next] && ticks[next] < l.To }) {
					t.Fatalf("tick %d is missing and not told of", ticks[next])
				}
			}
			if inputs[r.Time] != r.Inputs {
				t.Fatalf("record %d is %+v, the truth %x", i, r, inputs[r.Time])
			}
			next++
		}
		if cuts != 2 || flags != 2 || len(losses) != 2 || uint32(missing) != lost || missing < 4000 || missing > 8000 {
			t.Errorf("%d cut, %d flags, losses %v, %d missing, %d told", cuts, flags, losses, missing, lost)
		}
	})
}

// Without its cable it has no power, and what was in it is lost; the truth goes on.
func TestUnplug(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plug(t, []float64{50_000, 0, 0, 0}, Options{}, "lostpacket@byte=20000")
		p.set(3, 3)
		before := len(p.packets(second)) * 512 / 6
		p.bench.Unplug()
		<-p.Gone()
		<-time.After(second)
		p.bench.Plug()
		<-time.After(second)
		p.Client = p.bench.Import()
		if got := p.get(3); got != 0 {
			t.Errorf("plugged in again it goes on: %d", got)
		}
		p.set(3, 3)
		packets := p.packets(second)
		records := joined(t, packets[:len(packets)/3*3])
		ticks, _ := p.truth()
		offset := uint64(0)
		for _, tick := range ticks {
			if tick > 256_000_000 {
				offset = tick - records[0].Time
				break
			}
		}
		at, _ := slices.BinarySearch(ticks, records[0].Time+offset)
		for i, r := range records {
			if ticks[at+i] != r.Time+offset {
				t.Fatalf("record %d of those after is %+v, the truth %d", i, r, ticks[at+i]-offset)
			}
		}
		if at < before || at > before+1000 || len(records) < 40_000 {
			t.Errorf("%d records before, of %d in the truth; %d after", before, at, len(records))
		}
		var reasons []string
		for line := range strings.Lines(p.losses.String()) {
			_, reason, _ := strings.Cut(strings.TrimSpace(line), " all ")
			reasons = append(reasons, reason)
		}
		if diff := cmp.Diff(reasons, []string{"lostpacket", "unplugged"}); diff != "" {
			t.Errorf("losses (-got +want):\n%s", diff)
		}
	})
}

func TestFlushAndRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plug(t, []float64{50_000, 0, 0, 0}, Options{SilentWrites: true}, "refuse@10s")
		if got := p.ask("AA 01 03 00 03 00 00 00"); got != "timeout" {
			t.Errorf("a write was answered %s", got)
		}
		<-time.After(second)
		if got := p.ask("AA 01 03 00 00 00 00 00"); got != "timeout" {
			t.Errorf("a write was answered %s", got)
		}
		if _, err := p.Control(0x40, 2, 0, 0, nil, second); err != nil {
			t.Fatal(err)
		}
		if n := len(p.packets(second)); n != 0 {
			t.Errorf("flushed, %d packets came", n)
		}
		<-time.After(10 * second)
		if got := p.ask("AA 00 01 00 00 00 00 00"); got != "timeout" {
			t.Errorf("refused, it answered %s", got)
		}
		if got := p.ask("AA 00 01 00 00 00 00 00"); got != "05 00 00 00" {
			t.Errorf("after that it answered %s", got)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	light, err := bench.Light(Inputs(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]Options{
		"must have the 4 inputs":  {},
		"expected 1 to 4.29e9":    {Light: light, ClockHz: 1e10},
		"expected within 100000":  {Light: light, FastPPM: 1e5},
		"expected at least 512":   {Light: light, FIFO: 5},
		"expected at least a tic": {Light: light, Delta: -1},
		"jitter of -1 ns":         {Light: light, Tags: sim.TagSettings{JitterNs: -1}},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, expected one with %q", err, want)
		}
	}
	tagger, err := New(Options{Light: light})
	if err != nil {
		t.Fatal(err)
	}
	if err := tagger.CheckFault(sim.Fault{Kind: sim.FaultPanel, Count: -1}); err == nil {
		t.Error("a panel that it has not was turned")
	}
}

// However commands are cut, the answers are the same.
func FuzzCommandsInPieces(f *testing.F) {
	f.Add([]byte("\xAA\x00\x01\x00\x00\x00\x00\x00\xAA\x01\x04\x00\x05\x00\x00\x00"), 3)
	f.Add([]byte("\x00\xAA\x01\x03\x00\x03\x00\x00\x00\xAA\xAA\x00"), 10)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		if cut < 0 || cut > len(data) || len(data) > 400 {
			return
		}
		answers := func(pieces ...[]byte) (all []byte) {
			light, err := bench.Light(Inputs(), nil)
			if err != nil {
				t.Fatal(err)
			}
			tagger, err := New(Options{Light: light})
			if err != nil {
				t.Fatal(err)
			}
			tagger.Handle(sim.Event{Kind: sim.PowerOn, At: bench.PowerOn}, nil)
			for _, piece := range pieces {
				tagger.Out(bench.PowerOn, 0x02, piece, nil)
			}
			for packet := make([]byte, 512); ; {
				n, _ := tagger.In(bench.PowerOn, 0x88, packet, nil)
				if n == 0 {
					return all
				}
				all = append(all, packet[:n]...)
			}
		}
		if whole, cut := answers(data), answers(data[:cut], data[cut:]); !bytes.Equal(whole, cut) {
			t.Errorf("% x: answered % x whole and % x in pieces", data, whole, cut)
		}
	})
}
