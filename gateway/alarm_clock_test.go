package gateway

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
)

// A device whose clock falls behind the computer's, or runs ahead of it, and then holds
// again; and others with which nothing is wrong.
func TestClockAlarm(t *testing.T) {
	// Each function is by how much the times that arrive are behind, seconds, at a time.
	for _, tc := range []struct {
		name    string
		behind  func(s float64) float64
		reports []string // beginning of what on_alarm is told
		events  []string
		on      bool
	}{
		{name: "it holds", behind: func(s float64) float64 { return 0.004 }},
		{name: "a crystal 200 ppm off", behind: func(s float64) float64 { return s * 200e-6 }},
		{name: "what comes first is late", behind: func(s float64) float64 { return max(0, 4-s) }},
		{name: "the host stood for 5 s", behind: func(s float64) float64 {
			if s > 20 && s < 25 {
				return max(0, 25-s)
			}
			return 0
		}, reports: []string{"its times are"}, events: []string{"alarm", "alarm over"}},
		{name: "it stood for 2 s", behind: func(s float64) float64 {
			if s > 20 && s < 22 {
				return 22 - s
			}
			return 0
		}},
		{name: "more comes than is taken", behind: func(s float64) float64 { return max(0, s-20) / 2 },
			reports: []string{"its times are"}, events: []string{"alarm"}, on: true},
		{name: "for a while", behind: func(s float64) float64 { return max(0, min(s-20, 40-s)) / 2 },
			reports: []string{"its times are"}, events: []string{"alarm", "alarm over"}},
		{name: "it jumps ahead by 5 s", behind: func(s float64) float64 {
			if s > 30 {
				return -5
			}
			return 0
		}, reports: []string{"its clock ran 5s ahead of this computer's"}, events: []string{"alarm", "alarm over"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var reports []string
			w := &alarms{
				log: zerolog.Nop(), utc: func(ns int64) time.Time { return time.Unix(0, ns).UTC() },
				report: func(r alarmReport) {
					if r.Kind != alarmClock || r.Channel != "" || r.Times != uint64(len(reports)+1) {
						t.Errorf("%+v", r)
					}
					reports = append(reports, r.Text)
				},
			}
			log := &memoryLog{}
			b := tagBatcher(log, 2)
			b.alarms = w
			w.bind(DeviceConfig{}, nil, nil, 0)
			const begin = int64(1_000e9)
			for s := 0.0; s < 80; s += 0.1 {
				tick := uint64((100 + s - tc.behind(s)) / 2e-9)
				b.take(t.Context(), tagsIn(tick, begin+int64(s*1e9), tick))
			}
			b.finish("x", "")
			var events []string
			for _, line := range log.lines(t) {
				if f := strings.Fields(line); f[1] == "event" {
					events = append(events, strings.TrimSpace(strings.Join(f[2:], " ")))
				}
			}
			if len(events) != len(tc.events) {
				t.Errorf("events %q, want %q", events, tc.events)
			}
			for i, want := range tc.reports {
				if i >= len(reports) || !strings.HasPrefix(reports[i], want) {
					t.Errorf("told %q, want %q...", reports, want)
				}
			}
			list := w.list()
			if len(reports) != len(tc.reports) || len(list) != min(1, len(tc.events)) {
				t.Fatalf("told %q; alarms %+v", reports, list)
			}
			if len(list) > 0 && (list[0].Kind != "clock" || list[0].On != tc.on || list[0].Channel != "") {
				t.Errorf("%+v", list[0])
			}
		})
	}
}

// What an alarm that is on says is how it is now.
func TestClockAlarmIsKeptUpToDate(t *testing.T) {
	var a clockAlarm
	var got []alarmChange
	for _, behind := range []time.Duration{2e9, 3e9, 4e9, 37.22e9, 0.7e9} {
		got = append(got, a.look(behind, 0))
	}
	if diff := cmp.Diff(got, []alarmChange{alarmSame, alarmSame, alarmOn, alarmAgain, alarmSame}); diff != "" {
		t.Error(diff)
	}
	if !strings.HasPrefix(a.text, "its times are 37.2s behind this computer's clock: ") {
		t.Error(a.text)
	}
}
