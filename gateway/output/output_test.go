package output

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"photongate/protocol"
)

func TestSerpyModes(t *testing.T) {
	lines := [2]string{"0,0.000000,0.100000,,5712,30", "1,0.100000,0.100000,,5713,31"}
	for mode, c := range []struct{ hello, ack, first, release, second string }{
		{first: lines[0] + "\x1f", second: lines[1] + "\x1f"},
		{hello: "\x01SETMODE1\x1f", ack: "\x01ACKMODCG\x1f", first: lines[0] + "\x04\x1f", release: "\x01ACKEOT!!\x1f", second: lines[1] + "\x04\x1f"},
		// What Python's b85encode answers to the lines.
		{hello: "\x01SETMODE2\x1f", ack: "\x01ACKMODCG\x1f", first: base85Lines[0] + "\x1f", second: base85Lines[1] + "\x1f"},
		{hello: "\x01SETMODE3\x1f", ack: "\x01ACKMODCG\x1f", first: base85Lines[0] + "\x04\x1f", release: "\x01ACKEOT!!\x1f", second: base85Lines[1] + "\x04\x1f"},
	} {
		t.Run(fmt.Sprint("mode ", mode), func(t *testing.T) {
			b := newBench(t)
			o := b.run(Config{Kind: KindSerpy, Stream: "bench", Mode: mode})
			p := o.connect()
			p.expect(c.hello)
			b.begin("A", "AB")
			b.reading(5712, 30)
			p.say(c.ack)
			p.expect(c.first)
			b.reading(5713, 31)
			p.say(c.release)
			p.expect(c.second)
			p.say("\x01SETMODE1\x1fhello\x04\x1f")
			p.expect("\x01ACKMODCG\x1f\x01ACKEOT!!\x1f")
			o.end()
			p.closed()
		})
	}
}

var base85Lines = [2]string{
	"Ff1@GFfcGMFfc4IE-^4LFfcGIEHyVVGAuJN",
	"F)T1HF)%PNFfc4IE-^4LFfcGIEHyVVGb}SP",
}

// What waits for a mode or an ack is bounded, and what is sent is whole.
func TestSerpyWithoutAck(t *testing.T) {
	b := newBench(t)
	o := b.run(Config{Kind: KindSerpy, Stream: "bench", Mode: 1, Fields: []string{"index", "A"}})
	p := o.connect()
	p.expect("\x01SETMODE1\x1f")
	b.begin("A")
	for i := range uint64(15) {
		b.reading(i)
	}
	o.wait(func() bool { return o.Status().Dropped == 5 })
	p.say("\x01ACKMODCG\x1f")
	p.expect("5,5\x04\x1f")
	p.say("\x01ACKEOT!!\x1f")
	p.expect("6,6\x04\x1f")
}

// Modes 4 and 5 are not acknowledged, and what comes in them does nothing.
func TestSerpyPickleIsIgnored(t *testing.T) {
	b := newBench(t)
	o := b.run(Config{Kind: KindSerpy, Stream: "bench"})
	p := o.connect()
	p.say("\x01SETMODE5\x1fgASVCg\x04\x1f\x01SETMODE0\x1f")
	p.expect("\x01ACKMODCG\x1f")
	b.begin("A")
	b.reading(1)
	p.expect("0,0.000000,0.100000,,1\x1f")
}

func TestSerpy2(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		want   string
	}{
		// "0,1.5": 30+2C+31+2E+35 = F0
		"text":    {Config{Fields: []string{"index", "X"}}, "DECAFECAFE 21 F0000000 05000000 302C312E35"},
		"integer": {Config{Type: TypeInteger, Fields: []string{"A"}}, "DECAFECAFE 01 66000000 08000000 5016000000000000"}, // 5712 = 1650
		// "0x1.8p+00": 30+78+31+2E+38+70+2B+30+30 = 23A
		"float": {Config{Type: TypeFloat, Fields: []string{"X"}}, "DECAFECAFE 11 3A020000 09000000 3078312E3870 2B3030"},
		"bytes": {Config{Type: TypeBytes, Format: ">HxB", Fields: []string{"A", "index"}}, "DECAFECAFE 81 66000000 04000000 16500000"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			c.config.Kind, c.config.Stream = KindSerpy2, "bench"
			p := b.run(c.config).connect()
			b.beginWith([]protocol.Channel{{Name: "A", Kind: protocol.KindCount}, {Name: "X", Kind: protocol.KindAuxiliary, Exponent: -1}})
			b.reading(5712, 15)
			p.expect(string(unhex(t, c.want)))
		})
	}
}

