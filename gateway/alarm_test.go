package gateway

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"photongate/device"
	"photongate/protocol"
)

// watched is the watch over one channel A, and what it said.
type watched struct {
	*alarms
	reports []alarmReport
	batch   *device.Batch
	begin   int64
}

func watch(ch protocol.Channel, warnFor, gate time.Duration) *watched {
	ch.Name = "A"
	w := &watched{batch: device.NewBatch(1), begin: 5e9}
	w.alarms = &alarms{
		log: zerolog.Nop(), utc: func(ns int64) time.Time { return time.Unix(0, ns).UTC() },
		report: func(r alarmReport) { w.reports = append(w.reports, r) },
	}
	w.bind(DeviceConfig{Channels: []ChannelConfig{{Input: "A", WarnFor: warnFor}}}, []device.Channel{{Name: "A"}}, []protocol.Channel{ch}, gate)
	return w
}

// add gives n readings of one length and value.
func (w *watched) add(n int, gate time.Duration, value uint64, flags device.ReadingFlags, valueFlags device.ChannelFlags) *watched {
	for range n {
		addReading(w.batch, w.begin, int64(gate), value)
		last := w.batch.Len() - 1
		w.batch.Flags[last], w.batch.ValueFlags[0][last] = flags, valueFlags
		w.begin += int64(gate)
	}
	return w
}

const quarter = 250 * time.Millisecond

// counts gives readings of 250 ms.
func (w *watched) counts(values ...uint64) *watched {
	for _, v := range values {
		w.add(1, quarter, v, 0, 0)
	}
	return w
}

// times gives n readings of 250 ms with one value.
func (w *watched) times(n int, value uint64) *watched { return w.add(n, quarter, value, 0, 0) }

// pause lets time pass without readings.
func (w *watched) pause(d time.Duration) *watched { w.begin += int64(d); return w }

// said looks at all readings and lists what happened behind which of them,
// counted from 1.
func (w *watched) said() []string {
	var out []string
	for row := 0; row < w.batch.Len(); {
		row += w.look(w.batch, row, w.batch.Len())
		for _, e := range w.take() {
			if end := w.batch.Begin[row-1] + w.batch.Length[row-1]; e.at != end {
				out = append(out, fmt.Sprintf("at %d, not %d", e.at, end))
			}
			out = append(out, fmt.Sprintf("%d %s: %s (%s, %s)", row, e.event.What, e.event.Text, e.event.New, e.event.Old))
		}
	}
	return out
}

func above(cps float64) protocol.Channel {
	return protocol.Channel{Kind: protocol.KindCount, Width: 24, WarnAboveCPS: &cps}
}

func below(cps float64) protocol.Channel {
	return protocol.Channel{Kind: protocol.KindCount, Width: 24, WarnBelowCPS: &cps}
}

