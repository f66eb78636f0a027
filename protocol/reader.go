package protocol

import (
	"errors"
	"fmt"
	"io"
)

const (
	readerBuffer  = 64 << 10 // first size of a FrameReader's buffer; it grows with the frames, to MaxFrame
	maxEmptyReads = 100      // reads of no bytes and no error in a row before io.ErrNoProgress
)

// FrameReader reads frames from a byte stream, buffered. It is for one
// goroutine; SetLimit is for the same one.
type FrameReader struct {
	r     io.Reader
	buf   []byte
	begin int // of what is not yet given out
	end   int // of what was read
	limit int
	err   error // the stream is lost: no border can be found any more
}

// NewFrameReader reads frames of at most limit bytes from r.
func NewFrameReader(r io.Reader, limit int) *FrameReader {
	return &FrameReader{r: r, limit: limit}
}

// SetLimit changes the most bytes a frame may have, from the next frame on.
func (fr *FrameReader) SetLimit(limit int) { fr.limit = limit }

// Next returns the next frame, header and payload. The bytes of frame are
// valid until the next call.
//
// At the end of the stream the error is io.EOF, or io.ErrUnexpectedEOF within a
// frame. With ErrPayloadCRC the header and the (damaged) frame are returned as
// well, and Next can go on. Errors of the header (ErrMagic, ErrVersion,
// ErrHeaderCRC, ErrFormat, ErrLimit) end the stream: every further call returns
// the same. Other errors of the underlying reader, such as a deadline, are returned
// as they come, and the next call goes on where it stood.
func (fr *FrameReader) Next() (Header, []byte, error) {
	if fr.err != nil {
		return Header{}, nil, fr.err
	}
	h, err := fr.header()
	if err != nil {
		return Header{}, nil, err
	}
	if h.FrameLen() > fr.limit {
		fr.err = fmt.Errorf("%w: %v frame of %d bytes, at most %d here", ErrLimit, h.Type, h.FrameLen(), fr.limit)
		return Header{}, nil, fr.err
	}
	if err := fr.fill(h.FrameLen()); err != nil {
		return Header{}, nil, err
	}
	frame := fr.buf[fr.begin : fr.begin+h.FrameLen() : fr.begin+h.FrameLen()]
	fr.begin += len(frame)
	_, _, _, err = ParseFrame(frame)
	return h, frame, err
}

// header reads until a whole header stands in the buffer, without taking it.
func (fr *FrameReader) header() (Header, error) {
	for need := 1; ; {
		if err := fr.fill(need); err != nil {
			return Header{}, err
		}
		b := fr.buf[fr.begin:fr.end]
		h, err := ParseHeader(b)
		switch {
		case err == nil:
			return h, nil
		case !errors.Is(err, io.ErrUnexpectedEOF):
			if errors.Is(err, ErrVersion) && flippedVersion(b) {
				err = fmt.Errorf("%w: the format's number was changed on the way", ErrHeaderCRC)
			}
			fr.err = err
			return Header{}, err
		}
		need = len(b) + 1
		if need > HeaderSize {
			need = 4 * int(b[4])
		}
	}
}

// flippedVersion reports whether a header is one of this version but for its
// number: its checksum says so, which one of another version does not have. As
// far as it is there: nobody waits for more of what may be another format.
func flippedVersion(b []byte) bool {
	if len(b) < HeaderSize || 4*int(b[4]) != HeaderSize {
		return false
	}
	var own [HeaderSize]byte
	copy(own[:], b)
	own[3] = formatMajor
	_, err := ParseHeader(own[:])
	return err == nil
}

// fill reads until at least need bytes are there.
func (fr *FrameReader) fill(need int) error {
	if fr.end-fr.begin >= need {
		return nil
	}
	fr.room(need)
	for empty := 0; fr.end-fr.begin < need; {
		n, err := fr.r.Read(fr.buf[fr.end:])
		fr.end += max(n, 0)
		if fr.end-fr.begin >= need {
			return nil // an error comes again with the next read
		}
		if err == io.EOF && fr.end > fr.begin {
			return fmt.Errorf("stream ended within a frame, after %d bytes of it: %w", fr.end-fr.begin, io.ErrUnexpectedEOF)
		}
		if err != nil {
			return err
		}
		if n > 0 {
			empty = 0
		} else if empty++; empty >= maxEmptyReads {
			return io.ErrNoProgress
		}
	}
	return nil
}

// room makes the buffer hold need bytes from begin on.
func (fr *FrameReader) room(need int) {
	if fr.begin == fr.end {
		fr.begin, fr.end = 0, 0
	}
	if len(fr.buf)-fr.begin >= need {
		return
	}
	to := fr.buf
	if len(to) < need {
		to = make([]byte, max(need, min(2*len(fr.buf), MaxFrame), readerBuffer))
	}
	fr.end = copy(to, fr.buf[fr.begin:fr.end])
	fr.begin, fr.buf = 0, to
}
