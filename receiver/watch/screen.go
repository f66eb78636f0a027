package watch

import (
	"context"
	"fmt"
	"time"

	"github.com/gdamore/tcell/v2"
)

// screen shows a board on a terminal.
type screen struct {
	board *board
	term  tcell.Screen
	beep  string
	tone  tone // nil: none
	mute  bool
	// middle is the rate that sounds as the middle tone; 0: the next one heard.
	middle float64
}

// newScreen takes over the terminal.
func newScreen(b *board, o Options) (*screen, error) {
	s := &screen{board: b, term: o.screen, beep: o.Beep, tone: o.tone}
	if s.term == nil {
		term, err := tcell.NewScreen()
		if err != nil {
			return nil, fmt.Errorf("use this terminal: %w; without one, photonrecv cat prints numbers line by line", err)
		}
		s.term = term
	}
	if err := s.term.Init(); err != nil {
		return nil, fmt.Errorf("use this terminal: %w; without one, photonrecv cat prints numbers line by line", err)
	}
	if s.beep != "" && s.tone == nil {
		s.tone = newTone(s.term.Beep)
	}
	return s, nil
}

// close gives the terminal back as it was.
func (s *screen) close() {
	if s.tone != nil {
		s.tone.close()
	}
	s.term.Fini()
}

// run draws until ctx ends (nil) or the user quits (errQuit).
func (s *screen) run(ctx context.Context) error {
	events := make(chan tcell.Event, 16)
	quit := make(chan struct{})
	done := make(chan struct{})
	go func() { defer close(done); s.term.ChannelEvents(events, quit) }()
	defer func() {
		close(quit)
		for range events { // until ChannelEvents has closed it
		}
		<-done
	}()
	tick := time.NewTicker(drawEvery)
	defer tick.Stop()
	for {
		s.show(time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case e := <-events:
			if s.event(e) {
				return errQuit
			}
		}
	}
}

// event handles a key or a new size, and reports whether to quit.
func (s *screen) event(e tcell.Event) (quit bool) {
	switch e := e.(type) {
	case *tcell.EventResize:
		s.term.Sync()
	case *tcell.EventKey:
		if e.Key() == tcell.KeyEscape || e.Key() == tcell.KeyCtrlC {
			return true
		}
		switch e.Rune() {
		case 'q', 'Q':
			return true
		case 'm', ' ':
			s.board.resetPeaks()
			s.middle = 0
		case '+':
			s.board.setSmooth(func(d time.Duration) time.Duration { return 2 * d })
		case '-':
			s.board.setSmooth(func(d time.Duration) time.Duration { return d / 2 })
		case 'b':
			s.mute = !s.mute
		}
	}
	return false
}

// styles are the looks of the cells of a grid.
var styles = map[style]tcell.Style{
	plain: tcell.StyleDefault,
	bold:  tcell.StyleDefault.Bold(true),
	dim:   tcell.StyleDefault.Dim(true),
	grey:  tcell.StyleDefault.Foreground(tcell.ColorGray),
	red:   tcell.StyleDefault.Foreground(tcell.ColorRed).Bold(true),
	amber: tcell.StyleDefault.Foreground(tcell.ColorYellow),
	green: tcell.StyleDefault.Foreground(tcell.ColorGreen),
}

// show draws the board as it is now.
func (s *screen) show(now time.Time) {
	w, h := s.term.Size()
	beep := s.sound(now)
	g := s.board.draw(w, h, now, beep)
	for y := range g.h {
		for x := range g.w {
			c := g.at(x, y)
			s.term.SetContent(x, y, c.r, nil, styles[c.s])
		}
	}
	s.term.Show()
}

// sound sets the tone to the rate and says what is heard.
func (s *screen) sound(now time.Time) string {
	if s.tone == nil {
		return ""
	}
	rate, ok := s.board.rate(s.beep, now)
	hz := 0.0
	if ok && s.middle == 0 {
		s.middle = rate
	}
	if ok && !s.mute {
		hz = pitch(rate, s.middle)
	}
	s.tone.set(hz)
	switch {
	case s.mute:
		return s.beep + " off"
	case !ok:
		return s.beep + " silent: no fresh reading"
	}
	return fmt.Sprintf("%s %.0f Hz (%s)", s.beep, hz, s.tone.name())
}
