package homebuilt

import (
	"bytes"
	"encoding/binary"

	"photongate/instrument"
)

// whole is how many whole records p begins with that are as described, as far as
// sync, trail, checksum and what is always the same tell; at most limit. The last
// one is followed by what a record begins with, as far as more has come.
func (r *record) whole(p []byte, limit int) int {
	length := r.r.Length
	n := r.synced(p, min(limit, len(p)/length))
	if len(r.trail) > 0 {
		for i := range n {
			if !bytes.HasSuffix(p[:(i+1)*length], r.trail) {
				n = i
				break
			}
		}
	}
	if r.r.Checksum != instrument.NoChecksum {
		for i := range n {
			if !r.checksum(p[i*length : (i+1)*length]) {
				n = i
				break
			}
		}
	} else if next := p[n*length:]; n > 0 && len(r.sync) > 0 && len(next) > 0 {
		if k := min(len(next), len(r.sync)); !bytes.Equal(next[:k], r.sync[:k]) {
			n--
		}
	}
	checks := r.checks
	if r.tags != nil && r.tags.quick {
		checks = nil // they are looked at with the tag
	}
	for _, f := range checks {
		for i := range n {
			if v, ok := number7(p[i*length:], f); !ok || f.Is != nil && v != *f.Is {
				n = i
				break
			}
		}
	}
	return n
}

// synced is how many of the first n records begin as they must.
func (r *record) synced(p []byte, n int) int {
	sync, length := r.sync, r.r.Length
	switch {
	case len(sync) == 0:
		return n
	case len(sync) == 1:
		for i, at := 0, 0; i < n; i, at = i+1, at+length {
			if p[at] != sync[0] {
				return i
			}
		}
		return n
	case len(sync) <= 4 && length >= 4:
		var word [4]byte
		copy(word[:], sync)
		want, mask := binary.LittleEndian.Uint32(word[:]), uint32(1<<(8*len(sync))-1)
		for i, at := 0, 0; i < n; i, at = i+1, at+length {
			if binary.LittleEndian.Uint32(p[at:at+4])&mask != want {
				return i
			}
		}
		return n
	}
	for i := range n {
		if !bytes.HasPrefix(p[i*length:], sync) {
			return i
		}
	}
	return n
}
