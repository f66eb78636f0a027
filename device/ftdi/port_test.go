package ftdi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
)

// ft232r and ft232h are as these chips describe themselves.
var (
	ft232r = device.USBInfo{ID: device.USBID{Vendor: 0x0403, Product: 0x6001}, Serial: "A50285BI", Release: 0x0600, Endpoints: []device.USBEndpoint{
		{Address: 0x02, Kind: "bulk", MaxPacket: 64}, {Address: 0x81, Kind: "bulk", MaxPacket: 64},
	}}
	ft232h = device.USBInfo{ID: device.USBID{Vendor: 0x0403, Product: 0x6014}, Release: 0x0900, Endpoints: []device.USBEndpoint{
		{Address: 0x02, Kind: "bulk", MaxPacket: 512}, {Address: 0x81, Kind: "bulk", MaxPacket: 512},
	}}
)

// played is a chip in memory.
type played struct {
	end  *devicetest.USBEnd
	info device.USBInfo
	said []string // requests and what was written
}

func (c *played) serve() {
	c.end.Serve(func(r *devicetest.USBRequest) {
		if r.Endpoint != 0 {
			c.said = append(c.said, "out "+string(r.Data))
			return
		}
		c.said = append(c.said, fmt.Sprintf("%02x %02x %04x %04x", r.Type, r.Request, r.Value, r.Index))
		r.Reply()
	})
}

// send puts data into packets as the chip does, with a status at the begin of
// each, full ones and then what is left.
func (c *played) send(status byte, data string) {
	room := c.info.Endpoints[1].MaxPacket - 2
	for {
		n := min(len(data), room)
		c.end.Send(0x81, append([]byte{0x01, status}, data[:n]...)...)
		if data = data[n:]; data == "" {
			return
		}
	}
}

// bubble runs use with an open port on a chip.
func bubble(t *testing.T, info device.USBInfo, line device.Line, use func(p *Port, c *played)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		usb, end := devicetest.NewUSB(info, devicetest.Clock)
		c := &played{end: end, info: info}
		served := make(chan struct{})
		go func() { defer close(served); c.serve() }()
		open := func(_ context.Context, name string, n int, _ device.Clock) (device.USBDevice, error) {
			if !strings.HasPrefix(name, "usb:0403:60") || n != 0 {
				t.Errorf("asked for interface %d of %s", n, name)
			}
			return usb, nil
		}
		p, err := Open(t.Context(), open, "ftdi:"+info.ID.String(), line, devicetest.Clock)
		if err != nil {
			t.Fatal(err)
		}
		use(p.(*Port), c)
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		end.Unplug()
		<-served
	})
}

func TestOpenSetsUpTheChip(t *testing.T) {
	bubble(t, ft232r, device.Line{Baud: 9600, DataBits: 7, Parity: device.EvenParity, StopBits: 2}, func(p *Port, c *played) {
		want := []string{
			"40 00 0000 0000", "40 0b 0000 0000", "40 02 0000 0000", "40 04 1207 0000", "40 09 0002 0000",
			"40 01 0101 0000", "40 01 0202 0000", "40 03 4138 0000", "40 00 0001 0000", "40 00 0002 0000",
		}
		if !slices.Equal(c.said, want) {
			t.Errorf("said %q, want %q", c.said, want)
		}
		if p.Name() != "ftdi:0403:6001:A50285BI" {
			t.Error(p.Name())
		}
		c.said = nil
		for _, err := range []error{
			p.SetDTR(false), p.SetRTS(true), p.SetRTS(false), p.Break(100 * time.Millisecond), p.SetLatency(16 * time.Millisecond), p.Discard(),
		} {
			if err != nil {
				t.Error(err)
			}
		}
		if err := p.SetLatency(256 * time.Millisecond); !errors.Is(err, device.ErrSetting) {
			t.Error(err)
		}
		if _, err := p.Write([]byte("*IDN?\r")); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		want = []string{"40 01 0100 0000", "40 01 0202 0000", "40 01 0200 0000", "40 04 5207 0000", "40 04 1207 0000", "40 09 0010 0000", "40 00 0001 0000", "out *IDN?\r"}
		if !slices.Equal(c.said, want) {
			t.Errorf("said %q, want %q", c.said, want)
		}
	})
}

// A chip with several ports, or fast ones, is told which port.
func TestOpenFastChip(t *testing.T) {
	bubble(t, ft232h, device.Line{Baud: 115200}, func(p *Port, c *played) {
		if !slices.Contains(c.said, "40 03 c068 0201") || !slices.Contains(c.said, "40 04 0008 0001") {
			t.Errorf("said %q", c.said)
		}
	})
}

