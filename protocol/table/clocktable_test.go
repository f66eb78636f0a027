package table

import (
	"fmt"
	"testing"

	"photongate/protocol"
)

const (
	second = int64(1_000_000_000)
	hour   = 3600 * second
)

// TestClockTable: UTC of moments of a base, by its clock frames.
func TestClockTable(t *testing.T) {
	base := mustID(t, "b0000000000000000000000000000001")
	type mark struct {
		at, offset int64
		sync       string
	}
	const yes, no, unknown = protocol.SyncSynchronised, protocol.SyncUnsynchronised, protocol.SyncUnknown
	for name, c := range map[string]struct {
		marks  []mark
		at     int64
		offset int64
		known  bool
	}{
		"no clock frame: as the base reads":       {nil, baseNs, 0, true},
		"no clock frame, and the base reads 1970": {nil, 5 * second, 0, false},
		"synchronised":                                    {[]mark{{baseNs, 7, yes}}, baseNs + hour, 7, true},
		"synchronised, before the first":                  {[]mark{{baseNs, 7, yes}}, baseNs - hour, 7, true},
		"unsynchronised but believed":                     {[]mark{{baseNs, 0, no}, {baseNs + hour, 1000, no}}, baseNs, 0, true},
		"unknown (a container)":                           {[]mark{{baseNs, 0, unknown}}, baseNs, 0, true},
		"never set":                                       {[]mark{{5 * second, 0, no}}, 6 * second, 0, false},
		"never set, then synchronised: corrected":         {[]mark{{5 * second, 0, no}, {600 * second, baseNs, yes}}, 6 * second, baseNs, true},
		"unknown, and fell to 1970":                       {[]mark{{baseNs, 7, unknown}, {baseNs + hour, -baseNs, unknown}}, baseNs + 2*hour, 7, true},
		"unsynchronised and stepped later":                {[]mark{{baseNs, 0, no}, {baseNs + hour, -2 * second, no}}, baseNs + 1, -2 * second, true},
		"unsynchronised, a step below 1 s":                {[]mark{{baseNs, 0, no}, {baseNs + hour, second / 2, no}}, baseNs + 1, 0, true},
		"unsynchronised, a step below 1 s, after it":      {[]mark{{baseNs, 0, no}, {baseNs + hour, second / 2, no}}, baseNs + hour, second / 2, true},
		"only synchronised ones count":                    {[]mark{{baseNs, 3 * second, no}, {baseNs + hour, 0, yes}}, baseNs + 1, 0, true},
		"a step of one hour, before":                      {[]mark{{baseNs, 0, yes}, {baseNs + hour, hour, yes}}, baseNs + hour - 1, 0, true},
		"a step of one hour, after":                       {[]mark{{baseNs, 0, yes}, {baseNs + hour, hour, yes}}, baseNs + hour, hour, true},
		"two clocks read one after the other are no step": {[]mark{{baseNs, 0, yes}, {baseNs + hour, 90_000, yes}}, baseNs + 2*hour, 0, true},
		"a step back":                                     {[]mark{{baseNs, 0, yes}, {baseNs + hour, -hour, yes}}, baseNs + 2*hour, -hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, reverse := range []bool{false, true} { // frames may come in any order
				clocks := NewClockTable()
				for i := range c.marks {
					m := c.marks[i]
					if reverse {
						m = c.marks[len(c.marks)-1-i]
					}
					clocks.Add(base, m.at, &protocol.Clock{UTCNs: protocol.Int64(m.at + m.offset), Sync: m.sync})
				}
				offset, from, to, known := clocks.Offset(base, c.at)
				if offset != c.offset && known || known != c.known || c.at < from || c.at >= to {
					t.Errorf("offset %d in [%d, %d), known %v; want %d, %v", offset, from, to, known, c.offset, c.known)
				}
			}
		})
	}
}

