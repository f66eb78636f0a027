package gateway

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol"
	"photongate/sim/badline"
)

// mirror is an archive in memory, by hand: it keeps the numbered frames of the
// stream bench that came whole, acks them, and says `bad` as a receiver must.
type mirror struct {
	id     protocol.ID
	frames [][]byte
	last   protocol.Header
	bads   int
}

// over runs one session over a connection: from the last frame it has on, until
// it has reading index of an epoch, or the connection breaks.
func (m *mirror) over(conn net.Conn, epoch uint32, index uint64) error {
	defer conn.Close()
	frames := protocol.NewFrameReader(conn, protocol.MaxFrame)
	hello := protocol.Hello{Format: [2]int{1, 1}, Role: protocol.RoleReceiver, Name: "desk", ID: m.id, Software: "test", Nonce: protocol.NewID()}
	if err := say(conn, protocol.TypeHello, &hello); err != nil {
		return err
	}
	if _, _, err := frames.Next(); err != nil {
		return err
	}
	if err := say(conn, protocol.TypeProof, &protocol.Proof{}); err != nil {
		return err
	}
	ask := protocol.Subscribe{Sub: 1, Kind: protocol.SubscribeArchive, Streams: []string{"bench"}, From: protocol.FromOldest, Credit: 1 << 30}
	if m.last.Epoch > 0 {
		ask.From, ask.Rest, ask.Cursors = protocol.FromCursor, protocol.FromOldest, cursorAt(m.last.Epoch, m.last.Seq, m.last.HeaderCRC)
	}
	if err := say(conn, protocol.TypeSubscribe, &ask); err != nil {
		return err
	}
	for {
		h, frame, err := frames.Next()
		if errors.Is(err, protocol.ErrPayloadCRC) && h.Type.Stored() && h.Type != protocol.TypeHole {
			m.bads++
			return errors.Join(err, say(conn, protocol.TypeBad, &protocol.Bad{Sub: 1, Stream: h.Stream, Epoch: h.Epoch, Seq: protocol.Uint64(h.Seq), Detail: "payload CRC"}), awaitEnd(conn))
		}
		if err != nil {
			return err
		}
		if h.Type == protocol.TypeRefuse {
			return fmt.Errorf("refused: %s", frame[h.HeaderLen:])
		}
		if h.Stream != benchID || !h.Type.Stored() {
			continue
		}
		m.frames, m.last = append(m.frames, bytes.Clone(frame)), h
		ack := protocol.Ack{Sub: 1, Streams: []protocol.AckStream{{ID: benchID, Epoch: h.Epoch, Seq: protocol.Uint64(h.Seq)}}}
		if err := say(conn, protocol.TypeAck, &ack); err != nil {
			return err
		}
		if m.has(epoch, index) {
			return errors.Join(say(conn, protocol.TypeBye, &protocol.Bye{Reason: "has all"}), awaitEnd(conn))
		}
	}
}

// has reports whether the last frame holds reading index of an epoch.
func (m *mirror) has(epoch uint32, index uint64) bool {
	h := m.last
	return h.Epoch == epoch && h.Type == protocol.TypeCounts && h.Index+uint64(h.Count) > index
}

// awaitEnd reads until the other end closes.
func awaitEnd(conn net.Conn) error {
	_, err := io.Copy(io.Discard, conn)
	return err
}

