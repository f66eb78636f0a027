package receiver

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol"
	"photongate/sim/badline"
)

// over lays a line to the stub that breaks as script says for each session, and
// returns its connections so far.
func (l *lab) over(script func(session int) badline.Script) func() []*badline.Joint {
	var mu sync.Mutex
	var joints []*badline.Joint
	l.pipe = func() (mine, theirs net.Conn) {
		mine, near := net.Pipe()
		far, theirs := net.Pipe()
		mu.Lock()
		defer mu.Unlock()
		joints = append(joints, badline.Join(near, far, script(len(joints)+1)))
		return mine, theirs
	}
	return func() []*badline.Joint {
		mu.Lock()
		defer mu.Unlock()
		return joints
	}
}

// openingBytes is more than the gateway sends up to the proof, of the about 2
// KiB of an exchange.
const openingBytes = 700

// offsets are those that a test tries: the first header, all of the last 200, which hold a frame of
// readings and what follows it, and every 13th before; in the long form all.
func offsets(total int64) (list []int64) {
	for at := range total {
		if at < 60 || at >= total-200 || at%13 == 0 || os.Getenv("PHOTONGATE_CHAOS") == "long" {
			list = append(list, at)
		}
	}
	return list
}

// exchange is how many bytes cross the line either way when all is well.
func exchange(t *testing.T, frames int) (up, down int64) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, frames)
		joints := l.over(func(int) badline.Script { return badline.Script{} })
		l.mustRecord(t)
		up, down = joints()[0].Passed()
	})
	return up, down
}

// broken records over a line whose first connection breaks, and checks that
// everything is there once.
func broken(t *testing.T, script badline.Script) *lab {
	t.Helper()
	l := newLab(t, 2)
	l.over(func(session int) badline.Script {
		if session == 1 {
			return script
		}
		return badline.Script{}
	})
	l.mustRecord(t)
	equal(t, "bench", held(t, l.fs, labFolder, "bench"), l.streams[1].frames)
	equal(t, "gateway", held(t, l.fs, labFolder, "gateway"), l.streams[0].frames)
	return l
}

// A reset at any byte, either way: what was there of a frame is thrown away, and
// the next session brings it whole.
func TestResetAtEveryByte(t *testing.T) {
	t.Attr("fault", "F20")
	t.Attr("promised", "part of a frame is discarded, the next session resumes, every frame is held once")
	up, down := exchange(t, 2)
	tried := map[string]int{}
	again := 0
	try := func(name string, total int64, script func(badline.Way) badline.Script) {
		for _, at := range offsets(total) {
			synctest.Test(t, func(t *testing.T) {
				l := broken(t, script(badline.Way{Breaks: []badline.Break{{At: at, Do: badline.Reset}}}))
				tried[name]++
				if l.sessions > 1 {
					again++
				}
				if t.Failed() {
					t.Fatalf("reset at byte %d of %d %s", at, total, name)
				}
			})
		}
	}
	try("down", down, func(w badline.Way) badline.Script { return badline.Script{Down: w} })
	try("up", up, func(w badline.Way) badline.Script { return badline.Script{Up: w} })
	all := tried["up"] + tried["down"]
	if again < tried["down"] {
		t.Errorf("only %d of %d breaks were noticed", again, all)
	}
	t.Attr("injected", fmt.Sprintf("the connection to a hand-written gateway ends before %d of %d bytes down and %d of %d up, those of a frame of readings among them", tried["down"], down, tried["up"], up))
	t.Attr("seen", fmt.Sprintf("%d of %d: archive whole, each frame once; %d times it was resumed", all, all, again))
}

// A bit that flips at any byte from the gateway: it is noticed, told where there
// is a frame to name, and nothing of it is written.
func TestFlipAtEveryByte(t *testing.T) {
	t.Attr("fault", "F23")
	t.Attr("promised", "`bad` or a refusal is said, the connection ends and is resumed, bad data is never written")
	_, down := exchange(t, 2)
	bads, refusals, opening := 0, 0, 0
	list := offsets(down)
	for _, at := range list {
		synctest.Test(t, func(t *testing.T) {
			l := broken(t, badline.Script{Down: badline.Way{Breaks: []badline.Break{{At: at, Do: badline.Flip, Bit: uint8(at % 8)}}}})
			equal(t, "sessions", l.sessions, 2)
			switch {
			case len(l.bads) == 1 && len(l.refusals) == 0:
				bads++
			case len(l.bads) == 0 && len(l.refusals) == 1:
				refusals++
			case len(l.bads)+len(l.refusals) == 0:
				opening++ // in the greeting it is not answered, and later the end may overtake the answer
			default:
				t.Errorf("said bad %d times, and refused %d times", len(l.bads), len(l.refusals))
			}
			if t.Failed() {
				t.Fatalf("flip at byte %d of %d", at, down)
			}
		})
	}
	if bads == 0 || refusals == 0 {
		t.Errorf("said bad %d times, refused %d times", bads, refusals)
	}
	t.Attr("injected", fmt.Sprintf("one flipped bit in %d of %d bytes from a hand-written gateway, all of a frame of readings and its header among them", len(list), down))
	t.Attr("seen", fmt.Sprintf("%d of %d noticed and resumed, archive whole: %d `bad`, %d refused, %d in the greeting, or the end overtook the answer", len(list), len(list), bads, refusals, opening))
}

