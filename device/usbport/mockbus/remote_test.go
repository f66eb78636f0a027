//go:build linux && (amd64 || arm64)

package mockbus

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
)

// importPlayed plugs a device that is played into a bus, through a server.
func importPlayed(t *testing.T) (*Bus, *Device, *devicetest.USBEnd, *wire) {
	t.Helper()
	l := listen(t)
	p := newPlayed(device.USBInfo{ID: device.USBID{Vendor: 0x0CD5, Product: 0x0003}, Release: 0x0130, Serial: "17", Product: "U3", Interface: 0,
		Endpoints: []device.USBEndpoint{{Address: 0x01, Kind: "bulk", MaxPacket: 64}, {Address: 0x82, Kind: "interrupt", MaxPacket: 8}}})
	wires := make(chan *wire, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		var request [40]byte
		if _, err := io.ReadFull(conn, request[:]); err != nil {
			t.Error(err)
		}
		if _, err := conn.Write(answer("1-1", 0)); err != nil {
			t.Error(err)
		}
		wires <- newWire(p, conn)
	}()
	b := newBus(t)
	d, err := b.Import(l.Addr().String(), "1-1")
	if err != nil {
		t.Fatal(err)
	}
	w := <-wires
	t.Cleanup(w.end)
	return b, d, p.end, w
}

// do does a transfer.
func do(d *Device, u *urb) *urb {
	d.do(u, nil)
	return u
}

// A device of a server is on the bus as the server describes it, and its transfers
// go through.
func TestRemote(t *testing.T) {
	b, d, end, _ := importPlayed(t)
	go end.Serve(func(r *devicetest.USBRequest) {
		switch {
		case r.Endpoint != 0:
			end.Send(0x82, r.Data...)
		case r.Type == 0xC0 && r.Request == 7 && r.Value == 0x0201:
			r.Reply(1, 2, 3)
		}
	})
	if i := d.info; i.ID.String() != "0cd5:0003" || i.Release != 0x0130 || i.Speed != "high" || len(i.Endpoints) != 2 ||
		i.Endpoints[0] != (device.USBEndpoint{Address: 0x01, Kind: "bulk", MaxPacket: 64}) ||
		i.Endpoints[1] != (device.USBEndpoint{Address: 0x82, Kind: "interrupt", MaxPacket: 8}) {
		t.Errorf("%+v", i)
	}
	// Its descriptors by hand, from tables 9-8, 9-10, 9-12 and 9-13 of USB 2.0.
	want := []byte{18, 1, 0x00, 0x02, 0, 0, 0, 64, 0xD5, 0x0C, 0x03, 0x00, 0x30, 0x01, 0, 2, 3, 1,
		9, 2, 32, 0, 1, 1, 0, 0x80, 50, 9, 4, 0, 0, 2, 0xFF, 0, 0, 0, 7, 5, 0x01, 2, 64, 0, 1, 7, 5, 0x82, 3, 8, 0, 1}
	if got, err := os.ReadFile(b.path("sys/bus/usb/devices", d.Socket(), "descriptors")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("descriptors % x, %v", got, err)
	}
	if u := do(d, &urb{setup: [8]byte{0xC0, 7, 1, 2, 0, 0, 64, 0}, length: 64}); u.status != 0 || !bytes.Equal(u.data, []byte{1, 2, 3}) {
		t.Errorf("control: % x, %v", u.data, u.status)
	}
	if u := do(d, &urb{setup: [8]byte{0xC0, 8, 0, 0, 0, 0, 64, 0}, length: 64}); u.status != syscall.EPIPE {
		t.Errorf("a request that is refused: % x, %v", u.data, u.status)
	}
	if u := do(d, &urb{endpoint: 1, data: []byte("hello"), length: 5}); u.status != 0 || u.moved != 5 {
		t.Errorf("out: %d, %v", u.moved, u.status)
	}
	if u := do(d, &urb{endpoint: 0x82, length: 8}); u.status != 0 || string(u.data) != "hello" {
		t.Errorf("in: %q, %v", u.data, u.status)
	}
	if !d.setInterface() || !d.clearHalt(0x82) || d.Set() != 1 {
		t.Errorf("set %d times", d.Set())
	}
}

