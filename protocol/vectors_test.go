package protocol

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// vector is a testdata/vectors/NAME.json; testdata/README.md says what it means.
type vector struct {
	Read     string
	Error    string
	Frames   []vectorFrame
	Preamble json.RawMessage
	Copies   []vectorFrame
	Size     int
	Mark     *vectorMark
	Items    []vectorItem
	Token    string
	Binding  string
}

type vectorFrame struct {
	Header  *vectorHeader
	JSON    json.RawMessage
	Counts  *vectorCounts
	Tags    *vectorTags
	Payload *string
}

type vectorHeader struct {
	Type       Type
	Critical   bool
	Flags      uint16
	HeaderLen  int `json:"header_len"`
	PayloadLen int `json:"payload_len"`
	HeaderCRC  CRC `json:"header_crc"`
	PayloadCRC CRC `json:"payload_crc"`
	Stream     uint32
	Epoch      uint32
	Count      uint32
	Seq        Uint64
	Index      Uint64
	Time       Int64
}

func (v vectorHeader) header() Header {
	return Header{v.Type, v.Critical, v.Flags, v.HeaderLen, v.PayloadLen, uint32(v.HeaderCRC), uint32(v.PayloadCRC),
		v.Stream, v.Epoch, v.Count, uint64(v.Seq), uint64(v.Index), int64(v.Time)}
}

type vectorMark struct {
	Offset  Uint64
	LastSeq Uint64 `json:"last_seq"`
}

type vectorItem struct {
	At     int
	Header *vectorHeader
	Mark   *vectorMark
}

type vectorCounts struct {
	Begin, Length, Dead, Uncertainty json.RawMessage
	Flags                            []uint32
	Values                           []json.RawMessage
	ValueFlags                       [][]uint16 `json:"value_flags"` // not uint8, which JSON takes for text
}

// words reads a column of a vector: a list, or from and step.
func words(t *testing.T, column json.RawMessage, n int) []uint64 {
	t.Helper()
	var rule struct{ From, Step Uint64 }
	if err := json.Unmarshal(column, &rule); err == nil {
		x := make([]uint64, n)
		for i := range x {
			x[i] = uint64(rule.From) + uint64(i)*uint64(rule.Step)
		}
		return x
	}
	var list []json.Number
	if err := json.Unmarshal(bytes.ReplaceAll(column, []byte(`"`), nil), &list); err != nil {
		t.Fatal(err)
	}
	x := make([]uint64, len(list))
	for i, text := range list {
		if _, err := fmt.Sscan(text.String(), &x[i]); err != nil {
			var v int64
			fmt.Sscan(text.String(), &v)
			x[i] = uint64(v)
		}
	}
	return x
}

func times(t *testing.T, column json.RawMessage, n int) []int64 {
	if column == nil {
		return nil
	}
	w := words(t, column, n)
	out := make([]int64, len(w))
	for i := range w {
		out[i] = int64(w[i])
	}
	return out
}

func (v *vectorCounts) counts(t *testing.T, n int) *Counts {
	c := &Counts{Begin: times(t, v.Begin, n), Length: times(t, v.Length, n), Dead: times(t, v.Dead, n),
		Uncertainty: times(t, v.Uncertainty, n), Flags: v.Flags}
	for _, column := range v.Values {
		c.Values = append(c.Values, words(t, column, n))
	}
	c.ValueFlags = make([][]uint8, len(c.Values))
	for i, flags := range v.ValueFlags {
		for _, f := range flags {
			c.ValueFlags[i] = append(c.ValueFlags[i], uint8(f))
		}
	}
	return c
}

func readVectors(t *testing.T, use func(t *testing.T, name string, v vector, content []byte)) {
	names, err := filepath.Glob("testdata/vectors/*.json")
	if err != nil || len(names) < 150 {
		t.Fatalf("%d vectors, %v", len(names), err)
	}
	for _, path := range names {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(strings.TrimSuffix(path, ".json") + ".bin")
		if err != nil {
			t.Fatal(err)
		}
		var v vector
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		t.Run(name, func(t *testing.T) { use(t, name, v, content) })
	}
}

// errorKind is the word of testdata/README.md for an error.
func errorKind(err error) string {
	kinds := []struct {
		is   error
		word string
	}{{io.ErrUnexpectedEOF, "truncated"}, {ErrMagic, "magic"}, {ErrVersion, "version"}, {ErrHeaderCRC, "header-crc"},
		{ErrPayloadCRC, "payload-crc"}, {ErrLimit, "limit"}, {ErrUnknown, "unknown"}, {ErrFormat, "format"}}
	for _, k := range kinds {
		if errors.Is(err, k.is) {
			return k.word
		}
	}
	return fmt.Sprint(err)
}

