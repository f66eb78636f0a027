package output

import (
	"bytes"
	"errors"
	"strings"
)

// text is the dialect of lines.
type text struct {
	output *Output
	rows   rows
	line   []byte // that has not ended
}

// begin serves the request that the configuration makes for every client.
func (t *text) begin(c *client) error {
	if t.output.config.Send == "" {
		return nil
	}
	return t.request(c, t.output.config.Send, false)
}

// errLongLine ends the connection of a client that is no friend of lines.
var errLongLine = errors.New("a request is longer than a line may be")

// take implements dialect. Lines end with LF or CR LF, and are answered alike.
func (t *text) take(c *client, data []byte) error {
	for len(data) > 0 {
		n := bytes.IndexByte(data, '\n')
		if n < 0 {
			n = len(data)
		}
		if len(t.line)+n > requestMax {
			return errLongLine
		}
		t.line = append(t.line, data[:n]...)
		if n == len(data) {
			return nil
		}
		data = data[n+1:]
		line, crlf := bytes.CutSuffix(t.line, []byte{'\r'})
		if err := t.request(c, string(line), crlf); err != nil {
			return err
		}
		t.line = t.line[:0]
	}
	return nil
}

// request answers one line. An empty one is no request.
func (t *text) request(c *client, line string, crlf bool) error {
	if strings.TrimSpace(line) == "" {
		return nil
	}
	q, err := parseRequest(line)
	if err == nil {
		err = t.do(c, q, crlf)
	}
	switch {
	case errors.Is(err, errUnread):
		return err
	case err != nil:
		return t.say(c, "error: "+err.Error()+"\n"+helpText, crlf)
	}
	return nil
}

func (t *text) do(c *client, q request, crlf bool) error {
	switch q.verb {
	case verbHelp:
		return t.say(c, helpText, crlf)
	case verbList:
		return t.say(c, t.output.list(), crlf)
	case verbStop:
		t.rows.stop()
		return nil
	}
	return t.rows.start(c, q, crlf)
}

func (t *text) say(c *client, text string, crlf bool) error {
	if crlf {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	return c.queue.answer([]byte(text))
}

// halfClosed implements dialect: "echo csv bench | nc HOST PORT" sends no more
// and still wants rows.
func (t *text) halfClosed() <-chan struct{} { return t.rows.served() }

func (t *text) end() { t.rows.stop() }

// list is the answer to "list": the streams, one in each line.
func (o *Output) list() string { return strings.Join(o.deps.Devices, "\n") + "\n" }