// TestGapBegin: the gap between two boots, of which the second began with another
// UTC than it learned later.
func TestGapBegin(t *testing.T) {
	base := mustID(t, "b0000000000000000000000000000001")
	const yes, no = protocol.SyncSynchronised, protocol.SyncUnsynchronised
	const friday, weekend = baseNs, 63 * hour // the last reading's end; until the next one
	for name, c := range map[string]struct {
		start  int64 // of the base, which reads UTC as then believed
		right  int64 // what is to be added to that, as it was learned later; -1: never
		said   int64
		begin  int64 // against the first reading, which is 30 s after start
		known  bool
		silent bool // no clock frame is held
	}{
		"the clock was right":                      {friday + weekend, 0, friday, -weekend - 30*second, true, false},
		"no clock frame is held":                   {friday + weekend, -1, friday, -weekend - 30*second, true, true},
		"a fake clock, back before the last one":   {friday - hour, weekend + hour, friday, -weekend - 30*second, true, false},
		"a fake clock, ahead of the last one":      {friday + hour, weekend - hour, friday, -weekend - 30*second, true, false},
		"booted in 1970, set later":                {5 * second, friday + weekend - 5*second, friday, -weekend - 30*second, true, false},
		"booted in 1970, never set":                {5 * second, -1, friday, 0, false, false},
		"both in 1970, set later":                  {5 * second, friday, 10 * second, 0, false, false},
		"the process before had a clock too early": {friday + hour, -2 * hour, friday, 0, false, false},
		"the gap says that it does not know":       {friday + hour, weekend, friday + hour + 30*second, 0, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			clocks := NewClockTable()
			if !c.silent {
				clocks.Add(base, c.start, &protocol.Clock{UTCNs: protocol.Int64(c.start), Sync: no})
			}
			if c.right >= 0 || c.right < -1 {
				clocks.Add(base, c.start+600*second, &protocol.Clock{UTCNs: protocol.Int64(c.start + 600*second + c.right), Sync: yes})
			}
			first := c.start + 30*second
			if begin, known := clocks.GapBegin(base, c.said, first); begin-first != c.begin || known != c.known {
				t.Errorf("begins %d s after the reading behind it, known %v; want %d s, %v", (begin-first)/second, known, c.begin/second, c.known)
			}
		})
	}
}

// TestEarlierBaseOfTheSameBoot: what a gateway process that ended before the
// first synchronisation took is corrected by what a later one learns.
func TestEarlierBaseOfTheSameBoot(t *testing.T) {
	first, second_ := mustID(t, "b0000000000000000000000000000001"), mustID(t, "b0000000000000000000000000000002")
	clocks := NewClockTable()
	clocks.SetBoot(first, "boot")
	clocks.SetBoot(second_, "boot")
	// The raw clock read 10 s at base 10 s (1970), and 700 s when UTC was right.
	clocks.Add(first, 10*second, &protocol.Clock{UTCNs: protocol.Int64(10 * second), MonoNs: protocol.Int64(10 * second), Sync: protocol.SyncUnsynchronised})
	if _, _, _, known := clocks.Offset(first, 20*second); known {
		t.Fatal("UTC is known too early")
	}
	clocks.Add(second_, baseNs, &protocol.Clock{UTCNs: protocol.Int64(baseNs), MonoNs: protocol.Int64(700 * second), Sync: protocol.SyncSynchronised})
	offset, _, _, known := clocks.Offset(first, 20*second)
	if want := baseNs - 700*second; !known || offset != want {
		t.Errorf("offset %d, %v, want %d", offset, known, want)
	}
	// 20 s of the first base and baseNs of the second are 680 s apart.
	if shift := clocks.Shift(first, second_); baseNs+shift-20*second != 680*second {
		t.Errorf("the bases are %d ns apart", baseNs+shift-20*second)
	}
	clocks.SetBoot(second_, "another boot")
	clocks.bases[first].fresh = false
	if _, _, _, known := clocks.Offset(first, 20*second); known {
		t.Error("another boot lent its clock")
	}
}

