package usbip_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/sim"
	"photongate/sim/usb"
	"photongate/sim/usbip"
	"photongate/sim/usbip/usbiptest"
)

const second = time.Second

// parrot is a device that says again what it hears, packet by packet, and stalls when
// it hears "stall". Its requests are C0 01, which tells "parrot", and 40 02, after which
// it leaves the bus for a second.
type parrot struct{ heard [][]byte }

func (*parrot) Name() string                { return "parrot" }
func (*parrot) Channels() []string          { return []string{"A"} }
func (*parrot) Next() time.Time             { return time.Time{} }
func (*parrot) Advance(time.Time, usb.Wire) {}
func (p *parrot) Handle(ev sim.Event, _ usb.Wire) {
	if ev.Kind == sim.Closed {
		p.heard = nil
	}
}

func (*parrot) Descriptors() usb.Descriptors {
	return usb.Descriptors{Speed: usb.High, Vendor: 0x1234, Product: 0x5678, Release: 0x0102, Maker: "Zoo", Title: "Parrot",
		Endpoints: []usb.Endpoint{{Address: 0x02, MaxPacket: 8}, {Address: 0x81, MaxPacket: 8}, {Address: 0x83, MaxPacket: 8, Interrupt: true}}}
}

func (*parrot) Control(_ time.Time, s usb.Setup, _ []byte, wire usb.Wire) ([]byte, usb.Answer) {
	switch {
	case s.Type == 0xC0 && s.Request == 1:
		return []byte("parrot"), usb.ACK
	case s.Type == 0x40 && s.Request == 2:
		wire.Leave(second)
		return nil, usb.ACK
	}
	return nil, usb.Stall
}

func (p *parrot) Out(_ time.Time, _ uint8, packet []byte, _ usb.Wire) usb.Answer {
	if len(p.heard) == 4 {
		return usb.NAK
	}
	p.heard = append(p.heard, bytes.Clone(packet))
	return usb.ACK
}

func (p *parrot) In(_ time.Time, endpoint uint8, packet []byte, _ usb.Wire) (int, usb.Answer) {
	if endpoint != 0x81 || len(p.heard) == 0 {
		return 0, usb.NAK
	}
	first := p.heard[0]
	p.heard = p.heard[1:]
	if string(first) == "stall" {
		return 0, usb.Stall
	}
	return copy(packet, first), usb.ACK
}

// bubble runs a test with a parrot in time that is not real.
func bubble(t *testing.T, test func(t *testing.T, b *usbiptest.Bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, usbiptest.Plug(t, &parrot{}, sim.Options{})) })
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestList(t *testing.T) {
	bubble(t, func(t *testing.T, b *usbiptest.Bench) {
		got, err := usbiptest.List(b.Dial())
		want := []usbiptest.Device{{BusID: "1-1", Bus: 1, Number: 1, Speed: 3, Vendor: 0x1234, Product: 0x5678, Release: 0x0102}}
		if diff := cmp.Diff(got, want); err != nil || diff != "" {
			t.Errorf("%v (-got +want):\n%s", err, diff)
		}
		b.Import()
		if got, err := usbiptest.List(b.Dial()); err != nil || len(got) != 0 {
			t.Errorf("while somebody has it: %v, %v", got, err)
		}
	})
}

func TestOnlyOneHasIt(t *testing.T) {
	bubble(t, func(t *testing.T, b *usbiptest.Bench) {
		if _, err := usbiptest.Import(b.Dial(), "1-2"); !errors.Is(err, usbiptest.ErrRefused) {
			t.Errorf("another name: %v", err)
		}
		first := b.Import()
		if _, err := usbiptest.Import(b.Dial(), "1-1"); !errors.Is(err, usbiptest.ErrRefused) {
			t.Errorf("while somebody has it: %v", err)
		}
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		b.Import()
	})
}

