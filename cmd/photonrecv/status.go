package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"photongate/cmd/internal/cli"
	"photongate/receiver"
)

// statusLine keeps one line of progress at the bottom of a terminal, below the
// lines of the log, which goes through it. On anything but a terminal it only
// hands on. It may be used concurrently.
type statusLine struct {
	w io.Writer

	mu   sync.Mutex
	line string
}

func newStatusLine(w io.Writer) *statusLine { return &statusLine{w: w} }

const eraseLine = "\r\x1b[K"

// Write writes lines of the log above the status line.
func (s *statusLine) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.line == "" {
		return s.w.Write(b)
	}
	if _, err := io.WriteString(s.w, eraseLine+string(b)+s.line); err != nil {
		return 0, err
	}
	return len(b), nil
}

// show replaces the status line.
func (s *statusLine) show(p receiver.Progress) {
	width := 80
	if f, ok := s.w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil {
			width = columns
		}
	}
	var parts []string
	for _, one := range p.Streams {
		// What must not be cut off at the edge of a narrow terminal comes first.
		parts = append(parts, streamText(&one))
	}
	if len(p.Streams)+p.Connected+p.Disconnected == 0 && len(p.Listening) > 0 {
		parts = append(parts, "waiting for gateways to dial in at "+strings.Join(p.Listening, ", "))
	}
	if p.Disconnected > 0 {
		parts = append([]string{fmt.Sprintf("NOT CONNECTED (%d)", p.Disconnected)}, parts...)
	}
	if p.Trouble != "" {
		parts = append([]string{strings.ToUpper(p.Trouble)}, parts...)
	}
	line := []rune(strings.Join(parts, "  |  "))
	line = line[:min(len(line), max(width-1, 0))]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line = string(line)
	_, _ = io.WriteString(s.w, eraseLine+s.line) // a terminal that is gone needs no progress
}

// streamText says how a stream stands.
func streamText(s *receiver.StreamProgress) string {
	if s.State == receiver.StateNotKept { // a count would read as if they were
		return s.Stream + " " + s.Standing()
	}
	text := fmt.Sprintf("%s %s, %s, ", s.Stream, cli.Count(s.Readings, s.Unit()), cli.Count(s.Gaps+s.Holes, "gap"))
	if standing := s.Standing(); standing != "" {
		return text + standing
	}
	return fmt.Sprintf("%slag %s: %s", text, lagText(s.Lag), ratesText(s.Channels))
}

// end leaves the line standing and goes on below it.
func (s *statusLine) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.line != "" {
		_, _ = io.WriteString(s.w, "\n") // a terminal that is gone needs no progress
		s.line = ""
	}
}

// ratesText is the rate of each channel with its error of one sigma.
func ratesText(channels []receiver.ChannelProgress) string {
	words := make([]string, 0, len(channels))
	for _, ch := range channels {
		words = append(words, ch.Name+" "+rateText(ch))
	}
	return strings.Join(words, " ")
}

// rateText writes 57120±240/s: the value and its error in the same digits.
func rateText(ch receiver.ChannelProgress) string {
	switch {
	case !ch.Known:
		return "-"
	case ch.Unit != "1/s":
		return fmt.Sprintf("%.4g%s", ch.Value, ch.Unit)
	}
	digits := 0
	if ch.Sigma > 0 && ch.Sigma < 10 {
		digits = min(6, 1-int(math.Floor(math.Log10(ch.Sigma))))
	}
	return fmt.Sprintf("%.*f±%.*f/s", digits, ch.Value, digits, ch.Sigma)
}

func lagText(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
