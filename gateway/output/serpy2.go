package output

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"photongate/protocol"
)

// controlLimit bounds how long a request about settings is waited for.
const controlLimit = time.Minute

const serpy2Help = `what is understood, as text:
  ?                       the latest rates
  get KEY                 a setting of the instrument; get alone: all
  set KEY=VALUE           changes one, where the configuration allows it
` + helpRows

// serpy2 speaks serpy2 with one client.
type serpy2 struct {
	output *Output
	rows   rows
	reader serpy2Reader
}

func (s *serpy2) begin(*client) error { return nil }

// take implements dialect.
func (s *serpy2) take(c *client, data []byte) error {
	var failed error
	err := s.reader.take(data, func(typ byte, data []byte) {
		if failed == nil {
			failed = s.answer(c, typ, data)
		}
	})
	if failed != nil {
		return failed
	}
	if err != nil {
		_ = c.queue.answer(serpy2TextBlock([]byte("error: " + err.Error()))) // the connection ends anyway
	}
	return err
}

// answer answers one block with one block; a request for rows with many.
func (s *serpy2) answer(c *client, typ byte, data []byte) error {
	answer := "error: only text is understood here\n" + serpy2Help
	if typ == serpy2Text && utf8.Valid(data) && len(data) <= requestMax {
		answer = s.reply(c, strings.TrimSpace(string(data)))
	}
	if answer == "" {
		return nil
	}
	return c.queue.answer(serpy2TextBlock([]byte(strings.TrimSuffix(answer, "\n"))))
}

// reply does what a text asks for and returns the answer, empty for rows that
// come.
func (s *serpy2) reply(c *client, line string) string {
	verb, rest, _ := strings.Cut(line, " ")
	switch strings.ToLower(verb) {
	case "?":
		return s.output.latest.text()
	case "get":
		return s.control(c, protocol.Request{Do: protocol.DoGet, Key: strings.TrimSpace(rest)})
	case "set":
		key, v, ok := strings.Cut(rest, "=")
		if !ok {
			return "error: expected set KEY=VALUE"
		}
		return s.control(c, protocol.Request{Do: protocol.DoSet, Key: strings.TrimSpace(key), Value: strings.TrimSpace(v)})
	case verbHelp:
		return serpy2Help
	}
	q, err := parseRequest(line)
	if err == nil {
		switch q.verb {
		case verbList:
			return s.output.list()
		case verbStop:
			s.rows.stop()
			return "stopped"
		}
		err = s.rows.start(c, q, false)
	}
	if err != nil {
		return "error: " + err.Error() + "\n" + serpy2Help
	}
	return ""
}

// control passes a request about settings on, and writes the reply as text.
func (s *serpy2) control(c *client, r protocol.Request) string {
	config := &s.output.config
	if s.output.deps.Control == nil {
		return "error: this gateway has no control"
	}
	if r.Do == protocol.DoSet && !config.AllowSet {
		return fmt.Sprintf("error: output %s does not allow set (allow_set = true in its configuration does)", config.Label())
	}
	r.ID, r.Device, r.Who = 1, config.Stream, "output "+config.Label()
	ctx, cancel := context.WithTimeout(c.ctx, controlLimit)
	defer cancel()
	reply := s.output.deps.Control.Do(ctx, c.conn.RemoteAddr(), r)
	if reply.Code != "" {
		return "error: " + reply.Text
	}
	var lines []string
	for _, one := range reply.Settings {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s=%s %s", one.Key, one.Value, one.Unit)))
	}
	if len(lines) == 0 && reply.Change != nil {
		lines = append(lines, reply.Change.New)
	}
	if len(lines) == 0 {
		lines = append(lines, "done")
	}
	return strings.Join(lines, "\n")
}

func (s *serpy2) halfClosed() <-chan struct{} { return nil }

func (s *serpy2) end() { s.rows.stop() }

// serpy2TextBlock is a whole block that carries a text.
func serpy2TextBlock(text []byte) []byte { return appendSerpy2Block(nil, serpy2Text, text) }
