package faults

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The table of faults in a page stands between these lines.
const (
	pageBegin = "<!-- table of faults: written by go run ./cmd/internal/campaign --short --page gateway/OPERATING.md -->"
	pageEnd   = "<!-- end of the table of faults -->"
)

// PageFile is the page with the table of faults, from the top of the tree.
const PageFile = "gateway/OPERATING.md"

// Table is the table of faults of a page: which tests keep which promise.
// tests holds for each fault the names of the tests (cmd.TestX), without
// subtests.
func Table(tests map[string][]string) string {
	var out strings.Builder
	out.WriteString(pageBegin + "\n\n| | what happens | what is promised | kept by |\n|---|---|---|---|\n")
	for _, f := range List() {
		name := f.Name
		if f.Nearest != "" {
			name += " (nearest simulation: " + f.Nearest + ")"
		}
		var quoted []string
		for _, t := range slices.Compact(slices.Sorted(slices.Values(tests[f.ID]))) {
			quoted = append(quoted, "`"+t+"`")
		}
		_ = markdownRow(&out, []string{f.ID, name, f.Promise, strings.Join(quoted, " ")}) // a Builder takes everything
	}
	out.WriteString("\n" + pageEnd)
	return out.String()
}

// Tests returns which tests announced which fault, without their subtests.
func (r *Results) Tests() map[string][]string {
	tests := map[string][]string{}
	for _, row := range r.Rows() {
		name, _, _ := strings.Cut(row.Test, ".Test")
		test, _, _ := strings.Cut(strings.TrimPrefix(row.Test, name), "/")
		if full := name + test; !slices.Contains(tests[row.Fault], full) {
			tests[row.Fault] = append(tests[row.Fault], full)
		}
	}
	return tests
}

// Rewrite returns the page with its table of faults replaced.
func Rewrite(page, table string) (string, error) {
	before, rest, ok := strings.Cut(page, pageBegin)
	if !ok {
		return "", fmt.Errorf("the page has no line %q", pageBegin)
	}
	_, after, ok := strings.Cut(rest, pageEnd)
	if !ok {
		return "", fmt.Errorf("the page has no line %q", pageEnd)
	}
	return before + table + after, nil
}

// pageRow finds the rows of the table: the fault and the tests in the last
// column.
var pageRow = regexp.MustCompile("(?m)^\\| (F\\d\\d) \\|.*\\| ((?:`[^`|]+` ?)*)\\|$")

// PageTests reads from a page which tests keep which promise.
func PageTests(page string) map[string][]string {
	tests := map[string][]string{}
	for _, m := range pageRow.FindAllStringSubmatch(page, -1) {
		for t := range strings.FieldsSeq(m[2]) {
			tests[m[1]] = append(tests[m[1]], strings.Trim(t, "`"))
		}
	}
	return tests
}

// Stale compares the tests that a page names with those that announced
// themselves, and returns a sentence for each difference.
func Stale(page string, ran map[string][]string) []string {
	var stale []string
	written := PageTests(page)
	for _, f := range List() {
		for _, t := range written[f.ID] {
			if !slices.Contains(ran[f.ID], t) {
				stale = append(stale, fmt.Sprintf("%s names %s for %s, which did not announce it", PageFile, t, f.ID))
			}
		}
		for _, t := range ran[f.ID] {
			if !slices.Contains(written[f.ID], t) {
				stale = append(stale, fmt.Sprintf("%s announced %s and is not in the table of %s", t, f.ID, PageFile))
			}
		}
	}
	return stale
}
