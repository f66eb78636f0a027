package gateway

import (
	"testing"
	"time"
)

func TestConfigOfSpace(t *testing.T) {
	const ok = "[[device]]\nname = \"bench\"\ndriver = \"fake\"\nport = \"/dev/x\"\n"
	const size = `(expected a size with its unit, in quotes: "20GB", "512MiB", or a part of the disk, "20%")`
	tests := []struct {
		name, text string
		want       []string
	}{
		{"well", "[gateway]\nquota=\"20%\"\nkeep_free=\"500 MB\"\nforget_after=\"2d\"\n" + ok + "share=0.5\n", nil},
		{"hours", "[gateway]\nforget_after=\"36h\"\n" + ok + "share=3\n", nil},
		{"wrong types", "[gateway]\nquota=20\nkeep_free=true\nforget_after=14\n" + ok + "share=\"2\"\n", []string{
			`f.toml:2: gateway.quota: 20 is a whole number ` + size,
			`f.toml:3: gateway.keep_free: true is true or false ` + size,
			`f.toml:4: gateway.forget_after: 14 is a whole number (expected a time with its unit, in quotes: "14d", "36h")`,
			`f.toml:9: device.share: "2" is a text (expected a number: 2 has twice the room of 1)`,
		}},
		{"no sizes", "[gateway]\nquota=\"20G\"\nkeep_free=\"much\"\n" + ok, []string{
			`f.toml:2: gateway.quota: "20G" is no size ` + size,
			`f.toml:3: gateway.keep_free: "much" is no size ` + size,
		}},
		{"impossible", "[gateway]\nquota=\"0GB\"\nkeep_free=\"0%\"\nforget_after=\"0d\"\n" + ok + "share=0\n", []string{
			`f.toml:2: gateway.quota: "0GB" is impossible (expected more than 0)`,
			`f.toml:3: gateway.keep_free: "0%" is impossible (expected more than 0% and at most 100%)`,
			`f.toml:4: gateway.forget_after: "0d" is impossible (expected more than 0)`,
			`f.toml:9: device.share: 0 is impossible (expected more than 0: 2 has twice the room of 1)`,
		}},
		{"out of range", "[gateway]\nquota=\"300kB\"\nkeep_free=\"99%\"\nforget_after=\"5min\"\n" + ok + "share=-1\n", []string{
			`f.toml:2: gateway.quota: 300kB is too small (expected at least 1MB)`,
			`f.toml:3: gateway.keep_free: 99% leaves no room for the journal (expected at most 90%)`,
			`f.toml:4: gateway.forget_after: "5min" is no time (expected a time with its unit, in quotes: "14d", "36h")`,
			`f.toml:9: device.share: -1 is impossible (expected more than 0: 2 has twice the room of 1)`,
		}},
		{"too much, too soon", "[gateway]\nquota=\"100%\"\nforget_after=\"5m\"\n" + ok, []string{
			`f.toml:2: gateway.quota: 100% leaves no room for anything else (expected at most 95%)`,
			`f.toml:3: gateway.forget_after: 5m0s is too short: who is restarted would lose what is kept for him (expected at least 1h, as in "14d")`,
		}},
		{"wrong words", "[gateway]\nmax_size=\"1GB\"\nmin_free=\"1GB\"\nretention=\"7d\"\nshare=1\n" + ok + "quota=\"1GB\"\nweight=2\n", []string{
			`f.toml:2: gateway.max_size: unknown key (the key is "quota")`,
			`f.toml:3: gateway.min_free: unknown key (the key is "keep_free")`,
			`f.toml:4: gateway.retention: unknown key (what archives have not fetched is kept within "quota", for those that were seen within "forget_after")`,
			`f.toml:5: gateway.share: unknown key (it belongs under a [[device]])`,
			`f.toml:10: device.quota: unknown key (it belongs under [gateway]; what this device has of it is "share")`,
			`f.toml:11: device.weight: unknown key (the key is "share")`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			problems(t, tt.text, tt.want)
		})
	}
}

func TestAmounts(t *testing.T) {
	const disk = 100_000_000_000
	tests := []struct {
		text, shown string
		of          int64
	}{
		{"20GB", "20GB", 20_000_000_000},
		{"512MiB", "512MiB", 536_870_912},
		{" 1.5 gb ", "1500MB", 1_500_000_000},
		{"2TiB", "2TiB", 2_199_023_255_552},
		{"64kB", "64kB", 64_000},
		{"123B", "123B", 123},
		{"20%", "20%", 20_000_000_000},
		{"0.5 %", "0.5%", 500_000_000},
	}
	for _, tt := range tests {
		a, err := parseAmount(tt.text)
		if err != nil || a.String() != tt.shown || a.Of(disk) != tt.of {
			t.Errorf("%q: got %v, %d bytes, %v; want %s, %d", tt.text, a, a.Of(disk), err, tt.shown, tt.of)
		}
	}
	for _, bad := range []string{"", "GB", "1", "1 EB", "-1GB", "NaNGB", "1e400GB", "9e18TB", "101%", "1.2.3GB"} {
		if a, err := parseAmount(bad); err == nil {
			t.Errorf("%q: got %v, want an error", bad, a)
		}
	}
}

func TestDefaultsOfSpace(t *testing.T) {
	c, err := Config{Name: "pi", Devices: []DeviceConfig{{}}}.withDefaults()
	if err != nil || c.ForgetAfter != 14*24*time.Hour || c.Devices[0].Share != 1 {
		t.Errorf("got %v, %v, %v", c.ForgetAfter, c.Devices, err)
	}
	for _, tt := range []struct{ total, quota, free int64 }{
		{0, 10_000_000_000, 1 << 30},                  // the size of the disk is not known
		{1_000_000_000_000, 200_000_000_000, 1 << 30}, // a large disk
		{8_000_000_000, 1_600_000_000, 400_000_000},   // a card: a twentieth stays free
		{2_000_000, 1_000_000, 100_000},               // at least 1 MB for the journal
	} {
		if q, f := quotaBytes(Amount{}, tt.total), keepFreeBytes(Amount{}, tt.total); q != tt.quota || f != tt.free {
			t.Errorf("disk of %d: got %d and %d, want %d and %d", tt.total, q, f, tt.quota, tt.free)
		}
	}
}
