package gateway

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
	"photongate/protocol"
)

// recorded is a gateway with two finished epochs of three and two frames of
// one reading each, and a third one that goes on.
type recorded struct {
	*running
	bench  *bench
	source *fakeSource
	begin  int64 // of the first reading; one each second
	frames []got // of the stream bench
}

func recordedGateway(t *testing.T) *recorded {
	t.Helper()
	t.Parallel()
	r := &recorded{bench: newBench()}
	r.bench.gate = time.Minute // nobody stalls
	r.running = launch(t, testConfig(t, "bench"), r.bench)
	c := connect(t, r.Addr(), "recorder", protocol.NewID())
	c.subscribe(archiveFrom(protocol.FromOldest, "bench"))
	r.begin = r.journalNow() - int64(time.Hour)
	at := r.begin
	for epoch, n := range []int{3, 2, 4} {
		r.source = <-r.bench.sources
		for i := range n {
			r.source.feed <- readings(at, time.Second, 1)
			at += int64(time.Second)
			for {
				list := c.untilIndex(benchID, uint64(i))
				r.frames = append(r.frames, list...)
				if list[len(list)-1].Epoch == uint32(epoch+1) {
					break
				}
			}
		}
		if epoch < 2 {
			r.source.feed <- device.ErrGone
		}
	}
	c.say(protocol.TypeBye, &protocol.Bye{})
	return r
}

func (r *recorded) journalNow() int64 { return r.server.base.now() }

// frame finds a frame of the stream bench.
func (r *recorded) frame(epoch uint32, seq uint64) got {
	for _, g := range r.frames {
		if g.Stream == benchID && g.Epoch == epoch && g.Seq == seq {
			return g
		}
	}
	r.t.Fatalf("there is no frame %d of epoch %d", seq, epoch)
	return got{}
}

func cursorAt(epoch uint32, seq uint64, crc uint32) []protocol.Cursor {
	return []protocol.Cursor{{Stream: "bench", Epoch: epoch, Seq: protocol.Uint64(seq), CRC: protocol.CRC(crc)}}
}

