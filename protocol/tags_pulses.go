package protocol

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// pulseFinder finds out whether tags come from a periodic light source, and keeps the
// period from frame to frame: to find it anew takes longer than to encode a frame.
type pulseFinder struct {
	period float64 // ticks; 0: none is known
	wait   int     // frames to go until it is looked for again
	pause  int     // frames until then, the next time
	gaps   [256]float64
}

const (
	maxPulsePause   = 256
	maxPulses       = 1 << 32
	leastPulseTags  = 1024
	pulseSamples    = 512
	pulsesMostWidth = 1.0 / 9 // standard deviation within the period, above which there is nothing to gain
)

// pulseFit is where the pulses of a frame are.
type pulseFit struct {
	period float64 // ticks
	first  uint64  // begin of a period, half a period before a pulse; no tag is before it
	width  float64 // standard deviation of the places in the period, ticks
}

// find tells the period of the sorted ticks x, if they have one that makes them shorter.
func (f *pulseFinder) find(x []uint64) (fit pulseFit, ok bool) {
	if len(x) < leastPulseTags || x[len(x)-1]-x[0] > 1<<52 {
		return pulseFit{}, false
	}
	if f.period > 0 {
		if fit, ok = fitPulses(x, f.period); ok {
			f.period = fit.period
			return fit, true
		}
		f.period = 0
	}
	if f.wait--; f.wait > 0 {
		return pulseFit{}, false
	}
	period, ok := f.guess(x)
	// The guess is good for some periods; what it then becomes is good for more of them.
	mean := float64(x[len(x)-1]-x[0]) / float64(len(x))
	for most := 16 * period; ok && most < 16*mean; most *= 4 {
		period, ok = refinePeriod(x, 1, period, most)
	}
	for lag := 4; ok && lag < len(x)/4; lag *= 4 {
		period, ok = refinePeriod(x, lag, period, math.Inf(1))
	}
	if ok {
		fit, ok = fitPulses(x, period)
	}
	if !ok {
		f.pause = min(max(2*f.pause, 1), maxPulsePause)
		f.wait = f.pause
		return pulseFit{}, false
	}
	f.period, f.pause, f.wait = fit.period, 0, 0
	return fit, true
}

// guess finds a period from the shortest gaps: of pulses there are none, but for tags of
// the same pulse, shorter than about a period, and many that are one.
func (f *pulseFinder) guess(x []uint64) (period float64, ok bool) {
	var octaves [65]int
	last := x[0]
	for _, v := range x[1:] {
		octaves[bits.Len64(v-last)]++
		last = v
	}
	perTick := float64(len(x)) / float64(x[len(x)-1]-x[0]) * float64(len(x))
	void := 0
	for i := 2; i < 50 && void == 0; i++ {
		const certain, few = 16, 8
		want := perTick * math.Ldexp(1, i-1)
		if want > certain && float64(octaves[i]) < want/few && float64(octaves[i+1]) > 2*want/few {
			void = i
		}
	}
	if void == 0 {
		return 0, false
	}
	from, to := uint64(1)<<(void-1), uint64(1)<<min(void+3, 63)
	gaps := f.gaps[:0]
	shortest := math.Inf(1)
	last = x[0]
	for _, v := range x[1:] {
		if gap := v - last; gap > from && gap < to && len(gaps) < cap(gaps) {
			gaps = append(gaps, float64(gap))
			shortest = min(shortest, float64(gap))
		}
		last = v
	}
	sum, n := 0.0, 0
	for _, gap := range gaps {
		if gap < 1.5*shortest {
			sum, n = sum+gap, n+1
		}
	}
	if n < 4 {
		return 0, false
	}
	return sum / float64(n), true
}

// refinePeriod fits the period to times between tags, lag apart, that are shorter than
// most; it is known well enough to count the periods in them. It fails where they scatter.
func refinePeriod(x []uint64, lag int, period, most float64) (better float64, ok bool) {
	count := 0
	var kk, ka, aa float64
	stride := 1
	if math.IsInf(most, 1) {
		stride = max((len(x)-lag)/pulseSamples, 1)
	}
	for i := 0; i+lag < len(x) && count < pulseSamples; i += stride {
		d := float64(x[i+lag] - x[i])
		if d > most {
			continue
		}
		k := math.Round(d / period)
		away := d - k*period
		count, kk, ka, aa = count+1, kk+k*k, ka+k*away, aa+away*away
	}
	if kk == 0 {
		return 0, false
	}
	change := ka / kk
	width := math.Sqrt(max(aa-change*ka, 0) / float64(count) / 2) // of one tag; two make a difference
	return period + change, width < pulsesMostWidth*period*1.5
}

// fitPulses fits pulses to x, whose period is known well enough not to lose count among
// them. It fails where they are no pulses.
func fitPulses(x []uint64, period float64) (pulseFit, bool) {
	n := len(x)
	var at, phase [pulseSamples]float64
	count := min(n, pulseSamples)
	cosines, sines := 0.0, 0.0
	for i := range count {
		t := float64(x[i*(n-1)/max(count-1, 1)] - x[0])
		at[i] = math.Floor(t / period)
		phase[i] = t/period - at[i]
		s, c := math.Sincos(2 * math.Pi * phase[i])
		cosines, sines = cosines+c, sines+s
	}
	middle := math.Atan2(sines, cosines) / (2 * math.Pi) // of the places, in periods
	// A straight line through what the places are away from the middle.
	var sx, sy, sxx, sxy, syy float64
	for i := range count {
		away := phase[i] - middle
		away -= math.Round(away)
		k := at[i]
		sx, sy, sxx, sxy, syy = sx+k, sy+away, sxx+k*k, sxy+k*away, syy+away*away
	}
	m := float64(count)
	slope := 0.0
	if d := m*sxx - sx*sx; d > 0 {
		slope = (m*sxy - sx*sy) / d
	}
	offset := (sy - slope*sx) / m
	width := math.Sqrt(max(syy-offset*sy-slope*sxy, 0) / m)
	fit := pulseFit{period: period * (1 + slope), width: width * period}
	begin := (middle + offset - 0.5) * fit.period // of a period, as seen from the first tag
	begin -= math.Ceil(begin/fit.period) * fit.period
	fit.first = x[0] - uint64(-begin) - 1
	return fit, width < pulsesMostWidth && fit.period > 4
}

// pulses appends sorted ticks as numbers of pulses and places within their period. It
// gives up, and returns dst, where there would be too many.
func (e *TagsEncoder) pulses(dst []byte, x []uint64, fit pulseFit) []byte {
	n := len(x)
	e.numbers, e.places = resize(e.numbers, n), resize(e.places, n)
	whole, part := math.Modf(fit.period)
	period, fraction := uint64(whole), uint64(part*maxPulses)
	perTick := 1 / (whole + float64(fraction)/maxPulses)
	if float64(x[n-1]-fit.first)*perTick >= maxPulses-1 || x[0] < fit.first {
		return dst
	}
	for i, v := range x {
		t := v - fit.first
		number := uint64(float64(t) * perTick)
		e.numbers[i] = number
		e.places[i] = t - number*period - number*fraction>>32
	}
	out := binary.AppendUvarint(append(dst, codecPulses), fit.first)
	out = binary.AppendUvarint(out, period)
	out = binary.LittleEndian.AppendUint32(out, uint32(fraction))
	out, sorted := e.rising(out, e.numbers, maxRisingShift)
	if !sorted {
		return dst
	}
	return e.column.appendBy(&e.inPeriod, out, e.places)
}