func read(t *testing.T, p *Port, size int, timeout time.Duration, want string, kind error) {
	t.Helper()
	buf := make([]byte, size)
	n, _, err := p.Read(buf, timeout)
	if string(buf[:n]) != want || !errors.Is(err, kind) {
		t.Errorf("read %q, %v, want %q, %v", buf[:n], err, want, kind)
	}
}

func TestReadStripsStatus(t *testing.T) {
	bubble(t, ft232r, device.Line{Baud: 9600}, func(p *Port, c *played) {
		text := strings.Repeat("0123456789", 20)
		c.send(0x60, "")
		synctest.Wait()
		read(t, p, 100, 0, "", device.ErrTimeout) // an idle packet is no data
		c.send(0x60, text)
		synctest.Wait()
		read(t, p, 300, 0, text, nil)
		begin := time.Now()
		go func() {
			for range 10 { // every latency period, without data
				c.end.Wait(2 * time.Millisecond)
				c.send(0x60, "")
			}
			c.send(0x60, "late")
		}()
		read(t, p, 2, time.Second, "la", nil)
		if d := time.Since(begin); d != 20*time.Millisecond {
			t.Errorf("came after %v", d)
		}
		read(t, p, 9, 0, "te", nil)
		read(t, p, 9, 50*time.Millisecond, "", device.ErrTimeout)
		c.send(0x60, "old")
		synctest.Wait()
		if err := p.Discard(); err != nil {
			t.Error(err)
		}
		read(t, p, 9, 0, "", device.ErrTimeout)
		if got := p.Trouble(); got != (device.Trouble{}) {
			t.Errorf("trouble %+v", got)
		}
		before := p.Trouble()
		c.send(0x62, "x")
		c.send(0x62, "") // an idle packet repeats what was said
		synctest.Wait()
		if got := p.Trouble().Since(before); got != "bytes lost in the adapter (overrun): 1" {
			t.Errorf("trouble %q", got)
		}
	})
}

// A host that does not read for a while loses nothing; the adapter is emptied all
// the same.
func TestStalledHost(t *testing.T) {
	bubble(t, ft232r, device.Line{Baud: 3000000}, func(p *Port, c *played) {
		var sent bytes.Buffer
		for i := range 5000 { // 5 s of 1 kHz
			line := fmt.Sprintf("reading %d\r\n", i)
			sent.WriteString(line)
			c.send(0x60, line)
			c.end.Wait(time.Millisecond)
			if q := c.end.Queued(0x81); q > 0 {
				t.Fatalf("%d bytes wait in the adapter", q)
			}
		}
		got := make([]byte, 2*sent.Len())
		n, _, err := p.Read(got, time.Second)
		if !bytes.Equal(got[:n], sent.Bytes()) || err != nil {
			t.Errorf("%d bytes of %d, %v", n, sent.Len(), err)
		}
	})
}

func TestFIFO(t *testing.T) {
	bubble(t, ft232h, device.Line{}, func(p *Port, c *played) {
		c.send(0x60, "before")
		synctest.Wait()
		c.said = nil
		if err := p.SetFIFO(true); err != nil {
			t.Fatal(err)
		}
		want := []string{"40 0b 00ff 0001", "40 0b 40ff 0001", "40 02 0000 0101", "40 00 0001 0001"}
		if !slices.Equal(c.said, want) {
			t.Errorf("said %q, want %q", c.said, want)
		}
		block := strings.Repeat("0123456789", 20000)
		c.send(0x60, block)
		synctest.Wait()
		read(t, p, len(block)+1, 0, block, nil)
		if err := p.SetFIFO(false); err != nil {
			t.Error(err)
		}
		c.send(0x60, "after")
		read(t, p, 10, time.Second, "after", nil)
	})
	bubble(t, ft232r, device.Line{}, func(p *Port, _ *played) {
		if err := p.SetFIFO(true); !errors.Is(err, device.ErrSetting) {
			t.Errorf("a chip without a FIFO: %v", err)
		}
	})
}

// Who does not read loses the newest bytes of a line, which are counted; a FIFO is
// not emptied then, and nothing of it is lost.
func TestNobodyReads(t *testing.T) {
	for _, fifo := range []bool{false, true} {
		bubble(t, ft232h, device.Line{}, func(p *Port, c *played) {
			if fifo {
				if err := p.SetFIFO(true); err != nil {
					t.Fatal(err)
				}
			}
			block := make([]byte, 510*500)
			value := byte(0)
			most := ringMost + 1<<20
			if fifo {
				most = fifoMost + 2<<20 // the rest is in transfers, and waits in the chip
			}
			fill := func() (sent int) {
				for sent < most {
					for i := range block {
						block[i] = value
						value = (value + 1) % 251
					}
					c.send(0x60, string(block))
					sent += len(block)
					synctest.Wait()
				}
				c.send(0x60, "") // ends the last transfer
				return sent
			}
			sent := fill()
			got, want := 0, byte(0)
			for {
				n, _, err := p.Read(block, time.Second)
				if errors.Is(err, device.ErrTimeout) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				for i, b := range block[:n] {
					if b != want {
						t.Fatalf("byte %d is %d, want %d", got+i, b, want)
					}
					want = (want + 1) % 251
				}
				got += n
			}
			lost := uint64(sent - got)
			if p.Trouble().Dropped != lost || fifo != (lost == 0) {
				t.Errorf("FIFO %v: %d bytes of %d, %d said to be dropped", fifo, got, sent, p.Trouble().Dropped)
			}
			fill() // and it can be closed as it is
		})
	}
}

