package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"photongate/device"
	"photongate/protocol"
)

var update = flag.Bool("update", false, "write the golden files anew")

// stillControl answers requests for a fake bench at noon that is open and makes
// no change.
func stillControl() *control {
	f := newBench()
	cfg := DeviceConfig{Name: "bench", Driver: "fake", Port: "/dev/bench"}
	d := newDeviceControl(cfg, f.driver("fake"), device.Settings{"trigger": "falling"})
	d.opened(&device.Description{Settings: []device.Setting{
		{Key: "gate", Value: "100", Unit: "ms", How: "read back"}, {Key: "threshold", Value: "0.5", Unit: "V", How: "read back"},
		{Key: "firmware", Value: "1.4", How: "fixed"}}})
	at := int64(999)
	record := func(*protocol.Event) (int64, error) { at++; return at, nil }
	return &control{
		mode: ControlToken, devices: []*deviceControl{d}, record: record, measuring: &measurements{record: record}, now: func() int64 { return 777 },
		status: func() protocol.Status {
			return protocol.Status{Name: "pi-lab3", Software: "test", Started: time.Unix(1_764_000_000, 0).UTC(), ClockSync: "unknown", Control: "token"}
		},
	}
}

// Requests and their replies as they cross the wire.
func TestRepliesGolden(t *testing.T) {
	c := stillControl()
	var out bytes.Buffer
	for _, text := range []string{
		`{"id":"1","do":"now"}`,
		`{"id":"2","do":"status"}`,
		`{"id":"3","do":"get"}`,
		`{"id":"4","do":"get","device":"bench","key":"gate"}`,
		`{"id":"5","do":"get","device":"bench","key":"gates"}`,
		`{"id":"6","do":"get","device":"lamp"}`,
		`{"id":"7","do":"set","device":"bench","key":"gate","value":"5"}`,
		`{"id":"8","do":"set","device":"bench","key":"gate","value":"0.5ms"}`,
		`{"id":"9","do":"set","device":"bench","key":"gate","value":"2m"}`,
		`{"id":"10","do":"set","device":"bench","key":"threshold","value":"3"}`,
		`{"id":"11","do":"set","device":"bench","key":"threshold","value":"low"}`,
		`{"id":"12","do":"set","device":"bench","key":"dwell_time","value":"1s"}`,
		`{"id":"13","do":"set","device":"bench","key":"firmware","value":"2"}`,
		`{"id":"14","do":"set","device":"bench","key":"dac","value":"1"}`,
		`{"id":"15","do":"set","device":"bench","key":"","value":"1"}`,
		`{"id":"16","do":"note","text":"aligned by hand","who":"ana"}`,
		`{"id":"17","do":"note","text":"  "}`,
		`{"id":"18","do":"begin"}`,
		`{"id":"19","do":"begin","who":"ana","measurement":{"id":"00000000000000000000000000000001","title":"HWP 22.5","set":[{"key":"hwp_deg","value":"22.5"}]}}`,
		`{"id":"20","do":"begin","who":"ana","measurement":{"id":"00000000000000000000000000000001","title":"HWP 22.5"}}`,
		`{"id":"21","do":"end","measurement":{"id":"00000000000000000000000000000002"}}`,
		`{"id":"22","do":"end","measurement":{"id":"00000000000000000000000000000001","state":"complete","readings":"600"}}`,
		`{"id":"23","do":"dance"}`,
		`{"id":"24","do":"now","who":"a\nb"}`,
	} {
		var ask protocol.Request
		if err := protocol.DecodeJSON([]byte(text), &ask); err != nil {
			t.Fatal(err)
		}
		reply, err := protocol.EncodeJSON(c.answer(t.Context(), ana, &ask))
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString(text + "\n\t" + string(reply) + "\n")
	}
	golden := filepath.Join("testdata", "replies.txt")
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(out.String(), "\n"), strings.Split(string(want), "\n")); d != "" {
		t.Errorf("replies (-got +want; -update writes them anew):\n%s", d)
	}
}