// 250 counts in 250 ms are 1000 a second: exactly the limit, and not beyond it.
func TestAlarmComesOn(t *testing.T) {
	const on = "alarm: A counts 1 kcps, above its limit of 1 kcps (1 kcps, 1 kcps)"
	narrow := above(1000)
	narrow.Width = 8 // 256 counts in 250 ms are 1024 a second
	narrowBelow := below(1000)
	narrowBelow.Width = 8
	narrowFar := below(2000)
	narrowFar.Width = 8
	rate := above(1000)
	rate.Kind, rate.Exponent = protocol.KindRate, 1
	for name, c := range map[string]struct {
		w    *watched
		want []string
	}{
		"at the limit":     {watch(above(1000), 0, quarter).times(40, 250), nil},
		"above for 1 s":    {watch(above(1000), 0, quarter).counts(250, 251, 251, 251, 251, 251), []string{"5 " + on}},
		"back once":        {watch(above(1000), 0, quarter).counts(251, 251, 251, 250, 251, 251, 251, 251), []string{"8 " + on}},
		"one flash":        {watch(above(1000), 0, quarter).counts(100, 100, 1e6, 100, 100, 100), nil},
		"for 2 s":          {watch(above(1000), 2*time.Second, quarter).times(7, 251), nil},
		"for 2 s, one on":  {watch(above(1000), 2*time.Second, quarter).times(8, 251), []string{"8 " + on}},
		"mean but first":   {watch(above(1000), 0, quarter).counts(300, 400, 500, 600), []string{"4 alarm: A counts 2 kcps, above its limit of 1 kcps (2 kcps, 1 kcps)"}},
		"dead":             {watch(below(1000), 0, quarter).counts(300, 300, 0, 0, 0, 0), []string{"6 alarm: A counts 0 cps, below its limit of 1 kcps (0 cps, 1 kcps)"}},
		"below":            {watch(below(1000), 0, quarter).counts(249, 249, 249, 249), []string{"4 alarm: A counts 996 cps, below its limit of 1 kcps (996 cps, 1 kcps)"}},
		"not below":        {watch(below(1000), 0, quarter).times(40, 250), nil},
		"absent":           {watch(below(1000), 0, quarter).add(40, quarter, 0, 0, device.Absent), nil},
		"suspect":          {watch(above(1000), 0, quarter).add(40, quarter, 1e9, 0, device.Suspect), nil},
		"first":            {watch(above(1000), 0, quarter).counts(251, 251).add(9, quarter, 9999, device.First, 0).counts(251), nil},
		"mixed":            {watch(below(1000), 0, quarter).add(40, quarter, 0, device.Mixed, 0), nil},
		"implausible":      {watch(above(1000), 0, quarter).add(40, quarter, 9999, device.Implausible, 0), nil},
		"one left out":     {watch(above(1000), 0, quarter).counts(251, 251).add(1, quarter, 9999, device.Mixed, 0).counts(251, 251), []string{"5 " + on}},
		"unverified, late": {watch(above(1000), 0, quarter).add(4, quarter, 251, device.Unverified|device.Late, 0), []string{"4 " + on}},
		"short gap":        {watch(above(1000), 0, quarter).times(3, 251).pause(time.Second).times(1, 251), []string{"4 " + on}},
		"long gap":         {watch(above(1000), 0, quarter).times(3, 251).pause(2*time.Second).times(3, 251), nil},
		"after a long gap": {watch(above(1000), 0, quarter).times(3, 251).pause(2*time.Second).times(4, 251), []string{"7 " + on}},
		"long gate":        {watch(above(1000), 0, 10*time.Second).add(1, 10*time.Second, 10010, 0, 0), []string{"1 " + on}},
		// 99.9936 ms, the gate of a DE2: two of them are a quarter of a second, nearly.
		"crystal":           {watch(above(1000), 0, 100*time.Millisecond).add(10, 99993600, 101, 0, 0), []string{"10 alarm: A counts 1.01 kcps, above its limit of 1 kcps (1.01 kcps, 1 kcps)"}},
		"short gates":       {watch(above(1000), 0, time.Millisecond).add(999, time.Millisecond, 2, 0, 0), nil},
		"short gates, more": {watch(above(1000), 0, time.Millisecond).add(1000, time.Millisecond, 2, 0, 0), []string{"1000 alarm: A counts 2 kcps, above its limit of 1 kcps (2 kcps, 1 kcps)"}},
		"rate":              {watch(rate, 0, quarter).times(8, 100).times(4, 101), []string{"12 alarm: A counts 1.01 kcps, above its limit of 1 kcps (1.01 kcps, 1 kcps)"}},
		// A counter that overflowed counted at least 256, whatever it shows.
		"overflow is above": {watch(narrow, 0, quarter).add(4, quarter, 3, 0, device.Overflow), []string{
			"1 alarm: the counter of A overflowed: it has 8 bits, and at a gate of 250ms holds no more than 1.02 kcps (, 1.02 kcps)",
			"4 alarm: A counts 1.02 kcps, above its limit of 1 kcps (1.02 kcps, 1 kcps)"}},
		"overflow is not below": {watch(narrowBelow, 0, quarter).add(40, quarter, 0, 0, device.Overflow), []string{
			"1 alarm: the counter of A overflowed: it has 8 bits, and at a gate of 250ms holds no more than 1.02 kcps (, 1.02 kcps)"}},
		"overflow, how much is not known": {watch(narrowFar, 0, quarter).add(40, quarter, 0, 0, device.Overflow), []string{
			"1 alarm: the counter of A overflowed: it has 8 bits, and at a gate of 250ms holds no more than 1.02 kcps (, 1.02 kcps)"}},
		"overflow of a mixed reading": {watch(narrow, 0, quarter).add(4, quarter, 3, device.Mixed, device.Overflow), nil},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.w.said(), c.want); d != "" {
				t.Errorf("said (-got +want):\n%s", d)
			}
			if len(c.w.reports) != len(c.want) {
				t.Errorf("%d reports, want %d", len(c.w.reports), len(c.want))
			}
		})
	}
}

