package sim

import "math/bits"

// patternRates turns rates seen by each input and rates of true pairs into the
// rate of every exclusive pattern: element m of the result is the rate of events
// in which exactly the inputs whose bits are set in m fire together. Element 0
// is unused.
//
// singlesHz includes the pairs. Chance coincidences follow the rule used to
// correct for them in the laboratory, rate(A) x rate(B) x window, and its
// extension to more inputs: a group of inputs fires together when its independent
// parts (single detections and true pairs) fall into one window.
func patternRates(singlesHz []float64, pairHz [][]float64, windowS float64) []float64 {
	n := len(singlesHz)
	rates := make([]float64, 1<<n)
	for m := 1; m < len(rates); m++ {
		rates[m] = togetherHz(uint(m), singlesHz, pairHz, windowS) / windowS
	}
	// rates[m] now counts "at least these inputs". Taking the supersets away,
	// one input after the other, leaves "exactly these".
	for i := range n {
		for m := range rates {
			if m != 0 && m&(1<<i) == 0 {
				rates[m] -= rates[m|1<<i]
			}
		}
	}
	for m := range rates {
		// Rates so high that windows overlap would ask for more coincidences
		// than singles; fewer is the possible answer.
		rates[m] = max(rates[m], 0)
	}
	return rates
}

// togetherHz is the sum over all ways to split the inputs of mask into singles
// and pairs of the product of (rate x window), one factor per part.
func togetherHz(mask uint, singlesHz []float64, pairHz [][]float64, windowS float64) float64 {
	if mask == 0 {
		return 1
	}
	i := bits.TrailingZeros(mask)
	rest := mask &^ (1 << i)
	sum := singlesHz[i] * windowS * togetherHz(rest, singlesHz, pairHz, windowS)
	for others := rest; others != 0; others &= others - 1 {
		j := bits.TrailingZeros(others)
		if pair := pairHz[i][j]; pair > 0 {
			sum += pair * windowS * togetherHz(rest&^(1<<j), singlesHz, pairHz, windowS)
		}
	}
	return sum
}