func TestDescriptors(t *testing.T) {
	bubble(t, func(t *testing.T, b *usbiptest.Bench) {
		c := b.Import()
		for name, d := range map[string]struct {
			value uint16
			room  int
			want  string
		}{
			"device":            {0x0100, 64, "12 01 00 02 00 00 00 40 34 12 78 56 02 01 01 02 00 01"},
			"begin of a device": {0x0100, 8, "12 01 00 02 00 00 00 40"},
			"configuration": {0x0200, 255, "09 02 27 00 01 01 00 80 32 09 04 00 00 03 FF FF FF 02" +
				"07 05 02 02 08 00 00  07 05 81 02 08 00 00  07 05 83 03 08 00 01"},
			"languages": {0x0300, 255, "04 03 09 04"},
			"title":     {0x0302, 255, "0E 03 50 00 61 00 72 00 72 00 6F 00 74 00"},
		} {
			got, err := c.Control(0x80, 6, d.value, 0, make([]byte, d.room), second)
			if diff := cmp.Diff(got, unhex(t, d.want)); err != nil || diff != "" {
				t.Errorf("%s: %v (-got +want):\n%s", name, err, diff)
			}
		}
		if _, err := c.Control(0x80, 6, 0x0303, 0, make([]byte, 255), second); !errors.Is(err, usbiptest.ErrStall) {
			t.Errorf("a serial number it has not: %v", err)
		}
		for _, set := range []byte{1, 0, 1} {
			if _, err := c.Control(0, 9, uint16(set), 0, nil, second); err != nil {
				t.Errorf("set configuration %d: %v", set, err)
			}
			if got, err := c.Control(0x80, 8, 0, 0, make([]byte, 1), second); err != nil || got[0] != set {
				t.Errorf("configuration: %v, %v", got, err)
			}
		}
		if _, err := c.Control(0, 9, 2, 0, nil, second); !errors.Is(err, usbiptest.ErrStall) {
			t.Errorf("set a configuration there is not: %v", err)
		}
	})
}

// A transfer ends when it is full or with a packet that is not.
func TestPacketBorders(t *testing.T) {
	bubble(t, func(t *testing.T, b *usbiptest.Bench) {
		c := b.Import()
		say := func(text string) {
			if err := c.Out(2, []byte(text), second); err != nil {
				t.Fatal(err)
			}
		}
		in := func(room int, want string) {
			t.Helper()
			if got, err := c.In(0x81, room, second); err != nil || string(got) != want {
				t.Errorf("got %q, %v, expected %q", got, err, want)
			}
		}
		say("a bit more than two") // packets of 8, 8 and 3
		in(64, "a bit more than two")
		say("a bit more than two")
		in(8, "a bit mo")
		in(16, "re than two")
		say("one")
		say("")
		say("two")
		in(64, "one")
		in(64, "")
		in(64, "two")
		say("too long")
		if _, err := c.In(0x81, 7, second); err == nil || !strings.Contains(err.Error(), "-75") {
			t.Errorf("a packet longer than the room for it: %v", err)
		}
		if _, err := c.In(0x84, 7, second); err == nil || !strings.Contains(err.Error(), "-2") {
			t.Errorf("an endpoint it has not: %v", err)
		}
	})
}

func TestFlags(t *testing.T) {
	bubble(t, func(t *testing.T, b *usbiptest.Bench) {
		c := b.Import()
		if err := c.OutWith(usbiptest.ZeroPacket, 2, []byte("16 bytes of text"), second); err != nil {
			t.Fatal(err)
		}
		if got, err := c.In(0x81, 64, second); err != nil || string(got) != "16 bytes of text" {
			t.Errorf("got %q, %v: the empty packet should have ended it", got, err)
		}
		if err := c.Out(2, []byte("16 bytes of text"), second); err != nil {
			t.Fatal(err)
		}
		if _, err := c.In(0x81, 64, second); !errors.Is(err, usbiptest.ErrTimeout) {
			t.Errorf("%v: without an empty packet more could come", err)
		}
		if err := c.Out(2, []byte("short"), second); err != nil {
			t.Fatal(err)
		}
		p, err := c.SubmitWith(usbiptest.ShortNotOK, 0x81, 8)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Wait(second); err == nil || !strings.Contains(err.Error(), "-121") {
			t.Errorf("short, and the host minds: %v", err)
		}
	})
}

