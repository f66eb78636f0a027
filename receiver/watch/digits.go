package watch

import (
	"math"
	"strconv"
	"strings"
)

// glyphs are digits of 3 x 5 points. A point stands for ".", which takes one
// column.
var glyphs = map[rune][5]string{
	'0': {"###", "# #", "# #", "# #", "###"},
	'1': {" # ", "## ", " # ", " # ", "###"},
	'2': {"###", "  #", "###", "#  ", "###"},
	'3': {"###", "  #", "###", "  #", "###"},
	'4': {"# #", "# #", "###", "  #", "  #"},
	'5': {"###", "#  ", "###", "  #", "###"},
	'6': {"###", "#  ", "###", "# #", "###"},
	'7': {"###", "  #", "  #", "  #", "  #"},
	'8': {"###", "# #", "###", "# #", "###"},
	'9': {"###", "# #", "###", "  #", "###"},
	'-': {"   ", "   ", "###", "   ", "   "},
	'.': {" ", " ", " ", " ", "#"},
	'k': {"#  ", "# #", "## ", "# #", "# #"},
	'M': {"# #", "###", "###", "# #", "# #"},
	'G': {"###", "#  ", "# #", "# #", "###"},
	'm': {"   ", "   ", "###", "###", "# #"},
	'?': {"###", "  #", " # ", "   ", " # "},
	' ': {"   ", "   ", "   ", "   ", "   "},
}

// A size of digits: a point is wide columns by high rows. Zero high stands for
// two points in one row, by half blocks.
type size struct{ wide, high int }

// sizes, largest first. A row of a terminal is about twice as high as a column
// is wide, so points of 2 x 1 are square.
var sizes = []size{{8, 4}, {6, 3}, {4, 2}, {2, 1}, {1, 0}}

// rows is how many rows digits take.
func (s size) rows() int {
	if s.high == 0 {
		return 3
	}
	return 5 * s.high
}

// columns is how many columns a text takes.
func (s size) columns(text string) int {
	n := 0
	for _, r := range text {
		n += len(glyphs[r][0])*s.wide + s.wide
	}
	return max(0, n-s.wide)
}

// digits paints a text in large digits; its left upper corner is at x, y.
func (g *grid) digits(x, y int, s size, text string, st style) {
	for _, r := range text {
		rows := glyphs[r]
		for row, points := range rows {
			for col, point := range points {
				if point != '#' {
					continue
				}
				g.point(x+col*s.wide, y, row, s, st)
			}
		}
		x += len(rows[0])*s.wide + s.wide
	}
}

// point paints one point of a digit whose upper edge is at y.
func (g *grid) point(x, y, row int, s size, st style) {
	if s.high > 0 {
		for dy := range s.high {
			for dx := range s.wide {
				g.set(x+dx, y+row*s.high+dy, '█', st)
			}
		}
		return
	}
	half := '▀'
	if row%2 == 1 {
		half = '▄'
	}
	at := y + row/2
	if g.at(x, at).r != ' ' {
		half = '█'
	}
	g.set(x, at, half, st)
}

// prefixes of large numbers; up to 99 999 digits are written out. A number that
// would be rounded up to the next prefix gets that one.
var prefixes = []struct {
	from, factor float64
	letter       string
}{{999.95e6, 1e9, "G"}, {999.95e3, 1e6, "M"}, {99999.5, 1e3, "k"}}

// bigText is a number as it is shown large: five characters wide at most, with
// a prefix above 99 999, no more decimals than the error makes sense of.
func bigText(v value) string {
	if !v.known {
		return "--"
	}
	x := math.Abs(v.v)
	sign := ""
	if v.v < 0 {
		sign = "-"
	}
	if x >= 1e11 {
		return sign + "?"
	}
	for _, p := range prefixes {
		if x >= p.from {
			return sign + fourDigits(x/p.factor) + p.letter
		}
	}
	decimals := 0
	if v.sigma < 10 && x < 1000 {
		decimals = 1
	}
	if v.sigma < 0.3 && x < 100 {
		decimals = 2
	}
	return sign + strconv.FormatFloat(x, 'f', decimals, 64)
}

// fourDigits writes 1.234, 12.34, 123.4.
func fourDigits(x float64) string {
	decimals := 3
	for limit := 9.9995; x >= limit && decimals > 0; limit *= 10 {
		decimals--
	}
	return strconv.FormatFloat(x, 'f', decimals, 64)
}

// shortText is a number in small print, with a prefix from 100 000 on: at most
// 6 characters and a sign.
func shortText(x float64) string {
	sign, a := "", math.Abs(x)
	if x < 0 {
		sign = "-"
	}
	for _, p := range prefixes {
		if a >= p.from {
			return sign + fourDigits(a/p.factor) + p.letter
		}
	}
	if a >= 99.95 || a == 0 {
		return sign + strconv.FormatFloat(a, 'f', 0, 64)
	}
	return sign + strconv.FormatFloat(a, 'g', 3, 64)
}

// sigmaText is an error in the digits of its value.
func sigmaText(s float64) string {
	if s < 1 {
		return strings.TrimRight(strconv.FormatFloat(s, 'f', 2, 64), "0")
	}
	return shortText(s)
}
