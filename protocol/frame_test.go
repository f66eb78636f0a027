package protocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// someFrames are a counts frame, a gap and an empty session frame.
func someFrames(t testing.TB) [][]byte {
	t.Helper()
	var e CountsEncoder
	counts, err := e.Append(nil, Header{Stream: 1, Epoch: 3, Seq: 812, Index: 40211},
		&Counts{Begin: []int64{5, 10}, Length: []int64{5, 5}, Values: [][]uint64{{1, 2}, {300, 4}}})
	if err != nil {
		t.Fatal(err)
	}
	gap, err := AppendJSON(nil, Header{Type: TypeGap, Stream: 1, Epoch: 3, Seq: 813, Time: -7}, Gap{Cause: CauseStalled})
	if err != nil {
		t.Fatal(err)
	}
	empty, err := AppendFrame(nil, Header{Type: 46}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return [][]byte{counts, gap, empty}
}

func TestHeaderByHand(t *testing.T) {
	frame := unhex(t, `F5504701 0E 81 0000 02000000 00000000 00000000 07000000 03000000 00000000`+
		`2C03000000000000 139D000000000000 FEFFFFFFFFFFFFFF 7B7D`)
	payload := Checksum([]byte("{}"))
	binary.LittleEndian.PutUint32(frame[16:], payload)
	header := Checksum(frame[:HeaderSize]) // its own field is still zero
	binary.LittleEndian.PutUint32(frame[12:], header)
	h, body, rest, err := ParseFrame(frame)
	if err != nil || string(body) != "{}" || len(rest) > 0 {
		t.Fatalf("%q, rest % x, %v", body, rest, err)
	}
	want := Header{Type: TypeDescriptor, Critical: true, HeaderLen: 56, PayloadLen: 2, HeaderCRC: header, PayloadCRC: payload,
		Stream: 7, Epoch: 3, Seq: 812, Index: 40211, Time: -2}
	if d := cmp.Diff(want, h); d != "" {
		t.Error(d)
	}
	again, err := AppendFrame([]byte("x"), want, body)
	if err != nil || !bytes.Equal(again[1:], frame) {
		t.Errorf("written as\n% x, expected\n% x (%v)", again[1:], frame, err)
	}
}

func TestChecksum(t *testing.T) {
	if crc := Checksum([]byte("123456789")); crc != 0xE3069283 {
		t.Errorf("%08x", crc)
	}
}

// TestEveryBitFlipIsFound: no single bit of a frame can change unseen.
func TestEveryBitFlipIsFound(t *testing.T) {
	for _, frame := range someFrames(t) {
		for bit := range 8 * len(frame) {
			bad := bytes.Clone(frame)
			bad[bit/8] ^= 1 << (bit % 8)
			if _, _, _, err := ParseFrame(bad); err == nil {
				t.Errorf("bit %d of a frame of %d bytes can change unseen", bit, len(frame))
			}
		}
	}
}

func TestSealRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		frame []byte
		h     Header
		is    error
	}{
		{"no room", make([]byte, 55), Header{Type: TypeCounts}, ErrFormat},
		{"an extension", make([]byte, 60), Header{Type: TypeCounts, HeaderLen: 60}, ErrFormat},
		{"bit 7 in the type", make([]byte, 56), Header{Type: 0x82}, ErrFormat},
		{"over 1 MiB", make([]byte, MaxFrame+1), Header{Type: TypeCounts}, ErrLimit},
		{"JSON over 64 KiB", make([]byte, HeaderSize+MaxJSON+1), Header{Type: TypeEvent}, ErrLimit},
		{"hello over 4 KiB", make([]byte, MaxHello+1), Header{Type: TypeHello}, ErrLimit},
	} {
		if _, err := SealFrame(c.frame, c.h); !errors.Is(err, c.is) {
			t.Errorf("%s: %v, expected %v", c.name, err, c.is)
		}
	}
	if _, err := SealFrame(make([]byte, MaxFrame), Header{Type: TypeCounts}); err != nil {
		t.Errorf("a frame of exactly 1 MiB: %v", err)
	}
}

func TestFindFrame(t *testing.T) {
	frames := someFrames(t)
	mark := AppendMark(nil, Mark{Offset: 5, LastSeq: 6})
	lure := []byte("\xF5\xF5P\xF5PG\x01\xF5PM\x01 \xF5PG\x02")
	b := bytes.Join([][]byte{lure, frames[0], []byte("\xF5P"), mark, frames[1][:len(frames[1])-1]}, nil)
	first := len(lure)
	second := first + len(frames[0]) + 2
	for _, c := range [][2]int{{-5, first}, {0, first}, {first, first}, {first + 1, second}, {second, second}, {second + 1, -1}, {len(b) + 9, -1}} {
		if at := FindFrame(b, c[0]); at != c[1] {
			t.Errorf("from %d on found at %d, expected at %d", c[0], at, c[1])
		}
	}
}

