package cmd_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// report is what the program of an alarm is told.
type report struct {
	Gateway  string    `json:"gateway"`
	Device   string    `json:"device"`
	Channel  string    `json:"channel"`
	Kind     string    `json:"kind"`
	ValueCPS *float64  `json:"value_cps"`
	LimitCPS *float64  `json:"limit_cps"`
	TimeUTC  time.Time `json:"time_utc"`
	Text     string    `json:"text"`
	Times    int       `json:"times"`
}

// TestAlarms lets light leak in, a detector die and a counter overflow while
// simulated instruments are read and recorded: the event is in the record, the
// status tells it, and on_alarm is run for it, exactly once, however long it goes
// on.
func TestAlarms(t *testing.T) {
	for name, c := range map[string]struct {
		driver  string
		sim     []string
		channel string // TOML of one
		of      string // the channel in alarm
		kind    string
		text    string
		least   float64 // value and its bounds; both 0: not known
		most    float64
		limit   float64
	}{
		// A dead time of 30 ns leaves 2.8 Mcps of 3.05.
		"leak": {"cd48", []string{"--fault", "leak@4s:B=3M"}, "input = \"B\"\nname = \"idler\"\nwarn_above = \"1Mcps\"",
			"idler", "above", "idler counts 2.", 2.5e6, 3.1e6, 1e6},
		"leak into another": {"de2ccu", []string{"--fault", "leak@4s:A=3M"}, "input = \"A\"\nwarn_above = \"1Mcps\"",
			"A", "above", "A counts 2.", 2.5e6, 3.1e6, 1e6},
		"dead": {"cd48", []string{"--fault", "dead@4s:A"}, "input = \"A\"\nwarn_below = \"10kcps\"",
			"A", "below", "A counts 0 cps, below its limit of 10 kcps", 0, 1e-9, 1e4},
		// 24 bits in 100 ms are 167.8 Mcps.
		"overflow": {"cd48", []string{"--dead-time", "0s", "--fault", "leak@4s:A=400M"}, "input = \"B\"\nwarn_above = \"1Mcps\"",
			"A", "overflow", "the counter of A overflowed: it has 24 bits, and at a gate of 100ms holds no more than 168 Mcps", 0, 0, 167772150},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := ""
			if c.driver == "cd48" {
				options = `gate = "100ms"`
			}
			b := newBench(t, c.driver, options, append(c.sim, "--distinct=false")...)
			told := filepath.Join(b.dir, "alarms.ndjson")
			retarget(t, b.config, "[gateway]\n", fmt.Sprintf("[gateway]\non_alarm = [\"sh\", \"-c\", \"cat >> '%s'; echo told\"]\n", told))
			appendConfig(t, b.config, "[[device.channel]]\n"+c.channel+"\n")
			b.startSim()
			gateway := b.startGateway()
			gateway.waitFor("bench", "running")
			record := b.startRecord("--csv")
			record.waitFor("recording")
			gateway.waitFor("alarm", "channel="+c.of, c.text)
			gateway.waitFor("on_alarm was run", "told")
			b.awaitRows(30) // three seconds: it goes on, and is told no more
			b.checkAlarmStatus(c.of, c.kind, c.text)
			if code := gateway.stop(); code != 0 {
				t.Errorf("gateway: exit %d", code)
			}
			if code := record.stop(); code != 0 && code != 1 {
				t.Errorf("record: exit %d", code)
			}

			text, err := os.ReadFile(told)
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(string(text)), "\n")
			var got report
			if err := json.Unmarshal([]byte(lines[0]), &got); err != nil || len(lines) != 1 {
				t.Fatalf("%v, %d lines, want one:\n%s", err, len(lines), text)
			}
			if got.Gateway != "pi-lab3" || got.Device != "bench" || got.Channel != c.of || got.Kind != c.kind || got.Times != 1 ||
				!strings.HasPrefix(got.Text, c.text) || got.LimitCPS == nil || *got.LimitCPS != c.limit {
				t.Errorf("told %s", lines[0])
			}
			if known := c.most > 0; known != (got.ValueCPS != nil) || known && (*got.ValueCPS < c.least || *got.ValueCPS > c.most) {
				t.Errorf("value of %s, want %g to %g", lines[0], c.least, c.most)
			}
			b.checkAlarmEvents(got)
		})
	}
}

// checkAlarmEvents looks for the one alarm in the events that record --csv
// wrote.
func (b *bench) checkAlarmEvents(want report) {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.gatewayFolder(), "bench.events.csv"))
	if err != nil {
		b.t.Fatal(err)
	}
	records := parseCSV(b.t, string(text))
	column := map[string]int{}
	for i, name := range records[0] {
		column[name] = i
	}
	var alarms [][]string
	for _, r := range records[1:] {
		if r[column["what"]] == "alarm" {
			alarms = append(alarms, r)
		}
	}
	if len(alarms) != 1 {
		b.t.Fatalf("%d alarms in the events:\n%s", len(alarms), text)
	}
	a := alarms[0]
	at := want.TimeUTC.UTC().Round(time.Microsecond).Format("2006-01-02T15:04:05.000000Z")
	if a[column["who"]] != "gateway" || a[column["text"]] != want.Text || a[column["time_utc"]] != at || a[column["old"]] == "" {
		b.t.Errorf("event %q, told %+v at %s", a, want, at)
	}
}

// checkAlarmStatus asks the running gateway for the one alarm that is on.
func (b *bench) checkAlarmStatus(channel, kind, text string) {
	b.t.Helper()
	code, out, stderr := run(b.t, "photongate", "status", "--json", b.addr)
	var status struct {
		Devices []struct {
			Alarms []struct {
				Channel, Kind, Text, Times string
				On                         bool
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &status); err != nil || code != 1 || len(status.Devices) != 1 || len(status.Devices[0].Alarms) != 1 {
		b.t.Fatalf("status: exit %d, want 1, and one alarm (%v):\n%s\n%s", code, err, out, stderr)
	}
	if a := status.Devices[0].Alarms[0]; !a.On || a.Channel != channel || a.Kind != kind || a.Times != "1" || !strings.HasPrefix(a.Text, text) {
		b.t.Errorf("status tells of %+v", a)
	}
	if _, out, _ := run(b.t, "photongate", "status", b.addr); !strings.Contains(out, "ALARM") || !strings.Contains(strings.Join(strings.Fields(out), " "), text) {
		b.t.Errorf("status does not tell of the alarm:\n%s", out)
	}
}
