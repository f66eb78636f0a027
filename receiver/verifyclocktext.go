package receiver

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"photongate/protocol"
)

// listedChanges is how many steps and suspends are listed before the rest is
// counted.
const listedChanges = 8

// writeClocks writes what is known of the clocks of all gateways: a line or two
// for each where all is well.
func writeClocks(b *strings.Builder, all []ClockQuality) {
	if len(all) > 0 {
		defer fmt.Fprintln(b)
	}
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].Folder == all[0].Folder {
			n++
		}
		writeClock(b, all[:n])
		all = all[n:]
	}
}

// writeClock writes of one gateway, all boots together.
func writeClock(b *strings.Builder, boots []ClockQuality) {
	var sum ClockQuality
	starts := 0
	var compared *Comparisons
	for i := range boots {
		q := &boots[i]
		starts += q.Starts
		sum.SpanNs += q.SpanNs
		sum.SyncNs += q.SyncNs
		sum.UnsyncNs += q.UnsyncNs
		sum.SilentNs += q.SilentNs
		sum.Unknown += q.Unknown
		worse(&sum.EstErrorNs, q.EstErrorNs)
		worse(&sum.MaxErrorNs, q.MaxErrorNs)
		sum.Steps = append(sum.Steps, q.Steps...)
		sum.Suspends = append(sum.Suspends, q.Suspends...)
		if f := q.FreqPPB; f != nil && sum.FreqPPB == nil {
			sum.FreqPPB = &[2]int64{f[0], f[1]}
		} else if f != nil {
			sum.FreqPPB[0], sum.FreqPPB[1] = min(sum.FreqPPB[0], f[0]), max(sum.FreqPPB[1], f[1])
		}
		compared = compared.with(q.Compared)
	}
	fmt.Fprintf(b, "%s: clock: %s\n", boots[0].Gateway, sum.text())
	if compared != nil {
		fmt.Fprintf(b, "  %s\n", compared.text())
	}
	writeChanges(b, sum.Steps, "was set", signed)
	writeChanges(b, sum.Suspends, "slept for", span)
	if sum.Unknown > 0 {
		fmt.Fprintf(b, "  UTC is not known of %s (time_utc is empty); t_s is right all the same\n", plural(uint64(sum.Unknown), "reading"))
	}
}

// text says how much of the time the clock was synchronised, and how well.
func (q *ClockQuality) text() string {
	var words []string
	whole := span(q.SpanNs)
	switch {
	case q.SpanNs == q.SyncNs:
		words = append(words, "synchronised with UTC for all of "+whole)
	case q.SyncNs > 0:
		percent := math.Floor(float64(q.SyncNs) / float64(q.SpanNs) * 1000)
		words = append(words, "synchronised with UTC for "+strconv.FormatFloat(percent/10, 'f', 1, 64)+" % of "+whole)
	case q.UnsyncNs > 0:
		words = append(words, "never synchronised with UTC in "+whole+", by the system's own word")
	default:
		words = append(words, "the system does not tell whether it was synchronised with UTC in "+whole)
	}
	switch {
	case q.MaxErrorNs != nil && q.EstErrorNs != nil:
		words = append(words, fmt.Sprintf("then off by at most %s, %s as estimated", short(*q.MaxErrorNs), short(*q.EstErrorNs)))
	case q.MaxErrorNs != nil:
		words = append(words, "then off by at most "+short(*q.MaxErrorNs))
	}
	if f := q.FreqPPB; f != nil && *f != [2]int64{} && q.SyncNs > 0 {
		words = append(words, "its frequency corrected by "+ppmRange(*f))
	}
	return strings.Join(words, ", ")
}

func ppmRange(ppb [2]int64) string {
	low, high := strconv.FormatFloat(float64(ppb[0])/1000, 'f', 1, 64), strconv.FormatFloat(float64(ppb[1])/1000, 'f', 1, 64)
	if low == high {
		return low + " ppm"
	}
	return low + " to " + high + " ppm"
}

// with joins what two boots were compared.
func (c *Comparisons) with(o *Comparisons) *Comparisons {
	switch {
	case c == nil:
		return o
	case o == nil:
		return c
	}
	sum := *c
	if o.WithinNs < c.WithinNs {
		sum = *o
	}
	sum.N = c.N + o.N
	sum.LeastNs, sum.MostNs = min(c.LeastNs, o.LeastNs), max(c.MostNs, o.MostNs)
	return &sum
}

func (c *Comparisons) text() string {
	text := fmt.Sprintf("against the clock of the computer that recorded: %s, within %s", signed(c.AheadNs), short(c.WithinNs))
	if c.N > 1 {
		text += fmt.Sprintf("; %s to %s in %d comparisons", signed(c.LeastNs), signed(c.MostNs), c.N)
	}
	return text
}

func writeChanges(b *strings.Builder, list []ClockChange, what string, text func(protocol.Int64) string) {
	for i, c := range list {
		if i == listedChanges {
			fmt.Fprintf(b, "  ... and %d more times\n", len(list)-i)
			return
		}
		fmt.Fprintf(b, "  %s %s, noticed %s\n", what, text(c.Ns), momentText(c.UTC, c.BaseNs))
	}
}

func (d *DeviceClock) text() string {
	how := "fast"
	rate := d.RatePPM
	if rate < 0 {
		how, rate = "slow", -rate
	}
	gates := ""
	if d.GateNs > 0 {
		gates = fmt.Sprintf(", for gates of %v", time.Duration(d.GateNs))
	}
	return fmt.Sprintf("its clock runs %.*f ± %.*f ppm %s by the gateway's%s; arrivals off a straight line by %s rms, at most %s, in %s",
		places(d.WithinPPM), rate, places(d.WithinPPM), d.WithinPPM, how, gates, short(d.ResidualRMSNs), short(d.ResidualMaxNs), span(d.SpanNs))
}

// places is how many decimals make sense of a number known so well.
func places(within float64) int {
	if within <= 0 {
		return 3
	}
	return max(0, min(3, 1-int(math.Floor(math.Log10(within)))))
}

// span is a length of time to about a hundredth: 3.1 d, 2h10m, 10s.
func span(ns protocol.Int64) string {
	d := time.Duration(ns)
	switch {
	case d >= 72*time.Hour || d <= -72*time.Hour:
		return strconv.FormatFloat(d.Hours()/24, 'f', 1, 64) + " d"
	case d >= time.Hour || d <= -time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	case d >= 10*time.Second || d <= -10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Millisecond).String()
}

// signed is a step or an offset: forward, back.
func signed(ns protocol.Int64) string {
	text := short(max(ns, -ns))
	if ns < 0 {
		return text + " back"
	}
	return text + " ahead"
}

// short is a length of time to three digits or so below a minute, else as span has it.
func short(ns protocol.Int64) string {
	d := time.Duration(ns)
	switch {
	case d >= time.Minute:
		return span(ns)
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d >= 10*time.Microsecond:
		return d.Round(time.Microsecond).String()
	}
	return d.String()
}