// Who may change what: nothing without the right, nothing that the
// configuration forbids, nothing that somebody else measures with.
func TestWhoMayChange(t *testing.T) {
	reader := &asker{name: "desk", from: "127.0.0.1", local: true, rights: []string{protocol.RightRead, protocol.RightArchive}}
	far := askerAt(&net.TCPAddr{IP: net.IPv4(192, 168, 1, 7), Port: 4711}, "desk", ana.rights)
	near := askerAt(&net.TCPAddr{IP: net.IPv6loopback, Port: 4711}, "desk", ana.rights)
	if far.local || !near.local || far.from != "192.168.1.7" {
		t.Fatalf("askers: %+v, %+v", far, near)
	}
	begun := func(c *control) {
		if _, err := c.measuring.begin(far, "eve@desk", protocol.Measurement{ID: protocol.ID{1}, Title: "HWP 22.5"}); err != nil {
			t.Fatal(err)
		}
	}
	const measures = `eve@desk measures "HWP 22.5" since `
	tests := []struct {
		name  string
		setup func(*control)
		by    *asker
		ask   protocol.Request
		code  string // of the reply; "device" when it got as far as the instrument
		text  string // in the reply
		lock  string // in what get says
	}{
		{"the token", nil, far, setting("gate", "1s"), "device", "", ""},
		{"no token", nil, reader, setting("gate", "1s"), "rights", "photongate pair", "needs the gateway's token"},
		{"no token, note", nil, reader, protocol.Request{Do: "note", Text: "x"}, "rights", "photongate pair", "needs"},
		{"no token, begin", nil, reader, protocol.Request{Do: "begin", Measurement: &protocol.Measurement{ID: protocol.ID{1}}}, "rights", "photongate pair", "needs"},
		{"off", func(c *control) { c.mode = ControlOff }, near, setting("gate", "1s"), "control", `control = "off"`, `control = "off"`},
		{"local from far", func(c *control) { c.mode = ControlLocal }, far, setting("gate", "1s"), "control", `control = "local"`, `only from its own computer`},
		{"local from near", func(c *control) { c.mode = ControlLocal }, near, setting("gate", "1s"), "device", "", ""},
		{"off, note", func(c *control) { c.mode = ControlOff }, near, protocol.Request{Do: "note", Text: "x"}, "", "", "control"},
		{"guarded", nil, near, setting("dac", "1"), "control", `write allow = ["dac"] under the [[device]] "bench"`, ""},
		{"allowed", func(c *control) { c.devices[0].cfg.Allow = []string{"dac"} }, near, setting("dac", "1"), "device", "", ""},
		{"while another measures", begun, near, setting("gate", "1s"), "busy", measures, measures},
		{"while another measures, same session", begun, far, setting("gate", "1s"), "busy", measures, measures},
		{"his own measurement", begun, near, protocol.Request{Do: "set", Device: "bench", Key: "gate", Value: "1s", Measurement: &protocol.Measurement{ID: protocol.ID{1}}}, "device", "", measures},
		{"forced", begun, near, protocol.Request{Do: "set", Device: "bench", Key: "gate", Value: "1s", Force: true}, "device", "", measures},
		{"a second measurement", begun, near, protocol.Request{Do: "begin", Measurement: &protocol.Measurement{ID: protocol.ID{2}}}, "busy", measures, measures},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := stillControl()
			if tt.setup != nil {
				tt.setup(c)
			}
			made := make(chan *settingChange, 1)
			go func() { // the supervisor
				select {
				case s := <-c.devices[0].asked:
					made <- s
					s.answer(changeResult{err: device.ErrSetting})
				case <-t.Context().Done():
				}
			}()
			reply := c.answer(t.Context(), tt.by, &tt.ask)
			if reply.Code != tt.code || !strings.Contains(reply.Text, tt.text) {
				t.Errorf("got %q %q, want %q %q", reply.Code, reply.Text, tt.code, tt.text)
			}
			got := c.answer(t.Context(), tt.by, &protocol.Request{Do: "get", Device: "bench", Key: "gate"})
			if len(got.Settings) != 1 || (tt.lock == "") != (got.Settings[0].Locked == "") || !strings.Contains(got.Settings[0].Locked, tt.lock) {
				t.Errorf("get: %+v, want it locked by %q", got.Settings, tt.lock)
			}
			if tt.name == "forced" {
				if e := (<-made).event; !strings.HasPrefix(e.Text, "forced while "+measures) || e.From != "::1" || e.Who != "desk" {
					t.Errorf("event: %+v", e)
				}
			}
		})
	}
}

