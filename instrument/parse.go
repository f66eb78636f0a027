package instrument

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Problem is one thing that is wrong with a file.
type Problem struct {
	Line int    // 0 when not known
	Key  string // "text.split"
	Text string // what is wrong, and in brackets what was expected
}

// Error holds everything that is wrong with a file, in order of lines.
type Error struct {
	Path     string
	Problems []Problem
}

// Error returns one line for each problem: "file:line: key: what is wrong".
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.In(e.Path)
	}
	return strings.Join(lines, "\n")
}

// In is one line for people: "file:line: key: text".
func (p Problem) In(path string) string {
	if p.Line > 0 {
		path = fmt.Sprintf("%s:%d", path, p.Line)
	}
	if p.Key != "" {
		path += ": " + p.Key
	}
	return path + ": " + p.Text
}

// maxFile bounds the size of a file.
const maxFile = 1 << 20

// Load reads the file at path; see Parse.
func Load(path string) (*File, error) {
	info, err := os.Stat(path)
	if e, ok := errors.AsType[*os.PathError](err); ok { // that it was a stat says nothing to people
		return nil, fmt.Errorf("read instrument file %s: %w", path, e.Err)
	}
	if err != nil {
		return nil, fmt.Errorf("read instrument file: %w", err)
	}
	if info.Size() > maxFile {
		return nil, &Error{Path: path, Problems: []Problem{{Text: fmt.Sprintf("is %d bytes long (expected a page of TOML)", info.Size())}}}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read instrument file: %w", err)
	}
	return Parse(path, text)
}

// Parse reads an instrument file; path is used in messages and kept as File.Path.
// It returns a *Error with all that is wrong, if anything is. It does not try the
// examples: who interprets the file does.
func Parse(path string, text []byte) (*File, error) {
	if len(text) > maxFile {
		return nil, &Error{Path: path, Problems: []Problem{{Text: fmt.Sprintf("is %d bytes long (expected a page of TOML)", len(text))}}}
	}
	var root map[string]any
	if err := toml.Unmarshal(text, &root); err != nil {
		return nil, tomlError(path, text, err)
	}
	f := &File{Path: path}
	r := reader{lines: keyLines(text), problems: map[string]Problem{}}
	r.file(root, f)
	if len(r.problems) == 0 {
		c := checker{&r, f}
		c.file()
	}
	if len(r.problems) > 0 {
		return nil, &Error{Path: path, Problems: r.sorted()}
	}
	return f, nil
}

// tomlError says where a text is no TOML.
func tomlError(path string, text []byte, err error) error {
	p := Problem{Text: strings.TrimPrefix(err.Error(), "toml: ")}
	if de, ok := errors.AsType[*toml.DecodeError](err); ok {
		p.Line, _ = de.Position()
		p.Key = strings.Join(de.Key(), ".")
		lines := strings.Split(string(text), "\n")
		if p.Line > 0 && p.Line <= len(lines) {
			p.Text += fmt.Sprintf(" in %q", strings.TrimSpace(lines[p.Line-1]))
		}
		if strings.Contains(p.Text, "escape") {
			p.Text += ` (between '...' a backslash needs no other one: '\d+')`
		}
	}
	return &Error{Path: path, Problems: []Problem{p}}
}

// sorted returns all problems by line.
func (r *reader) sorted() []Problem {
	var list []Problem
	for _, p := range r.problems {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return strings.Compare(a.Key+a.Text, b.Key+b.Text)
	})
	return list
}