// lineTo lays a line to a gateway whose next connection breaks as next says.
func lineTo(t *testing.T, r *running, next *atomic.Pointer[badline.Script]) *badline.Line {
	t.Helper()
	line, err := badline.Lay(r.Addr().String(), func(int) badline.Script {
		if s := next.Swap(nil); s != nil { // one break each
			return *s
		}
		return badline.Script{}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { line.Close() })
	return line
}

// through dials through a line.
func through(t *testing.T, line *badline.Line) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", line.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// someOf are the offsets that a short form tries of a connection: the first
// header, all of the last
// 200, which hold whole frames, and every 17th before.
func someOf(total int64) (list []int64) {
	for at := range total {
		if at < 60 || at >= total-200 || at%17 == 0 || os.Getenv("PHOTONGATE_CHAOS") == "long" {
			list = append(list, at)
		}
	}
	return list
}

// brokenSession takes the record over a connection that breaks, and what is
// lacking over one that does not; it checks that each frame came once, with the
// bytes it has.
func brokenSession(t *testing.T, r *recorded, line *badline.Line) (m *mirror, broke bool) {
	t.Helper()
	m = &mirror{id: protocol.ID{7}}
	broke = m.over(through(t, line), 3, 3) != nil
	if broke && !m.has(3, 3) {
		if err := m.over(through(t, line), 3, 3); err != nil {
			t.Fatalf("the second session: %v", err)
		}
	}
	var truth [][]byte
	for _, g := range r.frames {
		if g.Stream == benchID && g.Type.Numbered() {
			truth = append(truth, g.frame)
		}
	}
	if got, want := bytes.Join(m.frames, nil), bytes.Join(truth, nil); !bytes.Equal(got, want) {
		t.Fatalf("%d frames of %d bytes, want %d of %d", len(m.frames), len(got), len(truth), len(want))
	}
	return m, broke
}

// whole is how many bytes cross either way when nothing breaks.
func wholeSession(t *testing.T, r *recorded, line *badline.Line) (up, down int64) {
	t.Helper()
	brokenSession(t, r, line)
	return line.Conn(line.Conns()).Passed()
}

// A connection that is reset before any byte, either way: the next one goes on,
// and what was acked stays acked.
func TestResetAtEveryByte(t *testing.T) {
	r := recordedGateway(t)
	t.Attr("fault", "F20")
	t.Attr("promised", "part of a frame is discarded, the next session resumes, every frame arrives once with the same bytes")
	var next atomic.Pointer[badline.Script]
	line := lineTo(t, r.running, &next)
	up, down := wholeSession(t, r, line)
	tried, broke := 0, 0
	for _, way := range []string{"down", "up"} {
		total := map[string]int64{"down": down, "up": up}[way]
		for _, at := range someOf(total) {
			w := badline.Way{Breaks: []badline.Break{{At: at, Do: badline.Reset}}}
			script := badline.Script{Down: w}
			if way == "up" {
				script = badline.Script{Up: w}
			}
			next.Store(&script)
			tried++
			if _, b := brokenSession(t, r, line); b {
				broke++
			} else if way == "down" && at < total/2 {
				t.Errorf("a reset at byte %d of %d %s broke nothing", at, total, way)
			}
		}
	}
	t.Attr("injected", fmt.Sprintf("RST before %d of %d bytes, either way, in whole sessions with a hand-written receiver", tried, up+down))
	t.Attr("seen", fmt.Sprintf("%d of %d: %d broke before the receiver had all, and were resumed, all frames once, byte for byte", tried, tried, broke))
}

// One flipped bit in any byte, either way.
func TestFlipAtEveryByte(t *testing.T) {
	r := recordedGateway(t)
	t.Attr("fault", "F23")
	t.Attr("promised", "said bad or refused, connection dropped, resumed, counted; bad data never taken or believed")
	var next atomic.Pointer[badline.Script]
	line := lineTo(t, r.running, &next)
	up, down := wholeSession(t, r, line)
	tried, bads := 0, uint64(0)
	for _, way := range []string{"down", "up"} {
		total := map[string]int64{"down": down, "up": up}[way]
		for _, at := range someOf(total) {
			w := badline.Way{Breaks: []badline.Break{{At: at, Do: badline.Flip, Bit: uint8(at % 8)}}}
			script := badline.Script{Down: w}
			if way == "up" {
				script = badline.Script{Up: w}
			}
			next.Store(&script)
			tried++
			m, broke := brokenSession(t, r, line)
			if !broke && way == "down" && at < total/2 {
				t.Errorf("a flipped bit at byte %d of %d %s was not noticed", at, total, way)
			}
			bads += uint64(m.bads)
		}
	}
	counted := uint64(0)
	for _, a := range r.Status().Archives {
		counted += uint64(a.BadFrames)
	}
	if counted != bads || counted == 0 {
		t.Errorf("%d frames were said to be bad, and %d counted", bads, counted)
	}
	t.Attr("injected", fmt.Sprintf("one flipped bit in %d of %d bytes, either way, headers included, with a hand-written receiver", tried, up+down))
	t.Attr("seen", fmt.Sprintf("%d of %d: all frames once, byte for byte; `bad` said %d times, counted %d times", tried, tried, bads, counted))
}

// A frame that is damaged in this computer's memory is sent as its file has it;
// one that is damaged there too is a hole. The bad one is sent once.
func TestFrameDamagedInMemory(t *testing.T) {
	for name, onDisk := range map[string]bool{"memory": false, "memory and disk": true} {
		t.Run(name, func(t *testing.T) {
			r := recordedGateway(t)
			t.Attr("fault", "F23")
			t.Attr("injected", "a frame damaged in the gateway's "+name+", which a receiver says is bad")
			t.Attr("promised", "the same frame is never sent bad twice: whole from its file, or a hole `damaged`")
			if err := r.journal.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			bad := r.frame(3, 4)
			reader := r.stream(t, "bench").Reader(position(protocol.AckStream{Epoch: 3, Seq: 3}))
			inMemory, err := reader.TryNext(1)
			if err != nil || !bytes.Equal(inMemory, bad.frame) {
				t.Fatalf("read %d bytes, %v", len(inMemory), err)
			}
			inMemory[len(inMemory)-1] ^= 4
			reader.Close()
			if onDisk {
				files, err := filepath.Glob(filepath.Join(r.config.Journal, "bench", "*.pgs"))
				if err != nil || len(files) != 3 {
					t.Fatalf("files: %v, %v", files, err)
				}
				damage(t, files[2], bad.frame)
			}
			m := &mirror{id: protocol.NewID()}
			sessions := 0
			for ; sessions < 5; sessions++ {
				if err := m.over(dial(t, r.Addr()), 3, 3); err == nil {
					sessions++
					break
				}
			}
			if m.bads != 1 || sessions != 2 {
				t.Errorf("said bad %d times in %d sessions", m.bads, sessions)
			}
			var h protocol.Header
			var payload []byte
			for _, f := range m.frames {
				if h, payload, _, err = protocol.ParseFrame(f); err != nil {
					t.Fatal(err)
				}
				if h.Epoch == 3 && h.Seq == 4 {
					break
				}
			}
			what := h.Type.String() + " as it was recorded"
			switch {
			case onDisk && (h.Type != protocol.TypeHole || !strings.Contains(string(payload), protocol.CauseDamaged)):
				t.Errorf("in its place came %v %s", h.Type, payload)
			case onDisk:
				what = "hole " + string(payload)
			case h.HeaderCRC != bad.HeaderCRC:
				t.Errorf("in its place came %v %s", h.Type, payload)
			}
			var counted uint64
			for _, a := range r.Status().Archives {
				counted += uint64(a.BadFrames)
			}
			if counted != 1 {
				t.Errorf("counted %d bad frames", counted)
			}
			t.Attr("seen", fmt.Sprintf("`bad` said %d time, counter %d, session %d brought %s", m.bads, counted, sessions, what))
		})
	}
}

// What is said to be bad and was never sent is against the rules.
func TestBadOfWhatWasNeverSent(t *testing.T) {
	r := recordedGateway(t)
	c := connect(t, r.Addr(), "desk", protocol.NewID())
	c.subscribe(archiveFrom(protocol.FromOldest, "bench"))
	c.untilIndex(benchID, 2)
	c.say(protocol.TypeBad, &protocol.Bad{Sub: 1, Stream: benchID, Epoch: 3, Seq: 1000})
	c.refusedWith(protocol.RefuseProtocol)
}

// An ack that names something never sent is believed in nothing.
func TestAckOfWhatWasNeverSent(t *testing.T) {
	r := recordedGateway(t)
	t.Attr("fault", "F28")
	t.Attr("injected", "one ack for a frame that was sent and one for a frame that never was, in one message; and for an epoch that is to come")
	t.Attr("promised", "protocol error, the connection ends, nothing is deleted: no ack is believed")
	id := protocol.NewID()
	said, refused := "", 0
	for _, never := range []protocol.AckStream{{ID: 1, Epoch: 1, Seq: 1 << 40}, {ID: 1, Epoch: 1 << 20, Seq: 1}, {ID: 7, Epoch: 1, Seq: 1}} {
		c := connect(t, r.Addr(), "desk", id)
		c.subscribe(archiveFrom(protocol.FromOldest, "bench"))
		c.untilIndex(benchID, 2)
		c.say(protocol.TypeAck, &protocol.Ack{Sub: 1, Streams: []protocol.AckStream{{ID: benchID, Epoch: 1, Seq: 2}, never}})
		said = c.refusedWith(protocol.RefuseProtocol).Text
		refused++
		if at := r.server.archives.snapshot()[1].Acked["bench"]; at.Epoch != 0 {
			t.Errorf("acked up to %+v", at)
		}
	}
	t.Attr("seen", fmt.Sprintf("refused %d times, last with: %s; acked: %+v", refused, said, r.server.archives.snapshot()[1].Acked["bench"]))
}

// A peer that goes silent is dead five seconds after its last byte, and its
// place is free; plain and under TLS, whether its line takes bytes or not.
func TestHalfOpenReceiver(t *testing.T) {
	for _, do := range []badline.Action{badline.Stall, badline.Freeze} {
		for _, secure := range []bool{false, true} {
			name := map[badline.Action]string{badline.Stall: "bytes vanish", badline.Freeze: "nothing is taken"}[do] + map[bool]string{true: ", under TLS"}[secure]
			t.Run(name, func(t *testing.T) {
				t.Attr("fault", "F21")
				t.Attr("injected", "the line to a receiver goes silent without an end: "+name)
				t.Attr("promised", "the gateway notices within 5 s, and the place is free")
				synctest.Test(t, func(t *testing.T) {
					v, p := trusted(t)
					near, a := net.Pipe()
					b, far := net.Pipe()
					j := badline.Join(a, b, badline.Script{})
					v.accept(t.Context(), far)
					var conn net.Conn = near
					if secure {
						conn = tls.Client(near, p.ClientTLS())
					}
					c := &client{t: t, conn: conn, frames: protocol.NewFrameReader(conn, protocol.MaxFrame)}
					c.open("desk", protocol.NewID())
					c.keepAlive()
					go func() {
						for { // heartbeats come until the line is silent
							if _, _, err := c.frames.Next(); err != nil {
								return
							}
						}
					}()
					time.Sleep(7300 * time.Millisecond) // of the bubble
					if n := sessionsOf(v); n != 1 {
						t.Fatalf("%d sessions while all is well", n)
					}
					silent := time.Now()
					j.Do(do)
					v.wg.Wait()
					took := time.Since(silent)
					if took > 5*time.Second || sessionsOf(v) != 0 {
						t.Errorf("%d sessions %v after the silence began", sessionsOf(v), took)
					}
					t.Attr("seen", fmt.Sprintf("the session ended and its place was free %v after the silence began (simulated time)", took.Round(time.Millisecond)))
					j.Close()
					conn.Close()
				})
			})
		}
	}
}

func sessionsOf(v *server) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.sessions)
}

