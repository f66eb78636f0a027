package main

import (
	"fmt"
	"math"
	"strings"
)

const (
	plotWidth, plotHeight = 980, 420
	panelTop, panelBottom = 40.0, 350.0
)

// plot is the plot of the page, as SVG: bits for each tag over the rate, and what encoding
// and decoding cost.
func plot(r results) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", plotWidth, plotHeight, plotWidth, plotHeight)
	b.WriteString(`<rect width="100%" height="100%" fill="white"/>` + "\n")
	sizesPanel(&b, r)
	speedPanel(&b, r)
	b.WriteString("</svg>\n")
	return b.String()
}

func say(b *strings.Builder, x, y float64, anchor, text string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", x, y, anchor, text)
}

func line(b *strings.Builder, x0, y0, x1, y1 float64, how string) {
	fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" %s/>`+"\n", x0, y0, x1, y1, how)
}

const (
	thin   = `stroke="#bbb"`
	dashed = `stroke="#888" stroke-dasharray="5 4"`
)

// sizesPanel draws the entropy as lines, photongate as dots on them, and what
// other formats take.
func sizesPanel(b *strings.Builder, r results) {
	const left, right, most = 60.0, 500.0, 80.0
	x := func(i int) float64 { return left + 30 + float64(i)*(right-left-60)/float64(len(rates)-1) }
	y := func(bits float64) float64 { return panelBottom - bits/most*(panelBottom-panelTop) }
	say(b, (left+right)/2, 22, "middle", "bits for each tag, four equal channels")
	for bits := 0.0; bits <= most; bits += 10 {
		line(b, left, y(bits), right, y(bits), thin)
		say(b, left-6, y(bits)+4, "end", fmt.Sprint(bits))
	}
	for i, rate := range rates {
		say(b, x(i), panelBottom+18, "middle", rate[1])
	}
	for _, other := range []string{"records of 9 bytes", "TTTR records of 32 bits"} {
		if bits, ok := r.get("protocol.TagsOtherFormats/1_ps/"+underscored(other), "bits/tag"); ok {
			line(b, left, y(bits), right, y(bits), dashed)
			say(b, right-4, y(bits)-5, "end", other)
		}
	}
	for i, tick := range ticks {
		colour := []string{"#0a58ca", "#b02a37"}[i]
		path := ""
		for j, rate := range rates {
			name := sizeName(tick, rate[0], "4_equal")
			if entropy, ok := r.get(name, "entropy"); ok {
				path += fmt.Sprintf("%.1f,%.1f ", x(j), y(entropy))
			}
			if bits, ok := r.get(name, "bits/tag"); ok {
				fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s"/>`+"\n", x(j), y(bits), colour)
			}
			if bits, ok := r.get(name, "bits/tag-20ms"); ok && bits < most {
				fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="7" height="7" fill="none" stroke="%s"/>`+"\n", x(j)-3.5, y(bits)-3.5, colour)
			}
		}
		fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s"/>`+"\n", strings.TrimSpace(path), colour)
		say(b, left+float64(i)*220, panelBottom+40, "start", fmt.Sprintf(`<tspan fill="%s">ticks of %s ps: line entropy,</tspan>`, colour, tick))
	}
	say(b, left, panelBottom+56, "start", "dots photongate in frames of 65,536, squares as a gateway stores it every 20 ms")
}

// speedPanel draws the copies that encoding and decoding take, and the aim of four.
func speedPanel(b *strings.Builder, r results) {
	const left, right, most = 750.0, 960.0, 8.0
	x := func(copies float64) float64 { return left + math.Min(copies, most)/most*(right-left) }
	say(b, (left+right)/2-60, 22, "middle", "copies of the raw tags that could be made meanwhile")
	for copies := 0.0; copies <= most; copies++ {
		line(b, x(copies), panelTop, x(copies), panelBottom, thin)
		say(b, x(copies), panelBottom+18, "middle", fmt.Sprint(copies))
	}
	step := (panelBottom - panelTop) / float64(len(lights))
	for i, light := range lights {
		at := panelTop + float64(i)*step
		say(b, left-6, at+step/2+4, "end", light)
		for j, what := range []string{"encode", "decode"} {
			if copies, ok := r.get("protocol.Tags/"+what+"/"+underscored(light), "copies"); ok {
				fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n",
					left, at+2+float64(j)*(step-4)/2, x(copies)-left, (step-4)/2-1, []string{"#0a58ca", "#7aa7e8"}[j])
			}
		}
	}
	line(b, x(4), panelTop, x(4), panelBottom, dashed)
	say(b, left, panelBottom+40, "start", `<tspan fill="#0a58ca">encode</tspan>, <tspan fill="#7aa7e8">decode</tspan>; dashed: a quarter of the speed`)
	say(b, left, panelBottom+56, "start", "of a copy; bars that reach 8 may be longer")
}
