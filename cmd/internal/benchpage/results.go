package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// results are what benchmarks printed: for each package and name, as
// protocol.Tags/encode/4_equal, each unit's values.
type results struct {
	cpu     string
	figures map[string]map[string][]float64
}

// parse reads the output of go test -bench of several packages. Lines of other kinds are
// passed over.
func parse(text string) results {
	r := results{figures: map[string]map[string][]float64{}}
	pkg := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if after, ok := strings.CutPrefix(line, "pkg: photongate"); ok {
			pkg = strings.TrimPrefix(after, "/")
		}
		if after, ok := strings.CutPrefix(line, "cpu: "); ok {
			r.cpu = after
		}
		words := strings.Fields(line)
		if len(words) < 4 || !strings.HasPrefix(words[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(words[0], "Benchmark")
		if i := strings.LastIndexByte(name, '-'); i > 0 { // the number of cores
			if _, err := strconv.Atoi(name[i+1:]); err == nil {
				name = name[:i]
			}
		}
		name = pkg + "." + name
		for i := 2; i+1 < len(words); i += 2 {
			v, err := strconv.ParseFloat(words[i], 64)
			if err != nil {
				break
			}
			if r.figures[name] == nil {
				r.figures[name] = map[string][]float64{}
			}
			r.figures[name][words[i+1]] = append(r.figures[name][words[i+1]], v)
		}
	}
	return r
}

// get is the median of a figure; false, where it was not measured.
func (r results) get(name, unit string) (float64, bool) {
	values := slices.Sorted(slices.Values(r.figures[name][unit]))
	if len(values) == 0 {
		return 0, false
	}
	return values[len(values)/2], true
}

// text is a figure with so many decimals, and what stands behind it; a dash, where it was
// not measured.
func (r results) text(name, unit string, decimals int, behind string) string {
	v, ok := r.get(name, unit)
	if !ok {
		return "-"
	}
	return strconv.FormatFloat(v, 'f', decimals, 64) + behind
}

// cell is a figure of a table: where it is found, and how it is written.
type cell struct {
	name, unit string
	decimals   int
	behind     string
}

// table is a table of figures. A row without any figure is left out.
type table struct {
	title, about string
	head         []string // of the figures; the first column has none
	rows         []row
}

type row struct {
	label string
	cells []cell
}

// write is the table in Markdown, nothing where no row has a figure.
func (t table) write(r results) string {
	var b strings.Builder
	for _, row := range t.rows {
		line, any := "| "+row.label, false
		for _, c := range row.cells {
			text := r.text(c.name, c.unit, c.decimals, c.behind)
			any = any || text != "-"
			line += " | " + text
		}
		if any {
			b.WriteString(line + " |\n")
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return fmt.Sprintf("## %s\n\n%s\n\n| | %s |\n|---|%s\n%s\n", t.title, t.about, strings.Join(t.head, " | "), strings.Repeat("---:|", len(t.head)), b.String())
}
