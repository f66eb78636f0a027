package main

import (
	"fmt"
	"slices"
	"strings"

	"photongate/sim"
)

// defaultPairs is the part of the lower of two rates that comes in pairs.
const defaultPairs = 0.04

// light makes the light the flags ask for.
func (s *settings) light(inputs []string) (*sim.Light, error) {
	rates, err := parseRates("rate", s.rate, len(inputs))
	if err != nil {
		return nil, err
	}
	dark, err := parseRates("dark", s.dark, len(inputs))
	if err != nil {
		return nil, err
	}
	pairs, err := s.photonPairs(rates, inputs)
	if err != nil {
		return nil, err
	}
	return sim.NewLight(sim.LightSettings{
		Inputs:   inputs,
		RatesHz:  rates,
		DarkHz:   dark,
		Pairs:    pairs,
		DeadTime: s.deadTime,
		Window:   s.window,
		Seed:     s.seed,
	})
}

// photonPairs are the pairs the flags ask for.
func (s *settings) photonPairs(ratesHz []float64, inputs []string) ([]sim.Pair, error) {
	first, second := s.paired[0], s.paired[1]
	if first == second {
		first, second = 0, 1
	}
	if s.pairs == "" {
		if len(inputs) < 2 {
			return nil, nil
		}
		return []sim.Pair{{A: first, B: second, RateHz: defaultPairs * min(ratesHz[first], ratesHz[second])}}, nil
	}
	pairs, err := parsePairs(s.pairs, inputs)
	if err == nil && !strings.Contains(s.pairs, "=") {
		pairs[0].A, pairs[0].B = first, second
	}
	return pairs, err
}

// parseRates reads one rate for all n inputs, or n of them.
func parseRates(flag, text string, n int) ([]float64, error) {
	words := strings.Split(text, ",")
	if len(words) != 1 && len(words) != n {
		return nil, fmt.Errorf("--%s %q: %d rates, expected one for all inputs or %d", flag, text, len(words), n)
	}
	rates := make([]float64, n)
	for i := range rates {
		hz, err := sim.ParseRate(words[min(i, len(words)-1)])
		if err != nil {
			return nil, fmt.Errorf("--%s %q: %w", flag, text, err)
		}
		rates[i] = hz
	}
	return rates, nil
}

// parsePairs reads one rate, for the first two inputs, or a list such as
// AB=3k,A'B=1k.
func parsePairs(text string, inputs []string) ([]sim.Pair, error) {
	if !strings.Contains(text, "=") {
		hz, err := sim.ParseRate(text)
		if err != nil {
			return nil, fmt.Errorf("--pairs: %w", err)
		}
		return []sim.Pair{{A: 0, B: 1, RateHz: hz}}, nil
	}
	var pairs []sim.Pair
	for word := range strings.SplitSeq(text, ",") {
		name, rate, _ := strings.Cut(word, "=")
		pair, ok := findPair(name, inputs)
		if !ok {
			return nil, fmt.Errorf("--pairs %q: %q is no pair of the inputs %s", text, name, strings.Join(inputs, " "))
		}
		hz, err := sim.ParseRate(rate)
		if err != nil {
			return nil, fmt.Errorf("--pairs %q: %w", text, err)
		}
		pair.RateHz = hz
		pairs = append(pairs, pair)
	}
	return pairs, nil
}

// findPair takes a name such as AB apart into the two inputs it is made of.
func findPair(name string, inputs []string) (sim.Pair, bool) {
	for a, first := range inputs {
		rest, ok := strings.CutPrefix(name, first)
		if b := slices.Index(inputs, rest); ok && b >= 0 && b != a {
			return sim.Pair{A: a, B: b}, true
		}
	}
	return sim.Pair{}, false
}