// A receiver behind a line that moves bytes is alive, however slow.
func TestSlowLinesAreAlive(t *testing.T) {
	const opening = 600 // bytes of it, more either way
	// Heartbeats that such a line brings down in ten minutes, of about 85 bytes each.
	least := map[string]map[bool]int{
		"single bytes and pauses of 3 s": {true: 590, false: 2},
		"20 bytes per second":            {true: 590, false: 80},
		"late by up to 3.9 s":            {true: 590, false: 40},
	}
	for name, way := range map[string]badline.Way{
		"single bytes and pauses of 3 s": {After: opening, Segment: 1, Pause: 3 * time.Second},
		"20 bytes per second":            {After: opening, Rate: 20},
		"late by up to 3.9 s":            {After: opening, Segment: 20, Jitter: 3900 * time.Millisecond},
	} {
		for _, both := range []string{"up", "down", "both ways"} {
			t.Run(name+", "+both, func(t *testing.T) {
				t.Attr("fault", "F22")
				t.Attr("injected", "for ten minutes of simulated time the line to a receiver gives "+name+", "+both)
				t.Attr("promised", "no false death while bytes flow, and what is sent comes out whole")
				synctest.Test(t, func(t *testing.T) {
					v, _ := trusted(t)
					near, a := net.Pipe()
					b, far := net.Pipe()
					script := badline.Script{Up: way, Down: way, Seed: 11}
					if both == "up" {
						script.Down = badline.Way{}
					} else if both == "down" {
						script.Up = badline.Way{}
					}
					j := badline.Join(a, b, script)
					v.accept(t.Context(), far)
					c := &client{t: t, conn: near, frames: protocol.NewFrameReader(near, protocol.MaxFrame)}
					c.open("desk", protocol.NewID())
					c.keepAlive()
					beats := 0
					go func() {
						for {
							if h, _, err := c.frames.Next(); err != nil {
								return
							} else if h.Type == protocol.TypeHeartbeat {
								beats++
							}
						}
					}()
					time.Sleep(10 * time.Minute)
					synctest.Wait()
					if n := sessionsOf(v); n != 1 {
						t.Errorf("%d sessions", n)
					}
					up, down := j.Passed()
					if beats < least[name][both == "up"] {
						t.Errorf("%d heartbeats arrived whole, want %d", beats, least[name][both == "up"])
					}
					t.Attr("seen", fmt.Sprintf("alive after 10 min: %d bytes went up, %d down, %d heartbeats arrived whole", up, down, beats))
					j.Close()
					v.wg.Wait()
					synctest.Wait()
				})
			})
		}
	}
}
