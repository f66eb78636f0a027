package faults

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// columns of the table. The three in the middle hold sentences and share what
// width is left.
var columns = []string{"fault", "test", "injected", "promised", "seen", "result"}

func (r Row) cells() []string {
	return []string{r.Fault, r.Test, r.Injected, r.Promised, r.Seen, r.Result}
}

// WriteText prints rows as a table that fits a terminal of the given width in
// characters; cells that are too long go on below. A test that covers several
// faults is told once.
func WriteText(w io.Writer, rows []Row, width int) error {
	widths := share(width)
	if err := writeLine(w, columns, widths); err != nil {
		return err
	}
	rules := make([]string, len(widths))
	for i, n := range widths {
		rules[i] = strings.Repeat("-", n)
	}
	if err := writeLine(w, rules, widths); err != nil {
		return err
	}
	last := ""
	told := map[string]string{} // fault under which a test was shown, by test
	for _, r := range rows {
		cells := r.cells()
		if first := told[r.Test]; first != "" && first != r.Fault {
			cells[2], cells[3], cells[4] = "as "+first, "as "+first, "as "+first
		} else {
			told[r.Test] = r.Fault
		}
		if r.Fault == last {
			cells[0] = ""
		}
		last = r.Fault
		if err := writeLine(w, cells, widths); err != nil {
			return err
		}
	}
	return nil
}

// share divides the width of a terminal among the columns.
func share(width int) []int {
	const fault, result, between, narrowest = 5, 8, 3, 12
	left := width - fault - result - between*(len(columns)-1)
	each := max(left/4, narrowest)
	return []int{fault, max(left-3*each, each), each, each, each, result}
}

// writeLine prints one row, on as many lines as its longest cell needs.
func writeLine(w io.Writer, cells []string, widths []int) error {
	wrapped := make([][]string, len(cells))
	height := 0
	for i, c := range cells {
		wrapped[i] = wrap(c, widths[i])
		height = max(height, len(wrapped[i]))
	}
	for n := range height {
		var line strings.Builder
		for i, lines := range wrapped {
			text := ""
			if n < len(lines) {
				text = lines[n]
			}
			if i > 0 {
				line.WriteString(" | ")
			}
			line.WriteString(text)
			line.WriteString(strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(text))))
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// wrap breaks text into lines of at most width characters, at spaces or, in
// long names, behind a dot, slash or underscore, else anywhere.
func wrap(text string, width int) []string {
	var lines []string
	for rest := []rune(strings.TrimSpace(text)); len(rest) > 0; {
		n := len(rest)
		if n > width {
			n = breakAt(rest, width)
		}
		lines = append(lines, strings.TrimSpace(string(rest[:n])))
		rest = []rune(strings.TrimSpace(string(rest[n:])))
	}
	return lines
}

func breakAt(text []rune, width int) int {
	for n := width; n > width/2; n-- {
		if text[n] == ' ' || strings.ContainsRune(" ./_-", text[n-1]) {
			return n
		}
	}
	return width
}

// WriteMarkdown prints rows as a table of Markdown.
func WriteMarkdown(w io.Writer, rows []Row) error {
	if err := markdownRow(w, columns); err != nil {
		return err
	}
	if err := markdownRow(w, []string{"---", "---", "---", "---", "---", "---"}); err != nil {
		return err
	}
	for _, r := range rows {
		cells := r.cells()
		cells[1] = "`" + cells[1] + "`"
		if err := markdownRow(w, cells); err != nil {
			return err
		}
	}
	return nil
}

func markdownRow(w io.Writer, cells []string) error {
	escaped := make([]string, len(cells))
	for i, c := range cells {
		escaped[i] = strings.ReplaceAll(c, "|", `\|`)
	}
	_, err := fmt.Fprintf(w, "| %s |\n", strings.Join(escaped, " | "))
	return err
}

// WriteJSON prints rows as one array of JSON.
func WriteJSON(w io.Writer, rows []Row) error {
	if rows == nil {
		rows = []Row{}
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(rows)
}
