package table

import (
	"fmt"

	"photongate/protocol"
)

// Decoders are those of the streams of one session, by stream id.
type Decoders map[uint32]*Decoder

// Frame gives what a session carries of readings and tags to the decoder of its
// stream: stored frames, copies given for context, and that a view was moved on. sink
// tells where what a decoder makes goes. Other frames, and streams without a decoder,
// it passes over.
func (d Decoders) Frame(h protocol.Header, payload []byte, sink func(*Decoder) Sink) error {
	switch {
	case h.Type == protocol.TypeSkip:
		var m protocol.Skip
		if err := protocol.DecodeJSON(payload, &m); err != nil {
			return err
		}
		if one := d[m.Stream]; one != nil {
			one.Interrupted("skipped ahead")
		}
	case h.Type == protocol.TypeCopy:
		inner, inside, _, err := protocol.ParseFrame(payload)
		if err != nil {
			return fmt.Errorf("a copy that is no frame: %w", err)
		}
		if one := d[inner.Stream]; one != nil {
			one.Context(inner, inside)
		}
	case h.Type.Stored():
		if one := d[h.Stream]; one != nil {
			return one.Frame(h, payload, sink(one))
		}
	}
	return nil
}
