package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"photongate/cmd/internal/cli"
	"photongate/receiver"

	"golang.org/x/term"
)

// liveTable redraws a few lines of rates on a terminal. Elsewhere it is silent.
type liveTable struct {
	out   *os.File
	on    bool
	lines int // drawn last time
}

func newLiveTable(out *os.File) *liveTable {
	return &liveTable{out: out, on: term.IsTerminal(int(out.Fd()))}
}

// show draws the table anew. It is called from one goroutine.
func (t *liveTable) show(p receiver.Progress) {
	if !t.on {
		return
	}
	var b strings.Builder
	if t.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", t.lines) // back to the first line
	}
	rows := tableRows(p)
	for _, row := range rows {
		fmt.Fprintf(&b, "\x1b[2K%s\n", row)
	}
	t.lines = len(rows)
	fmt.Fprint(t.out, b.String())
}

func (t *liveTable) end() {
	if t.on && t.lines > 0 {
		fmt.Fprintln(t.out)
	}
}

// tableRows gives one block of lines for each stream: its state, then its
// channels with rate and one standard deviation, in counts per second.
func tableRows(p receiver.Progress) []string {
	rows := []string{"counts per second ± one standard deviation, over the last second:"}
	for _, s := range p.Streams {
		rows = append(rows, fmt.Sprintf("%-6s %6d readings   %s   last reading %v ago", s.Stream, s.Readings, cli.Count(s.Gaps, "gap"), s.Lag.Round(10*time.Millisecond)))
		for at := 0; at < len(s.Channels); at += 4 {
			var line strings.Builder
			for _, c := range s.Channels[at:min(at+4, len(s.Channels))] {
				value := "-"
				if c.Known {
					value = fmt.Sprintf("%.0f ± %.0f", c.Value, c.Sigma)
				}
				fmt.Fprintf(&line, "  %4s %-13s", c.Name, value)
			}
			rows = append(rows, line.String())
		}
	}
	return rows
}
