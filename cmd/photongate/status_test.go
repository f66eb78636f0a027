package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/protocol"
)

// fullStatus has a bit of everything.
func fullStatus() *protocol.Status {
	at := func(ago time.Duration) time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC).Add(-ago) }
	return &protocol.Status{
		Name: "pi-lab3", Software: "photongate 0.1.0", Listen: []string{"127.0.0.1:7310", "192.168.1.5:7310"}, Started: at(75 * time.Hour),
		NowNs: 1_000_000_000_000, UTCNs: protocol.Int64(at(0).UnixNano()), ClockSync: "synchronised", ClockErrNs: protocol.Ref(protocol.Int64(1_500_000)),
		Control: "token", Journal: protocol.JournalStatus{
			Folder: "/home/ana/.local/state/photongate", State: "ok", Bytes: 3_100_000_000, QuotaBytes: 20_000_000_000, FreeBytes: protocol.Ref(protocol.Int64(41_000_000_000)),
			HeldBytes: 450_000_000, RateBps: 5_400, LastsS: protocol.Ref(3_500_000.0), TailLastsS: protocol.Ref(6_210.0),
			Dropped: "journal full: oldest 2 h 10 min of bench dropped, not yet fetched by old-pc",
		},
		Devices: []protocol.DeviceStatus{
			{Name: "bench", Driver: "cd48", Model: "CD48", Port: "/dev/ttyACM0", State: "running", Since: at(3 * time.Hour), Readings: 108000, Gaps: 1,
				GateNs: 100_000_000, LastReadingNs: 999_900_000_000,
				Rates: []protocol.ChannelStatus{{Channel: "A", CPS: protocol.Ref(57120.0)}, {Channel: "B", CPS: protocol.Ref(0.5)}, {Channel: "AB"}},
				Alarms: []protocol.AlarmStatus{{Channel: "A", Kind: "above", On: true, Since: at(time.Minute), Times: 2, Text: "A counts 3.41 Mcps, above its limit of 3 Mcps"},
					{Channel: "B", Kind: "below", Times: 3, Text: "B counts 2 cps, below its limit of 5 cps"}},
				NotKept: `threshold = 0.5, until the gateway ends`},
			{Name: "lamp", Driver: "de2ccu", Port: "usb:0403:6001", State: "gone", Since: at(90 * time.Second), Cause: "read /dev/ttyUSB0: device went away\x1b[2J",
				Hint: "is the cable in, and does the adapter's lamp light up when the computer looks for it?"},
		},
		Sessions: []protocol.SessionInfo{{Name: "desk", Address: "192.168.1.7:40123", Since: at(time.Hour), TLS: true, Rights: []string{"read", "archive"}, Archive: true, Behind: 50 << 20}},
		Archives: []protocol.ArchiveInfo{{Name: "desk", Connected: true, Holds: true}, {Name: "old-pc", LastSeen: at(50 * time.Hour), Holds: true, BehindBytes: 450_000_000, BehindS: protocol.Ref(180_000.0), LostBytes: 42_000_000},
			{Name: "gone-pc", LastSeen: at(500 * time.Hour)}},
		Forwards: []protocol.ForwardStatus{{Address: "ws-ana:7310", State: "connected", Since: at(time.Hour)},
			{Address: "ws-ben:7310", State: "refused", Since: at(time.Minute), Trouble: "the workstation at ws-ben:7310 is not paired with this gateway"}},
		Outputs: []protocol.OutputStatus{{Name: "old", Kind: "serpy", Address: "127.0.0.1:5007", Clients: 2, Dropped: 1}},
		Measurement: &protocol.MeasurementStatus{Measurement: protocol.Measurement{Title: "HWP 22.5"}, Who: "ana@desk", From: "192.168.1.7",
			Since: at(30 * time.Second)},
	}
}

