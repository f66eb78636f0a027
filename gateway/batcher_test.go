package gateway

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"photongate/device"
	"photongate/protocol"
)

// memoryLog is a frameLog in memory.
type memoryLog struct {
	mu     sync.Mutex
	epoch  uint32
	begin  int // of the epoch, in frames
	frames [][]byte
	refuse error // what Begin and Append return
}

func (l *memoryLog) ID() uint32 { return 5 }

func (l *memoryLog) NextSeq() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uint64(len(l.frames)-l.begin) + 1
}

// all is what stands in the log now.
func (l *memoryLog) all() [][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.frames)
}

func (l *memoryLog) setRefuse(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuse = err
}

func (l *memoryLog) Begin(epoch uint32, firstSeq uint64, copies ...[]byte) (uint32, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refuse != nil {
		return 0, l.refuse
	}
	l.epoch++
	l.begin = len(l.frames)
	return l.epoch, nil
}

func (l *memoryLog) Append(frame []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refuse != nil {
		return l.refuse
	}
	l.frames = append(l.frames, append([]byte(nil), frame...))
	return nil
}

// lines writes the frames for people: what the header says, and the JSON.
func (l *memoryLog) lines(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, frame := range l.all() {
		h, payload, rest, err := protocol.ParseFrame(frame)
		if err != nil || len(rest) > 0 {
			t.Fatalf("frame: %v, %d bytes behind it", err, len(rest))
		}
		if h.Stream != 5 {
			t.Errorf("frame %d is of stream %d, want 5", h.Seq, h.Stream)
		}
		line := fmt.Sprintf("%d.%d %v index %d time %d", h.Epoch, h.Seq, h.Type, h.Index, h.Time)
		switch h.Type {
		case protocol.TypeCounts:
			line += fmt.Sprintf(" count %d", h.Count)
		case protocol.TypeDescriptor:
		default:
			line += " " + string(payload)
		}
		out = append(out, line)
	}
	return out
}

func testBatcher(log frameLog, channels int) *batcher {
	b := &batcher{
		log: log, now: func() int64 { return 9_000_000 }, status: &deviceStatus{log: zerolog.Nop()}, batch: 20 * time.Millisecond, gate: 10 * time.Millisecond,
		descriptor: protocol.Descriptor{Stream: "bench", Software: "test", Cause: "gateway started", GateNs: 1000},
	}
	for c := range channels {
		b.descriptor.Channels = append(b.descriptor.Channels, protocol.Channel{Name: fmt.Sprint(c), Kind: protocol.KindCount})
	}
	b.start()
	return b
}

// rows gives n readings of 1000 ns from begin on, with values first, first+1...
func rows(b *device.Batch, begin int64, first uint64, n int) {
	for i := range n {
		addReading(b, begin+int64(i)*1000, 1000, first+uint64(i), 7)
	}
}

func TestBatcherKeepsOrderAndIndex(t *testing.T) {
	log := &memoryLog{}
	b := testBatcher(log, 2)
	b.previous = &lastEpoch{epoch: 3, seq: 12, cause: "unplugged", detail: "gone", endNs: 400_000, hasEnd: true, approximate: true}

	in := device.NewBatch(2)
	in.Notes = append(in.Notes, device.Note{Row: 0, Event: &device.Event{Time: 990_000, What: "opened"}})
	b.add(t.Context(), in) // no reading yet: nothing is begun
	if len(log.all()) != 0 || log.epoch != 0 {
		t.Fatalf("an epoch began before the first reading: %q", log.lines(t))
	}

	in = device.NewBatch(2)
	rows(in, 1_000_000, 10, 3)
	in.Notes = []device.Note{
		{Row: 1, Gap: &device.Gap{Cause: device.CauseLost, Begin: 1_001_000, Duration: 2000, Missing: 2, Known: true}},
		{Row: 2, Pair: &device.ClockPair{Index: 1, Base: 1_001_500}},
		{Row: 3, Gap: &device.Gap{Cause: device.CauseDamaged, Detail: "5 bytes", Begin: 1_003_000}},
		{Row: 3, Event: &device.Event{Time: 1_003_100, What: "set", Old: "1", New: "2", Text: "by hand"}},
	}
	b.add(t.Context(), in)
	in = device.NewBatch(2)
	rows(in, 1_006_000, 20, 2)
	b.add(t.Context(), in)
	last := b.finish("stalled", "why")

	want := []string{
		`1.1 descriptor index 0 time 1000000`,
		`1.2 event index 0 time 990000 {"what":"opened","who":"driver"}`,
		`1.3 gap index 0 time 400000 {"cause":"unplugged","detail":"gone","duration_ns":"600000","approximate":true}`,
		`1.4 counts index 0 time 1000000 count 1`,
		`1.5 gap index 1 time 1001000 {"cause":"bytes lost","duration_ns":"2000","missing":"2"}`,
		`1.6 counts index 3 time 1001000 count 2`,
		`1.7 gap index 5 time 1003000 {"cause":"damaged bytes","detail":"5 bytes"}`,
		`1.8 event index 5 time 1003100 {"what":"set","who":"driver","old":"1","new":"2","text":"by hand"}`,
		`1.9 counts index 5 time 1006000 count 2`,
		`1.10 clock index 7 time 9000000 {"kind":"device","pairs":[["1","1001500"]]}`,
		`1.11 end index 7 time 9000000 {"cause":"stalled","detail":"why"}`,
	}
	if d := cmp.Diff(log.lines(t), want); d != "" {
		t.Errorf("frames (-got +want):\n%s", d)
	}
	var desc protocol.Descriptor
	_, payload, _, _ := protocol.ParseFrame(log.all()[0])
	if err := protocol.DecodeJSON(payload, &desc); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(desc.Previous, &protocol.Previous{Epoch: 3, Seq: 12, Cause: "unplugged"}); d != "" {
		t.Errorf("previous (-got +want):\n%s", d)
	}
	wantLast := &lastEpoch{epoch: 1, seq: 11, cause: "stalled", detail: "why", endNs: 1_008_000, hasEnd: true, index: 6}
	if d := cmp.Diff(last, wantLast, cmp.AllowUnexported(lastEpoch{})); d != "" {
		t.Errorf("what the next epoch is told (-got +want):\n%s", d)
	}
}

// The bytes of a frame, worked out by hand from SPEC.md, sections 3, 5 and 6.
func TestBatcherWritesTheseBytes(t *testing.T) {
	log := &memoryLog{}
	b := testBatcher(log, 2)
	in := device.NewBatch(2)
	rows(in, 1_000_000, 10, 1)
	addReading(in, 1_001_000, 1000, 10, 7)
	b.add(t.Context(), in)
	b.finish("x", "")
	_, payload, _, err := protocol.ParseFrame(log.all()[1])
	if err != nil {
		t.Fatal(err)
	}
	want := "01" + // schema
		"00" + // no optional column: live is the length, no flags
		"02" + // two channels
		"01e807" + // lengths: constant, uvarint 1000
		"010a" + // A: constant 10
		"0107" // B: constant 7
	if got := hex.EncodeToString(payload); got != want {
		t.Errorf("payload: got %s, want %s", got, want)
	}
}

func TestBatcherColumnsOnlyWhereNeeded(t *testing.T) {
	log := &memoryLog{}
	b := testBatcher(log, 2)
	in := device.NewBatch(2)
	rows(in, 1_000_000, 10, 3)
	in.Live[1] = 900
	in.Uncertainty[2] = 50
	in.Flags[0] = device.First | device.Unverified
	in.Length[0], in.Live[0] = 0, 0
	in.ValueFlags[1][2] = device.Absent
	b.add(t.Context(), in)
	b.finish("x", "")
	h, payload, _, err := protocol.ParseFrame(log.all()[1])
	if err != nil {
		t.Fatal(err)
	}
	var d protocol.CountsDecoder
	var got protocol.Counts
	if err := d.Decode(h, payload, &got); err != nil {
		t.Fatal(err)
	}
	want := protocol.Counts{
		Begin: []int64{1_000_000, 1_001_000, 1_002_000}, Length: []int64{0, 1000, 1000}, Dead: []int64{0, 100, 0},
		Uncertainty: []int64{0, 0, 50}, Flags: []uint32{3, 0, 0}, Values: [][]uint64{{10, 11, 12}, {7, 7, 7}}, ValueFlags: [][]uint8{nil, {0, 0, 1}},
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("counts (-got +want):\n%s", diff)
	}
}

// Long runs go into frames straight from their batch, and nothing of them is
// lost, whatever waited before.
func TestBatcherCutsLongRuns(t *testing.T) {
	log := &memoryLog{}
	b := testBatcher(log, 2)
	for _, n := range []int{10, 8192, 1000, 1023, 1024, 1} {
		in := device.NewBatch(2)
		rows(in, 1_000_000+int64(b.index+uint64(b.waiting.Len()))*1000, b.index+uint64(b.waiting.Len()), n)
		b.add(t.Context(), in)
	}
	b.finish("x", "")
	var sizes []string
	next := uint64(0)
	var d protocol.CountsDecoder
	var c protocol.Counts
	for _, frame := range log.all()[1 : len(log.all())-1] {
		h, payload, _, err := protocol.ParseFrame(frame)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Decode(h, payload, &c); err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, fmt.Sprint(h.Count))
		for i, v := range c.Values[0] {
			if v != next || h.Index+uint64(i) != next || c.Begin[i] != 1_000_000+int64(next)*1000 {
				t.Fatalf("reading %d has index %d, value %d, begin %d", next, h.Index+uint64(i), v, c.Begin[i])
			}
			next++
		}
	}
	if got, want := strings.Join(sizes, " "), "10 4096 4096 2023 1024 1"; got != want {
		t.Errorf("readings per frame: got %s, want %s", got, want)
	}
}

func TestRowsPerFrameFit(t *testing.T) {
	for _, channels := range []int{1, 8, 100, 1024} {
		log := &memoryLog{}
		b := testBatcher(log, channels)
		in := device.NewBatch(channels)
		word := uint64(0x9E3779B97F4A7C15) // noise: nothing can be packed
		noise := func() uint64 { word ^= word << 13; word ^= word >> 7; word ^= word << 17; return word }
		values := make([]uint64, channels)
		for range b.maxRows {
			for c := range values {
				values[c] = noise()
			}
			addReading(in, int64(noise()), int64(noise()), values...)
			row := in.Len() - 1
			in.Live[row], in.Uncertainty[row], in.Flags[row] = int64(noise()), int64(noise()), device.ReadingFlags(noise())
			for c := range channels {
				in.ValueFlags[c][row] = device.ChannelFlags(noise() | 1)
			}
		}
		b.add(t.Context(), in)
		if b.flush(); len(log.all()) != 2 {
			t.Errorf("%d channels: %d frames of %d readings, want a descriptor and one frame", channels, len(log.all()), b.maxRows)
		}
	}
}

func TestBatcherWaitsForOthers(t *testing.T) {
	tests := []struct {
		name        string
		gate, batch time.Duration
		wait        time.Duration // until the frame is there
		count       int
	}{
		{"short gates wait", time.Millisecond, 20 * time.Millisecond, 20 * time.Millisecond, 15},
		{"long gates do not", 100 * time.Millisecond, 20 * time.Millisecond, 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &memoryLog{}
				b := testBatcher(log, 2)
				b.gate, b.batch = tt.gate, tt.batch
				q := newQueue(2)
				done := make(chan struct{})
				go func() { defer close(done); b.run(t.Context(), q) }()
				begin := time.Now()
				for i := range 15 {
					in := q.empty()
					rows(in, 1_000_000+int64(i)*1000, uint64(i), 1)
					q.put(in)
					time.Sleep(time.Millisecond)
				}
				synctest.Wait()
				if tt.wait > 0 {
					if len(log.all()) > 1 {
						t.Errorf("a frame left after %v", time.Since(begin))
					}
					time.Sleep(tt.wait - time.Since(begin))
					synctest.Wait()
				}
				if len(log.all()) < 2 {
					t.Fatalf("no frame after %v", time.Since(begin))
				}
				h, err := protocol.ParseHeader(log.all()[1])
				if err != nil || int(h.Count) != tt.count {
					t.Errorf("got %d readings, %v; want %d", h.Count, err, tt.count)
				}
				q.close()
				<-done
			})
		})
	}
}

func TestDevicePairsComeLessAndLessOften(t *testing.T) {
	log := &memoryLog{}
	b := testBatcher(log, 1)
	const second = int64(time.Second)
	var at []int64
	for i := range int64(400) {
		in := device.NewBatch(1)
		addReading(in, i*second, second, 1)
		in.Notes = []device.Note{{Row: 1, Pair: &device.ClockPair{Index: uint64(i), Base: (i + 1) * second}}}
		n := len(log.all())
		b.add(t.Context(), in)
		b.flush()
		for _, frame := range log.all()[n:] {
			if h, err := protocol.ParseHeader(frame); err == nil && h.Type == protocol.TypeClock {
				at = append(at, i)
			}
		}
	}
	// Pairs 0..10 are 10 s apart, the next list begins at 11 and spans 20 s, and so on to 60 s.
	if d := cmp.Diff(at, []int64{10, 31, 62, 103, 154, 215, 276, 337, 398}); d != "" {
		t.Errorf("clock frames at pair (-got +want):\n%s", d)
	}
}

