package unknown

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// text looks at lines.
func (r *Report) text(all received) {
	end, said := lineEnd(all.bytes)
	if end == "" {
		r.find("%s", said)
		return
	}
	r.find("%s", said)
	lines, ends := split(all.bytes, end)
	if len(lines) > 1 {
		lines, ends = lines[1:], ends[1:] // the first may be torn
	}
	if len(lines) == 0 {
		return
	}
	r.Sure = 2
	if len(lines) > 2 {
		r.Sure += 0.5
	}
	if p := period("lines", all.when(ends)); p != "" {
		r.find("%s", p)
	}
	r.columns(lines)
}

// lineEnd finds what ends a line: CR LF, LF, CR, or else a mark that is neither
// letter, digit nor blank and comes more than once.
func lineEnd(b []byte) (end, said string) {
	crlf := bytes.Count(b, []byte("\r\n"))
	lf, cr := bytes.Count(b, []byte("\n"))-crlf, bytes.Count(b, []byte("\r"))-crlf
	switch {
	case crlf > 0 && crlf >= lf+cr:
		said = fmt.Sprintf("lines end in CR LF (%d times", crlf)
		if lf+cr > 0 {
			said += fmt.Sprintf("; LF alone %d, CR alone %d times", lf, cr)
		}
		return "\r\n", said + ")"
	case lf > 0 && lf >= cr:
		return "\n", fmt.Sprintf("lines end in LF (%d times; CR LF %d, CR alone %d times)", lf, crlf, cr)
	case cr > 0:
		return "\r", fmt.Sprintf("lines end in CR (%d times; CR LF %d times)", cr, crlf)
	}
	var counts [128]int
	best := byte(0)
	for _, c := range b {
		if c <= ' ' || c > '~' || strings.IndexByte(".,:+-_", c) >= 0 ||
			'0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' {
			continue
		}
		if counts[c]++; counts[c] > counts[best] {
			best = c
		}
	}
	if counts[best] < 2 {
		return "", "there is no line end, and no mark that could be one"
	}
	return string(rune(best)), fmt.Sprintf("there is no CR and no LF; %q comes %d times and may end what is said", best, counts[best])
}

// split returns the lines that are ended, and where their ends are.
func split(b []byte, end string) (lines []string, ends []int) {
	at := 0
	for {
		line, rest, found := bytes.Cut(b, []byte(end))
		if !found {
			return lines, ends
		}
		at += len(line) + len(end)
		ends = append(ends, at-1)
		lines = append(lines, strings.TrimSpace(string(line)))
		b = rest
	}
}

// separators are what may stand between columns, the likelier first.
var separators = []struct {
	name  string
	split func(string) []string
}{
	{"commas", func(s string) []string { return strings.Split(s, ",") }},
	{"semicolons", func(s string) []string { return strings.Split(s, ";") }},
	{"tabs", func(s string) []string { return strings.Split(s, "\t") }},
	{"blanks", strings.Fields},
	{"colons", func(s string) []string { return strings.Split(s, ":") }},
	{"equals signs", func(s string) []string { return strings.Split(s, "=") }},
}

// columns finds the separator by which most lines have the same number of
// columns, and looks at each column.
func (r *Report) columns(lines []string) {
	name, split, width, share := "", separators[0].split, 1, 0
	for _, s := range separators {
		widths := map[int]int{}
		for _, l := range lines {
			widths[len(s.split(l))]++
		}
		for w, n := range widths {
			if w > 1 && n*2 >= len(lines) && (n > share || n == share && w > width && name == "") {
				name, split, width, share = s.name, s.split, w, n
			}
		}
	}
	if name == "" {
		width, split = 1, func(s string) []string { return []string{s} }
	}
	var rows [][]string
	var odd []string
	for _, l := range lines {
		f := split(l)
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		if len(f) != width || l == "" {
			odd = append(odd, l)
			continue
		}
		rows = append(rows, f)
	}
	rows, odd = dropWords(rows, odd)
	if len(rows) == 0 {
		return
	}
	if name == "" {
		r.find("one column: no separator cuts the lines into the same number of columns")
	} else {
		r.find("%d columns between %s, in %d of %d lines", width, name, len(rows), len(lines))
		r.Sure += 0.4 * float64(len(rows)) / float64(len(lines))
	}
	if len(odd) > 0 {
		r.find("lines of another form: %d, the first: %q", len(odd), odd[0])
	}
	for c := range width {
		var values []string
		for _, row := range rows {
			values = append(values, row[c])
		}
		r.find("column %d: %s", c+1, describeColumn(values))
	}
}

// dropWords moves rows without any number among rows that have them, a heading
// or a greeting, to the odd lines.
func dropWords(rows [][]string, odd []string) ([][]string, []string) {
	numeric := func(row []string) bool {
		return slices.ContainsFunc(row, func(s string) bool { _, err := strconv.ParseFloat(s, 64); return err == nil })
	}
	if !slices.ContainsFunc(rows, numeric) {
		return rows, odd
	}
	var kept [][]string
	for _, row := range rows {
		if numeric(row) {
			kept = append(kept, row)
		} else {
			odd = append(odd, strings.Join(row, " "))
		}
	}
	return kept, odd
}

// describeColumn says what the values of a column are and how they change.
func describeColumn(values []string) string {
	integers, decimals := 0, 0
	var numbers []float64
	for _, v := range values {
		x, err := strconv.ParseFloat(v, 64)
		if err != nil {
			continue
		}
		numbers = append(numbers, x)
		if _, err := strconv.ParseInt(v, 10, 64); err == nil {
			integers++
		} else {
			decimals++
		}
	}
	if len(numbers) < len(values) {
		if same(values) {
			return fmt.Sprintf("always %q", values[0])
		}
		return fmt.Sprintf("%d of %d are numbers; %q, %q", len(numbers), len(values), values[0], values[len(values)-1])
	}
	kind := "integers"
	if decimals > 0 {
		kind = "decimal fractions"
	}
	if same(values) {
		return fmt.Sprintf("%s, always %s", kind, values[0])
	}
	s := fmt.Sprintf("%s, changing, from %v to %v", kind, number(slices.Min(numbers)), number(slices.Max(numbers)))
	if len(numbers) > 3 && slices.IsSorted(numbers) {
		s += "; never falls: a running total, a time or a number of the line"
		if step, even := evenSteps(numbers); even {
			s += fmt.Sprintf(" (always %s more)", number(step))
		}
	}
	return s
}

func same(values []string) bool {
	return !slices.ContainsFunc(values, func(v string) bool { return v != values[0] })
}

func evenSteps(x []float64) (step float64, even bool) {
	step = x[1] - x[0]
	for i := 1; i < len(x); i++ {
		if x[i]-x[i-1] != step {
			return 0, false
		}
	}
	return step, true
}

func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