// Texts of requests are bounded, and are lines.
func TestRequestLimits(t *testing.T) {
	long := func(n int) string { return strings.Repeat("µ", n) }
	id := protocol.ID{1}
	begin := func(m protocol.Measurement) protocol.Request {
		m.ID = id
		return protocol.Request{Do: "begin", Measurement: &m}
	}
	tests := []struct {
		name, code string
		ask        protocol.Request
	}{
		{"longest note", "", protocol.Request{Do: "note", Text: long(4000)}},
		{"too long a note", "limit", protocol.Request{Do: "note", Text: long(4001)}},
		{"note of two lines", "", protocol.Request{Do: "note", Text: "a\nb"}},
		{"who", "limit", protocol.Request{Do: "now", Who: long(101)}},
		{"key", "limit", protocol.Request{Do: "set", Device: "bench", Key: long(101)}},
		{"value", "limit", protocol.Request{Do: "set", Device: "bench", Key: "gate", Value: long(201)}},
		{"longest measurement", "", begin(protocol.Measurement{Title: long(200), Sample: long(200), Operator: long(200), Set: make100(long(100), long(200))})},
		{"title", "limit", begin(protocol.Measurement{Title: long(201)})},
		{"sample", "limit", begin(protocol.Measurement{Sample: long(201)})},
		{"operator", "limit", begin(protocol.Measurement{Operator: long(201)})},
		{"parameters", "limit", begin(protocol.Measurement{Set: append(make100("a", "b"), protocol.Parameter{Key: "c"})})},
		{"parameter's key", "limit", begin(protocol.Measurement{Set: []protocol.Parameter{{Key: long(101)}}})},
		{"parameter's value", "limit", begin(protocol.Measurement{Set: []protocol.Parameter{{Key: "a", Value: long(201)}}})},
		{"parameter without a key", "value", begin(protocol.Measurement{Set: []protocol.Parameter{{Value: "1"}}})},
		{"title of two lines", "value", begin(protocol.Measurement{Title: "a\nb"})},
		{"no id", "value", protocol.Request{Do: "begin", Measurement: &protocol.Measurement{}}},
		{"state", "value", protocol.Request{Do: "end", Measurement: &protocol.Measurement{ID: id, State: "nearly"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if reply := stillControl().answer(t.Context(), ana, &tt.ask); reply.Code != tt.code {
				t.Errorf("got %q %q, want %q", reply.Code, reply.Text, tt.code)
			}
		})
	}
}

func make100(key, value string) []protocol.Parameter {
	list := make([]protocol.Parameter, 100)
	for i := range list {
		list[i] = protocol.Parameter{Key: key, Value: value}
	}
	return list
}

// TestReaderKeepsNoMeasurement: who may only read cannot take a measurement over
// by bearing its id, which everybody sees, and have it abandoned by going away.
func TestReaderKeepsNoMeasurement(t *testing.T) {
	c := stillControl()
	one := protocol.Request{Do: "begin", Measurement: &protocol.Measurement{ID: protocol.ID{1}}}
	if r := c.answer(t.Context(), ana, &one); r.Code != "" {
		t.Fatal(r.Text)
	}
	reader := &asker{from: "b", rights: []string{protocol.RightRead}}
	one.Do = "now"
	if r := c.answer(t.Context(), reader, &one); r.Code != "" {
		t.Fatal(r.Text)
	}
	c.measuring.left(reader)
	if c.measuring.current.keeper != ana {
		t.Errorf("it is kept by %+v", c.measuring.current.keeper)
	}
}

// TestEndNotWritten: a journal that takes no end is told of once a minute, though
// it is tried each second.
func TestEndNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		tries := 0
		m := &measurements{log: zerolog.New(&log), record: func(e *protocol.Event) (int64, error) {
			if e.What == protocol.EventBegin {
				return 0, nil
			}
			tries++
			return 0, errors.New("the disk is full")
		}}
		by := &asker{}
		if _, err := m.begin(by, "ana", protocol.Measurement{ID: protocol.ID{1}}); err != nil {
			t.Fatal(err)
		}
		m.left(by)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		m.run(ctx)
		if n := strings.Count(log.String(), "is not written"); n < 3 || n > 5 || tries < 200 {
			t.Errorf("%d lines of %d tries", n, tries)
		}
	})
}