// readAll reads frames until an error.
func readAll(fr *FrameReader) (frames [][]byte, err error) {
	for {
		_, frame, err := fr.Next()
		if err != nil {
			return frames, err
		}
		frames = append(frames, bytes.Clone(frame))
	}
}

// TestFrameReaderCuts: however the bytes are cut, the same frames come out.
func TestFrameReaderCuts(t *testing.T) {
	want := someFrames(t)
	stream := bytes.Join(want, nil)
	for cut := range len(stream) + 1 {
		r := io.MultiReader(bytes.NewReader(stream[:cut]), bytes.NewReader(stream[cut:]))
		got, err := readAll(NewFrameReader(r, MaxFrame))
		if err != io.EOF || len(cmp.Diff(want, got)) > 0 {
			t.Fatalf("cut after %d bytes: %d frames, %v", cut, len(got), err)
		}
		got, err = readAll(NewFrameReader(bytes.NewReader(stream[:cut]), MaxFrame))
		whole := cut == 0 || cut == len(want[0]) || cut == len(want[0])+len(want[1]) || cut == len(stream)
		if whole && err != io.EOF || !whole && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("ended after %d bytes: %d frames, %v", cut, len(got), err)
		}
	}
	got, err := readAll(NewFrameReader(iotest.OneByteReader(iotest.DataErrReader(bytes.NewReader(stream))), MaxFrame))
	if err != io.EOF || len(cmp.Diff(want, got)) > 0 {
		t.Fatalf("byte by byte: %d frames, %v", len(got), err)
	}
}

func TestFrameReaderLargeFrames(t *testing.T) {
	big, err := AppendFrame(nil, Header{Type: TypeCounts}, bytes.Repeat([]byte{0xF5}, MaxFrame-HeaderSize))
	if err != nil {
		t.Fatal(err)
	}
	small := someFrames(t)[1]
	want := [][]byte{small, big, small, big, big, small}
	got, err := readAll(NewFrameReader(iotest.HalfReader(bytes.NewReader(bytes.Join(want, nil))), MaxFrame))
	if err != io.EOF || len(got) != len(want) {
		t.Fatalf("%d frames, %v", len(got), err)
	}
	for i := range want {
		if !bytes.Equal(want[i], got[i]) {
			t.Errorf("frame %d differs", i)
		}
	}
}

func TestFrameReaderGoesOnAfterDeadline(t *testing.T) {
	stream := bytes.Join(someFrames(t), nil)
	fr := NewFrameReader(iotest.TimeoutReader(iotest.OneByteReader(bytes.NewReader(stream))), MaxFrame)
	if _, _, err := fr.Next(); !errors.Is(err, iotest.ErrTimeout) {
		t.Fatalf("first: %v", err)
	}
	got, err := readAll(fr)
	if err != io.EOF || len(got) != 3 {
		t.Fatalf("%d frames, %v", len(got), err)
	}
}

func TestFrameReaderDamage(t *testing.T) {
	frames := someFrames(t)
	bad := bytes.Clone(frames[1])
	bad[len(bad)-1] ^= 1
	fr := NewFrameReader(bytes.NewReader(bytes.Join([][]byte{bad, frames[0], []byte("\xF5PG\x02")}, nil)), MaxFrame)
	h, frame, err := fr.Next()
	if !errors.Is(err, ErrPayloadCRC) || h.Seq != 813 || !bytes.Equal(frame, bad) {
		t.Fatalf("seq %d, %v", h.Seq, err)
	}
	if _, frame, err := fr.Next(); err != nil || !bytes.Equal(frame, frames[0]) {
		t.Fatalf("the frame behind it: %v", err)
	}
	for range 2 {
		if _, _, err := fr.Next(); !errors.Is(err, ErrVersion) {
			t.Fatalf("%v, expected %v", err, ErrVersion)
		}
	}
}

func TestFrameReaderLimit(t *testing.T) {
	frames := someFrames(t)
	fr := NewFrameReader(bytes.NewReader(bytes.Join(frames, nil)), len(frames[0]))
	if _, _, err := fr.Next(); err != nil {
		t.Fatal(err)
	}
	fr.SetLimit(len(frames[1]) - 1)
	if _, _, err := fr.Next(); !errors.Is(err, ErrLimit) {
		t.Fatal(err)
	}
}

func TestFrameReaderNoProgress(t *testing.T) {
	if _, _, err := NewFrameReader(silent{}, MaxFrame).Next(); err != io.ErrNoProgress {
		t.Error(err)
	}
}

// silent reads nothing, without an error, for ever.
type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }
