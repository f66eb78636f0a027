package receiver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"photongate/protocol"
	"photongate/protocol/journal/journaltest"
)

// bench is a stub gateway with an instrument of 100 ms gates, that answers what a
// measurement asks. It begins 150 ms after the first gate did.
type bench struct {
	*stub
	dir   string
	fs    *journaltest.FS // of the frames
	log   strings.Builder
	asked []protocol.Request
	code  string // what begin is refused with; empty: it is not
}

func newBench(t *testing.T, frames int) *bench {
	b := &bench{stub: newStub(t).withBench(frames), dir: t.TempDir(), fs: journaltest.New()}
	b.stay = true
	b.onRequest = func(ask protocol.Request) []protocol.Reply {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.asked = append(b.asked, ask)
		r := protocol.Reply{ID: ask.ID, TNs: protocol.Int64(b.nowNs + 150*ms)}
		switch ask.Do {
		case protocol.DoStatus:
			r.Status = &protocol.Status{ClockSync: protocol.SyncSynchronised, Devices: []protocol.DeviceStatus{
				{Name: "bench", Driver: "cd48", State: "running", GateNs: 100_000_000}, {Name: "other", Driver: "de2ccu", State: "gone", Cause: "unplugged"}}}
		case protocol.DoGet:
			r.Settings = []protocol.DeviceSetting{{Device: "bench", Key: "gate", Value: "100", Unit: "ms", How: protocol.HowReadBack}}
		case protocol.DoBegin:
			if r.Code = b.code; b.code != "" {
				r.Text = "ana at her desk measures \"dark\" since 14:30:12"
			}
		case protocol.DoEnd:
			r.TNs = protocol.Int64(b.nowNs + 10*second)
		}
		return []protocol.Reply{r}
	}
	return b
}

// measure measures the stream bench.
func (b *bench) measure(ctx context.Context, change ...func(*MeasureOptions)) (Measurement, string, error) {
	o := MeasureOptions{Address: "pi-lab3", Dir: b.dir, Title: "HWP 22.5", Streams: []string{"bench"}, For: 500 * time.Millisecond, Who: "ana@desk",
		Software: "test", Dial: b.dial, FS: b.fs, Log: zerolog.New(zerolog.SyncWriter(&b.log))}
	for _, c := range change {
		c(&o)
	}
	return Measure(ctx, o)
}

func (b *bench) mustMeasure(t *testing.T, change ...func(*MeasureOptions)) (Measurement, string) {
	t.Helper()
	m, folder, err := b.measure(t.Context(), change...)
	if err != nil {
		t.Fatal(err)
	}
	return m, folder
}

// hangUp ends all sessions.
func (b *bench) hangUp() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		c.Close()
	}
}

// did tells which requests came, in short.
func (b *bench) did() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var words []string
	for _, r := range b.asked {
		words = append(words, r.Do)
	}
	return strings.Join(words, " ")
}

// columnA reads index and A of the rows of a CSV file.
func columnA(t *testing.T, folder string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "bench.csv"))
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
		cells := strings.Split(line, ",")
		words = append(words, cells[6]+"="+cells[8])
	}
	return strings.Join(words, " ")
}

// fiveRows are those of a measurement of 500 ms: the gate that begins 200 ms after
// the first is the first one that begins after 150 ms.
const fiveRows = "2=1002 3=1003 4=1004 5=1005 6=1006"

