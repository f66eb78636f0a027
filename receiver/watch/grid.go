package watch

import "strings"

// style is how a cell looks.
type style int

const (
	plain style = iota
	bold
	dim   // labels
	grey  // old: not to be trusted as the present
	red   // an alarm, an overflow
	amber // something is wrong, or not as usual
	green // bars and digits of what is well
)

// cell is one place of the screen.
type cell struct {
	r rune
	s style
}

// grid is a screen that is being drawn. Whatever lies outside is cut off.
type grid struct {
	w, h  int
	cells []cell
}

func newGrid(w, h int) *grid {
	g := &grid{w: max(0, w), h: max(0, h)}
	g.cells = make([]cell, g.w*g.h)
	for i := range g.cells {
		g.cells[i].r = ' '
	}
	return g
}

func (g *grid) at(x, y int) cell {
	if x < 0 || y < 0 || x >= g.w || y >= g.h {
		return cell{r: ' '}
	}
	return g.cells[y*g.w+x]
}

func (g *grid) set(x, y int, r rune, s style) {
	if x >= 0 && y >= 0 && x < g.w && y < g.h {
		g.cells[y*g.w+x] = cell{r, s}
	}
}

// text writes a text from x on, not beyond the column end, and returns the
// column after it.
func (g *grid) text(x, y, end int, text string, s style) int {
	for _, r := range text {
		if x >= min(end, g.w) {
			break
		}
		g.set(x, y, r, s)
		x++
	}
	return x
}

// right writes a text so that it ends before the column end.
func (g *grid) right(end, y int, text string, s style) {
	g.text(end-len([]rune(text)), y, end, text, s)
}

// String is the grid as lines of text, for tests and dumps.
func (g *grid) String() string {
	var b strings.Builder
	for y := range g.h {
		line := make([]rune, g.w)
		for x := range g.w {
			line[x] = g.at(x, y).r
		}
		b.WriteString(strings.TrimRight(string(line), " "))
		b.WriteByte('\n')
	}
	return b.String()
}
