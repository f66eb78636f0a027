package gateway

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"photongate/device"
	"photongate/protocol"
)

// header is a frame header written by hand, with a checksum that holds.
func header(typ byte, payload uint32, count uint32) []byte {
	b := make([]byte, 56)
	copy(b, "\xf5PG\x01\x0e")
	b[5] = typ
	binary.LittleEndian.PutUint32(b[8:], payload)
	binary.LittleEndian.PutUint32(b[28:], count)
	binary.LittleEndian.PutUint32(b[12:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// Whatever comes, the one who sent it is turned away with a reason where it
// can be told one, and the others do not notice.
func TestHostileInput(t *testing.T) {
	log := &logLines{}
	f := newBench()
	r := launchWith(t, testConfig(t, "bench"), Deps{Drivers: []device.Driver{f.driver("fake")}, OpenPort: f.openPort, Log: zerolog.New(log)})
	good := connect(t, r.Addr(), "desk", protocol.NewID())
	good.subscribe(archiveFrom(protocol.FromOldest, "bench"))
	source := <-f.sources

	hello := func(change func(*protocol.Hello)) []byte {
		h := protocol.Hello{Format: [2]int{1, 1}, Role: "receiver", Name: "evil", ID: protocol.NewID(), Software: "x", Nonce: protocol.NewID()}
		change(&h)
		frame, err := protocol.AppendJSON(nil, protocol.Header{Type: protocol.TypeHello}, &h)
		if err != nil {
			t.Fatal(err)
		}
		return frame
	}
	frame := func(typ protocol.Type, v any) []byte {
		b, err := protocol.AppendJSON(nil, protocol.Header{Type: typ}, v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	well := hello(func(*protocol.Hello) {})
	noise := make([]byte, 1<<20)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	version := bytes.Clone(well)
	version[3] = 2
	clear(version[12:16]) // with a checksum that holds: otherwise it is damage
	binary.LittleEndian.PutUint32(version[12:], crc32.Checksum(version[:56], crc32.MakeTable(crc32.Castagnoli)))
	flipped := bytes.Clone(well)
	flipped[70] ^= 1
	tests := []struct {
		name string
		send []byte
		code string // of the refusal, "" for a plain end
	}{
		{"random bytes", noise, "protocol"},
		{"HTTP", []byte("GET /index.html HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP"},
		{"TLS that is none", mustHex(t, "160301020001000000"), ""},
		{"another version", version, "version"},
		{"payload damaged", flipped, "protocol"},
		{"huge length", header(32, 1<<30, 0), "limit"},
		{"hello too long", header(32, 4<<10, 0), "limit"},
		{"a frame of 2^32 readings", header(2, 100, 1<<32-1), "limit"},
		{"no hello", frame(protocol.TypeBye, &protocol.Bye{}), "protocol"},
		{"hello that is no JSON", mustFrame(t, protocol.TypeHello, []byte("hello")), "protocol"},
		{"newer formats only", hello(func(h *protocol.Hello) { h.Format = [2]int{2, 3} }), "version"},
		{"a gateway", hello(func(h *protocol.Hello) {
			h.Role, h.Base, h.Boot, h.NowNs, h.UTCNs = "gateway", protocol.NewID(), "b", 1, 1
		}), "protocol"},
		{"no id", hello(func(h *protocol.Hello) { h.ID = protocol.ID{} }), "protocol"},
		{"no name", hello(func(h *protocol.Hello) { h.Name = "" }), "protocol"},
		{"name with a newline", hello(func(h *protocol.Hello) { h.Name = "a\nb" }), "protocol"},
		{"a feature we lack", hello(func(h *protocol.Hello) { h.Needs = []string{"time travel"} }), "unknown"},
		{"a token we lack", append(bytes.Clone(well), frame(protocol.TypeProof, &protocol.Proof{MAC: "00"})...), "token"},
		{"hello twice", append(bytes.Clone(well), well...), "protocol"},
		{"a subscription before the proof", append(bytes.Clone(well), frame(protocol.TypeSubscribe, &protocol.Subscribe{Sub: 1, Kind: "view", From: "now"})...), "protocol"},
		{"a frame of readings after the proof", append(append(bytes.Clone(well), frame(protocol.TypeProof, &protocol.Proof{})...), header(2, 100, 10)...), ""},
		{"junk after the proof", append(append(bytes.Clone(well), frame(protocol.TypeProof, &protocol.Proof{})...), "junk"...), "protocol"},
	}
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := talk(t, r.Addr(), tt.send)
			switch {
			case tt.code == "HTTP":
				if !strings.HasPrefix(text, "HTTP/1.0 400 Bad Request\r\n") || !strings.Contains(text, "photonrecv") {
					t.Errorf("answer: got %q", text)
				}
			case tt.code != "" && !strings.Contains(text, `{"code":"`+tt.code+`"`):
				t.Errorf("answer: got %q, want a refusal with %q", text, tt.code)
			}
			source.feed <- readings(f.now(), 100*time.Millisecond, 1)
			good.untilIndex(benchID, uint64(i))
		})
	}
	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 64<<20 {
		t.Errorf("memory grew by %d bytes", grown)
	}
	good.say(protocol.TypeBye, &protocol.Bye{})
	r.end()
	turned := 0
	for _, line := range log.messages() {
		if strings.Contains(line, "turned away") {
			turned++
		}
	}
	if turned == 0 || turned > 6 { // one for each code
		t.Errorf("%d lines about connections turned away:\n%s", turned, strings.Join(log.messages(), "\n"))
	}
}

// talk sends bytes and returns all that comes until the other side ends it.
func talk(t *testing.T, addr net.Addr, send []byte) string {
	t.Helper()
	conn := dial(t, addr)
	defer conn.Close()
	if _, err := conn.Write(send); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil && !errors.Is(err, syscall.ENOTCONN) {
		t.Fatal(err)
	}
	text, err := io.ReadAll(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection was not ended")
	}
	return string(text)
}

func mustHex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustFrame(t *testing.T, typ protocol.Type, payload []byte) []byte {
	t.Helper()
	b, err := protocol.AppendFrame(nil, protocol.Header{Type: typ}, payload)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A receiver that reads nothing holds up neither the device nor another
// receiver.
func TestStalledReceiver(t *testing.T) {
	f := newBench()
	r := launch(t, testConfig(t, "bench"), f)
	stalled := connect(t, r.Addr(), "stalled", protocol.NewID())
	stalled.say(protocol.TypeSubscribe, &protocol.Subscribe{Sub: 1, Kind: "archive", Streams: []string{"bench"}, From: "oldest", Credit: 1 << 40})
	stalled.keepAlive()
	good := connect(t, r.Addr(), "good", protocol.NewID())
	good.subscribe(archiveFrom(protocol.FromOldest, "bench"))
	source := <-f.sources
	begin := f.now()
	const batches, each = 100, 8000 // 12 MiB of values that cannot be packed: far more than sockets hold
	random := rand.New(rand.NewPCG(1, 2))
	for i := range batches {
		source.feed <- func(b *device.Batch) {
			for k := range each {
				addReading(b, begin+int64(i*each+k), 1, random.Uint64(), random.Uint64())
			}
		}
	}
	list := good.untilIndex(benchID, batches*each-1)
	next := uint64(0)
	for _, g := range list {
		if g.Type == protocol.TypeCounts {
			if g.Index != next {
				t.Fatalf("reading %d follows %d", g.Index, next)
			}
			next += uint64(g.Count)
		}
	}
	s := r.Status()
	if s.Devices[0].Gaps != 0 || s.Devices[0].Readings != batches*each || len(s.Sessions) != 2 || !s.Sessions[0].Archive || !s.Sessions[1].Archive {
		t.Errorf("status: got %+v", s)
	}
	good.say(protocol.TypeBye, &protocol.Bye{})
	t.Attr("fault", "F24")
	t.Attr("injected", "one receiver that reads nothing but sends heartbeats, another one at full speed")
	t.Attr("promised", "the fast one and the device are unaffected")
	t.Attr("seen", fmt.Sprintf("%d of %d readings in order at the fast one, %d gaps", next, batches*each, s.Devices[0].Gaps))
}