// However much a host asks for, what is kept for it is bounded: the server stops reading.
func TestBounds(t *testing.T) {
	const nobodyReads = "00000001 00000001 00010001 00000001 00000003 00000000 00000008 00000000 00000000"
	const nobodyTakes = "00000001 00000001 00010001 00000000 00000002 00000000 00400000 00000000 00000000"
	for name, c := range map[string]struct {
		one   []byte
		times int
		fits  string
	}{
		"bytes":  {append(unhex(t, nobodyTakes+zeros(12)), make([]byte, 4<<20)...), 5, "4 transfers of 4 MiB"},
		"number": {unhex(t, nobodyReads+zeros(12)), 5000, "1024 transfers"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *usbiptest.Bench) {
				conn := b.Dial()
				if _, err := usbiptest.Take(conn, "1-1"); err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				conn.SetWriteDeadline(time.Now().Add(second))
				if _, err := conn.Write(bytes.Repeat(c.one, c.times)); err == nil {
					t.Errorf("%d transfers were taken, expected no more than %s", c.times, c.fits)
				}
			})
		})
	}
	bubble(t, func(t *testing.T, b *usbiptest.Bench) {
		c := b.Import()
		for i := range 10 { // each leaves its room to the next
			if err := c.Out(2, []byte("x"), second); err != nil {
				t.Fatal(err)
			}
			if got, err := c.In(0x81, 4<<20, second); err != nil || string(got) != "x" {
				t.Fatalf("transfer %d: %q, %v", i, got, err)
			}
			if _, err := c.In(0x83, 4<<20, second); !errors.Is(err, usbiptest.ErrTimeout) {
				t.Fatalf("transfer %d: %v", i, err)
			}
		}
	})
}

func TestStallLastsUntilCleared(t *testing.T) {
	bubble(t, func(t *testing.T, b *usbiptest.Bench) {
		c := b.Import()
		for _, text := range []string{"stall", "well"} {
			if err := c.Out(2, []byte(text), second); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if _, err := c.In(0x81, 8, second); !errors.Is(err, usbiptest.ErrStall) {
				t.Errorf("stalled: %v", err)
			}
		}
		status := func() byte {
			s, err := c.Control(0x82, 0, 0, 0x81, make([]byte, 2), second)
			if err != nil {
				t.Fatal(err)
			}
			return s[0]
		}
		if got := status(); got != 1 {
			t.Errorf("status %d", got)
		}
		if _, err := c.Control(2, 1, 0, 0x81, nil, second); err != nil {
			t.Fatal(err)
		}
		if got, err := c.In(0x81, 8, second); err != nil || string(got) != "well" || status() != 0 {
			t.Errorf("cleared: %q, %v", got, err)
		}
	})
}

func TestUnlink(t *testing.T) {
	bubble(t, func(t *testing.T, b *usbiptest.Bench) {
		c := b.Import()
		for range 3 {
			if _, err := c.In(0x83, 8, second); !errors.Is(err, usbiptest.ErrTimeout) {
				t.Errorf("nothing to read: %v", err)
			}
		}
		// Of two that wait the one left gets the packet.
		first, err := c.Submit(0x81, 8)
		if err != nil {
			t.Fatal(err)
		}
		other, err := c.Submit(0x81, 8)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := first.Wait(second); !errors.Is(err, usbiptest.ErrTimeout) {
			t.Fatal(err)
		}
		if err := c.Out(2, []byte("hello"), second); err != nil {
			t.Fatal(err)
		}
		if got, err := other.Wait(second); err != nil || string(got) != "hello" {
			t.Errorf("got %q, %v", got, err)
		}
		// A device that takes no more makes the host wait.
		for range 4 {
			if err := c.Out(2, []byte("x"), second); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Out(2, []byte("x"), second); !errors.Is(err, usbiptest.ErrTimeout) {
			t.Errorf("a fifth: %v", err)
		}
	})
}

func TestReenumeration(t *testing.T) {
	bubble(t, func(t *testing.T, b *usbiptest.Bench) {
		c := b.Import()
		if _, err := c.Control(0x40, 2, 0, 0, nil, second); err != nil {
			t.Fatal(err)
		}
		<-c.Gone()
		if got, err := usbiptest.List(b.Dial()); err != nil || len(got) != 0 {
			t.Errorf("while it is away: %v, %v", got, err)
		}
		<-time.After(second + time.Millisecond)
		if again := b.Import(); again.Device.Number != 2 {
			t.Errorf("it returned as %+v", again.Device)
		}
	})
}

func TestUnplug(t *testing.T) {
	bubble(t, func(t *testing.T, b *usbiptest.Bench) {
		for number := range uint32(60) {
			c := b.Import()
			if c.Device.Number != number+1 {
				t.Fatalf("plugged in for the %dth time it is %+v", number+1, c.Device)
			}
			pending, err := c.Submit(0x81, 8)
			if err != nil {
				t.Fatal(err)
			}
			b.Unplug()
			if _, err := pending.Wait(10 * second); !errors.Is(err, usbiptest.ErrGone) {
				t.Fatalf("in the middle of a transfer: %v", err)
			}
			b.Plug()
			synctest.Wait()
		}
	})
}

// What no host controller would send ends the connection, and the next one is served.
func TestHostileHosts(t *testing.T) {
	for name, text := range map[string]string{
		"other version":          "0100 8005 00000000",
		"other request":          "0111 8006 00000000",
		"web browser":            hex.EncodeToString([]byte("GET / HTTP/1.1\r\n\r\n")),
		"list with a tail":       "0111 8005 00000000 00",
		"other command":          importIt + "00000007 00000001 00010001 00000000 00000000" + zeros(28),
		"direction 2":            importIt + "00000001 00000001 00010001 00000002 00000001" + zeros(28),
		"endpoint 16":            importIt + "00000001 00000001 00010001 00000001 00000010" + zeros(28),
		"4 GiB":                  importIt + "00000001 00000001 00010001 00000000 00000002 00000000 FFFFFFFF" + zeros(20),
		"isochronous":            importIt + "00000001 00000001 00010001 00000001 00000001 00000000 00000008 00000000 00000002" + zeros(12),
		"control, wrong way":     importIt + "00000001 00000001 00010001 00000000 00000000 00000000 00000002 00000000 FFFFFFFF 00000000 C001000000000200",
		"in the middle of a one": importIt + "00000001 00000001 00010001 00000000 00000002 00000000 00000008 00000000 FFFFFFFF" + zeros(12) + "0102",
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *usbiptest.Bench) {
				conn := b.Dial()
				go func() { conn.Write(unhex(t, text)) }()
				conn.SetReadDeadline(time.Now().Add(20 * second))
				if _, err := io.ReadAll(conn); err != nil && name != "in the middle of a one" {
					t.Errorf("the connection should have been closed: %v", err)
				}
				conn.Close()
				synctest.Wait()
				b.Import()
			})
		})
	}
}