func TestStatusForPeople(t *testing.T) {
	var b strings.Builder
	if err := writeStatus(&b, fullStatus(), time.Time{}, false); err != nil {
		t.Fatal(err)
	}
	want := `pi-lab3    photongate 0.1.0  up for 3 d 3 h
           listens on 127.0.0.1:7310, 192.168.1.5:7310
clock      2026-11-21 12:00:00 UTC
           the clock is synchronised, off by about 1.5ms
journal    /home/ana/.local/state/photongate  is written
           3.1 GB of at most 20 GB  41 GB free on the disk
           450 MB not yet confirmed by all archives
           room for 40 d 12 h at the present rate (5.4 kB/s)
           if the disk stands still, memory takes 1 h 43 min
           dropped last: oldest 2 h 10 min of bench dropped, not yet fetched by
           old-pc
control    who has the token may change settings
measuring  "HWP 22.5"  by ana@desk  from 192.168.1.7  for 30 s

bench      running for 3 h 0 min  cd48 on /dev/ttyACM0  gate 100ms
           A 57.12k  B 0.5  AB ?  counts/s
           108000 readings  1 gap since it was started  last 100ms ago
           ALARM for 1 min 0 s: A counts 3.41 Mcps, above its limit of 3 Mcps
           alarm over: B counts 2 cps, below its limit of 5 cps, 3 times
           set: threshold = 0.5, until the gateway ends

lamp       gone for 1 min 30 s  de2ccu on usb:0403:6001
           read /dev/ttyUSB0: device went away [2J
           is the cable in, and does the adapter's lamp light up when the
           computer looks for it?
           0 readings  0 gaps since it was started

sessions   desk  from 192.168.1.7:40123  for 1 h 0 min  read archive  TLS
           archive  52.4 MB not yet sent
archives   desk  connected  has all
           old-pc  last seen 2 d 2 h ago
           has not fetched 450 MB, the oldest recorded 2 d 2 h ago
           42 MB were dropped from the journal before it had confirmed them
           gone-pc  last seen 20 d 20 h ago  nothing is kept for it
forward    ws-ana:7310  connected for 1 h 0 min
           ws-ben:7310  refused for 1 min 0 s
           the workstation at ws-ben:7310 is not paired with this gateway
outputs    old  serpy  127.0.0.1:5007  2 clients  1 block dropped
`
	if d := cmp.Diff(strings.Split(b.String(), "\n"), strings.Split(want, "\n")); d != "" {
		t.Errorf("status (-got +want):\n%s", d)
	}
	for line := range strings.SplitSeq(b.String(), "\n") {
		if n := len([]rune(line)); n > 80 {
			t.Errorf("%d letters in: %s", n, line)
		}
	}
	b.Reset()
	if err := writeStatus(&b, fullStatus(), time.Time{}, true); err != nil {
		t.Fatal(err)
	}
	for _, red := range []string{"\x1b[31mALARM for 1 min 0 s: A counts 3.41 Mcps, above its limit of 3 Mcps\x1b[0m\n", "\x1b[31mgone for", "\x1b[31mws-ben:7310"} {
		if !strings.Contains(b.String(), red) {
			t.Errorf("no %q in\n%q", red, b.String())
		}
	}
	if n := strings.Count(b.String(), "\x1b"); n != 8 {
		t.Errorf("%d escapes, want four red lines", n)
	}
}

func TestWhatNeedsAttention(t *testing.T) {
	well := func() *protocol.Status {
		return &protocol.Status{Devices: []protocol.DeviceStatus{{State: "running", Alarms: []protocol.AlarmStatus{{Times: 3}}}}, Outputs: []protocol.OutputStatus{{}}}
	}
	for name, tt := range map[string]struct {
		change func(*protocol.Status)
		want   bool
	}{
		"well":          {func(*protocol.Status) {}, false},
		"opening":       {func(s *protocol.Status) { s.Devices[0].State = "opening" }, false},
		"stalled":       {func(s *protocol.Status) { s.Devices[0].State = "stalled" }, true},
		"gone":          {func(s *protocol.Status) { s.Devices[0].State = "gone" }, true},
		"refused there": {func(s *protocol.Status) { s.Forwards = []protocol.ForwardStatus{{State: "refused"}} }, true},
		"nobody there":  {func(s *protocol.Status) { s.Forwards = []protocol.ForwardStatus{{State: "trying"}} }, false},
		"alarm":         {func(s *protocol.Status) { s.Devices[0].Alarms[0].On = true }, true},
		"full":          {func(s *protocol.Status) { s.Journal.State = "full" }, true},
		"degraded":      {func(s *protocol.Status) { s.Journal.State = "degraded" }, true},
		"ok":            {func(s *protocol.Status) { s.Journal.State = "ok" }, false},
		"journal":       {func(s *protocol.Status) { s.Journal.Trouble = "no space left on device" }, true},
		"disk there":    {func(s *protocol.Status) { s.Archives = []protocol.ArchiveInfo{{Trouble: "the archive's disk is full"}} }, true},
		"output":        {func(s *protocol.Status) { s.Outputs[0].Trouble = "address in use" }, true},
	} {
		s := well()
		tt.change(s)
		if needsAttention(s) != tt.want {
			t.Errorf("%s: got %v", name, !tt.want)
		}
	}
}

func TestAddressToAsk(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:99": "127.0.0.1:99", "0.0.0.0:7310": "localhost:7310", ":7311": "localhost:7311", "[::]:7310": "localhost:7310",
		"192.168.1.5": "192.168.1.5:7310", "localhost": "localhost:7310", "::1": "[::1]:7310",
	} {
		if got := nearest(listen); got != want {
			t.Errorf("%s: got %s, want %s", listen, got, want)
		}
	}
}
