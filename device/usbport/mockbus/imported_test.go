//go:build linux && (amd64 || arm64)

package mockbus

import (
	"encoding/binary"
	"io"
	"net"
	"testing"

	"photongate/device"
)

// answer is what a server says to the request for a device of high speed, number 5
// on bus 2.
func answer(busID string, status uint32) []byte {
	be := binary.BigEndian
	b := be.AppendUint32([]byte{0x01, 0x11, 0x00, 0x03}, status)
	b = append(b, make([]byte, importAbout)...)
	copy(b[8:], "/sys/devices/simulated")
	copy(b[8+256:], busID)
	be.PutUint32(b[8+288:], 2)
	be.PutUint32(b[8+292:], 5)
	be.PutUint32(b[8+296:], 3)
	return b
}

// serveOne gives a device to whoever asks for 1-1.
func serveOne(t *testing.T, l net.Listener, reply []byte, p *played) {
	t.Helper()
	conn, err := l.Accept()
	if err != nil {
		return
	}
	var request [40]byte
	if _, err := io.ReadFull(conn, request[:]); err != nil {
		t.Error(err)
	}
	if want := "\x01\x11\x80\x03\x00\x00\x00\x001-1\x00"; string(request[:12]) != want {
		t.Errorf("asked with % x, want % x", request[:12], want)
	}
	if _, err := conn.Write(reply); err != nil {
		t.Error(err)
	}
	if p == nil {
		_ = conn.Close()
		return
	}
	w := newWire(p, conn)
	t.Cleanup(w.end)
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestAskForDevice(t *testing.T) {
	for name, tc := range map[string]struct {
		reply []byte
		well  bool
	}{
		"given":          {answer("1-1", 0), true},
		"another":        {answer("1-2", 0), false},
		"refused":        {answer("1-1", 1)[:8], false},
		"cut":            {answer("1-1", 0)[:300], false},
		"something else": {[]byte("HTTP/1.1 400 Bad Request\r\n"), false},
	} {
		l := listen(t)
		go serveOne(t, l, tc.reply, nil)
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		id, speed, err := ask(conn, "1-1")
		_ = conn.Close()
		if (err == nil) != tc.well || tc.well && (id != 2<<16|5 || speed != 3) {
			t.Errorf("%s: device %x of speed %d, %v", name, id, speed, err)
		}
	}
}

// A device of a server is in the kernel like any other, until it is unplugged.
func TestImport(t *testing.T) {
	if !RealKernel() {
		t.Skip("plugs into this machine's kernel: run .ci/vm")
	}
	l := listen(t)
	p := newPlayed(device.USBInfo{ID: device.USBID{Vendor: 0x0CD5, Product: 0x0003}, Serial: "17", Speed: "high",
		Endpoints: []device.USBEndpoint{{Address: 0x81, Kind: "bulk", MaxPacket: 512}}})
	go serveOne(t, l, answer("1-1", 0), p)
	d := Import(t, l.Addr().String(), "1-1")
	if got := attribute(d.Socket(), "serial"); got != "17" {
		t.Errorf("the kernel has serial number %q", got)
	}
	for range 2 {
		d.Unplug()
	}
	if plugged()[d.Socket()] {
		t.Error("it is still there")
	}
}