func TestVectors(t *testing.T) {
	t.Attr("fault", "F43")
	all, unknown := 0, 0
	readVectors(t, func(t *testing.T, name string, v vector, content []byte) {
		all++
		if v.Error == "unknown" {
			unknown++
		}
		err := decodeVector(t, v, content)
		if v.Error != "" {
			if err == nil {
				t.Fatalf("taken, expected %s", v.Error)
			}
			if kind := errorKind(err); kind != v.Error {
				t.Fatalf("refused as %s (%v), expected %s", kind, err, v.Error)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	t.Attr("injected", "golden bytes made by another program, those of a later version among them")
	t.Attr("promised", "what version 1 does not know is told from what is damaged, and refused only where it must be understood")
	t.Attr("seen", fmt.Sprintf("%d vectors read as written down, %d of them unknown to version 1", all, unknown))
}

func decodeVector(t *testing.T, v vector, content []byte) error {
	switch v.Read {
	case "frames", "session":
		if err := decodeFrames(t, v.Frames, content, v.Error != ""); err != nil {
			return err
		}
		if v.Read == "session" {
			checkProofs(t, v, content)
		}
		return nil
	case "mark":
		m, err := ParseMark(content)
		if err == nil && (m != Mark{uint64(v.Mark.Offset), uint64(v.Mark.LastSeq)}) {
			t.Errorf("mark %+v, expected %+v", m, v.Mark)
		}
		return err
	case "preamble":
		return decodePreamble(t, v, content)
	case "segment":
		decodeSegment(t, v, content)
		return nil
	}
	t.Fatalf("read %q", v.Read)
	return nil
}

// decodeFrames decodes all of content, comparing with what is expected unless an error is.
func decodeFrames(t *testing.T, expected []vectorFrame, content []byte, errorExpected bool) error {
	var descriptor *Descriptor
	for i := 0; len(content) > 0; i++ {
		h, payload, rest, err := ParseFrame(content)
		if err != nil {
			return err
		}
		content = rest
		if errorExpected {
			if err := decodePayload(h, payload, &descriptor); err != nil {
				return err
			}
			continue
		}
		if i >= len(expected) {
			t.Fatalf("frame %d of %d", i+1, len(expected))
		}
		if d := cmp.Diff(expected[i].Header.header(), h); d != "" {
			t.Errorf("header of frame %d: %s", i, d)
		}
		comparePayload(t, expected[i], h, payload)
	}
	if !errorExpected && len(expected) == 0 {
		t.Fatal("nothing is expected")
	}
	return nil
}

// payloadOf is the Go type of a JSON payload.
func payloadOf(typ Type) any {
	all := map[Type]any{TypeDescriptor: &Descriptor{}, TypeGap: &Gap{}, TypeEvent: &Event{}, TypeClock: &Clock{}, TypeEnd: &End{}, TypeHole: &Hole{},
		TypeHello: &Hello{}, TypeProof: &Proof{}, TypeRefuse: &Refusal{}, TypeSubscribe: &Subscribe{}, TypeSubscribed: &Subscribed{}, TypeTurn: &Turn{},
		TypeCredit: &Credit{}, TypeAck: &Ack{}, TypeHeartbeat: &Heartbeat{}, TypeSkip: &Skip{}, TypeBad: &Bad{}, TypeFinished: &Finished{}, TypeBye: &Bye{},
		TypeRequest: &Request{}, TypeReply: &Reply{}}
	return all[typ]
}

// decodePayload decodes what this version knows, for its error alone.
func decodePayload(h Header, payload []byte, descriptor **Descriptor) error {
	if err := h.Understood(); err != nil {
		return err
	}
	if h.Type == TypeCounts {
		var c Counts
		if err := new(CountsDecoder).Decode(h, payload, &c); err != nil {
			return err
		}
		if *descriptor != nil {
			return (*descriptor).Fits(&c)
		}
		return nil
	}
	if h.Type == TypeTags {
		return refusedTags(h, payload, *descriptor)
	}
	v := payloadOf(h.Type)
	if v == nil {
		return nil
	}
	if d, ok := v.(*Descriptor); ok {
		*descriptor = d
	}
	return DecodeJSON(payload, v)
}

func comparePayload(t *testing.T, expected vectorFrame, h Header, payload []byte) {
	switch {
	case expected.Counts != nil:
		want := expected.Counts.counts(t, int(h.Count))
		var got Counts
		if err := new(CountsDecoder).Decode(h, payload, &got); err != nil {
			t.Fatal(err)
		}
		compareCounts(t, want, &got)
		frame, err := new(CountsEncoder).Append(nil, h2(h), want)
		if err != nil {
			t.Fatal(err)
		}
		again, payload, _, err := ParseFrame(frame)
		if err != nil {
			t.Fatal(err)
		}
		if err := new(CountsDecoder).Decode(again, payload, &got); err != nil {
			t.Fatal(err)
		}
		compareCounts(t, want, &got)
	case expected.Tags != nil:
		compareTags(t, expected.Tags, h, payload)
	case expected.JSON != nil:
		v := payloadOf(h.Type)
		if err := DecodeJSON(payload, v); err != nil {
			t.Fatal(err)
		}
		compareJSON(t, expected.JSON, v)
	case expected.Payload != nil:
		if got := hex.EncodeToString(payload); got != *expected.Payload {
			t.Errorf("payload %s, expected %s", got, *expected.Payload)
		}
		if h.Type == TypeCopy {
			if _, _, rest, err := ParseFrame(payload); err != nil || len(rest) > 0 {
				t.Errorf("copy of a frame: %v, %d bytes left over", err, len(rest))
			}
		}
	default:
		t.Fatal("no payload is expected")
	}
}

// h2 is the identity of a frame, for encoding it again.
func h2(h Header) Header {
	return Header{Flags: h.Flags, Stream: h.Stream, Epoch: h.Epoch, Seq: h.Seq, Index: h.Index}
}

func compareCounts(t *testing.T, want, got *Counts) {
	t.Helper()
	// Of millions of values, cmp would take its time.
	if len(want.Begin) > 10000 {
		if !slices.EqualFunc(want.Values, got.Values, slices.Equal) || !slices.Equal(want.Begin, got.Begin) || !slices.Equal(want.Length, got.Length) {
			t.Error("values, begins or lengths differ")
		}
		return
	}
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("counts: %s", d)
	}
}

// compareJSON encodes v and compares with the expected JSON as values.
func compareJSON(t *testing.T, expected json.RawMessage, v any) {
	t.Helper()
	text, err := EncodeJSON(v)
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	if err := json.Unmarshal(expected, &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("JSON: %s", d)
	}
}

func decodePreamble(t *testing.T, v vector, content []byte) error {
	p, size, err := ParsePreamble(content)
	if err != nil || v.Error != "" {
		return err
	}
	if size != v.Size {
		t.Errorf("preamble of %d bytes, expected %d", size, v.Size)
	}
	if n, err := PreambleSize(content[:PreambleHeadSize]); n != size || err != nil {
		t.Errorf("size %d from the head alone (%v), expected %d", n, err, size)
	}
	compareJSON(t, v.Preamble, &p)
	if len(p.Copies) > 0 || len(v.Copies) > 0 {
		if err := decodeFrames(t, v.Copies, bytes.Join(p.Copies, nil), false); err != nil {
			return err
		}
	}
	again, err := AppendPreamble([]byte("abc"), p)
	if err != nil {
		return err
	}
	p2, _, err := ParsePreamble(again[3:])
	if d := cmp.Diff(p, p2); d != "" {
		t.Errorf("encoded and decoded again: %s", d)
	}
	return err
}

func decodeSegment(t *testing.T, v vector, content []byte) {
	if err := decodePreamble(t, v, content); err != nil {
		t.Fatal(err)
	}
	at := v.Size
	for _, item := range v.Items {
		if at = FindFrame(content, at); at != item.At {
			t.Fatalf("found at %d, expected at %d", at, item.At)
		}
		if item.Mark != nil {
			want := Mark{uint64(item.Mark.Offset), uint64(item.Mark.LastSeq)}
			if m, err := ParseMark(content[at:]); err != nil || m != want {
				t.Fatalf("mark %+v (%v), expected %+v", m, err, want)
			}
			if again := AppendMark(nil, want); !bytes.Equal(again, content[at:at+MarkSize]) {
				t.Errorf("mark is written as % x, expected % x", again, content[at:at+MarkSize])
			}
			at += MarkSize
			continue
		}
		h, _, _, err := ParseFrame(content[at:])
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(item.Header.header(), h); d != "" {
			t.Errorf("frame at %d: %s", at, d)
		}
		at += h.FrameLen()
	}
	if more := FindFrame(content, at); more >= 0 {
		t.Errorf("something more found at %d", more)
	}
}

func checkProofs(t *testing.T, v vector, content []byte) {
	token, _ := hex.DecodeString(v.Token)
	binding, _ := hex.DecodeString(v.Binding)
	var payloads [4][]byte
	for i := range payloads {
		var err error
		if _, payloads[i], content, err = ParseFrame(content); err != nil {
			t.Fatal(err)
		}
	}
	for i, dialer := range []bool{true, false} {
		var p Proof
		if err := DecodeJSON(payloads[2+i], &p); err != nil {
			t.Fatal(err)
		}
		mac := ProofMAC(token, dialer, payloads[0], payloads[1], binding)
		if !EqualMAC(mac, p.MAC) {
			t.Errorf("dialer %v: mac %s, expected %s", dialer, mac, p.MAC)
		}
		if EqualMAC(mac, ProofMAC(token, !dialer, payloads[0], payloads[1], binding)) {
			t.Error("the same mac in both directions")
		}
	}
}
