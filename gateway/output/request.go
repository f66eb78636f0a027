package output

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"photongate/protocol/table"
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
	view    table.View
}

const helpText = "what is understood:\n" + helpRows + "  help                    this text\n"

const helpRows = `  csv STREAM [WORDS]      a header and rows, from now on
  ndjson STREAM [WORDS]   one JSON object in each line: readings, gaps, events
      WORDS are those of photonrecv cat: --every 1s, --rate, --correct dark,dead,acc,
      --tz local, --excel; and --merge --every 1s for several streams
  stop                    no more rows
  list                    the streams there are
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

// options reads what stands behind csv or ndjson: streams, and words of a view
// in any order.
func (r *request) options(words []string) error {
	fs := flag.NewFlagSet(r.verb, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	r.view.Flags(fs, table.Here{Now: time.Now()})
	for len(words) > 0 {
		if err := fs.Parse(words); err != nil {
			return fmt.Errorf("%w: %w", errNotUnderstood, err)
		}
		words = fs.Args()
		if len(words) > 0 {
			r.streams = append(r.streams, strings.Split(words[0], ",")...)
			words = words[1:]
		}
	}
	var err error
	fs.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "from", "to":
			err = fmt.Errorf("%w: --%s: here are live readings, from now on; photonrecv cat has those before", errNotUnderstood, f.Name)
		case "format":
			err = fmt.Errorf("%w: --format: say csv or ndjson in its place", errNotUnderstood)
		}
	})
	if err != nil {
		return err
	}
	if r.view.Format = table.CSV; r.verb == verbNDJSON {
		r.view.Format = table.NDJSON
	}
	_, err = table.NewOutput(io.Discard, r.view)
	return err
}
