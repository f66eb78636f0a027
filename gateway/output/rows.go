package output

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"photongate/protocol/table"
)

// rowsBlock is about how much text of rows is one block, of whole lines.
const rowsBlock = 16 << 10

// rows sends one client the rows it asked for. The dialect that reads from the
// client uses it.
type rows struct {
	output *Output
	wrap   func(text []byte) []byte // makes a block of a text; nil: the text is the block

	cancel context.CancelFunc // of the request being served; nil: none
	done   chan struct{}
}

// start serves a request for rows, instead of the one before.
func (r *rows) start(c *client, q request, crlf bool) error {
	names := q.streams
	if len(names) == 0 {
		names = r.usual()
	}
	if len(names) == 0 {
		return fmt.Errorf("which stream? There are %s", strings.Join(r.output.deps.Devices, ", "))
	}
	names, err := r.output.deps.match(names)
	if err != nil {
		return err
	}
	r.stop()
	c.queue.clear()
	w := &rowWriter{crlf: crlf, emit: func(text []byte, keep bool) {
		if r.wrap != nil {
			text = r.wrap(text)
		}
		r.output.put(c, text, keep)
	}}
	s, err := newShown(w, q.view)
	if err != nil {
		return err
	}
	f, err := r.output.deps.follow(names, s.stream)
	if err != nil {
		return err
	}
	if err := s.open(f); err != nil {
		f.close()
		return wayOut(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel, r.done = cancel, make(chan struct{})
	go func() {
		defer close(r.done)
		if err := errors.Join(f.run(ctx, s.flush), s.finish()); err != nil {
			r.failed(c, w, wayOut(err))
		}
	}()
	return nil
}

// wayOut says what to do where streams do not go together.
func wayOut(err error) error {
	if errors.Is(err, table.ErrMixed) {
		return fmt.Errorf("%w; ask for one stream, for ndjson, or for --merge --every 1s", err)
	}
	return err
}

// usual is the stream that is meant when none is named.
func (r *rows) usual() []string {
	if r.output.config.Stream != "" {
		return []string{r.output.config.Stream}
	}
	if r.output.deps.Usual != "" {
		return []string{r.output.deps.Usual}
	}
	if len(r.output.deps.Devices) == 1 {
		return r.output.deps.Devices
	}
	return nil
}

// failed tells the client why no more rows come, behind those that wait.
func (r *rows) failed(c *client, w *rowWriter, err error) {
	if n, now := r.output.trouble.Tell("rows"); now {
		c.log.Warn().Err(err).Int("times", n).Msg("rows ended")
	}
	end := "\n"
	if w.crlf {
		end = "\r\n"
	}
	w.emit([]byte("error: "+err.Error()+end), true)
}

// stop ends the request being served, if any.
func (r *rows) stop() {
	if r.cancel == nil {
		return
	}
	r.cancel()
	<-r.done
	r.cancel = nil
}

// served is closed when the request being served has ended, nil when there is
// none.
func (r *rows) served() <-chan struct{} {
	if r.cancel == nil {
		return nil
	}
	return r.done
}

// rowWriter cuts the text of rows into blocks of whole lines.
type rowWriter struct {
	crlf  bool // lines end with CR LF
	emit  func(text []byte, keep bool)
	buf   []byte
	begun bool // something was emitted: the header is out
}

// Write implements io.Writer. It has no errors.
func (w *rowWriter) Write(text []byte) (int, error) {
	for rest := text; len(rest) > 0; {
		n := bytes.IndexByte(rest, '\n') + 1
		if n == 0 {
			w.buf = append(w.buf, rest...)
			break
		}
		w.buf = append(w.buf, rest[:n-1]...)
		if w.crlf {
			w.buf = append(w.buf, '\r')
		}
		w.buf = append(w.buf, '\n')
		if len(w.buf) >= rowsBlock {
			w.send()
		}
		rest = rest[n:]
	}
	return len(text), nil
}

// send emits what was gathered. The first block holds the header, without which
// the others mean nothing.
func (w *rowWriter) send() {
	if len(w.buf) > 0 {
		w.emit(bytes.Clone(w.buf), !w.begun)
		w.begun, w.buf = true, w.buf[:0]
	}
}

// flush emits what waits, which is whole lines after each writer's flush.
func (w *rowWriter) flush() error {
	w.send()
	return nil
}