// Epochs: 1.1 descriptor, 1.2-1.4 counts, 1.5 end; 2.1 descriptor, 2.2 gap,
// 2.3-2.4 counts, 2.5 end; 3.1 descriptor, 3.2 gap, 3.3-3.6 counts.
func TestWhereSubscriptionsBegin(t *testing.T) {
	r := recordedGateway(t)
	second := func(n int64) *protocol.Int64 { return protocol.Ref(protocol.Int64(r.begin + n*int64(time.Second))) }
	tests := []struct {
		name   string
		req    protocol.Subscribe
		answer string
		next   string // the answer's epoch and sequence
		want   string // the first frames of the stream
	}{
		{"oldest", protocol.Subscribe{From: "oldest"}, "start", "1.1", "1.1 descriptor,1.2 counts"},
		{"resumed", protocol.Subscribe{From: "cursor", Cursors: cursorAt(1, 3, r.frame(1, 3).HeaderCRC)}, "resumed", "1.4", "copy 1.1 descriptor,1.4 counts,1.5 end,2.1 descriptor"},
		{"resumed at an end", protocol.Subscribe{From: "cursor", Cursors: cursorAt(1, 5, r.frame(1, 5).HeaderCRC)}, "resumed", "2.1", "2.1 descriptor,2.2 gap"},
		{"resumed at the newest", protocol.Subscribe{From: "cursor", Cursors: cursorAt(3, 6, r.frame(3, 6).HeaderCRC)}, "resumed", "3.7", "copy 3.1 descriptor,3.7 counts"},
		{"ahead", protocol.Subscribe{From: "cursor", Cursors: cursorAt(2, 99, 1)}, "ahead", "3.1", "3.1 descriptor,3.2 gap"},
		{"diverged", protocol.Subscribe{From: "cursor", Cursors: cursorAt(2, 3, 0xdeadbeef)}, "diverged", "", ""},
		{"ahead of what is still written", protocol.Subscribe{From: "cursor", Cursors: cursorAt(3, 99, 1)}, "diverged", "", ""},
		{"unknown journal", protocol.Subscribe{From: "cursor", Cursors: cursorAt(4, 1, 1)}, "unknown journal", "", ""},
		{"no epoch", protocol.Subscribe{From: "cursor", Cursors: cursorAt(0, 0, 0)}, "unknown journal", "", ""},
		{"rest oldest", protocol.Subscribe{From: "cursor", Rest: "oldest"}, "start", "1.1", "1.1 descriptor"},
		{"time before all", protocol.Subscribe{From: "time", TimeNs: second(-10)}, "start", "1.1", "1.1 descriptor"},
		{"time within a frame", protocol.Subscribe{From: "time", TimeNs: protocol.Ref(*second(6) + 5e8)}, "start", "3.4", "copy 3.1 descriptor,3.4 counts,3.5 counts"},
		{"time of a begin", protocol.Subscribe{From: "time", TimeNs: second(7)}, "start", "3.5", "copy 3.1 descriptor,3.5 counts"},
		{"time after all", protocol.Subscribe{From: "time", TimeNs: second(50)}, "start", "LAST", "copy 3.1 descriptor,LAST counts"},
		{"now", protocol.Subscribe{From: "now"}, "start", "NEXT", "copy 3.1 descriptor,NEXT counts"},
		{"rest now", protocol.Subscribe{From: "cursor"}, "start", "NEXT", "copy 3.1 descriptor,NEXT counts"},
	}
	t.Attr("fault", "F27")
	t.Attr("injected", fmt.Sprintf("%d subscriptions of a hand-written receiver: cursors at, beyond and beside what is held, times, begins", len(tests)))
	t.Attr("promised", "`resumed`, `ahead`, `diverged`, `unknown journal` as section 9.2 says; never a hang, never a silent restart")
	answers := map[string]int{}
	index := uint64(4) // of the next reading of epoch 3
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := connect(t, r.Addr(), "desk", protocol.NewID())
			tt.req.Sub, tt.req.Kind, tt.req.Streams = 7, "view", []string{"be*"}
			a := c.subscribe(tt.req).Streams[0]
			answers[a.Answer]++
			moving := strings.NewReplacer("LAST", fmt.Sprint("3.", index+2), "NEXT", fmt.Sprint("3.", index+3))
			tt.next, tt.want = moving.Replace(tt.next), moving.Replace(tt.want)
			next := ""
			if a.Epoch > 0 {
				next = fmt.Sprintf("%d.%d", a.Epoch, a.Seq)
			}
			if a.Answer != tt.answer || next != tt.next {
				t.Errorf("answer: got %q, next %s; want %q, next %s", a.Answer, next, tt.answer, tt.next)
			}
			if a.Oldest == nil || a.Oldest.Epoch != 1 || a.Oldest.Seq != 1 || a.Newest == nil || a.Newest.Epoch != 3 || int64(a.Newest.TimeNs) != r.begin+int64(4+index)*int64(time.Second) {
				t.Errorf("extents: got %+v to %+v", a.Oldest, a.Newest)
			}
			want := strings.Split(tt.want, ",")
			if tt.want == "" {
				want = nil
			}
			if strings.Contains(tt.want, "counts") { // the last one wanted may not be there yet
				r.source.feed <- readings(r.begin+int64(5+index)*int64(time.Second), time.Second, 1)
				for index++; r.stream(t, "bench").NextSeq() < 3+index; { // the next subscription counts on it
					<-time.After(time.Millisecond)
				}
			}
			var got []string
			for len(got) < len(want) {
				g, err := c.next()
				if err != nil {
					t.Fatal(err)
				}
				if g.turn != 7 {
					t.Errorf("%v came in turn %d", g.Type, g.turn)
				}
				got = append(got, frameName(t, g))
			}
			if d := cmp.Diff(got, want); d != "" {
				t.Errorf("frames (-got +want):\n%s", d)
			}
			c.say(protocol.TypeBye, &protocol.Bye{})
			if tt.next != "" {
				return
			}
			// Nothing came: the session is well, and the stream is not fed.
			for {
				g, err := c.next()
				if err != nil {
					break
				}
				t.Errorf("got %s after %s", frameName(t, g), tt.answer)
			}
		})
	}
	t.Attr("seen", fmt.Sprintf("answers, and the frames that followed: %v", answers))
}

