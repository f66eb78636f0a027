package table

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"photongate/protocol"
)

// baseNs is 2026-11-20T13:30:12.1Z.
const baseNs = int64(1795181412_100_000_000)

const baseID = "b0000000000000000000000000000001"

func mustID(t testing.TB, s string) protocol.ID {
	t.Helper()
	id, err := protocol.ParseID(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("%s (-got +want):\n%s", what, diff)
	}
}

// frameMaker makes the frames of one stream and epoch.
type frameMaker struct {
	t      testing.TB
	stream uint32
	epoch  uint32
	seq    uint64
	index  uint64
	time   int64
	out    [][]byte
}

func (m *frameMaker) header(kind protocol.Type) protocol.Header {
	m.seq++
	return protocol.Header{Type: kind, Stream: m.stream, Epoch: m.epoch, Seq: m.seq, Index: m.index, Time: m.time}
}

func (m *frameMaker) json(kind protocol.Type, v any) *frameMaker {
	m.t.Helper()
	frame, err := protocol.AppendJSON(nil, m.header(kind), v)
	if err != nil {
		m.t.Fatal(err)
	}
	m.out = append(m.out, frame)
	return m
}

// describe appends the descriptor.
func (m *frameMaker) describe(base protocol.ID, stream string, channels ...protocol.Channel) *frameMaker {
	m.t.Helper()
	return m.json(protocol.TypeDescriptor, &protocol.Descriptor{Stream: stream, Base: base, Boot: "boot", Software: "test", Cause: "gateway started",
		GateNs: 100_000_000, Timing: protocol.TimingDevice, Channels: channels})
}

// counts appends one frame of gates of 100 ms, one row of values for each.
func (m *frameMaker) counts(rows ...[]uint64) *frameMaker {
	m.t.Helper()
	c := protocol.Counts{Values: make([][]uint64, len(rows[0]))}
	for i, row := range rows {
		c.Begin = append(c.Begin, m.time+int64(i)*100_000_000)
		c.Length = append(c.Length, 100_000_000)
		for ch, v := range row {
			c.Values[ch] = append(c.Values[ch], v)
		}
	}
	frame, err := new(protocol.CountsEncoder).Append(nil, m.header(protocol.TypeCounts), &c)
	if err != nil {
		m.t.Fatal(err)
	}
	m.out = append(m.out, frame)
	m.index += uint64(len(rows))
	m.time += int64(len(rows)) * 100_000_000
	return m
}