// TestEarlierBaseAcrossASuspend: the clock under the bases runs on while the
// computer sleeps, and the raw one stands still; the nearest frame lends, in
// whatever order bases come.
func TestEarlierBaseAcrossASuspend(t *testing.T) {
	t.Attr("fault", "F41")
	t.Attr("injected", "a process that ended in 1970, an hour of sleep, two processes that were synchronised, and stepped by 5 s between")
	t.Attr("promised", "times of the first process by the frame of the same boot nearest to it, t_s exactly")
	first, later, last := mustID(t, "b0000000000000000000000000000001"), mustID(t, "b0000000000000000000000000000002"), mustID(t, "b0000000000000000000000000000003")
	var offset, shift int64
	for range 20 { // maps have no order
		clocks := NewClockTable()
		for _, id := range []protocol.ID{first, later, last} {
			clocks.SetBoot(id, "boot")
		}
		add := func(id protocol.ID, at, utc, boot, mono int64, sync string) {
			clocks.Add(id, at, &protocol.Clock{UTCNs: protocol.Int64(utc), BootNs: protocol.Int64(boot), MonoNs: protocol.Int64(mono), Sync: sync})
		}
		add(last, baseNs+500*second, baseNs+505*second, 4200*second, 600*second, protocol.SyncSynchronised)
		add(first, 10*second, 10*second, 10*second, 10*second, protocol.SyncUnsynchronised)
		add(later, baseNs, baseNs, 3700*second, 100*second, protocol.SyncSynchronised)
		var known bool
		offset, _, _, known = clocks.Offset(first, 20*second)
		if want := baseNs - 3700*second; !known || offset != want {
			t.Fatalf("offset %d, %v, want %d", offset, known, want)
		}
		// UTC was set 5 s ahead between the two; 500 s of the boot lie between.
		if shift = clocks.Shift(later, last); shift != 0 {
			t.Fatalf("shift %d, want 0: %d s of the boot lie between", shift, 500)
		}
		if got := baseNs + clocks.Shift(first, later) - 20*second; got != 3680*second {
			t.Fatalf("20 s of the first base and the begin of the later one are %d ns apart", got)
		}
	}
	t.Attr("seen", fmt.Sprintf("20 times offset %d ns, shift %d ns", offset, shift))
}

// TestShift: t_s goes on across gateway processes.
func TestShift(t *testing.T) {
	a, b := mustID(t, "b0000000000000000000000000000001"), mustID(t, "b0000000000000000000000000000002")
	clocks := NewClockTable()
	if got := clocks.Shift(a, b); got != 0 {
		t.Errorf("nothing ties the bases, and the shift is %d", got)
	}
	clocks.Add(a, baseNs, &protocol.Clock{UTCNs: protocol.Int64(baseNs + 5), Sync: protocol.SyncSynchronised})
	clocks.Add(b, baseNs+hour, &protocol.Clock{UTCNs: protocol.Int64(baseNs + hour + 12), Sync: protocol.SyncSynchronised})
	if got := clocks.Shift(a, b); got != 7 {
		t.Errorf("by UTC: %d, want 7", got)
	}
	// Between the two, UTC was set one hour ahead; the raw clock of the boot knows.
	clocks = NewClockTable()
	clocks.SetBoot(a, "boot")
	clocks.SetBoot(b, "boot")
	clocks.Add(a, baseNs, &protocol.Clock{UTCNs: protocol.Int64(baseNs), MonoNs: protocol.Int64(100 * second), Sync: protocol.SyncSynchronised})
	clocks.Add(b, baseNs+10*second+hour, &protocol.Clock{UTCNs: protocol.Int64(baseNs + 10*second + hour), MonoNs: protocol.Int64(110 * second), Sync: protocol.SyncSynchronised})
	if got := clocks.Shift(a, b); got != -hour {
		t.Errorf("by the raw clock: %d, want %d", got, -hour)
	}
}