// A rate that flutters about its limit is one alarm; it is over when it was
// back for a minute, 240 readings.
func TestAlarmIsOver(t *testing.T) {
	w := watch(above(1000), 0, quarter).times(4, 251)
	for range 5 {
		w.times(239, 100).times(4, 252) // another excursion each
	}
	w.times(120, 100).pause(time.Hour).times(119, 100) // an hour without readings is none in which it was back
	if d := cmp.Diff(w.said(), []string{"4 alarm: A counts 1 kcps, above its limit of 1 kcps (1 kcps, 1 kcps)"}); d != "" {
		t.Errorf("said (-got +want):\n%s", d)
	}
	status := func(on bool, times protocol.Uint64) []protocol.AlarmStatus {
		return []protocol.AlarmStatus{{Channel: "A", Kind: "above", On: on, Since: time.Unix(6, 0).UTC(), Times: times, Text: "A counts 1 kcps, above its limit of 1 kcps"}}
	}
	if d := cmp.Diff(w.list(), status(true, 6)); d != "" {
		t.Errorf("list (-got +want):\n%s", d)
	}
	w.batch.Reset()
	w.times(1, 100)
	if d := cmp.Diff(w.said(), []string{"1 alarm over: A counts 400 cps, and has not been above its limit of 1 kcps for 1m0s (400 cps, 1 kcps)"}); d != "" {
		t.Errorf("said (-got +want):\n%s", d)
	}
	if d := cmp.Diff(w.list(), status(false, 6)); d != "" {
		t.Errorf("list (-got +want):\n%s", d)
	}
	limit := 1000.0
	value := 1004.0
	want := []alarmReport{{Channel: "A", Kind: "above", ValueCPS: &value, LimitCPS: &limit, TimeUTC: time.Unix(6, 0).UTC(), Text: "A counts 1 kcps, above its limit of 1 kcps", Times: 1}}
	if d := cmp.Diff(w.reports, want); d != "" {
		t.Errorf("reports (-got +want):\n%s", d)
	}
	w.batch.Reset()
	if got := w.times(4, 300).said(); len(got) != 1 || len(w.reports) != 2 || w.reports[1].Times != 7 {
		t.Errorf("after it was over: said %q, %d reports", got, len(w.reports))
	}
}

func TestOverflowIsOver(t *testing.T) {
	w := watch(protocol.Channel{Kind: protocol.KindCount}, 0, 0).counts(1, 2)
	w.add(3, quarter, 9, 0, device.Overflow).times(2, 9).add(1, quarter, 9, 0, device.Overflow).times(240, 9)
	want := []string{"3 alarm: the counter of A overflowed (, )", "248 alarm over: the counter of A has not overflowed for 1m0s (, )"}
	if d := cmp.Diff(w.said(), want); d != "" {
		t.Errorf("said (-got +want):\n%s", d)
	}
	if got := w.list(); len(got) != 1 || got[0].Times != 2 || got[0].On {
		t.Errorf("list: %+v", got)
	}
}

// An alarm that is on when the device goes is on when it is back, and over
// when its channel is not there any more.
func TestAlarmOutlivesAnEpoch(t *testing.T) {
	w := watch(below(1000), 0, quarter).times(4, 0)
	w.said()
	as := []device.Channel{{Name: "A"}}
	ch := below(1000)
	ch.Name = "A"
	w.bind(DeviceConfig{}, as, []protocol.Channel{ch}, quarter)
	w.batch.Reset()
	if got := w.pause(time.Minute).times(40, 0).said(); got != nil || !w.list()[0].On || w.list()[0].Times != 1 {
		t.Errorf("back and still dead: said %q, list %+v", got, w.list())
	}
	w.bind(DeviceConfig{}, []device.Channel{{Name: "B"}}, []protocol.Channel{{Name: "B", Kind: protocol.KindCount}}, quarter)
	w.batch.Reset()
	events := w.take()
	if len(events) != 1 || events[0].event.What != protocol.EventAlarmOver || events[0].event.Text != "A is not among the channels any more" {
		t.Errorf("events %+v", events)
	}
	if got := w.list(); len(got) != 0 {
		t.Errorf("list: %+v", got)
	}
}

// The event of an alarm stands behind the reading by which it came on, also in
// the midst of what was read at once.
func TestAlarmInTheStream(t *testing.T) {
	for _, n := range []int{10, 2 * directRows} {
		log := &memoryLog{}
		b := testBatcher(log, 1)
		w := watch(above(1000), 0, quarter)
		b.alarms, b.descriptor.Channels[0].Name = w.alarms, "A"
		w.counts(100, 251, 251, 251, 251).times(n, 300)
		b.add(t.Context(), w.batch)
		b.finish("x", "")
		want := []string{
			`1.1 descriptor index 0 time 5000000000`,
			`1.2 counts index 0 time 5000000000 count 5`,
			`1.3 event index 5 time 6250000000 {"what":"alarm","who":"gateway","old":"1 kcps","new":"1 kcps","text":"A counts 1 kcps, above its limit of 1 kcps","channel":"A"}`,
			fmt.Sprintf(`1.4 counts index 5 time 6250000000 count %d`, n),
			fmt.Sprintf(`1.5 end index %d time 9000000 {"cause":"x"}`, n+5),
		}
		if d := cmp.Diff(log.lines(t), want); d != "" {
			t.Errorf("frames (-got +want):\n%s", d)
		}
	}
}

