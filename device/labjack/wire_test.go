package labjack

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
)

// unhex reads bytes as dumps show them; "+20" stands for as many zeros.
func unhex(t testing.TB, text string) []byte {
	t.Helper()
	text = strings.ReplaceAll(text, "+20", strings.Repeat("00", 20))
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The dumps are of published clients, and of LabJack's own documentation.
func TestCommands(t *testing.T) {
	for _, tc := range []struct {
		what string
		got  []byte
		want string
	}{
		{"what are you", configCommand(), "0B F8 0A 08 00 00 +20"},
		{"counter 0 on FIO4", pinsCommand(productU3, pins{counters: 1, offset: 4, fio: 0x0F}, true), "5F F8 03 0B 58 00 05 00 44 00 0F 00"},
		{"both from FIO4", pinsCommand(productU3, pins{counters: 3, offset: 4, fio: 0x0F}, true), "67 F8 03 0B 60 00 05 00 4C 00 0F 00"},
		{"U6, both", pinsCommand(productU6, pins{counters: 3}, true), "0D F8 05 0B 04 00 01 00 03 00 00 00 00 00 00 00"},
		{"U6, ask", pinsCommand(productU6, pins{counters: 3}, false), "09 F8 05 0B 00 00 00 00 00 00 00 00 00 00 00 00"},
		{"read counter 0", appendFeedback(nil, 0, []int{0}, false), "31 F8 02 00 36 00 00 36 00 00"},
		{"read and clear counter 0", appendFeedback(nil, 0, []int{0}, true), "32 F8 02 00 37 00 00 36 01 00"},
		{"read and clear both", appendFeedback(make([]byte, 50), 0, []int{0, 1}, true), "6B F8 03 00 6F 00 00 36 01 37 01 00"},
	} {
		if d := cmp.Diff(unhex(t, tc.want), tc.got); d != "" {
			t.Errorf("%s: %s", tc.what, d)
		}
	}
	// On EIO0 its analog mask is written too: 01+04+08, and the checksums by hand.
	got := pinsCommand(productU3, pins{counters: 1, offset: 8, fio: 0x0F, eio: 0xFE}, true)
	if want := unhex(t, "A6 F8 03 0B 9E 01 0D 00 84 00 0F FE"); !cmp.Equal(got, want) {
		t.Errorf("counter on EIO0: % x", got)
	}
}

func TestParsePins(t *testing.T) {
	for _, tc := range []struct {
		what, bytes string
		product     uint16
		want        pins
	}{
		{"counter 0 of a U3", "5A F8 03 0B 53 00 00 00 44 00 0F 00", productU3, pins{counters: 1, offset: 4, fio: 0x0F}},
		{"U6", "1E F8 05 0B 15 00 00 00 01 03 04 00 00 00 00 0D", productU6, pins{timers: 1, counters: 3, offset: 4}},
	} {
		if got, err := parsePins(unhex(t, tc.bytes), tc.product); err != nil || got != tc.want {
			t.Errorf("%s: %+v, %v", tc.what, got, err)
		}
	}
	if got := (pins{timers: 1, counters: 3, offset: 7}); pinName(got.pin(0)) != "EIO0" || pinName(got.pin(1)) != "EIO1" {
		t.Errorf("counters on %s, %s", pinName(got.pin(0)), pinName(got.pin(1)))
	}
}

func TestParseFeedback(t *testing.T) {
	value := make([]uint64, 1)
	if fits, err := parseFeedback(unhex(t, "E9 F8 04 00 EC 00 00 00 00 E8 04 00 00 00"), 0, value); !fits || err != nil || value[0] != 1256 {
		t.Errorf("%v %v, %v", fits, value, err)
	}
	if fits, err := parseFeedback(unhex(t, "E9 F8 04 00 EC 00 00 00 00 E8 04 00 00 00"), 1, value); fits || err != nil {
		t.Errorf("an answer to another question: %v, %v", fits, err)
	}
	both := make([]uint64, 2)
	// ff+ff+ff+ff+01+05 = 0x402; f8+06+00+02+04 = 0x104, folded 05.
	if fits, err := parseFeedback(unhex(t, "05 F8 06 00 02 04 00 00 05 FF FF FF FF 01 00 00 00 00"), 5, both); !fits || err != nil || both[0] != 1<<32-1 || both[1] != 1 {
		t.Errorf("%v %v, %v", fits, both, err)
	}
	if _, err := parseFeedback([]byte{0xB8, 0xB8}, 0, value); err != errResend {
		t.Errorf("b8 b8: %v", err)
	}
	_, err := parseFeedback(packet(0, 97, 1, 0), 0, value)
	if code, is := errors.AsType[deviceCode](err); !is || code != (deviceCode{97, 1}) || !strings.Contains(err.Error(), "analog") {
		t.Errorf("error 97: %v", err)
	}
	good := "E9 F8 04 00 EC 00 00 00 00 E8 04 00 00 00"
	for what, bytes := range map[string]string{
		"nothing": "", "one": "B8", "zeros": "00 00 00 00 00 00 00 00", "short": good[:38], "one byte short": good[:35],
		"a changed count": strings.Replace(good, "E8", "E9", 1), "a changed checksum": strings.Replace(good, "E9 F8", "EA F8", 1),
		"more words": strings.Replace(good, "F8 04", "F8 05", 1), "no extended command": strings.Replace(good, "F8", "F9", 1),
	} {
		if _, err := parseFeedback(unhex(t, bytes), 0, value); !errors.Is(err, device.ErrNonsense) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := parseFeedback(packet(0, 0, 0, 0, 1, 2, 3, 4, 5, 6), 0, value); !errors.Is(err, device.ErrNonsense) {
		t.Errorf("an answer of another length: %v", err)
	}
}

func FuzzParseAnswers(f *testing.F) {
	for _, s := range []string{"E9 F8 04 00 EC 00 00 00 00 E8 04 00 00 00", "5A F8 03 0B 53 00 00 00 44 00 0F 00", "B8 B8"} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		both := make([]uint64, 2)
		if fits, err := parseFeedback(p, 7, both); fits && err == nil {
			if string(packet(0, p[6:]...)) != string(p) {
				t.Errorf("% x was taken, its checksums are wrong", p)
			}
			if both[0] > 1<<32-1 || both[1] > 1<<32-1 {
				t.Errorf("%v", both)
			}
		}
		for _, product := range []uint16{productU3, productU6} {
			if s, err := parsePins(p, product); err == nil {
				_ = s.String() + pinName(s.pin(0)) + pinName(s.pin(1))
			}
		}
		if a, err := parseAbout(p); err == nil && a.model() == "" {
			t.Error("a model without a name")
		}
		for _, q := range quirks {
			_ = q.Met([]device.Exchange{{Bytes: p}})
		}
	})
}