func TestMeasure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 10)
		m, folder := b.mustMeasure(t, func(o *MeasureOptions) {
			o.Sample, o.Operator, o.Set = "ppKTP-3", "ana", []protocol.Parameter{{Key: "hwp_deg", Value: "22.5"}}
		})
		equal(t, "rows", columnA(t, folder), fiveRows)
		equal(t, "state", m.State, protocol.MeasurementComplete)
		equal(t, "why", len(m.Why), 0)
		equal(t, "requests", b.did(), "status get begin end")
		end := b.asked[3].Measurement
		equal(t, "end", *end, protocol.Measurement{ID: m.ID, Title: "HWP 22.5", Sample: "ppKTP-3", Operator: "ana", Set: []protocol.Parameter{{Key: "hwp_deg", Value: "22.5"}},
			Streams: []string{"bench"}, ForNs: protocol.Int64(500 * ms), Readings: 5, State: protocol.MeasurementComplete})
		begin := time.Unix(0, baseNs+150*ms)
		equal(t, "folder", folder, filepath.Join(b.dir, begin.Format("2006-01-02"), begin.Format("150405")+"_HWP_22.5"))
		back, err := readMeasurement(folder)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "measurement.json", *back, m)
		s := m.Streams[0]
		equal(t, "first", s.FirstUTC, "2026-11-20T13:30:12.300000Z")
		equal(t, "last", s.LastUTC, "2026-11-20T13:30:12.800000Z")
		equal(t, "settings", s.Settings, []protocol.Setting{{Key: "gate", Value: "100", Unit: "ms", How: protocol.HowReadBack}})
		equal(t, "counts of A", *s.Channels[0].Counts, uint64(1002+1003+1004+1005+1006))
		// Frames are kept whole: those of readings 0 and 1 are here, since nobody
		// can tell before which the first one will be; those behind reading 7 are not.
		equal(t, "frames", s.Parts[0].Frames, [][2]protocol.Uint64{{1, 5}})
		equal(t, "part", [2]protocol.Uint64{s.Parts[0].FromIndex, s.Parts[0].ToIndex}, [2]protocol.Uint64{2, 6})
		equal(t, "digest", len(s.Parts[0].SHA256), 64)
	})
}

// TestMeasureReadings: so many, whatever time they take.
func TestMeasureReadings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 10)
		m, folder := b.mustMeasure(t, func(o *MeasureOptions) { o.For, o.Readings = 0, 3 })
		equal(t, "rows", columnA(t, folder), "2=1002 3=1003 4=1004")
		equal(t, "state", m.State, protocol.MeasurementComplete)
	})
}

// TestMeasureBrokenAnywhere cuts the first connection after every number of
// bytes: the measurement is the same, whole.
func TestMeasureBrokenAnywhere(t *testing.T) {
	t.Setenv("TZ", "UTC")
	whole := 0
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 10)
		b.sent = &whole
		b.mustMeasure(t)
	})
	cuts := 0
	for cut := 600; cut < whole; cut += 31 {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, 10)
			b.cutAfter = func(session int) int {
				if session == 1 {
					return cut
				}
				return -1
			}
			m, folder, err := b.measure(t.Context())
			if err != nil { // before it began
				if !errors.Is(err, ErrUnreachable) {
					t.Errorf("cut after %d bytes: %v", cut, err)
				}
				return
			}
			cuts++
			if rows := columnA(t, folder); rows != fiveRows || m.State != protocol.MeasurementComplete {
				t.Errorf("cut after %d of %d bytes: %s %s %v", cut, whole, m.State, rows, m.Why)
			}
			if !strings.HasSuffix(b.did(), " end") || strings.Contains(fmt.Sprint(m.Remarks), "not noted") {
				t.Errorf("cut after %d of %d bytes: asked for %s; %v", cut, whole, b.did(), m.Remarks)
			}
		})
	}
	if cuts < 30 {
		t.Errorf("only %d connections were cut within a measurement", cuts)
	}
}

// TestMeasureSkipped: what a view leaves out is fetched.
func TestMeasureSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 10)
		b.mangle = func(session int, h protocol.Header, f []byte) []byte {
			if session == 1 && h.Stream == 2 && h.Seq == 4 {
				skip, err := protocol.AppendJSON(nil, protocol.Header{Type: protocol.TypeSkip}, &protocol.Skip{Sub: 2, Stream: 2, Epoch: 1, Seq: 5})
				if err != nil {
					t.Error(err)
				}
				return skip
			}
			return f
		}
		m, folder := b.mustMeasure(t)
		equal(t, "rows", columnA(t, folder), fiveRows)
		equal(t, "state", m.State, protocol.MeasurementComplete)
		equal(t, "sessions", b.sessions, 2)
		equal(t, "requests", b.did(), "status get begin now end")
		equal(t, "now bears the id", b.asked[3].Measurement.ID, m.ID)
	})
}