func frameName(t *testing.T, g got) string {
	t.Helper()
	if g.Type != protocol.TypeCopy {
		return fmt.Sprintf("%d.%d %v", g.Epoch, g.Seq, g.Type)
	}
	h := copied(t, g)
	return fmt.Sprintf("copy %d.%d %v", h.Epoch, h.Seq, h.Type)
}

// copied is the header of the frame in a copy.
func copied(t *testing.T, g got) protocol.Header {
	t.Helper()
	h, _, _, err := protocol.ParseFrame(g.payload)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// What is missing from the files is said with a hole.
func TestCursorInAHole(t *testing.T) {
	r := recordedGateway(t)
	t.Attr("fault", "F23")
	t.Attr("fault", "F27")
	t.Attr("injected", "a frame damaged in its file, asked for twice, and as a cursor by a receiver that holds it")
	t.Attr("promised", "a hole `damaged` each time, never the bad frame; who holds it resumes behind it")
	r.end()
	files, err := filepath.Glob(filepath.Join(r.config.Journal, "bench", "*.pgs"))
	if err != nil || len(files) != 3 {
		t.Fatalf("files: %v, %v", files, err)
	}
	damage(t, files[1], r.frame(2, 3).frame) // of epoch 2
	var list []string
	r.running = launch(t, r.config, r.bench)
	for range 2 { // and the same again: the frame is never sent bad
		c := connect(t, r.Addr(), "desk", protocol.NewID())
		req := archiveFrom(protocol.FromCursor, "bench")
		req.Kind, req.Cursors = protocol.SubscribeView, cursorAt(2, 2, r.frame(2, 2).HeaderCRC)
		if a := c.subscribe(req).Streams[0]; a.Answer != "resumed" {
			t.Errorf("answer: got %+v", a)
		}
		list = names(c.untilIndex(benchID, 1), benchID)
		want := []string{`2.3 hole {"to":"3","cause":"damaged","by":"pi-test"}`, `2.4 counts 1+1`}
		if d := cmp.Diff(list, want); d != "" {
			t.Errorf("stream bench (-got +want):\n%s", d)
		}
		c = connect(t, r.Addr(), "desk", protocol.NewID())
		req.Cursors = cursorAt(2, 3, r.frame(2, 3).HeaderCRC) // held by the receiver, and bad here
		if a := c.subscribe(req).Streams[0]; a.Answer != "resumed" || a.Seq != 4 {
			t.Errorf("answer to a cursor in the hole: got %+v", a)
		}
	}
	t.Attr("seen", "the second time, as the first: "+strings.Join(list, ", "))
}

// damage flips a bit in the payload of a frame in a file.
func damage(t *testing.T, file string, frame []byte) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(text, frame)
	if at < 0 {
		t.Fatalf("the frame is not in %s", file)
	}
	text[at+protocol.HeaderSize] ^= 1
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A subscription from the next gate begins with a reading that began after it.
func TestNextGate(t *testing.T) {
	r := recordedGateway(t)
	c := connect(t, r.Addr(), "desk", protocol.NewID())
	c.subscribe(archiveFrom(protocol.FromNextGate, "bench"))
	now := r.journalNow()
	r.source.feed <- readings(now-int64(3*time.Second), time.Second, 2) // 4, 5: before
	r.source.feed <- func(b *device.Batch) {                            // 6: before, 7: after, in one frame
		addReading(b, now-int64(time.Second), int64(time.Hour), 1, 2)
		addReading(b, now+int64(time.Hour), int64(time.Second), 3, 4)
	}
	var got []string
	for _, g := range c.untilIndex(benchID, 7) {
		if g.Stream == benchID || g.Type == protocol.TypeCopy && copied(t, g).Stream == benchID {
			got = append(got, frameName(t, g))
		}
	}
	// How readings 4 to 7 are cut into frames is up to the batcher.
	if len(got) != 2 || got[0] != "copy 3.1 descriptor" || !strings.HasSuffix(got[1], " counts") {
		t.Errorf("frames: got %q", got)
	}
}

// Of two subscriptions of an archive to one stream the one that is behind says
// what is kept.
func TestAckOfTwoSubscriptions(t *testing.T) {
	r := recordedGateway(t)
	id := protocol.NewID()
	c := connect(t, r.Addr(), "desk", id)
	behind := archiveFrom(protocol.FromOldest, "bench")
	behind.Credit = 1 // one frame of each stream at most
	c.subscribe(behind)
	ahead := archiveFrom(protocol.FromNow, "bench")
	ahead.Sub, ahead.Credit = 2, 1<<30
	c.say(protocol.TypeSubscribe, &ahead)
	c.until(protocol.TypeSubscribed)
	r.source.feed <- readings(r.begin+int64(20*time.Second), time.Second, 1)
	list := c.untilIndex(benchID, 4)
	c.ack(2, list)
	c.say(protocol.TypeBye, &protocol.Bye{})
	for {
		if _, err := c.next(); err != nil {
			break
		}
	}
	known := r.server.archives.snapshot()
	i := slices.IndexFunc(known, func(e archive) bool { return e.ID == id })
	if got := known[i].Acked["bench"]; got.Epoch != 0 {
		t.Errorf("acknowledged up to %+v, though nothing of the first subscription was", got)
	}
}

// Archive and view on one session: each in its own turn, each with its own
// credit.
func TestCreditAndTurns(t *testing.T) {
	r := recordedGateway(t)
	c := connect(t, r.Addr(), "desk", protocol.NewID())
	view := protocol.Subscribe{Sub: 2, Kind: protocol.SubscribeView, Streams: []string{"bench"}, From: protocol.FromNow}
	c.subscribe(view)
	c.expect(protocol.TypeCopy, nil)
	req := archiveFrom(protocol.FromOldest, "bench")
	req.Credit = 1 // one frame, overdrawn
	c.subscribe(req)
	first := c.expect(protocol.TypeDescriptor, nil)
	if first.turn != 1 || first.Epoch != 1 {
		t.Errorf("first frame of the archive: epoch %d in turn %d", first.Epoch, first.turn)
	}
	// The archive has no credit; the view goes on.
	r.source.feed <- readings(r.begin+int64(9*time.Second), time.Second, 1)
	if g := c.expect(protocol.TypeCounts, nil); g.turn != 2 || g.Epoch != 3 {
		t.Errorf("got epoch %d in turn %d, want the view's", g.Epoch, g.turn)
	}
	// It owes what it overdrew: this is one byte more than that.
	c.say(protocol.TypeCredit, &protocol.Credit{Sub: 1, Bytes: protocol.Uint64(len(first.frame))})
	if g := c.expect(protocol.TypeCounts, nil); g.turn != 1 || g.Epoch != 1 || g.Seq != 2 {
		t.Errorf("got frame %d.%d in turn %d, want the archive's next", g.Epoch, g.Seq, g.turn)
	}
	c.say(protocol.TypeCredit, &protocol.Credit{Sub: 1, Bytes: 1 << 30})
	list := c.untilIndex(benchID, 4)
	for _, g := range list {
		if g.turn != 1 {
			t.Errorf("%s came in turn %d", frameName(t, g), g.turn)
		}
	}
}

// The frames given for context count as well: with credit for one byte, one
// frame comes and no other.
func TestCreditForCopies(t *testing.T) {
	r := recordedGateway(t)
	c := connect(t, r.Addr(), "desk", protocol.NewID())
	req := archiveFrom(protocol.FromCursor, "bench")
	req.Kind, req.Credit, req.Cursors = protocol.SubscribeView, 1, cursorAt(3, 3, r.frame(3, 3).HeaderCRC)
	c.subscribe(req)
	first := c.expect(protocol.TypeCopy, nil)
	for beats := c.beats; beats == c.beats; {
		h, frame, err := c.frames.Next()
		if err != nil {
			t.Fatal(err)
		}
		if h.Type == protocol.TypeHeartbeat {
			c.beats++
		} else {
			t.Fatalf("%v of %d bytes came without credit", h.Type, len(frame))
		}
	}
	c.say(protocol.TypeCredit, &protocol.Credit{Sub: 1, Bytes: protocol.Uint64(len(first.frame))})
	if g := c.expect(protocol.TypeCounts, nil); g.Seq != 4 {
		t.Errorf("got frame %d, want 4", g.Seq)
	}
}

// A stream that appears later is announced and sent from its first frame.
func TestStreamAppearsLater(t *testing.T) {
	r := recordedGateway(t)
	c := connect(t, r.Addr(), "desk", protocol.NewID())
	c.subscribe(archiveFrom(protocol.FromNow, "*"))
	st, err := r.journal.Stream("bench.counts", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.Begin(0, 1); err != nil {
		t.Fatal(err)
	}
	frame, err := protocol.AppendJSON(nil, protocol.Header{Type: protocol.TypeDescriptor, Stream: st.ID(), Epoch: 1, Seq: 1}, &protocol.Descriptor{Stream: "bench.counts"})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Append(frame); err != nil {
		t.Fatal(err)
	}
	list := c.until(protocol.TypeSubscribed)
	var s protocol.Subscribed
	if err := protocol.DecodeJSON(list[len(list)-1].payload, &s); err != nil || s.Sub != 1 || len(s.Streams) != 1 || s.Streams[0].Name != "bench.counts" || s.Streams[0].Answer != "start" {
		t.Fatalf("got %+v, %v", s, err)
	}
	for {
		if g := c.expect(protocol.TypeDescriptor, nil); g.Stream == st.ID() {
			break
		}
	}
}

// What a receiver must not do ends the session with the reason.
func TestRefusedRequests(t *testing.T) {
	r := recordedGateway(t)
	t.Attr("fault", "F28")
	t.Attr("injected", "acks, credits and subscriptions that are against the rules, an ack for what was never sent among them")
	t.Attr("promised", "protocol error with the reason, connection closed")
	sub := archiveFrom(protocol.FromOldest, "bench")
	sub.Credit = 1 << 20
	view := sub
	view.Kind, view.Sub = protocol.SubscribeView, 3
	change := func(do func(*protocol.Subscribe)) *protocol.Subscribe { s := sub; do(&s); return &s }
	type message struct {
		typ protocol.Type
		v   any
	}
	tests := []struct {
		name string
		say  []message
		code string
		text string
	}{
		{"ack for what was never sent", []message{{protocol.TypeSubscribe, &sub}, {protocol.TypeAck, &protocol.Ack{Sub: 1, Streams: []protocol.AckStream{{ID: benchID, Epoch: 3, Seq: 1000}}}}},
			"protocol", "ack of frame 1000 of epoch 3 of stream 2, which was never sent"},
		{"ack for another stream", []message{{protocol.TypeSubscribe, &sub}, {protocol.TypeAck, &protocol.Ack{Sub: 1, Streams: []protocol.AckStream{{ID: 99, Epoch: 1, Seq: 1}}}}},
			"protocol", "ack of frame 1 of epoch 1 of stream 99, which was never sent"},
		{"ack for a view", []message{{protocol.TypeSubscribe, &view}, {protocol.TypeAck, &protocol.Ack{Sub: 3, Streams: []protocol.AckStream{{ID: benchID, Epoch: 1, Seq: 1}}}}},
			"protocol", "ack for subscription 3, which is no archive's"},
		{"credit for nothing", []message{{protocol.TypeCredit, &protocol.Credit{Sub: 5, Bytes: 1}}}, "protocol", "credit for subscription 5, which does not exist"},
		{"subscription twice", []message{{protocol.TypeSubscribe, &sub}, {protocol.TypeSubscribe, &sub}}, "protocol", "subscription 1 exists already"},
		{"subscription 0", []message{{protocol.TypeSubscribe, change(func(s *protocol.Subscribe) { s.Sub = 0 })}}, "protocol", "subscription 0: expected 1 to 65535"},
		{"kind", []message{{protocol.TypeSubscribe, change(func(s *protocol.Subscribe) { s.Kind = "mirror" })}}, "unknown", `a subscription of kind "mirror" is not known`},
		{"from", []message{{protocol.TypeSubscribe, change(func(s *protocol.Subscribe) { s.From = "then" })}}, "unknown", `a subscription from "then" is not known`},
		{"time without time", []message{{protocol.TypeSubscribe, change(func(s *protocol.Subscribe) { s.From = "time" })}}, "protocol", "subscription 1: from time without time_ns"},
		{"what gateways send", []message{{protocol.TypeFinished, &protocol.Finished{Sub: 1}}}, "protocol", "a receiver does not send finished"},
		{"a second hello", []message{{protocol.TypeHello, &protocol.Hello{}}}, "protocol", "a receiver does not send hello"},
		{"a field is missing", []message{{protocol.TypeSubscribe, &struct {
			Sub int `json:"sub"`
		}{1}}}, "protocol", "subscribe: against the format: JSON: \"kind\" is missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := connect(t, r.Addr(), "desk", protocol.NewID())
			if tt.say[0].v == &sub {
				c = connect(t, r.Addr(), strings.ReplaceAll(tt.name, " ", "-"), protocol.NewID())
			}
			for _, m := range tt.say {
				c.say(m.typ, m.v)
			}
			if got := c.refusedWith(tt.code); got.Text != tt.text {
				t.Errorf("got %q, want %q", got.Text, tt.text)
			}
		})
	}
	c := connect(t, r.Addr(), "many", protocol.NewID())
	for i := range maxSubscriptions + 1 {
		c.say(protocol.TypeSubscribe, change(func(s *protocol.Subscribe) { s.Sub, s.Kind = i+1, protocol.SubscribeView }))
	}
	c.refusedWith("limit")
	t.Attr("seen", fmt.Sprintf("%d of %d refused with their reasons", len(tests)+1, len(tests)+1))
}

// A newer session of the same archive displaces the older; a name that is
// known with another id is refused.
func TestOneSessionForEachArchive(t *testing.T) {
	r := recordedGateway(t)
	t.Attr("fault", "F26")
	t.Attr("injected", "the same archive from a second connection, and another archive under its name, while views come as they like")
	t.Attr("promised", "the newer connection displaces the older, which is told; the other archive is refused; views are not")
	id := protocol.NewID()
	first := connect(t, r.Addr(), "desk", id)
	first.keepAlive()
	first.subscribe(archiveFrom(protocol.FromOldest, "bench"))
	viewer := connect(t, r.Addr(), "desk", protocol.NewID()) // views have no archive, and any name
	viewer.subscribe(protocol.Subscribe{Sub: 1, Kind: "view", Streams: []string{"*"}, From: "now"})
	second := connect(t, r.Addr(), "desk", id)
	second.keepAlive()
	second.subscribe(archiveFrom(protocol.FromOldest, "bench"))
	displaced := first.refusedWith("displaced").Text
	if !strings.Contains(displaced, second.conn.LocalAddr().String()) {
		t.Errorf("displaced: got %q, want one that names %s", displaced, second.conn.LocalAddr())
	}
	other := connect(t, r.Addr(), "desk", protocol.NewID())
	req := archiveFrom(protocol.FromOldest, "bench")
	req.Credit = 1
	other.say(protocol.TypeSubscribe, &req)
	if got := other.refusedWith("name"); !strings.Contains(got.Text, id.String()[:8]) {
		t.Errorf("name: got %q, want one that names %s", got.Text, id)
	}
	second.untilIndex(benchID, 2) // goes on undisturbed
	second.say(protocol.TypeBye, &protocol.Bye{})
	viewer.say(protocol.TypeBye, &protocol.Bye{})
	s := r.Status()
	if len(s.Archives) != 2 || s.Archives[1].Name != "desk" || s.Archives[1].ID != id {
		t.Errorf("archives: got %+v", s.Archives)
	}
	t.Attr("seen", fmt.Sprintf("the older was told %q; of %d archives known one is %s", displaced, len(s.Archives), s.Archives[1].Name))
}

// What an archive says of its trouble is in the status for as long as it says so; a
// session that only asks for the status is not counted in it, and not logged.
func TestStatusOfAnArchiveInTrouble(t *testing.T) {
	r := recordedGateway(t)
	id := protocol.NewID()
	archive := connect(t, r.Addr(), "desk", id)
	archive.subscribe(archiveFrom(protocol.FromOldest, "bench"))
	asks := connect(t, r.Addr(), "status", protocol.NewID())
	ask := func() *protocol.Status {
		t.Helper()
		asks.say(protocol.TypeRequest, &protocol.Request{ID: 1, Do: protocol.DoStatus})
		var reply protocol.Reply
		asks.expect(protocol.TypeReply, &reply)
		if reply.Status == nil {
			t.Fatalf("no status: %+v", reply)
		}
		return reply.Status
	}
	for _, trouble := range []string{"the archive's disk is full", ""} {
		archive.say(protocol.TypeHeartbeat, &protocol.Heartbeat{TNs: 1, Trouble: trouble})
		s := ask()
		for limit := time.Now().Add(patience); s.Archives[len(s.Archives)-1].Trouble != trouble; s = ask() {
			if time.Now().After(limit) {
				t.Fatalf("archives: %+v, want trouble %q", s.Archives, trouble)
			}
		}
		if len(s.Sessions) != 1 || s.Sessions[0].Name != "desk" {
			t.Errorf("sessions: %+v, want the archive's alone", s.Sessions)
		}
	}
}

// A frame that arrived bad is sent anew when the receiver comes back.
func TestBadFrame(t *testing.T) {
	r := recordedGateway(t)
	id := protocol.NewID()
	c := connect(t, r.Addr(), "desk", id)
	c.subscribe(archiveFrom(protocol.FromOldest, "bench"))
	list := c.untilIndex(benchID, 1)
	c.say(protocol.TypeBad, &protocol.Bad{Sub: 1, Stream: benchID, Epoch: 1, Seq: 3, Detail: "payload CRC"})
	c.conn.Close()
	c = connect(t, r.Addr(), "desk", id)
	req := archiveFrom(protocol.FromCursor, "bench")
	req.Cursors = cursorAt(1, 2, r.frame(1, 2).HeaderCRC)
	c.subscribe(req)
	again := c.untilIndex(benchID, 1)
	if a, b := list[len(list)-1], again[len(again)-1]; a.Seq != b.Seq || string(a.frame) != string(b.frame) {
		t.Errorf("frame %d.%d came again as %d.%d with other bytes", a.Epoch, a.Seq, b.Epoch, b.Seq)
	}
}

func TestPatterns(t *testing.T) {
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "", true}, {"*", "bench", true}, {"bench", "bench", true}, {"bench", "bench2", false}, {"be?ch", "bench", true}, {"?", "", false},
		{"b*h", "bench", true}, {"b*h*", "bench.x", true}, {"*.counts", "bench.counts", true}, {"*.counts", "bench.count", false},
		{"a*a*a*a*a*a*a*b", strings.Repeat("a", 60), false}, {"", "", true}, {"", "x", false}, {"[b]ench", "bench", false},
	} {
		if got := matches([]string{"none", tt.pattern}, tt.name); got != tt.want {
			t.Errorf("%q on %q: got %v", tt.pattern, tt.name, got)
		}
	}
}
