package watch

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"photongate/protocol"
)

// Rows of the screen that are no panels.
const (
	headRows = 1
	footRows = 1
	noteFor  = 10 * time.Second // how long an event of people is shown
	flagFor  = 3 * time.Second  // how long the flag of one reading is shown
)

// draw paints the board on a screen of w x h.
func (b *board) draw(w, h int, now time.Time, beep string) *grid {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := newGrid(w, h)
	list, misses := b.choose()
	b.several = slices.ContainsFunc(list, func(s shown) bool { return s.stream != list[0].stream })
	if beep != "" && !slices.ContainsFunc(b.all(beep), func(s shown) bool { return s.fits(beep) }) && !slices.Contains(misses, beep) {
		misses = append(misses, beep)
	}
	b.head(g, now)
	y := b.troubles(g)
	if text := b.missing(misses); text != "" && y < h-footRows {
		g.text(0, y, w, text, amber)
		y++
	} else if len(list) == 0 && y < h {
		g.text(0, y, w, b.nothing(), dim)
	}
	b.panels(g, list, y, h-footRows, now)
	b.foot(g, now, beep)
	return g
}

// nothing says why there is no channel to show.
func (b *board) nothing() string {
	switch {
	case b.trouble != "":
		return ""
	case b.awaited != "":
		return "waiting at " + b.awaited + " for the gateway to dial in ..."
	}
	return "waiting for the first reading ..."
}

// missing says which patterns fit no channel, and what there is; empty when all do, or
// channels are not known yet.
func (b *board) missing(misses []string) string {
	var names []string
	for _, s := range b.all("") {
		if name := s.stream.meters[s.ch].spec.Name; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(misses) == 0 || len(names) == 0 {
		return ""
	}
	text := "no channel fits " + strings.Join(misses, ", ") + ": there are " + strings.Join(names, ", ")
	if i := slices.IndexFunc(b.streams, func(st *stream) bool { return b.counted(st) && b.read(st) }); i >= 0 {
		text += "; of the tags themselves " + b.streams[i].device + "/" + b.streams[i].meters[0].spec.Name
		if len(b.streams[i].meters) > 1 {
			text += " and so on"
		}
	}
	return text
}

func (b *board) head(g *grid, now time.Time) {
	x := g.text(0, 0, g.w, b.source, bold)
	for _, st := range b.streams {
		if !b.read(st) {
			continue
		}
		x = g.text(x, 0, g.w, "   "+st.device, plain)
		if st.tags {
			x = g.text(x, 0, g.w, "  time tags", dim)
		} else if st.gateNs > 0 {
			x = g.text(x, 0, g.w, "  gate "+time.Duration(st.gateNs).Round(time.Microsecond).String(), dim)
		}
		age, s := "no reading yet", grey
		if st.any {
			age = ageText(now.Sub(st.came)) + " ago"
			if s = dim; st.stale(now) {
				s = grey
			}
		}
		x = g.text(x, 0, g.w, "  "+age, s)
		if st.gaps > 0 {
			gaps := fmt.Sprintf("  %d gaps (last: %s)", st.gaps, st.lastGap)
			if st.gaps == 1 {
				gaps = fmt.Sprintf("  1 gap (%s)", st.lastGap)
			}
			x = g.text(x, 0, g.w, gaps, amber)
		}
	}
}

// ageText is how old something is: 0.3 s, 12 s, 3 min.
func ageText(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", max(0, d).Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.0f h", d.Hours())
}

// troubles writes what is wrong below the head and returns the next free row.
func (b *board) troubles(g *grid) int {
	y := headRows
	line := func(text string, s style) {
		if y < g.h-footRows {
			g.text(0, y, g.w, text, s)
			y++
		}
	}
	if b.trouble != "" {
		line("NOT CONNECTED: "+b.trouble, red)
	}
	for _, sentence := range b.warned {
		line(sentence, amber)
	}
	for _, d := range b.devices() {
		if d.State == "running" && len(d.Alarms) == 0 {
			continue
		}
		if d.State != "running" {
			text := d.Name + " is " + strings.ToUpper(d.State)
			for _, more := range []string{d.Cause, d.Hint} {
				if more != "" {
					text += ": " + more
				}
			}
			line(text, amber)
		}
		for _, a := range d.Alarms {
			if a.On {
				line("ALARM "+d.Name+": "+a.Text, red)
			}
		}
	}
	return y
}

func (b *board) devices() []protocol.DeviceStatus {
	if b.status == nil {
		return nil
	}
	return b.status.Devices
}

func (b *board) foot(g *grid, now time.Time, beep string) {
	y := g.h - 1
	keys := fmt.Sprintf("q quit  m reset max  +/- smoothing %v", b.smooth)
	if beep != "" {
		keys += "  b sound " + beep
	}
	if b.note != "" && now.Sub(b.noteAt) < noteFor {
		g.text(0, y, g.w, b.note, amber)
		return
	}
	g.text(0, y, g.w, keys, dim)
}