// paced records over a slow line, and returns how long that took.
func paced(t *testing.T, script badline.Script) (took time.Duration) {
	t.Helper()
	l := newLab(t, 2)
	l.over(func(int) badline.Script { return script })
	began := time.Now()
	l.mustRecord(t)
	took = time.Since(began)
	equal(t, "bench", held(t, l.fs, labFolder, "bench"), l.streams[1].frames)
	equal(t, "sessions", l.sessions, 1)
	return took
}

// A line that moves bytes is alive, however slow it is; either way.
func TestSlowLinesAreAlive(t *testing.T) {
	const opening = openingBytes
	for name, way := range map[string]badline.Way{
		"single bytes and pauses of 3 s": {After: opening, Segment: 1, Pause: 3 * time.Second},
		"30 bytes per second":            {After: opening, Rate: 30},
		"late by up to 4.9 s":            {After: opening, Segment: 40, Jitter: 4900 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Attr("fault", "F22")
			t.Attr("injected", "what a hand-written gateway sends comes slowly: "+name)
			t.Attr("promised", "the same bytes, one session: no false death")
			synctest.Test(t, func(t *testing.T) {
				took := paced(t, badline.Script{Down: way, Seed: 7})
				if took < 10*time.Second {
					t.Errorf("took %v: the line was not slow", took)
				}
				t.Attr("seen", fmt.Sprintf("one session of %v (simulated time), all frames there", took.Round(time.Second)))
			})
		})
	}
}

// A line that goes silent is dead five seconds after its last byte, whether it
// still takes bytes or not.
func TestHalfOpenGateway(t *testing.T) {
	for name, do := range map[string]badline.Action{"bytes vanish": badline.Stall, "nothing is taken": badline.Freeze} {
		t.Run(name, func(t *testing.T) {
			t.Attr("fault", "F21")
			t.Attr("injected", "a line to a hand-written gateway goes silent without an end: "+name)
			t.Attr("promised", "the receiver notices within 5 s, and connects anew")
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, 2)
				l.stay = true
				joints := l.over(func(int) badline.Script { return badline.Script{} })
				dialled := make(chan time.Time, 2)
				dial := l.dial
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() {
					_, err := l.record(ctx, func(o *RecordOptions) {
						o.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
							dialled <- time.Now()
							return dial(ctx, addr)
						}
					})
					done <- err
				}()
				<-dialled
				time.Sleep(10300 * time.Millisecond) // of the bubble: heartbeats go on
				silent := time.Now()
				joints()[0].Do(do)
				found := (<-dialled).Sub(silent)
				if found > 5500*time.Millisecond || found < 3*time.Second {
					t.Errorf("connected anew after %v", found)
				}
				t.Attr("seen", fmt.Sprintf("connected anew %v after the silence began, the pause before that of up to %v included", found.Round(time.Millisecond), 3*firstPause/2))
				time.Sleep(time.Second)
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
				for _, j := range joints() {
					j.Close()
				}
			})
		})
	}
}

// What the gateway answers to a cursor, and what the receiver makes of it.
func TestHoleForABadFrame(t *testing.T) {
	t.Attr("fault", "F23")
	t.Attr("injected", "a frame that is bad in transit, and of which the gateway then says that it is damaged on its disk")
	t.Attr("promised", "`bad` once, then the hole is stored, all else is delivered, no endless loop")
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 4)
		l.mangle = func(session int, h protocol.Header, f []byte) []byte {
			if h.Stream != 2 || h.Seq != 3 {
				return f
			}
			if session == 1 {
				f = append([]byte(nil), f...)
				f[len(f)-1] ^= 1
				return f
			}
			return hole(t, 1, 3, 3, protocol.CauseDamaged)
		}
		l.mustRecord(t)
		got := sequences(t, held(t, l.fs, labFolder, "bench"))
		equal(t, "bench", got, "1.1 1.2 1.hole3-3(damaged) 1.4 1.5")
		equal(t, "bads", len(l.bads), 1)
		equal(t, "sessions", l.sessions, 2)
		t.Attr("seen", fmt.Sprintf("%d `bad`, %d sessions, archive: %s", len(l.bads), l.sessions, got))
	})
}