func TestStruct(t *testing.T) {
	b := newBench(t)
	o := b.run(Config{Kind: KindStruct, Stream: "bench", Format: "!IdfBxH", Fields: []string{"index", "t_s", "gate_s", "A", "flags"}, PerBlock: 2})
	p := o.connect()
	b.begin("A")
	b.reading(7)
	b.reading(8)
	b.reading(9)
	b.gap(1) // no block holds readings from both sides
	b.reading(256)
	b.frame(&protocol.Counts{Begin: []int64{b.at}, Length: []int64{gateNs}, Flags: []uint32{protocol.FlagMixed},
		Values: [][]uint64{{255}}, ValueFlags: [][]uint8{{protocol.ValueOverflow}}})
	b.begin("A")
	b.reading(1)
	b.reading(2)
	// 0.1 as float is 3DCCCCCD; 0.1, 0.2, 0.5, 0.6 and 0.7 as double as Python packs them.
	for _, record := range []string{
		"00000000 0000000000000000 3dcccccd 07 00 0000",
		"00000001 3fb999999999999a 3dcccccd 08 00 0000",
		"00000002 3fc999999999999a 3dcccccd 09 00 0000",
		// The reading with 256 does not fit and is left out whole.
		"00000005 3fe0000000000000 3dcccccd ff 00 2004",
		"00000000 3fe3333333333333 3dcccccd 01 00 0000",
		"00000001 3fe6666666666666 3dcccccd 02 00 0000",
	} {
		p.expect(string(unhex(t, record)))
	}
	if s := o.Status().Trouble; s != `a reading is left out: A is 256, which does not fit code 'B'` {
		t.Errorf("trouble: %q", s)
	}
}

// A reading that was left out is no trouble any more a minute later.
func TestTroubleEnds(t *testing.T) {
	b := newBench(t)
	o := b.run(Config{Kind: KindStruct, Stream: "bench", Format: "!B", Fields: []string{"A"}})
	p := o.connect()
	b.begin("A")
	b.reading(256)
	for range int(fitFor/gateNs) - 1 { // one by one: no more wait than a queue holds
		b.reading(1)
		p.expect("\x01")
	}
	if s := o.Status().Trouble; s != `a reading is left out: A is 256, which does not fit code 'B'` {
		t.Errorf("trouble: %q", s)
	}
	b.reading(2)
	p.expect("\x02")
	if s := o.Status().Trouble; s != "" {
		t.Errorf("trouble: %q", s)
	}
}

// Whoever comes again every second with what is wrong fills no disk.
func TestRepeatedMistakes(t *testing.T) {
	var log bytes.Buffer
	b := newBench(t)
	o := b.run(Config{Kind: KindSerpy2, Stream: "bench"}, func(d *Deps) { d.Log = zerolog.New(zerolog.SyncWriter(&log)) })
	for range 20 {
		p := o.connect()
		p.say("GET / HTTP/1.1\r\n\r\n")
		p.until(`(expected DE CA FE CA FE)`)
		p.closed()
	}
	o.end()
	if n := strings.Count(log.String(), "connection ended"); n != 1 {
		t.Errorf("%d lines:\n%s", n, log.String())
	}
}

// A client that never reads loses blocks, all other clients none.
func TestStalledClient(t *testing.T) {
	b := newBench(t)
	o := b.run(Config{Kind: KindSerpy, Stream: "bench", Fields: []string{"index", "stream"}})
	stalled := o.connect()
	good := make([]*peer, 3)
	for i := range good {
		good[i] = o.connect()
	}
	b.begin("A")
	sent := uint64(0)
	for o.Status().Dropped == 0 {
		for range 100 {
			b.reading(0)
		}
		for _, p := range good {
			for i := range uint64(100) {
				p.expect(fmt.Sprintf("%d,pi/bench\x1f", sent+i))
			}
		}
		sent += 100
	}
	dropped := uint64(o.Status().Dropped)
	o.stop()
	rest, err := io.ReadAll(stalled.conn)
	if err != nil {
		t.Fatal(err)
	}
	text, ok := strings.CutSuffix(string(rest), "\x1f")
	if !ok {
		t.Errorf("the last block is cut: %q", rest[max(len(rest)-20, 0):])
	}
	list := strings.Split(text, "\x1f")
	last := int64(-1)
	for _, block := range list {
		var index int64
		if n, err := fmt.Sscanf(block, "%d,pi/bench", &index); n != 1 || err != nil || index <= last || block != fmt.Sprintf("%d,pi/bench", index) {
			t.Fatalf("block %q after %d", block, last)
		}
		last = index
	}
	if got := uint64(len(list)) + dropped; got != sent || last != int64(sent)-1 {
		t.Errorf("%d blocks of %d came and %d were dropped, the last is %d", len(list), sent, dropped, last)
	}
}

