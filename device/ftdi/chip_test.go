package ftdi

import (
	"errors"
	"testing"

	"photongate/device"
)

// Values as libftdi and pyftdi send them for these rates.
func TestBaud(t *testing.T) {
	r, h := chips[0x0600], chips[0x0900]
	for _, tc := range []struct {
		chip         chip
		rate         int
		value, index uint16
	}{
		{r, 9600, 0x4138, 0}, {r, 19200, 0x809C, 0}, {r, 57600, 0xC034, 0}, {r, 115200, 0x001A, 0}, {r, 230400, 0x000D, 0},
		{r, 250000, 0x000C, 0}, {r, 921600, 0x8003, 0}, {r, 1000000, 0x0003, 0}, {r, 2000000, 0x0001, 0}, {r, 3000000, 0x0000, 0},
		{h, 115200, 0xC068, 0x0201}, {h, 921600, 0x000D, 0x0201}, {h, 3000000, 0x0004, 0x0201}, {h, 12000000, 0x0000, 0x0201},
		// 24000000 / 490 = 48979.6 eighths: 6122 and 4, by the slow clock.
		{h, 490, 0x4000 | 6122, 0x0001},
		// 24000000 / 38400 = 625 eighths: 78 and 1.
		{r, 38400, 0xC04E, 0},
		// 24000000 / 460800 = 52.08 eighths: 6 and 4, whose code is 1.
		{r, 460800, 0x4006, 0},
		// 24000000 / 1230769 = 19.5: 20 eighths are 2 and 4; 24000000 / 1142857 = 21: 2 and 5, whose code has bit 16.
		{r, 1142857, 0x4002, 1},
	} {
		value, index, err := tc.chip.baud(tc.rate)
		if value != tc.value || index != tc.index || err != nil {
			t.Errorf("%s at %d: %04x %04x, %v, want %04x %04x", tc.chip.name, tc.rate, value, index, err, tc.value, tc.index)
		}
	}
	for _, rate := range []int{-1, 0, 1, 150, 2500000, 3200000, 1 << 30} {
		if value, _, err := r.baud(rate); !errors.Is(err, device.ErrSetting) {
			t.Errorf("%d baud: %04x, %v", rate, value, err)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, tc := range []struct {
		line device.Line
		want uint16
	}{
		{device.Line{}, 0x0008},
		{device.Line{DataBits: 7, Parity: device.EvenParity, StopBits: 2}, 0x1207},
		{device.Line{DataBits: 8, Parity: device.OddParity, StopBits: 1}, 0x0108},
	} {
		if got, err := format(tc.line); got != tc.want || err != nil {
			t.Errorf("%+v: %04x, %v, want %04x", tc.line, got, err, tc.want)
		}
	}
	for _, line := range []device.Line{{DataBits: 5}, {StopBits: 3}, {Parity: 7}} {
		if _, err := format(line); !errors.Is(err, device.ErrSetting) {
			t.Errorf("%+v: %v", line, err)
		}
	}
}

func TestChipOf(t *testing.T) {
	if c := chipOf(device.USBInfo{Release: 0x0700, Interface: 1}); c.name != "FT2232H" || c.port != 2 {
		t.Errorf("%+v", c)
	}
	if c := chipOf(device.USBInfo{Release: 0x0600, Interface: 0}); c.port != 0 || c.fast {
		t.Errorf("%+v", c)
	}
	if c := chipOf(device.USBInfo{Release: 0x4712}); c.name != "FTDI chip of release 47.12" {
		t.Errorf("%+v", c)
	}
}