// What arrived is read before the port says that it went away.
func TestUnplug(t *testing.T) {
	bubble(t, ft232r, device.Line{Baud: 9600}, func(p *Port, c *played) {
		c.send(0x60, "last words")
		synctest.Wait()
		c.end.Unplug()
		read(t, p, 100, time.Second, "last words", nil)
		for range 2 {
			read(t, p, 100, time.Hour, "", device.ErrGone)
		}
		if _, err := p.Write([]byte("x")); !errors.Is(err, device.ErrGone) {
			t.Errorf("write: %v", err)
		}
		for _, err := range []error{p.SetDTR(true), p.Discard(), p.SetLatency(time.Millisecond)} {
			if !errors.Is(err, device.ErrGone) {
				t.Error(err)
			}
		}
	})
}

// A halted endpoint ends the port: whoever reads opens it again.
func TestHalt(t *testing.T) {
	bubble(t, ft232r, device.Line{Baud: 9600}, func(p *Port, c *played) {
		c.end.Halt(0x81)
		read(t, p, 100, time.Hour, "", device.ErrGone)
	})
}

func TestCloseFreesRead(t *testing.T) {
	bubble(t, ft232r, device.Line{Baud: 9600}, func(p *Port, c *played) {
		done := make(chan error)
		go func() {
			_, _, err := p.Read(make([]byte, 1), time.Hour)
			done <- err
		}()
		synctest.Wait()
		for range 2 {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := <-done; !errors.Is(err, device.ErrClosed) {
			t.Errorf("%v, want ErrClosed", err)
		}
		read(t, p, 1, time.Hour, "", device.ErrClosed)
		if err := p.SetFIFO(true); err == nil {
			t.Error("a closed port changes its mode")
		}
	})
}

// What cannot be a port is refused with what to do, and given back.
func TestOpenRefuses(t *testing.T) {
	noIn := ft232r
	noIn.Endpoints = ft232r.Endpoints[:1]
	for name, tc := range map[string]struct {
		info device.USBInfo
		line device.Line
		play func(*devicetest.USBEnd)
		kind error
	}{
		"stall":       {ft232r, device.Line{Baud: 9600}, func(e *devicetest.USBEnd) { e.Serve(func(*devicetest.USBRequest) {}) }, device.ErrStall},
		"silence":     {ft232r, device.Line{Baud: 9600}, func(e *devicetest.USBEnd) { e.Wait(time.Hour) }, device.ErrTimeout},
		"rate":        {ft232r, device.Line{Baud: 50}, func(e *devicetest.USBEnd) { e.Wait(time.Hour) }, device.ErrSetting},
		"bits":        {ft232r, device.Line{Baud: 9600, DataBits: 6}, func(e *devicetest.USBEnd) { e.Wait(time.Hour) }, device.ErrSetting},
		"no endpoint": {noIn, device.Line{Baud: 9600}, func(e *devicetest.USBEnd) { e.Wait(time.Hour) }, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			usb, end := devicetest.NewUSB(tc.info, devicetest.Clock)
			go tc.play(end)
			open := func(context.Context, string, int, device.Clock) (device.USBDevice, error) { return usb, nil }
			_, err := Open(t.Context(), open, "ftdi:0403:6001", tc.line, devicetest.Clock)
			e, ok := errors.AsType[*device.Error](err)
			if !ok || e.Port != "ftdi:0403:6001" || e.Hint == "" || tc.kind != nil && !errors.Is(err, tc.kind) {
				t.Errorf("%s: %v, want %v", name, err, tc.kind)
			}
			if _, err := usb.Control(0, 0, 0, 0, nil, time.Second); !errors.Is(err, device.ErrClosed) {
				t.Errorf("%s: the device was not given back: %v", name, err)
			}
			end.Unplug()
		})
	}
	refuse := func(_ context.Context, name string, _ int, _ device.Clock) (device.USBDevice, error) {
		return nil, &device.Error{Op: "open", Port: name, Err: device.ErrBusy, Hint: "end it"}
	}
	_, err := Open(t.Context(), refuse, "ftdi:0403:6001:X", device.Line{}, devicetest.Clock)
	if want := "open ftdi:0403:6001:X: port is in use (end it)"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
