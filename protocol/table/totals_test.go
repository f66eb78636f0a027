package table

import (
	"fmt"
	"strings"
	"testing"

	"photongate/protocol"
)

// TestCountersThatWrap: totals of a free-running counter that runs over become
// true counts of each gate, whatever its width, and a flag that it did is kept. What
// a counter that is cleared when it is read gives is taken as it is.
func TestCountersThatWrap(t *testing.T) {
	type sample struct {
		value uint64
		flag  uint8
	}
	const over = protocol.ValueOverflow
	for name, c := range map[string]struct {
		kind  string
		width int
		rows  []sample
		want  []string // count and flags
	}{
		"free running, 16 bits": {protocol.KindTotal, 16, []sample{{65000, 0}, {65535, 0}, {0, 0}, {464, over}, {464, 0}, {463, 0}},
			[]string{", ", "535, ", "1, ", "464, overflow:A", "0, ", "65535, "}},
		"free running, 24 bits": {protocol.KindTotal, 24, []sample{{16_777_215, 0}, {9, 0}, {16_777_214, over}, {7, over}},
			[]string{", ", "10, ", "16777205, overflow:A", "9, overflow:A"}},
		"free running, 32 bits": {protocol.KindTotal, 32, []sample{{4_294_967_000, 0}, {704, 0}, {4_294_967_295, 0}, {0, 0}},
			[]string{", ", "1000, ", "4294966591, ", "1, "}},
		"free running, 64 bits": {protocol.KindTotal, 64, []sample{{18_446_744_073_709_551_615, 0}, {4, 0}}, []string{", ", "5, "}},
		"cleared when read, 24 bits": {protocol.KindCount, 24, []sample{{16_777_215, over}, {3, 0}, {0, over}, {16_777_215, 0}},
			[]string{"16777215, overflow:A", "3, ", "0, overflow:A", "16777215, "}},
		"a total that is not known": {protocol.KindTotal, 16, []sample{{65535, 0}, {0, protocol.ValueAbsent}, {10, 0}, {12, 0}}, []string{", ", ", ", ", ", "2, "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Attr("fault", "F36")
			t.Attr("injected", fmt.Sprintf("%d readings of a counter %s that runs over", len(c.rows), name))
			t.Attr("promised", "true counts, the flag kept, no count where the total before is not known")
			counts := protocol.Counts{Values: [][]uint64{nil}, ValueFlags: [][]uint8{nil}}
			for i, r := range c.rows {
				counts.Begin, counts.Length = append(counts.Begin, baseNs+int64(i)*100*ms), append(counts.Length, 100*ms)
				counts.Values[0], counts.ValueFlags[0] = append(counts.Values[0], r.value), append(counts.ValueFlags[0], r.flag)
			}
			lines := textOf(t, viewOf(t, "--rate"), func(out Sink) {
				bench(t, out, protocol.Channel{Name: "A", Kind: c.kind, Width: c.width}).tell(&counts)
			})
			right := 0
			for i, want := range c.want {
				var count, flags string
				fields := strings.Split(lines[1+i], ",")
				if flags = fields[7]; fields[8] != "" {
					var cps float64
					if _, err := fmt.Sscanf(fields[8], "%g", &cps); err != nil {
						t.Fatal(err)
					}
					count = fmt.Sprintf("%.0f", cps/10)
				}
				if got := count + ", " + flags; got != want {
					t.Errorf("reading %d: %q, want %q", i, got, want)
					continue
				}
				right++
			}
			t.Attr("seen", fmt.Sprintf("%d of %d readings right", right, len(c.want)))
		})
	}
}