// A disk that refuses costs no reading as long as the queue holds them.
func TestEpochBeginsWhenTheDiskTakesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &memoryLog{refuse: errors.New("no space")}
		b := testBatcher(log, 2)
		q := newQueue(2)
		done := make(chan struct{})
		go func() { defer close(done); b.run(t.Context(), q) }()
		for i := range 3 {
			in := q.empty()
			rows(in, 1_000_000+int64(i)*1000, uint64(i), 1)
			q.put(in)
		}
		time.Sleep(2500 * time.Millisecond)
		synctest.Wait()
		log.setRefuse(nil)
		time.Sleep(time.Second)
		synctest.Wait()
		if d := cmp.Diff(log.lines(t), []string{
			`1.1 descriptor index 0 time 1000000`,
			`1.2 counts index 0 time 1000000 count 3`,
		}); d != "" {
			t.Errorf("frames (-got +want):\n%s", d)
		}
		q.close()
		<-done
	})
}

// And a gateway that is told to end does not wait for it for ever.
func TestEpochNeverBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &memoryLog{refuse: errors.New("no space")}
		b := testBatcher(log, 2)
		b.previous = &lastEpoch{epoch: 1, cause: "unplugged"}
		q := newQueue(2)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); b.run(ctx, q) }()
		in := q.empty()
		rows(in, 1_000_000, 0, 1)
		q.put(in)
		synctest.Wait()
		q.close()
		cancel()
		<-done
		if got := b.finish("gateway stopped", ""); got != b.previous {
			t.Errorf("the epoch before is forgotten: %+v", got)
		}
	})
}

// hungLog is a log on a disk that does not answer.
type hungLog struct {
	memoryLog
	asked   int
	release chan struct{}
}

func (l *hungLog) Begin(uint32, uint64, ...[]byte) (uint32, error) {
	l.asked++
	<-l.release
	return 0, errors.New("too late")
}

// Nor for a disk that does not even refuse.
func TestDiskHangsAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, lines := &hungLog{release: make(chan struct{})}, &logLines{}
		b := testBatcher(log, 2)
		b.status.log = zerolog.New(lines)
		q := newQueue(2)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); b.run(ctx, q) }()
		for i := range int64(3) {
			in := q.empty()
			rows(in, 1_000_000+i*1000, 0, 1)
			q.put(in)
		}
		synctest.Wait()
		q.close()
		cancel()
		time.Sleep(time.Minute)
		select {
		case <-done:
		default:
			t.Error("the batcher waits for the disk")
		}
		if log.asked != 1 {
			t.Errorf("asked for an epoch %d times, want once", log.asked)
		}
		if all := lines.messages(); len(all) != 1 || !strings.Contains(all[0], "readings, which waited in memory, are lost") {
			t.Errorf("log: %q, want one line that says what is lost", all)
		}
		close(log.release)
		<-done
	})
}

func TestHotPathAllocatesNothing(t *testing.T) {
	b := testBatcher(&discardLog{}, 8)
	var in [2]*device.Batch
	for i, n := range []int{4096, 5} { // straight from the batch, and through the readings that wait
		in[i] = device.NewBatch(8)
		for k := range n {
			addReading(in[i], int64(k)*1000, 1000, 1, 2, 3, 4, 5, 6, 7, uint64(k))
		}
	}
	if n := testing.AllocsPerRun(100, func() {
		b.add(t.Context(), in[0])
		b.add(t.Context(), in[1])
		b.flush()
	}); n > 0 {
		t.Errorf("%v allocations for two batches", n)
	}
}

func BenchmarkBatcher(b *testing.B) {
	const n, channels = 8192, 8
	in := device.NewBatch(channels)
	word := uint64(1)
	for i := range n {
		values := make([]uint64, channels)
		for c := range values {
			word = word*6364136223846793005 + 1442695040888963407
			values[c] = 1000 + word>>58
		}
		addReading(in, int64(i)*1000, 1000, values...)
	}
	bt := testBatcher(&discardLog{}, channels)
	b.ReportAllocs()
	for b.Loop() {
		bt.add(b.Context(), in)
	}
	b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds()/1e6, "Mreadings/s")
}

// discardLog takes everything and keeps nothing.
type discardLog struct{ memoryLog }

func (l *discardLog) Append([]byte) error { return nil }

// Dead time of one reading is found wherever it stands.
func TestDeadTimes(t *testing.T) {
	for n := 1; n < 20; n++ {
		length := make([]int64, n)
		for i := range length {
			length[i] = int64(1000 + i)
		}
		live := slices.Clone(length)
		if got := deadTimes(nil, length, live); len(got) != 0 {
			t.Fatalf("%d readings: %v, want none", n, got)
		}
		for i := range live {
			live[i] -= 7
			want := make([]int64, n)
			want[i] = 7
			if got := deadTimes(nil, length, live); !slices.Equal(got, want) {
				t.Fatalf("%d readings: %v, want %v", n, got, want)
			}
			live[i] += 7
		}
	}
}
