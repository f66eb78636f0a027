package protocol

import (
	"math"
	"math/rand/v2"
	"sort"
)

// poisson draws n counts of a Poisson distribution by inverting its sum.
func poisson(r *rand.Rand, mean float64, n int) []uint64 {
	var below []float64 // probability of at most i counts
	sum := 0.0
	for i := 0; i < 10 || float64(i) < mean+12*math.Sqrt(mean); i++ {
		logGamma, _ := math.Lgamma(float64(i) + 1)
		sum += math.Exp(float64(i)*math.Log(mean) - mean - logGamma)
		below = append(below, sum)
	}
	x := make([]uint64, n)
	for i := range x {
		x[i] = uint64(sort.SearchFloat64s(below, r.Float64()*sum))
	}
	return x
}

// poissonEntropy is the Shannon entropy of a Poisson count in bits.
func poissonEntropy(mean float64) float64 {
	bits := 0.0
	for i := 0; i < 10 || float64(i) < mean+20*math.Sqrt(mean); i++ {
		logGamma, _ := math.Lgamma(float64(i) + 1)
		logP := float64(i)*math.Log(mean) - mean - logGamma
		bits -= math.Exp(logP) * logP / math.Ln2
	}
	return bits
}
