package gateway

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheckOutputs(t *testing.T) {
	const head = `[gateway]
listen = ["127.0.0.1:7310", "127.0.0.1:99"]
[[device]]
name = "bench"
driver = "de2ccu"
port = "COM1"
[[device.channel]]
input = "counter 0"
name = "idler"
[[device]]
name = "free"
driver = "fake"
port = "COM2"
`
	for text, want := range map[string]string{
		"kind = \"text\"\nlisten = \"127.0.0.1:7320\"": "",
		"kind = \"serpy\"\nstream = \"bench\"\nlisten = \"127.0.0.1:7320\"\nmode = 0\nfields = [\"index\", \"A\", \"idler\"]\nevery = \"1s\"\nper_block = 3": "",
		"kind = \"serpy\"\nstream = \"free\"\nlisten = \"127.0.0.1:7320\"\nfields = \"whatever\"":                                                            "",
		"knid = \"text\"\nlisten = \"127.0.0.1:7320\"": `f:15: output.kind: is missing (expected one of text, serpy, serpy2, struct)
f:16: output.knid: unknown key (did you mean "kind"?)`,
		"kind = \"text\"\nlisten = \"localhost:7310\"":                                                `f:17: output.listen: "localhost:7310" is in use (line 2 has "127.0.0.1:7310"; expected another port)`,
		"kind = \"text\"\nlisten = \"127.0.0.1:7320\"\nsend = \"csv bensh,free\"":                     `f:18: output.send: there is no stream "bensh" (there are bench, free)`,
		"kind = \"text\"\nlisten = \"127.0.0.1:7320\"\nsend = \"csv b*\"":                             "",
		"kind = \"text\"\nport = 7320\ndial = \"pc:1\"":                                               `f:17: output.port: unknown key (the port stands in "listen" or "dial", as in "127.0.0.1:7320")` + "\n" + `f:18: output.dial: "pc:1" is beyond this computer, and the protocol knows neither a token nor encryption (expected a loopback address such as "127.0.0.1:1", or open_to_network = true if everybody on that network may read the counts)`,
		"kind = \"serpy\"\nstream = \"bensh\"\nlisten = \"127.0.0.1:7320\"":                           `f:17: output.stream: there is no device "bensh" (expected one of bench, free)`,
		"kind = \"serpy\"\nstream = \"bench\"\nlisten = \"127.0.0.1:7320\"\nfields = [\"AB\"]":        `f:19: output.fields: driver de2ccu has no channel "AB" (expected A or "counter 0"; or index, part, t_s, utc_s, time_utc, gate_s, live_s, stream, flags)`,
		"kind = \"serpy\"\nstream = \"bench\"\nlisten = \"127.0.0.1:7320\"\nfields = [\"counter 0\"]": `f:19: output.fields: channel "counter 0" is called "idler" in the data, as its [[device.channel]] says (expected that name)`,
		"kind = \"serpy\"\nstream = \"bench\"\nlisten = \"127.0.0.1:7320\"\nmode = \"1\"":             `f:19: output.mode: "1" is a text (expected a whole number, without quotes)`,
		"kind = \"serpy\"\nstream = \"bench\"\nlisten = \"127.0.0.1:7320\"\nper_block = 0":            `f:19: output.per_block: 0 is impossible (expected 1 or more)`,
		"kind = \"serpy2\"\nstream = \"bench\"\nlisten = \"127.0.0.1:7320\"\nallow_set = \"yes\"":     `f:19: output.allow_set: "yes" is a text (expected true or false, without quotes)`,
		"kind = \"struct\"\nstream = \"bench\"\nlisten = \"127.0.0.1:7320\"\nformat = \"Qd\"":         `f:19: output.format: "Qd" does not say its byte order (expected ! or > for big-endian, < for little-endian before it); on a PC or a Pi it is "<Qd"`,
		"kind = \"text\"\nlisten = \"0.0.0.0:99\"\nopen_to_network = true":                            `f:17: output.listen: "0.0.0.0:99" is in use (line 2 has "127.0.0.1:99"; expected another port)`,
		"kind = \"text\"\nlisten = \":1\"\nopen_to_network = true\nname = \"x\"\n[[output]]\nkind = \"text\"\nlisten = \"127.0.0.1:1\"\nname = \"x\"": `f:22: output.listen: "127.0.0.1:1" is in use (line 17 has ":1"; expected another port)` + "\n" +
			`f:23: output.name: the name "x" is used twice (line 19 has it)`,
	} {
		c, err := ParseConfig("f", []byte(head+"\n[[output]]\n"+text+"\n"))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := ""
		if err := c.Validate(fakeDrivers()); err != nil {
			got = err.Error()
		}
		if d := cmp.Diff(strings.Split(got, "\n"), strings.Split(want, "\n")); d != "" {
			t.Errorf("%s (-got +want):\n%s", text, d)
		}
	}
	c, err := ParseConfig("f", []byte(head+"[output]\nkind = \"text\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(fakeDrivers()); err == nil || !strings.Contains(err.Error(), "write [[output]] for each output") {
		t.Errorf("a single table: got %v", err)
	}
}