// TestMeasureThroughRestart: the gateway is started again meanwhile. The gap is
// told, and the measurement begun anew in its record.
func TestMeasureThroughRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2) // readings 0 to 3
		b.cutAfter = func(session int) int {
			if session == 2 {
				b.base = mustID(t, "b0000000000000000000000000000002")
				again := (&frameMaker{t: t, stream: 2, epoch: 2, time: baseNs + 450*ms}).describe(b.base, "bench", twoChannels()...)
				again.json(protocol.TypeGap, &protocol.Gap{Cause: "gateway stopped", DurationNs: protocol.Ref(protocol.Int64(50 * ms)), Approximate: true})
				again.counts([]uint64{2000, 1}, []uint64{2001, 1}, []uint64{2002, 1})
				b.streams[1].frames = append(b.streams[1].frames, again.out...)
			}
			return -1
		}
		time.AfterFunc(time.Second, b.hangUp)
		m, folder := b.mustMeasure(t)
		equal(t, "rows", columnA(t, folder), "2=1002 3=1003 0=2000 1=2001 2=2002")
		equal(t, "why", m.Why, []string{"bench: 1 gap, an unknown number of readings missing in 0.1 s (gateway stopped)"})
		equal(t, "requests", b.did(), "status get begin begin end")
		equal(t, "the same id", b.asked[3].Measurement.ID, b.asked[2].Measurement.ID)
		equal(t, "parts", len(m.Streams[0].Parts), 2)
	})
}

// TestMeasureNotNoted: who may not change anything, or comes second, measures all
// the same, and it is said.
func TestMeasureNotNoted(t *testing.T) {
	for _, code := range []string{protocol.ReplyRights, protocol.ReplyControl, protocol.ReplyBusy} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, 10)
			b.code = code
			m, folder := b.mustMeasure(t)
			equal(t, "rows", columnA(t, folder), fiveRows)
			equal(t, "state", m.State, protocol.MeasurementComplete)
			equal(t, "said", m.NotNoted, "ana at her desk measures \"dark\" since 14:30:12")
			equal(t, "requests", b.did(), "status get begin now now")
		})
	}
}

// TestMeasureInterrupted: Ctrl-C keeps what is there.
func TestMeasureInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 3) // readings 0 to 5
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, cancel)
		m, folder, err := b.measure(ctx, func(o *MeasureOptions) { o.For = time.Hour })
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "rows", columnA(t, folder), "2=1002 3=1003 4=1004 5=1005")
		equal(t, "state", m.State, protocol.MeasurementIncomplete)
		equal(t, "why", m.Why, []string{"ended early"})
		equal(t, "requests", b.did(), "status get begin end")
		equal(t, "end", b.asked[3].Measurement.State, protocol.MeasurementIncomplete)
	})
}

// TestMeasureSilence: an instrument that gives nothing does not hold a
// measurement for ever, and is named.
func TestMeasureSilence(t *testing.T) {
	for want, frames := range map[string]int{"bench: no readings at the end (unplugged)": 2, "bench: not one reading came (unplugged)": 0} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, frames)
			end := &frameMaker{t: t, stream: 2, epoch: 1, seq: uint64(frames) + 1, index: 2 * uint64(frames), time: baseNs + int64(frames)*200*ms}
			b.streams[1].frames = append(b.streams[1].frames, end.json(protocol.TypeEnd, &protocol.End{Cause: "unplugged"}).out...)
			m, _ := b.mustMeasure(t)
			if frames > 0 {
				equal(t, "why", m.Why, []string{want})
			} else {
				equal(t, "why", m.Why, []string{"bench: not one reading came"}) // the end of the part lies before the begin
			}
			equal(t, "state", m.State, protocol.MeasurementIncomplete)
		})
	}
}

// TestMeasureGap: what is missing within is told, what was missing before is not.
func TestMeasureGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 0)
		m := (&frameMaker{t: t, stream: 2, epoch: 1, time: baseNs}).describe(b.base, "bench", twoChannels()...).counts([]uint64{1, 1})
		lose := func(n int) {
			m.json(protocol.TypeGap, &protocol.Gap{Cause: "bytes lost", DurationNs: protocol.Ref(protocol.Int64(int64(n) * 100 * ms)), Missing: protocol.Ref(protocol.Uint64(uint64(n)))})
			m.index, m.time = m.index+uint64(n), m.time+int64(n)*100*ms
		}
		lose(2)
		m.counts([]uint64{2, 1})
		lose(1)
		m.counts([]uint64{3, 1}, []uint64{4, 1}, []uint64{5, 1}, []uint64{6, 1})
		b.streams[1].frames = m.out
		got, folder := b.mustMeasure(t)
		equal(t, "rows", columnA(t, folder), "3=2 5=3 6=4 7=5")
		equal(t, "why", got.Why, []string{"bench: 1 gap, 1 reading missing (bytes lost)"})
		gaps, err := os.ReadFile(filepath.Join(folder, "bench.gaps.csv"))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "gaps", strings.Split(strings.TrimSpace(string(gaps)), "\n")[1:], []string{"2026-11-20T13:30:12.500000Z,0.100000,0.100000,1,4,1,bytes lost,"})
	})
}