func zeros(n int) string { return strings.Repeat("00", n) }

var importIt = "0111 8003 00000000 312D31" + zeros(29)

// Whoever says nothing is sent away.
func TestSilentHosts(t *testing.T) {
	bubble(t, func(t *testing.T, b *usbiptest.Bench) {
		begin := time.Now()
		var conns []net.Conn
		for range 17 {
			conns = append(conns, b.Dial())
		}
		if _, err := io.ReadAll(conns[16]); err != nil || time.Since(begin) != 0 {
			t.Errorf("one too many: %v after %v", err, time.Since(begin))
		}
		if _, err := io.ReadAll(conns[0]); err != nil || time.Since(begin) != 5*second {
			t.Errorf("a silent one: %v after %v", err, time.Since(begin))
		}
		synctest.Wait()
		b.Import()
	})
}

func TestListen(t *testing.T) {
	s, err := usbip.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	where := s.Where()
	if !strings.HasPrefix(where, "usbip://127.0.0.1:") || !strings.HasSuffix(where, "/1-1") {
		t.Errorf("it is at %s", where)
	}
	address := strings.TrimSuffix(strings.TrimPrefix(where, "usbip://"), "/1-1")
	if _, err := usbip.Listen(address); err == nil || !strings.Contains(err.Error(), "is the port in use?") {
		t.Errorf("a second one: %v", err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Whatever a host says, the server neither breaks nor stays busy.
func FuzzHost(f *testing.F) {
	f.Add(unhex(f, "0111 8005 00000000"))
	f.Add(unhex(f, importIt+"00000001 00000001 00010001 00000001 00000000 00000000 00000012 00000000 FFFFFFFF 00000000 8006000100001200"))
	f.Add(unhex(f, importIt+"00000001 00000001 00010001 00000001 00000001 00000001 00000008 00000000 00000000"+zeros(12)+"00000002 00000002 00010001 00000000 00000000 00000001"+zeros(24)))
	f.Fuzz(func(t *testing.T, said []byte) {
		synctest.Test(t, func(t *testing.T) {
			b := usbiptest.Plug(t, &parrot{}, sim.Options{})
			conn := b.Dial()
			go io.Copy(io.Discard, conn)
			conn.Write(said)
			conn.Close()
			synctest.Wait()
			<-time.After(6 * second)
			b.Import()
		})
	})
}
