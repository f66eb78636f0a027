package journal

// Bytes is how much the segment files of all streams take on the disk.
func (j *Journal) Bytes() (bytes int64) {
	for _, s := range j.Streams() {
		bytes += s.Bytes()
	}
	return bytes
}

// Tail tells how many bytes of frames wait in memory for the disk to take
// them, and how many may.
func (j *Journal) Tail() (used, limit int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, c := range j.tail.chunks {
		used += int64(c.n - c.written)
	}
	return used, j.tail.limit
}

// Reserve is how much of the disk is set aside now for when it is full (see
// Options.ReserveBytes). It is not among Bytes.
func (j *Journal) Reserve() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.reserve.held {
		return 0
	}
	return j.reserve.bytes
}

// Bytes is how much the stream's files take on the disk.
func (s *Stream) Bytes() (bytes int64) {
	s.j.mu.Lock()
	defer s.j.mu.Unlock()
	for _, seg := range s.segs {
		bytes += seg.size.Load()
	}
	return bytes
}

// Appended is how many bytes of frames Append has taken since the journal was
// opened: what it grows by, marks and preambles excepted.
func (s *Stream) Appended() uint64 {
	s.j.mu.Lock()
	defer s.j.mu.Unlock()
	return s.appended
}