// panels lays out the channels between two rows: as large as they all fit.
func (b *board) panels(g *grid, list []shown, top, bottom int, now time.Time) {
	rows := bottom - top
	if len(list) == 0 || rows <= 0 {
		return
	}
	s, across, ok := fit(list, g.w, rows)
	if !ok {
		b.lines(g, list, top, bottom, now)
		return
	}
	width := g.w / across
	down := (len(list) + across - 1) / across
	height := min(rows/down, s.rows()+panelMore+1)
	for i, one := range list {
		b.panel(g, one, s, i%across*width, top+i/across*height, width-2, height, now)
	}
}

// panelMore is how many rows a panel has besides its digits.
const panelMore = 3

// widest is the text that digits must have room for.
const widest = "88888"

// fit finds the largest digits with which n panels fit into w x rows, and how
// many stand side by side.
func fit(list []shown, w, rows int) (s size, across int, ok bool) {
	for _, s := range sizes {
		for across := 1; across <= len(list); across++ {
			down := (len(list) + across - 1) / across
			if s.columns(widest)+labelRoom <= w/across-2 && (s.rows()+panelMore)*down <= rows {
				return s, across, true
			}
		}
	}
	return size{}, 0, false
}

// labelRoom is what a panel needs to the right of its digits, for the unit.
const labelRoom = 3

// panel draws one channel: name, digits, error and maximum, bar and history.
func (b *board) panel(g *grid, one shown, s size, x, y, w, h int, now time.Time) {
	st, m := one.stream, one.stream.meters[one.ch]
	stale := st.stale(now) || b.trouble != ""
	v := m.over(b.smooth)
	look := b.look(one, v, stale)
	end := x + w
	after := g.text(x, y, end, m.title(b.several, st.device), bold)
	g.text(after+2, y, end, b.remark(one, v, stale, now), red)
	text := bigText(v)
	for s.columns(text)+labelRoom > w && s != sizes[len(sizes)-1] {
		s = sizes[slices.Index(sizes, s)+1]
	}
	if s.columns(text)+labelRoom > w { // half a number is a wrong one
		g.text(x, y+1, end, "too narrow", amber)
		text = ""
	}
	g.digits(x, y+1, s, text, look)
	g.text(x+s.columns(text)+1, y+s.rows(), end, m.unit(), dim)
	y += s.rows() + 1
	g.text(x, y, end, b.small(one, v, w), pick(stale, grey, plain))
	b.bar(g, m, v, x, y+1, w, look)
	if more := b.coincidence(one); more != "" && h > s.rows()+panelMore {
		g.text(x, y+2, end, more, pick(stale, grey, dim))
	}
}

// lines draws the channels as one line each, where there is no room for more.
func (b *board) lines(g *grid, list []shown, top, bottom int, now time.Time) {
	for i, one := range list {
		y := top + i
		if y >= bottom {
			g.text(0, bottom-1, g.w, fmt.Sprintf("... %d more: make the window larger, or choose with --channels", len(list)-i+1), amber)
			return
		}
		st, m := one.stream, one.stream.meters[one.ch]
		stale := st.stale(now) || b.trouble != ""
		v := m.over(b.smooth)
		// Half a number is a wrong one: name and unit give way to it.
		number, title := bigText(v), m.title(b.several, st.device)
		if column := max(12, len([]rune(title))+1); column+9 <= g.w {
			g.text(0, y, column, title, bold)
			g.right(column+9, y, number, b.look(one, v, stale))
			x := g.text(column+10, y, g.w, m.unit()+"  "+b.small(one, v, g.w-column-13), pick(stale, grey, plain))
			g.text(x+2, y, g.w, b.remark(one, v, stale, now), red)
			continue
		}
		if len(number) > g.w {
			number = strings.Repeat("#", g.w)
		}
		g.text(0, y, g.w-len(number)-1, title, bold)
		g.right(g.w, y, number, b.look(one, v, stale))
	}
}

func pick(yes bool, a, b style) style {
	if yes {
		return a
	}
	return b
}

func (m *meter) title(several bool, device string) string {
	if several {
		return device + "/" + m.spec.Name
	}
	return m.spec.Name
}

func (m *meter) unit() string {
	if m.events() || m.spec.Kind == protocol.KindRate && m.spec.Unit == "" {
		return "/s"
	}
	return m.spec.Unit
}

// look is the style of the digits.
func (b *board) look(one shown, v value, stale bool) style {
	switch spec := one.stream.meters[one.ch].spec; {
	case stale || !v.known:
		return grey
	case spec.WarnAboveCPS != nil && v.v > *spec.WarnAboveCPS, spec.WarnBelowCPS != nil && v.v < *spec.WarnBelowCPS, b.alarm(one) != "":
		return red
	}
	return green
}