// A measurement that nobody looks after is ended after a minute; one that the
// gateway ends with is ended by it.
func TestMeasurementsEnd(t *testing.T) {
	type step struct {
		after time.Duration
		do    func(*measurements)
	}
	one := protocol.Measurement{ID: protocol.ID{1}, Title: "HWP", Sample: "ppKTP"}
	first, second := &asker{from: "a"}, &asker{from: "b"}
	begin := step{0, func(m *measurements) { _, _ = m.begin(first, "ana", one) }}
	left := func(by *asker) func(*measurements) { return func(m *measurements) { m.left(by) } }
	const begun = `0s measurement begin ana a {"id":"01000000000000000000000000000000","title":"HWP","sample":"ppKTP"}`
	const whole = `{"id":"01000000000000000000000000000000","title":"HWP","sample":"ppKTP",`
	tests := []struct {
		name  string
		steps []step
		stop  time.Duration
		want  []string
	}{
		{"ended", []step{begin, {10 * time.Second, func(m *measurements) {
			_, _ = m.end(second, "bob", protocol.Measurement{ID: one.ID, Readings: 600})
		}}}, time.Hour, []string{begun, `10s measurement end bob b ` + whole + `"readings":"600","state":"complete"}`}},
		{"of another id", []step{begin, {10 * time.Second, func(m *measurements) {
			_, _ = m.end(first, "ana", protocol.Measurement{ID: protocol.ID{2}})
		}}}, 20 * time.Second, []string{begun, `20s measurement end gateway  the gateway stops ` + whole + `"state":"incomplete"}`}},
		{"stays", []step{begin, {0, left(second)}}, time.Hour, []string{begun, `1h0m0s measurement end gateway  the gateway stops ` + whole + `"state":"incomplete"}`}},
		{"abandoned", []step{begin, {10 * time.Second, left(first)}}, time.Hour, []string{begun, `1m10s measurement end gateway  who measured has gone ` + whole + `"state":"abandoned"}`}},
		{"comes back in time", []step{begin, {10 * time.Second, left(first)}, {59 * time.Second, func(m *measurements) { m.keep(second, one.ID) }}}, time.Hour,
			[]string{begun, `1h0m0s measurement end gateway  the gateway stops ` + whole + `"state":"incomplete"}`}},
		{"comes back with another id", []step{begin, {10 * time.Second, left(first)}, {59 * time.Second, func(m *measurements) { m.keep(second, protocol.ID{2}) }}}, time.Hour,
			[]string{begun, `1m10s measurement end gateway  who measured has gone ` + whole + `"state":"abandoned"}`}},
		{"goes again", []step{begin, {10 * time.Second, left(first)}, {30 * time.Second, func(m *measurements) { m.keep(second, one.ID) }}, {0, left(second)}}, time.Hour,
			[]string{begun, `1m40s measurement end gateway  who measured has gone ` + whole + `"state":"abandoned"}`}},
		{"begun twice", []step{begin, begin}, time.Second, []string{begun, `1s measurement end gateway  the gateway stops ` + whole + `"state":"incomplete"}`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				zero := time.Now()
				var got []string
				m := &measurements{record: func(e *protocol.Event) (int64, error) {
					text, err := json.Marshal(e.Measurement)
					if err != nil {
						t.Error(err)
					}
					words := []string{time.Since(zero).Round(time.Second).String(), e.What, e.Who, e.From}
					if e.Text != "" {
						words = append(words, e.Text)
					}
					got = append(got, strings.Join(append(words, string(text)), " "))
					return time.Since(zero).Nanoseconds(), nil
				}}
				stop := make(chan struct{})
				ctx, cancel := contextUntil(t, stop)
				defer cancel()
				go func() {
					for _, s := range tt.steps {
						time.Sleep(s.after)
						s.do(m)
					}
					time.Sleep(tt.stop - time.Since(zero))
					close(stop)
				}()
				m.run(ctx)
				if d := cmp.Diff(got, tt.want); d != "" {
					t.Errorf("events (-got +want):\n%s", d)
				}
				if m.status() != nil {
					t.Error("it still goes on")
				}
			})
		})
	}
}

// Whatever is asked for, there is an answer that can be sent, and nothing
// panics.
func FuzzRequestAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"id":"1","do":"get","device":"bench","key":"gate"}`, `{"id":"2","do":"set","device":"bench","key":"gate","value":"200ms","force":true}`,
		`{"id":"3","do":"set","device":"bench","key":"threshold","value":"1e400 V"}`, `{"id":"4","do":"note","text":"x"}`,
		`{"id":"5","do":"begin","measurement":{"id":"00000000000000000000000000000001","set":[{"key":"a","value":"b"}]}}`,
		`{"id":"6","do":"end","measurement":{"id":"00000000000000000000000000000001","state":"complete"}}`, `{"id":"7","do":"status"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		var ask protocol.Request
		if protocol.DecodeJSON(payload, &ask) != nil {
			return
		}
		c := stillControl()
		c.devices[0].end() // no supervisor: each change ends at once
		reply := c.answer(t.Context(), ana, &ask)
		if reply.ID != ask.ID || (reply.Code != "") != (reply.Text != "") {
			t.Errorf("reply: %+v", reply)
		}
		if _, err := protocol.EncodeJSON(reply); err != nil {
			t.Error(err)
		}
	})
}
