package gateway

import (
	"strings"
	"testing"

	"photongate/device"
	"photongate/protocol"
)

// What cannot be set of an instrument that gives time tags, or of the counts made of
// them, is refused before anything is asked of the instrument, with where it stands.
func TestControlOfTags(t *testing.T) {
	c := stillControl()
	driver := taggers()[3]
	d := newDeviceControl(DeviceConfig{Name: "tagger", Driver: "tagbox", Counts: []CountsConfig{{}}}, driver, device.Settings{"mode": "tags"})
	d.opened(&device.Description{Tick: device.Tick{Num: 2, Den: 1e9}, Settings: []device.Setting{{Key: "mode", Value: "tags", How: "read back"}}})
	d.counting("tagger.counts", []protocol.Setting{{Key: "gate", Value: "100 ms, 50000000 ticks", How: "fixed"}, {Key: "window AB", Value: "6 ns, 3 ticks", How: "fixed"}})
	d.end() // whoever came as far as the instrument would be told that the gateway stops
	c.devices = append(c.devices, d)
	for _, tt := range []struct{ do, device, key, value, code, want string }{
		{"set", "tagger", "gate", "200ms", protocol.ReplyValue, "tagger gives time tags, which have no gate. Counts are made of them in gates by [[device.counts]] in the gateway's configuration: gate stands there, for tagger.counts"},
		{"get", "tagger", "gate", "", protocol.ReplyValue, "tagger gives time tags, which have no gate. Counts are made of them in gates by [[device.counts]] in the gateway's configuration: gate stands there, for tagger.counts"},
		{"set", "tagger.counts", "gate", "200ms", protocol.ReplyUnknown, "tagger.counts is counted from the time tags of tagger by the gateway: its gate, delay and coincidences stand in the gateway's configuration, under [[device.counts]] of tagger, and hold from its next start on"},
		{"set", "tagger", "mode", "counts", protocol.ReplyValue, `with mode = "counts" tagger gives no time tags, and tagger.counts is counted from them: take [[device.counts]] out of the gateway's configuration first`},
		{"set", "tagger", "trigger", "rising", protocol.ReplyDevice, "trigger was not changed: the gateway stops"},
		{"get", "tagger.counts", "window AB", "", "", "tagger.counts window AB=6 ns, 3 ticks"},
		{"get", "tagger.counts", "", "", "", "tagger.counts gate=100 ms, 50000000 ticks tagger.counts window AB=6 ns, 3 ticks"},
		{"get", "tagger.counts", "window", "", protocol.ReplyUnknown, `tagger.counts has no setting "window" (expected one of gate, window AB)`},
		{"get", "nowhere", "", "", protocol.ReplyUnknown, `there is no device "nowhere" (expected one of bench, tagger, tagger.counts, gateway)`},
	} {
		got := c.answer(t.Context(), ana, &protocol.Request{Do: tt.do, Device: tt.device, Key: tt.key, Value: tt.value})
		text := got.Text
		if got.Code == "" {
			var list []string
			for _, s := range got.Settings {
				list = append(list, s.Device+" "+s.Key+"="+s.Value)
			}
			text = strings.Join(list, " ")
		}
		if got.Code != tt.code || text != tt.want {
			t.Errorf("%s %s %s: %q %q, want %q %q", tt.do, tt.device, tt.key, got.Code, text, tt.code, tt.want)
		}
	}
	got := c.answer(t.Context(), ana, &protocol.Request{Do: protocol.DoGet})
	for _, s := range got.Settings {
		if s.Device == "tagger" && s.Key == "gate" {
			t.Error("the gate of a tagger is offered")
		}
	}
	if last := got.Settings[len(got.Settings)-1]; last.Device != "tagger.counts" || last.Key != "window AB" {
		t.Errorf("the last of all settings is %+v", last)
	}
}