// A script that listens is found again when it is restarted.
func TestDial(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	b := newBench(t)
	b.begin("A")
	o := b.run(Config{Kind: KindStruct, Stream: "bench", Format: "<B", Fields: []string{"A"}, Dial: l.Addr().String()})
	for i := range uint64(2) {
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		p := newPeer(t, conn)
		o.wait(func() bool { return o.total() == i+1 })
		b.reading(i)
		p.expect(string(rune(i)))
		conn.Close()
	}
	l.Close()
	o.wait(func() bool { return strings.Contains(o.Status().Trouble, "it is tried again every second") })
}

// Clients that come and go, in any order, always begin with a whole block.
func TestComeAndGo(t *testing.T) {
	b := newBench(t)
	o := b.run(Config{Kind: KindSerpy2, Stream: "bench", Fields: []string{"index"}})
	b.begin("A")
	var p [4]*peer
	for i := range 20 {
		if old := p[i%4]; old != nil {
			old.conn.Close()
		}
		p[i%4] = o.connect()
		b.reading(1)
		data := fmt.Sprint(i)
		for _, one := range p {
			if one != nil {
				one.expect(string(appendSerpy2Block(nil, serpy2Text, []byte(data))))
			}
		}
	}
	for _, one := range p {
		one.conn.Close()
	}
	o.wait(func() bool { return o.Status().Clients == 0 })
}

func TestMissingChannel(t *testing.T) {
	b := newBench(t)
	o := b.run(Config{Kind: KindSerpy, Stream: "bench", Fields: []string{"index", "AB"}})
	p := o.connect()
	b.begin("A", "B")
	b.reading(1, 2)
	o.wait(func() bool {
		return o.Status().Trouble == `nothing is sent: there is no channel "AB" (there are A, B) in stream pi/bench`
	})
	b.begin("A", "AB")
	b.reading(1, 2)
	p.expect("0,2\x1f")
	if s := o.Status(); s.Trouble != "" {
		t.Errorf("trouble: %q", s.Trouble)
	}
}

func TestTooManyClients(t *testing.T) {
	b := newBench(t)
	o := b.run(Config{Kind: KindText})
	for range maxClients {
		o.connect()
	}
	conn, err := net.Dial("tcp", o.Status().Address)
	if err != nil {
		t.Fatal(err)
	}
	newPeer(t, conn).closed()
}

// An address that is taken is told, and listened on when it is free.
func TestListenLater(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	o, err := New(Config{Kind: KindText, Listen: l.Addr().String()}, b.deps())
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "choose another port with listen") {
		t.Errorf("got %v", err)
	}
	if s := o.Status().Trouble; !strings.Contains(s, "is another program there?") {
		t.Errorf("trouble: %q", s)
	}
	l.Close()
	if err := o.Open(t.Context()); err != nil || o.Status().Trouble != "" {
		t.Errorf("got %v, trouble %q", err, o.Status().Trouble)
	}
	o.listener.Close()
}

// The gateway's end waits only a moment for a client that does not read.
func TestEndWithStalledClient(t *testing.T) {
	here, there := net.Pipe()
	b := newBench(t)
	o := b.run(Config{Kind: KindStruct, Stream: "bench", Format: "!I", Fields: []string{"A"}})
	served := make(chan struct{})
	go func() { o.serve(pipeConn{here}); close(served) }()
	o.wait(func() bool { return o.total() == 1 })
	b.begin("A")
	b.reading(1)
	o.wait(func() bool { sent, _ := o.firstClient().queue.counts(); return sent == 1 })
	o.end()
	<-served
	if _, err := there.Write([]byte("x")); err == nil {
		t.Error("the connection is still open")
	}
}

func (o *Output) firstClient() *client {
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range o.clients {
		return c
	}
	return nil
}

// pipeConn gives a pipe an address.
type pipeConn struct{ net.Conn }

func (pipeConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
