package ni6501

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
)

// box is a USB-6501 as its description has it, for tests.
type box struct {
	stopped  bool
	total    uint32
	n        uint32
	odd      bool // answers the next question with what is no answer
	commands []string
}

var info = device.USBInfo{
	ID: device.USBID{Vendor: 0x3923, Product: 0x718a}, Serial: "01A2B3C4",
	Endpoints: []device.USBEndpoint{{Address: 0x81, Kind: "bulk", MaxPacket: 64}, {Address: 0x01, Kind: "bulk", MaxPacket: 64}},
}

const accepted = "00010 00c 0008 0100 0000 0002"

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (x *box) play(t testing.TB) func(*devicetest.USBEnd, *devicetest.Truth) {
	return func(end *devicetest.USBEnd, truth *devicetest.Truth) {
		end.Serve(func(r *devicetest.USBRequest) {
			if r.Endpoint != 0x01 {
				return
			}
			if a := x.answer(t, hex.EncodeToString(r.Data), truth); a != nil {
				end.Send(0x81, a...)
			}
		})
	}
}

// answer carries out one command, which is one of four.
func (x *box) answer(t testing.TB, command string, truth *devicetest.Truth) []byte {
	x.commands = append(x.commands, command)
	if x.odd {
		x.odd = false
		return unhex(t, "0001000c 00080100 00000003")
	}
	switch {
	case command == "0001000c0008010902200000":
		x.stopped = false
	case command == "0001000c0008010c02200000":
		x.stopped = true
	case strings.HasPrefix(command, "00010010000c010f02200000") && len(command) == 32:
		x.total = binary.BigEndian.Uint32(unhex(t, command[24:]))
	case command == "0001000c0008010e02200000":
		x.n++
		if !x.stopped {
			x.total += 40000 + 97*x.n
		}
		truth.Add(uint64(x.total))
		return binary.BigEndian.AppendUint32(unhex(t, "00010010 000c0100 00000002"), x.total)
	default:
		return nil
	}
	return unhex(t, accepted)
}

func TestConformance(t *testing.T) {
	for name, settings := range map[string]device.Settings{"as it is": nil, "restarted": {"counter": wordRestart, "gate": 100 * time.Millisecond}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			devicetest.Run(t, devicetest.Subject{
				Driver: Driver, Settings: settings, Gate: 100 * time.Millisecond, USB: info,
				PlayUSB: func(end *devicetest.USBEnd, truth *devicetest.Truth) {
					x := &box{total: 1<<32 - 500000} // it wraps on the way
					x.play(t)(end, truth)
				},
			})
		})
	}
}

// use opens the driver on a box.
func use(t *testing.T, x *box, settings device.Settings, with func(device.Source, error)) {
	t.Helper()
	devicetest.BubbleUSB(t, info, x.play(t), func(usb device.USBDevice) {
		src, err := Driver.Open(t.Context(), device.OpenRequest{USB: usb, Settings: settings, Clock: devicetest.Clock})
		with(src, err)
		if err := usb.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestOpenSendsWhatIsNamed(t *testing.T) {
	read, start, stop, zero := "0001000c0008010e02200000", "0001000c0008010902200000", "0001000c0008010c02200000", "00010010000c010f0220000000000000"
	for _, tc := range []struct {
		settings device.Settings
		want     string
	}{
		{nil, read},
		{device.Settings{"counter": wordStart}, start + " " + read},
		{device.Settings{"counter": wordRestart}, stop + " " + zero + " " + start + " " + read},
	} {
		x := &box{total: 7}
		use(t, x, tc.settings, func(src device.Source, err error) {
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(x.commands, " "); got != tc.want {
				t.Errorf("%v sent %s", tc.settings, got)
			}
			if d := src.Describe(); d.Serial != "01A2B3C4" || d.Channels[0].Kind != device.Total || d.Channels[0].Width != 32 {
				t.Errorf("%+v", d)
			}
		})
	}
}

// A total that no pulses can have brought was set by somebody.
func TestTotalThatWasSet(t *testing.T) {
	x := &box{total: 1000000}
	use(t, x, nil, func(src device.Source, err error) {
		if err != nil {
			t.Fatal(err)
		}
		b := device.NewBatch(1)
		if err := src.Read(b); err != nil || b.Len() != 1 || b.Flags[0] != device.First {
			t.Fatalf("%+v, %v", b, err)
		}
		x.odd = true
		for range 3 {
			if err := src.Read(b); err != nil {
				t.Fatal(err)
			}
		}
		if b.Len() != 2 || b.Flags[1] != 0 || len(b.Notes) != 1 {
			t.Errorf("after an answer that is none: %+v", b)
		}
		x.total = 5
		err = src.Read(b)
		if !errors.Is(err, device.ErrChanged) || !strings.Contains(err.Error(), "another program set it") || b.Len() != 2 {
			t.Errorf("%v, %d readings", err, b.Len())
		}
		if again := src.Read(b); again != err {
			t.Errorf("then: %v", again)
		}
	})
}

func TestParse(t *testing.T) {
	if v, err := parseTotal(unhex(t, "00010010 000c0100 00000002 01020304")); err != nil || v != 0x01020304 {
		t.Errorf("%x, %v", v, err)
	}
	if err := parseDone(unhex(t, accepted)); err != nil {
		t.Error(err)
	}
	for _, text := range []string{"", "00", accepted, "00010010000c010000000002010203", "00010010000c01000000000201020304ff", "00010010000c0101000000020102030 4"} {
		if _, err := parseTotal(unhex(t, text)); !errors.Is(err, device.ErrNonsense) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := parseDone(unhex(t, "00010010 000c0100 00000002 01020304")); !errors.Is(err, device.ErrNonsense) {
		t.Errorf("a total for an acknowledgement: %v", err)
	}
}

func TestQuirksShow(t *testing.T) {
	still := unhex(t, "00010010 000c0100 00000002 00000009")
	if got := Driver.Quirks[1].Met([]device.Exchange{{Bytes: still}, {Bytes: still}}); got != "2 totals, all of them 9" {
		t.Errorf("%q", got)
	}
	if got := Driver.Quirks[0].Met([]device.Exchange{{Bytes: still}, {Bytes: []byte{1}}, {Bytes: unhex(t, accepted)}}); !strings.HasPrefix(got, "1 ") {
		t.Errorf("%q", got)
	}
	if a := Driver.Advise(nil); len(a) != 1 || a[0].Option != "counter" {
		t.Errorf("%v", a)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(unhex(f, accepted))
	f.Fuzz(func(t *testing.T, p []byte) {
		v, err := parseTotal(p)
		if err == nil && (len(p) != 16 || uint32(p[12])<<24|uint32(p[13])<<16|uint32(p[14])<<8|uint32(p[15]) != v) {
			t.Errorf("% x gave %d", p, v)
		}
		if err == nil && parseDone(p) == nil {
			t.Errorf("% x is both answers", p)
		}
		for _, q := range Driver.Quirks {
			_ = q.Met([]device.Exchange{{Bytes: p}, {Bytes: p}})
		}
	})
}
