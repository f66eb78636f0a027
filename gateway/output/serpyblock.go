package output

import (
	"bytes"
	"errors"
	"fmt"
)

// Bytes of the serpy protocol.
const (
	serpyEnd      = 0x1F // ends a block
	serpyEOT      = 0x04 // ends a message in modes 1 and 3
	serpyInternal = 0x01 // begins a block that is no data
)

// Internal blocks of serpy.
var (
	serpyAckMode = []byte("\x01ACKMODCG\x1f")
	serpyAckEOT  = []byte("\x01ACKEOT!!\x1f")
)

// serpySetMode is the block that announces a mode.
func serpySetMode(mode int) []byte {
	return fmt.Appendf(nil, "%cSETMODE%d%c", serpyInternal, mode, serpyEnd)
}

// acked reports whether messages of a mode of serpy are acknowledged, and
// encoded whether they are written as base85.
func serpyAcked(mode int) bool   { return mode == 1 || mode == 3 }
func serpyEncoded(mode int) bool { return mode == 2 || mode == 3 }

// appendSerpyBlock appends a whole block that carries data in a mode from 0 to
// 3. In modes 0 and 1 the data must be a text that checkSerpyText accepts.
func appendSerpyBlock(dst, data []byte, mode int) []byte {
	if serpyEncoded(mode) {
		dst = appendBase85(dst, data)
	} else {
		dst = append(dst, data...)
	}
	if serpyAcked(mode) {
		dst = append(dst, serpyEOT)
	}
	return append(dst, serpyEnd)
}

// errSerpyText says that a text cannot be sent as it is: its receiver would cut
// it, or take it for a command.
var errSerpyText = errors.New("a text in serpy may hold neither the byte 1F nor 04, nor begin with 01")

// checkSerpyText refuses data that cannot be a block of mode 0 or 1. Byte 04 is
// refused in mode 0 as well: it would end the reader of a client that was left
// in mode 1.
func checkSerpyText(data []byte) error {
	if bytes.IndexByte(data, serpyEnd) >= 0 || bytes.IndexByte(data, serpyEOT) >= 0 || len(data) > 0 && data[0] == serpyInternal {
		return errSerpyText
	}
	return nil
}

// serpyBlockMax bounds a block that a client sends. What is longer is read to
// its end and thrown away.
const serpyBlockMax = 64 << 10

// serpyWords is what a client's bytes mean to us.
type serpyWords struct {
	answers  []byte // whole blocks to be sent back
	modeSet  bool   // it acknowledged our mode
	released bool   // it acknowledged a message of ours
	refused  string // what it wants and will not get; empty: nothing
}

// serpyReader takes what a serpy client sends, in pieces of any size.
type serpyReader struct {
	mode int    // of the client's messages, 0 to 3
	buf  []byte // of a block that has not ended, bounded by serpyBlockMax
	long bool   // the block is too long: it is skipped to its end
}

// take takes the next bytes and says what they ask for.
func (r *serpyReader) take(data []byte) (w serpyWords) {
	for len(data) > 0 {
		n := bytes.IndexByte(data, serpyEnd)
		piece := data
		if n >= 0 {
			piece = data[:n]
		}
		if r.long = r.long || len(r.buf)+len(piece) > serpyBlockMax; r.long {
			r.buf = r.buf[:0]
		} else {
			r.buf = append(r.buf, piece...)
		}
		if n < 0 {
			return w
		}
		if !r.long {
			r.block(r.buf, &w)
		}
		r.buf, r.long = r.buf[:0], false
		data = data[n+1:]
	}
	return w
}

// block takes a whole block.
func (r *serpyReader) block(block []byte, w *serpyWords) {
	if len(block) == 0 {
		return
	}
	if block[0] == serpyInternal {
		r.internal(string(block[1:]), w)
		return
	}
	// What a script says is of no matter here, but it waits for the answer.
	if serpyAcked(r.mode) && bytes.IndexByte(block, serpyEOT) >= 0 {
		w.answers = append(w.answers, serpyAckEOT...)
	}
}

func (r *serpyReader) internal(word string, w *serpyWords) {
	const setMode = "SETMODE"
	switch {
	case word == "ACKMODCG":
		w.modeSet = true
	case word == "ACKEOT!!":
		w.released = true
	case len(word) == len(setMode)+1 && word[:len(setMode)] == setMode:
		switch digit := word[len(setMode)]; digit {
		case '0', '1', '2', '3':
			r.mode = int(digit - '0')
			w.answers = append(w.answers, serpyAckMode...)
		case '4', '5':
			w.refused = fmt.Sprintf("pickled objects (mode %c): they are never read, as reading one runs whatever program is in it", digit)
		default:
			w.refused = fmt.Sprintf("mode %q, which serpy does not have", string(digit))
		}
	default:
		w.refused = fmt.Sprintf("%.40q, which serpy does not have", word)
	}
}
