package output

// serpy speaks serpy with one client. Its mode is ours: 0 to 3.
type serpy struct {
	output *Output
	mode   int
	reader serpyReader
	set    bool // the client acknowledged our mode
}

// begin announces the mode. Mode 0 needs no announcement: a connection begins
// in it.
func (s *serpy) begin(c *client) error {
	if s.mode == 0 {
		return nil
	}
	if c.queue.hold(); serpyAcked(s.mode) {
		c.queue.ackEach()
	}
	return c.queue.answer(serpySetMode(s.mode))
}

// take implements dialect.
func (s *serpy) take(c *client, data []byte) error {
	w := s.reader.take(data)
	if w.refused != "" {
		if n, now := s.output.trouble.Tell("refused"); now {
			c.log.Warn().Int("times", n).Msgf("the client asks for %s; this is ignored", w.refused)
		}
	}
	if w.modeSet && !s.set {
		s.set = true
		c.queue.release()
	}
	if w.released && s.set && serpyAcked(s.mode) {
		c.queue.release()
	}
	return c.queue.answer(w.answers)
}

func (s *serpy) halfClosed() <-chan struct{} { return nil }

func (s *serpy) end() {}

// silent is the dialect of records: nothing is said but the records, and
// nothing is heard.
type silent struct{}

func (silent) begin(*client) error         { return nil }
func (silent) take(*client, []byte) error  { return nil }
func (silent) halfClosed() <-chan struct{} { return nil }
func (silent) end()                        {}