// alarm is the text of an alarm of the channel that is on.
func (b *board) alarm(one shown) string {
	for _, d := range b.devices() {
		for _, a := range d.Alarms {
			if d.Name == one.stream.device && a.Channel == one.stream.meters[one.ch].spec.Name && a.On {
				return strings.ToUpper(a.Kind)
			}
		}
	}
	return ""
}

// remark is what is wrong with a channel, in a word or two.
func (b *board) remark(one shown, v value, stale bool, now time.Time) string {
	st, m := one.stream, one.stream.meters[one.ch]
	var words []string
	switch limits := m.spec; {
	case stale && st.any:
		words = append(words, "OLD "+ageText(now.Sub(st.came)))
	case b.alarm(one) != "":
		words = append(words, "ALARM "+b.alarm(one))
	case v.known && limits.WarnAboveCPS != nil && v.v > *limits.WarnAboveCPS:
		words = append(words, "above "+shortText(*limits.WarnAboveCPS))
	case v.known && limits.WarnBelowCPS != nil && v.v < *limits.WarnBelowCPS:
		words = append(words, "below "+shortText(*limits.WarnBelowCPS))
	}
	if m.flags != "" && time.Duration(st.endNs-m.flagNs) < flagFor {
		words = append(words, strings.ToUpper(m.flags))
	}
	if quiet := time.Duration(st.endNs - m.quietNs); m.events() && m.quietNs > 0 && quiet > quietFor && m.lastSeen == st.endNs {
		words = append(words, "nothing counted for "+ageText(quiet))
	}
	return strings.Join(words, "  ")
}

// quietFor is after which time without a count a channel that has counted is
// remarked on.
const quietFor = 3 * time.Second

// small is the line below the digits: error, maximum, variance over mean, as far
// as they fit whole.
func (b *board) small(one shown, v value, w int) string {
	m := one.stream.meters[one.ch]
	var words []string
	if v.known && v.sigma > 0 {
		words = append(words, "± "+sigmaText(v.sigma))
	}
	if m.hasPeak {
		words = append(words, "max "+shortText(m.peak))
	}
	if f, ok := m.fano(); ok {
		words = append(words, fmt.Sprintf("var/mean %.2f", f))
	}
	line := ""
	for i, word := range words {
		if i > 0 {
			word = "  " + word
		}
		if utf8.RuneCountInString(line+word) > w {
			break
		}
		line += word
	}
	return line
}

// coincidence is the line of a channel that counts coincidences of two others:
// accidentals, and its ratio to the singles.
func (b *board) coincidence(one shown) string {
	st, m := one.stream, one.stream.meters[one.ch]
	if len(m.spec.Of) < 2 {
		return ""
	}
	own := m.over(b.smooth)
	product, all := 1.0, own.known
	var words []string
	for _, name := range m.spec.Of {
		for _, other := range st.meters {
			if other.spec.Name != name {
				continue
			}
			v := other.over(b.smooth)
			all = all && v.known
			product *= v.v
			if own.known && v.known && v.v > 0 {
				words = append(words, fmt.Sprintf("%s/%s %.2f %%", m.spec.Name, name, 100*own.v/v.v))
			}
		}
	}
	if all && len(m.spec.Of) == 2 && m.spec.Window() > 0 {
		words = append([]string{"accidentals " + shortText(product*m.spec.Window()) + "/s"}, words...)
	}
	return strings.Join(words, "  ")
}

// bar draws the rate against the maximum in the left half, and the history in
// the right half.
func (b *board) bar(g *grid, m *meter, v value, x, y, w int, look style) {
	half := max(0, w/2-1)
	if v.known && m.hasPeak && m.peak > 0 {
		eighths := int(math.Round(min(1, max(0, v.v/m.peak)) * float64(half) * 8))
		for i := range half {
			switch left := eighths - 8*i; {
			case left >= 8:
				g.set(x+i, y, '█', look)
			case left > 0:
				g.set(x+i, y, []rune("▏▎▍▌▋▊▉")[left-1], look)
			default:
				g.set(x+i, y, '·', dim)
			}
		}
	}
	b.spark(g, m, x+half+1, y, w-half-1)
}

// spark draws the history between its least and its largest value.
func (b *board) spark(g *grid, m *meter, x, y, w int) {
	trace := m.trace[max(0, len(m.trace)-max(0, w)):]
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range trace {
		if !math.IsNaN(v) {
			low, high = min(low, v), max(high, v)
		}
	}
	for i, v := range trace {
		r := ' '
		if !math.IsNaN(v) {
			level := 3
			if high > low {
				level = int((v - low) / (high - low) * 7.999)
			}
			r = []rune("▁▂▃▄▅▆▇█")[level]
		}
		g.set(x+i, y, r, dim)
	}
}