// TestMeasureFullDisk: wherever the disk is full, what was measured before is
// kept, and it is said; a measurement that is called complete is whole.
func TestMeasureFullDisk(t *testing.T) {
	states := map[string]int{}
	for limit := int64(0); limit < 6000; limit += 240 {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, 10)
			b.fs.Limit(limit)
			m, folder, err := b.measure(t.Context())
			if err != nil {
				states["error"]++
				found, listErr := List(b.dir, "")
				if listErr != nil || len(found) != 1 || found[0].State != protocol.MeasurementIncomplete || !strings.Contains(found[0].Why[0], "nothing was measured: ") {
					t.Errorf("%d bytes: %v, listed as %+v, %v", limit, err, found, listErr)
				}
				return
			}
			states[m.State]++
			if m.State == protocol.MeasurementIncomplete && !strings.Contains(strings.Join(m.Why, "\n"), "no space") {
				t.Errorf("%d bytes: why: %q", limit, m.Why)
			}
			if m.State == protocol.MeasurementComplete && (len(m.Streams[0].Parts) != 1 || !cmp.Equal(m.Streams[0].Parts[0].Frames, [][2]protocol.Uint64{{1, 5}})) {
				t.Errorf("%d bytes: called complete, and %+v is on the disk", limit, m.Streams[0].Parts)
			}
			if back, err := readMeasurement(folder); err != nil || back.State != m.State {
				t.Errorf("%d bytes: measurement.json: %v", limit, err)
			}
		})
	}
	if states["error"] == 0 || states[protocol.MeasurementIncomplete] == 0 || states[protocol.MeasurementComplete] == 0 {
		t.Errorf("states met: %v", states)
	}
}

// TestMeasureOtherGateway: another journal under the same address is not measured on.
func TestMeasureOtherGateway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2)
		b.cutAfter = func(session int) int {
			if session == 2 {
				b.journal = mustID(t, "ffffffffffffffffffffffffffffffff")
			}
			return -1
		}
		time.AfterFunc(time.Second, b.hangUp)
		m, folder := b.mustMeasure(t)
		equal(t, "rows", columnA(t, folder), "2=1002 3=1003")
		equal(t, "why", m.Why, []string{"the gateway has another record than when the measurement began: it is another gateway, or its journal was made anew"})
	})
}

// TestMeasureRefused: mistakes are told before anything is made.
func TestMeasureRefused(t *testing.T) {
	for want, change := range map[string]func(*MeasureOptions){
		"say how long to measure": func(o *MeasureOptions) { o.For = 0 },
		"not both":                func(o *MeasureOptions) { o.Readings = 5 },
		"cannot last -1s":         func(o *MeasureOptions) { o.For = -time.Second },
		"no instrument of pi-lab3 fits x: there are bench, other": func(o *MeasureOptions) { o.Streams = []string{"x"} },
		"title: 201 characters, at most 200":                      func(o *MeasureOptions) { o.Title = strings.Repeat("ü", 201) },
		"is not one line of text":                                 func(o *MeasureOptions) { o.Sample = "a\nb" },
		"each name once":                                          func(o *MeasureOptions) { o.Set = []protocol.Parameter{{Key: "a"}, {Key: "a"}} },
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, 2)
			_, folder, err := b.measure(t.Context(), change)
			if err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, ErrUsage) || folder != "" {
				t.Errorf("%v in %q, want %q", err, folder, want)
			}
			if entries, _ := os.ReadDir(b.dir); len(entries) > 0 {
				t.Errorf("%s: a folder was made", want)
			}
		})
	}
}

// TestMeasureUnsetClock: a gateway in 1970 does not name the folder.
func TestMeasureUnsetClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 10)
		b.stub.utcNs = protocol.Ref(int64(1000 * second))
		m, folder := b.mustMeasure(t)
		equal(t, "year", filepath.Base(filepath.Dir(folder)), time.Now().Format("2006-01-02"))
		equal(t, "remarks", fmt.Sprint(m.Remarks), "[the gateway's clock was never set: it says 1970-01-01; the folder is named by this computer's clock, and t_s is right all the same]")
	})
}