func TestLookingTakesNoMemory(t *testing.T) {
	w := watch(above(1000), 0, time.Millisecond).add(1000, time.Millisecond, 1, 0, 0)
	for range 500 {
		w.add(1, time.Millisecond, 1, 0, device.Overflow).add(1, time.Millisecond, 1, 0, 0)
	}
	w.said()
	if n := testing.AllocsPerRun(10, func() { w.look(w.batch, 0, 2000) }); n != 0 {
		t.Errorf("%v allocations for 2000 readings", n)
	}
}

// A device with limits shows them in its descriptor, its status and its
// stream; while it is away the alarm stays on.
func TestAlarmOfADevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startTask(t, func(task *task, f *bench) {
			task.cfg.Channels = []ChannelConfig{
				{Input: "A", Name: "idler", WarnBelowCPS: new(2000.0)}, {Input: "C", Of: []string{"idler", "counter 1"}, Window: 25}}
			f.about = func(d *device.Description) {
				d.Late = 20 * time.Millisecond
				d.Channels = append(d.Channels, device.Channel{Name: "C", Input: "counter 2: A+B", Kind: device.Count})
			}
			task.alarms = (&Gateway{hook: newHook(nil, task.log)}).alarmsOf(task)
			task.status.alarms = task.alarms.list
		})
		defer r.end()
		s := <-r.bench.sources
		s.feed <- func(b *device.Batch) { // 100 counts in 0.1 s are 1000 a second
			for begin := time.Now().UnixNano(); b.Len() < 10; begin += 1e8 {
				addReading(b, begin, 1e8, 100, 7, 3)
			}
		}
		ends := time.Now().Add(time.Second)
		time.Sleep(500 * time.Millisecond)
		want := protocol.AlarmStatus{Channel: "idler", Kind: "below", On: true, Since: ends.UTC(), Times: 1, Text: "idler counts 1 kcps, below its limit of 2 kcps"}
		if d := cmp.Diff(r.state(t, Running).Alarms, []protocol.AlarmStatus{want}); d != "" {
			t.Errorf("alarms (-got +want):\n%s", d)
		}
		s.feed <- &device.Error{Op: "read", Port: "/dev/bench", Err: device.ErrGone}
		r.bench.set(func(b *bench) { b.openErr = device.ErrNoPort })
		synctest.Wait()
		time.Sleep(time.Minute)
		want.Text += " when it was last read; how it is now is not known"
		if d := cmp.Diff(r.state(t, Gone).Alarms, []protocol.AlarmStatus{want}); d != "" {
			t.Errorf("alarms of a device that is gone (-got +want):\n%s", d)
		}
		var d protocol.Descriptor
		_, payload, _, _ := protocol.ParseFrame(r.frame.all()[0])
		if err := protocol.DecodeJSON(payload, &d); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(d.Channels[2].Of, protocol.List[string]{"idler", "B"}); diff != "" || d.LateNs != 20e6 || d.Channels[2].WindowNs != 25 || *d.Channels[0].WarnBelowCPS != 2000 {
			t.Errorf("descriptor %+v\n%s", d, diff)
		}
	})
}

// What the configuration says of channels has to fit the instrument that is
// there.
func TestChannelsThatDoNotFit(t *testing.T) {
	about := device.Description{Channels: []device.Channel{{Name: "A", Kind: device.Count}, {Name: "B", Kind: device.Count}, {Name: "T", Kind: device.Auxiliary}}}
	for want, c := range map[string]ChannelConfig{
		`channel "A" is of "AB", which does not exist (expected some of A, B, T)`:                    {Input: "A", Of: []string{"B", "AB"}},
		`channel "A" is of itself ("A")`:                                                             {Input: "A", Of: []string{"B", "A"}},
		`channel "T" can have no limits: its values are of kind "auxiliary", no counts and no rates`: {Input: "T", WarnAboveCPS: new(1.0)},
	} {
		if _, err := channelsOf(about, DeviceConfig{Channels: []ChannelConfig{c}}); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
