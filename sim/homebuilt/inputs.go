package homebuilt

import (
	"math/bits"
	"slices"
	"strings"

	"photongate/instrument"
	"photongate/sim"
)

// Inputs names the inputs that the light for an instrument must have, one to
// [sim.MaxInputs].
func Inputs(f *instrument.File) []string {
	if f.Tags != nil {
		inputs, _ := tagInputs(f)
		return inputs
	}
	inputs, _ := wire(f)
	return inputs
}

// wire says which inputs there are, and for each channel the set of inputs that
// must fire together for it to count; 0 for one that sees no light.
func wire(f *instrument.File) (inputs []string, masks []int) {
	lit := litChannels(f)
	masks = make([]int, len(f.Channels))
	for _, i := range lit {
		if name := f.Channels[i].Name; partsOf(name, lit, f) == nil && len(inputs) < sim.MaxInputs {
			masks[i] = 1 << len(inputs)
			inputs = append(inputs, name)
		}
	}
	free := coincidences(len(inputs))
	for _, i := range lit {
		if masks[i] == 0 {
			masks[i] = together(partsOf(f.Channels[i].Name, lit, f), inputs)
			free = slices.DeleteFunc(free, func(m int) bool { return m == masks[i] })
		}
	}
	for k, i := range lit {
		switch {
		case masks[i] != 0:
		case len(free) > 0:
			masks[i], free = free[0], free[1:]
		default: // more channels than sets of inputs: several see the same
			masks[i] = 1 + k%(1<<len(inputs)-1)
		}
	}
	return inputs, masks
}

// litChannels are the channels that see light.
func litChannels(f *instrument.File) []int {
	var lit, all []int
	for i, ch := range f.Channels {
		all = append(all, i)
		if ch.Kind != instrument.Auxiliary {
			lit = append(lit, i)
		}
	}
	if lit == nil {
		return all
	}
	return lit
}

// partsOf takes a name apart into two or more names of other channels, each once;
// nil when it is not made so.
func partsOf(name string, lit []int, f *instrument.File) []string {
	var split func(rest string, have []string) []string
	split = func(rest string, have []string) []string {
		if rest == "" && len(have) > 1 {
			return have
		}
		if len(have) > 0 {
			rest = strings.TrimLeft(rest, "+-_./")
		}
		for _, i := range lit {
			part := f.Channels[i].Name
			behind, ok := strings.CutPrefix(rest, part)
			if !ok || part == name || slices.Contains(have, part) {
				continue
			}
			if found := split(behind, append(slices.Clone(have), part)); found != nil {
				return found
			}
		}
		return nil
	}
	const longest = 32 // of a name; longer ones would take long to try
	if len(name) > longest {
		return nil
	}
	return split(name, nil)
}

// together is the set of inputs with these names; 0 when one is no input.
func together(parts, inputs []string) int {
	mask := 0
	for _, part := range parts {
		i := slices.Index(inputs, part)
		if i < 0 {
			return 0
		}
		mask |= 1 << i
	}
	return mask
}

// coincidences lists all sets of two or more of n inputs, pairs first.
func coincidences(n int) []int {
	var list []int
	for m := range 1 << n {
		if bits.OnesCount(uint(m)) > 1 {
			list = append(list, m)
		}
	}
	slices.SortStableFunc(list, func(a, b int) int { return bits.OnesCount(uint(a)) - bits.OnesCount(uint(b)) })
	return list
}
