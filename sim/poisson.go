package sim

import (
	"math"
	"math/rand/v2"
)

// smallMean is where multiplying uniform numbers becomes slower than rejection.
const smallMean = 12

// poisson draws from a Poisson law.
func poisson(rng *rand.Rand, mean float64) int64 {
	switch {
	case mean <= 0:
		return 0
	case mean < smallMean:
		return poissonSmall(rng, mean)
	default:
		return poissonLarge(rng, mean)
	}
}

// poissonSmall counts how many uniform numbers can be multiplied before the
// product falls below exp(-mean) (Knuth, The Art of Computer Programming, 3.4.1).
func poissonSmall(rng *rand.Rand, mean float64) int64 {
	limit, product := math.Exp(-mean), rng.Float64()
	n := int64(0)
	for product > limit {
		product *= rng.Float64()
		n++
	}
	return n
}

// poissonLarge is the transformed rejection PTRS of W. Hörmann, "The transformed
// rejection method for generating Poisson random variables", Insurance:
// Mathematics and Economics 12 (1993) 39-45; exact for means of 10 and more.
func poissonLarge(rng *rand.Rand, mean float64) int64 {
	b := 0.931 + 2.53*math.Sqrt(mean)
	a := -0.059 + 0.02483*b
	invAlpha := 1.1239 + 1.1328/(b-3.4)
	vr := 0.9277 - 3.6224/(b-2)
	logMean := math.Log(mean)
	for {
		u := rng.Float64() - 0.5
		v := 1 - rng.Float64() // never 0: its logarithm is taken
		us := 0.5 - math.Abs(u)
		k := math.Floor((2*a/us+b)*u + mean + 0.43)
		if us >= 0.07 && v <= vr {
			return int64(k)
		}
		if k < 0 || (us < 0.013 && v > us) {
			continue
		}
		logGamma, _ := math.Lgamma(k + 1)
		if math.Log(v)+math.Log(invAlpha)-math.Log(a/(us*us)+b) <= k*logMean-mean-logGamma {
			return int64(k)
		}
	}
}

// binomialExact is the variance below which a binomial draw is made trial by
// trial; above it the rounded normal law is off by less than its own rounding.
const binomialExact = 50

// squeezed draws a count with the given mean whose variance is fano times the
// mean (0 < fano <= 1): a Poisson law for 1, otherwise the binomial law with
// these two moments. Dead time makes counts more regular in this way.
func squeezed(rng *rand.Rand, mean, fano float64) int64 {
	const nearlyPoisson = 0.99 // within 1 % of the variance
	if mean <= 0 || fano >= nearlyPoisson {
		return poisson(rng, mean)
	}
	p := 1 - fano
	variance := mean * fano
	trials := math.Floor(mean / p)
	if variance > binomialExact {
		x := math.Round(mean + math.Sqrt(variance)*rng.NormFloat64())
		return int64(min(max(x, 0), trials+1))
	}
	n := int64(0)
	for range int64(trials) {
		if rng.Float64() < p {
			n++
		}
	}
	if rng.Float64() < p*(mean/p-trials) { // the broken part of a trial
		n++
	}
	return n
}
