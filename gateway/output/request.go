package output

import (
	"errors"
	"fmt"
	"strings"
)

// requestMax bounds a line that a client sends.
const requestMax = 4 << 10

// Verbs of a request.
const (
	verbCSV    = "csv"
	verbNDJSON = "ndjson"
	verbStop   = "stop"
	verbList   = "list"
	verbHelp   = "help"
)

// request is what a client of a text output asks for.
type request struct {
	verb    string
	streams []string // names and patterns; none: the usual one
	view    view
}

const helpText = "what is understood:\n" + helpRows + "  help                          this text\n"

const helpRows = `  csv STREAM [--every 1s]       a header and rows, from now on
  ndjson STREAM [--every 1s]    one JSON object in each line
  stop                          no more rows
  list                          the streams there are
`

// errNotUnderstood is the error of a line that is no request.
var errNotUnderstood = errors.New("not understood")

// parseRequest reads a line without its end.
func parseRequest(line string) (request, error) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return request{}, fmt.Errorf("%w: an empty request", errNotUnderstood)
	}
	r := request{verb: strings.ToLower(words[0])}
	words = words[1:]
	switch r.verb {
	case verbCSV, verbNDJSON:
		return r, r.options(words)
	case verbStop, verbList, verbHelp:
		if len(words) > 0 {
			return r, fmt.Errorf("%w: %.60q behind %s", errNotUnderstood, words[0], r.verb)
		}
		return r, nil
	}
	return r, fmt.Errorf("%w: %.60q (expected csv, ndjson, stop, list or help)", errNotUnderstood, r.verb)
}
