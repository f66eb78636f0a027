package table

import (
	"encoding/binary"
	"slices"
	"strconv"

	"photongate/protocol"
)

// tagScribe makes what is written of frames of tags. It is one worker's.
type tagScribe struct {
	view  *View
	codec protocol.TagsDecoder
	tags  protocol.Tags
	utc   utcText
	local utcText
}

func newTagScribe(v *View) *tagScribe { return &tagScribe{view: v, local: utcText{zone: v.Zone}} }

// do decodes a job's frame and makes its rows.
func (s *tagScribe) do(j *tagJob) {
	if j.err = s.codec.Decode(j.header, j.payload, &s.tags); j.err != nil {
		return
	}
	from, to := j.part.scale.bounds(s.tags.Ticks[0], j.header.Time, j.fromNs, j.toNs)
	write := s.csv
	switch s.view.Format {
	case NDJSON:
		write = s.ndjson
	case Raw:
		s.raw(j, from, to)
		return
	case NPY:
		s.npy(j, from, to)
		return
	}
	wanted := &j.part.wanted
	for i, tick := range s.tags.Ticks {
		if ch := s.tags.Channels[i]; wanted[ch] && tick-from < to-from {
			write(j, tick, ch)
			j.rows++
		}
	}
}

// psAt is when a tick was, in ps since the first row of the output.
func (j *tagJob) psAt(tick uint64) int64 { return j.part.ps + j.part.scale.psOf(j.part.tick, tick) }

// utcMicros is the UTC of a tick in microseconds.
func (s *tagScribe) utcMicros(j *tagJob, tick uint64) int64 {
	return roundMicros(j.header.Time + j.offset + j.part.scale.ns(s.tags.Ticks[0], tick))
}

func (s *tagScribe) csv(j *tagJob, tick uint64, ch uint8) {
	b := j.text
	if j.utcKnown {
		b = s.utc.append(b, s.utcMicros(j, tick))
	}
	if s.local.zone != nil {
		b = append(b, ',')
		if j.utcKnown {
			b = s.local.append(b, s.utcMicros(j, tick))
		}
	}
	b = appendPs(append(b, ','), j.psAt(tick))
	b = append(b, j.part.epoch...)
	b = strconv.AppendUint(b, tick, 10)
	j.text = append(b, j.part.names[ch]...)
}

func (s *tagScribe) ndjson(j *tagJob, tick uint64, ch uint8) {
	b := append(j.text, `{"type":"tag","time_utc":`...)
	if j.utcKnown {
		b = append(s.utc.append(append(b, '"'), s.utcMicros(j, tick)), '"')
	} else {
		b = append(b, "null"...)
	}
	if s.local.zone != nil && j.utcKnown {
		b = append(s.local.append(append(b, `,"time_local":"`...), s.utcMicros(j, tick)), '"')
	}
	b = appendPs(append(b, `,"t_s":`...), j.psAt(tick))
	b = append(b, j.part.ndjson...)
	b = strconv.AppendUint(b, tick, 10)
	j.text = append(b, j.part.names[ch]...)
}

// raw makes records of the tags between two ticks.
func (s *tagScribe) raw(j *tagJob, from, to uint64) {
	const record = 9
	j.text = slices.Grow(j.text[:0], record*len(s.tags.Ticks))
	b := j.text[:record*len(s.tags.Ticks)]
	n, part := 0, j.part
	for i, tick := range s.tags.Ticks {
		if ch := s.tags.Channels[i]; part.wanted[ch] && tick-from < to-from {
			binary.LittleEndian.PutUint64(b[n:], uint64(j.psAt(tick)))
			b[n+8] = ch
			n += record
		}
	}
	j.text, j.rows = b[:n], uint64(n/record)
}

// npy makes the numbers of the tags between two ticks.
func (s *tagScribe) npy(j *tagJob, from, to uint64) {
	j.text, j.channels = slices.Grow(j.text[:0], 8*len(s.tags.Ticks)), slices.Grow(j.channels[:0], len(s.tags.Ticks))
	b, channels := j.text[:8*len(s.tags.Ticks)], j.channels[:len(s.tags.Ticks)]
	n, part := 0, j.part
	for i, tick := range s.tags.Ticks {
		if ch := s.tags.Channels[i]; part.wanted[ch] && tick-from < to-from {
			binary.LittleEndian.PutUint64(b[8*n:], uint64(j.psAt(tick)))
			channels[n] = ch
			n++
		}
	}
	j.text, j.channels, j.rows = b[:8*n], channels[:n], uint64(n)
}

// appendPs appends picoseconds as seconds with twelve decimals.
func appendPs(dst []byte, ps int64) []byte {
	u := uint64(ps)
	if ps < 0 {
		dst = append(dst, '-')
		u = -u
	}
	dst = strconv.AppendUint(dst, u/psPerSecond, 10)
	rest := u % psPerSecond
	dst = appendSix(dst, rest/1_000_000)
	rest %= 1_000_000
	return append(dst, byte('0'+rest/100_000), byte('0'+rest/10_000%10), byte('0'+rest/1000%10), byte('0'+rest/100%10), byte('0'+rest/10%10), byte('0'+rest%10))
}