// A transfer that nobody wants any more ends; so do all when the wire is cut, and
// the device is not there then.
func TestRemoteEnds(t *testing.T) {
	b, d, _, w := importPlayed(t)
	u := &urb{endpoint: 0x82, length: 8}
	u.cancelled.Store(true)
	if d.do(u, nil); u.status != syscall.ECONNRESET || u.moved != 0 {
		t.Errorf("cancelled: %d, %v", u.moved, u.status)
	}
	ended := begin(t, d, w)
	_ = w.conn.Close()
	endsCut(t, ended)
	empty := awaited(func() bool {
		list, err := os.ReadDir(b.path("sys/bus/usb/devices"))
		return err == nil && len(list) == 0
	})
	if !empty {
		t.Error("the bus is not empty")
	}
	if d.setInterface() || d.clearHalt(0x82) {
		t.Error("it is still there")
	}
}

// begin begins a transfer that the device does not answer.
func begin(t *testing.T, d *Device, w *wire) (ended chan *urb) {
	t.Helper()
	ended = make(chan *urb)
	go func() { ended <- do(d, &urb{endpoint: 0x82, length: 8}) }()
	if !awaited(func() bool { return w.pending() == 1 }) {
		t.Fatal("no transfer is under way")
	}
	return ended
}

// endsCut waits for a transfer to end because the wire was cut.
func endsCut(t *testing.T, ended <-chan *urb) {
	t.Helper()
	select {
	case u := <-ended:
		if u.status != syscall.ESHUTDOWN {
			t.Errorf("cut: %v", u.status)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("cut: nothing ends")
	}
}

// An answer to what was never asked cuts the wire, as the kernel does: what follows
// would be taken for something else, and nothing would end any more.
func TestRemoteTakesNoOtherAnswer(t *testing.T) {
	_, d, _, w := importPlayed(t)
	ended := begin(t, d, w)
	other := make([]byte, wireHeader+8)
	be := binary.BigEndian
	be.PutUint32(other[0:], wireSubmitted)
	be.PutUint32(other[4:], 4711)
	be.PutUint32(other[24:], 8)
	if _, err := w.conn.Write(other); err != nil {
		t.Fatal(err)
	}
	endsCut(t, ended)
}

// What a server says in the place of descriptors is refused.
func TestDescriptorsAreRead(t *testing.T) {
	good := descriptors(device.USBInfo{Endpoints: []device.USBEndpoint{{Address: 0x81, Kind: "bulk", MaxPacket: 512}}})
	if i, err := infoOf(good); err != nil || len(i.Endpoints) != 1 || i.Endpoints[0].MaxPacket != 512 {
		t.Errorf("%+v, %v", i, err)
	}
	for n := lengthOfDevice + 1; n < len(good); n++ {
		if i, err := infoOf(good[:n]); err == nil && len(i.Endpoints) > 0 {
			t.Errorf("cut after %d bytes: %+v", n, i)
		}
	}
	for _, length := range []byte{0, 1, 200} {
		bad := bytes.Clone(good)
		bad[lengthOfDevice] = length
		if i, err := infoOf(bad); err == nil {
			t.Errorf("length %d: %+v", length, i)
		}
	}
	if binary.LittleEndian.Uint16(good[20:]) != uint16(len(good)-lengthOfDevice) {
		t.Error("the total does not fit")
	}
}

func FuzzInfoOf(f *testing.F) {
	f.Add(descriptors(device.USBInfo{Endpoints: []device.USBEndpoint{{Address: 0x81, Kind: "bulk", MaxPacket: 512}}}))
	f.Fuzz(func(t *testing.T, about []byte) {
		if len(about) < lengthOfDevice {
			return // refused before
		}
		i, err := infoOf(about)
		if err == nil && 7*len(i.Endpoints) > len(about)-lengthOfDevice {
			t.Errorf("%d endpoints in % x", len(i.Endpoints), about)
		}
	})
}
