//go:build linux && (amd64 || arm64)

package mockbus

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"unsafe"

	"photongate/device"
)

// program has a device open, as the preload library has it. Its memory begins at
// address 0.
type program struct {
	t      *testing.T
	conn   net.Conn
	memory [4096]byte
}

// Where the program has what.
const (
	urbAt    = 0x100
	bufferAt = 0x200
	reapedAt = 0x300
)

func opened(t *testing.T, d *Device) *program {
	t.Helper()
	conn, err := net.Dial("unix", d.bus.path("ioctl/dev", d.node()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &program{t: t, conn: conn}
}

// ioctl does one call.
func (p *program) ioctl(number byte, argument uint64) syscall.Errno {
	p.t.Helper()
	ne := binary.NativeEndian
	ask := ne.AppendUint64(ne.AppendUint64(ne.AppendUint64(nil, sayIoctl), 0x5500|uint64(number)), argument)
	if _, err := p.conn.Write(ask); err != nil {
		p.t.Fatal(err)
	}
	for {
		var h [24]byte
		if _, err := io.ReadFull(p.conn, h[:]); err != nil {
			p.t.Fatalf("ioctl %d: %v; the real library aborts the program here", number, err)
		}
		a, n := ne.Uint64(h[8:]), ne.Uint64(h[16:])
		var err error
		switch ne.Uint64(h[:]) {
		case sayReturn:
			if a != 0 {
				return syscall.Errno(n)
			}
			return 0
		case sayRead:
			_, err = p.conn.Write(p.memory[a : a+n])
		case sayWrite:
			_, err = io.ReadFull(p.conn, p.memory[a:a+n])
		}
		if err != nil {
			p.t.Fatal(err)
		}
	}
}

// submit begins a transfer of 8 bytes on an endpoint, cancel ends it.
func (p *program) submit(endpoint byte) syscall.Errno {
	u := p.memory[urbAt:]
	u[urbKind], u[urbEndpoint] = 3, endpoint // bulk
	binary.NativeEndian.PutUint64(u[urbBuffer:], bufferAt)
	binary.NativeEndian.PutUint32(u[urbLength:], 8)
	return p.ioctl(ioSubmit, urbAt)
}

// rings asks the machine's kernel whether a device's node can be written to, as libusb
// does to learn whether a transfer has finished.
func rings(t *testing.T, node *os.File) bool {
	t.Helper()
	const pollOut = 4 // include/uapi/asm-generic/poll.h
	ask := struct {
		fd         int32
		want, have int16
	}{fd: int32(node.Fd()), want: pollOut}
	if _, _, errno := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&ask)), 1, uintptr(unsafe.Pointer(&syscall.Timespec{})), 0, 0, 0); errno != 0 {
		t.Fatal(errno)
	}
	return ask.have == pollOut
}

// A program is woken when a transfer has finished, and no sooner. One that has a
// device open as that is unplugged gets answers until it closes it, and so does one
// that had found it and opens it now: the real library aborts a program whose
// connection is cut.
func TestFileOfAnUnpluggedDevice(t *testing.T) {
	b := newBus(t)
	d, end := b.Plug(t, device.USBInfo{Endpoints: []device.USBEndpoint{{Address: 0x81, Kind: "bulk", MaxPacket: 8}}})
	node, err := os.OpenFile(b.path("dev", d.node()), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close() //nolint:errcheck // nothing was written
	p := opened(t, d)
	var interfaceNumber uint64
	if errno := p.ioctl(ioClaim, interfaceNumber); errno != 0 {
		t.Fatal(errno)
	}
	reap := func(want syscall.Errno) {
		t.Helper()
		if errno := p.ioctl(ioReapNow, reapedAt); errno != want {
			t.Fatalf("reap: %v, want %v", errno, want)
		}
	}
	for range 3 {
		if errno := p.submit(0x81); errno != 0 || rings(t, node) {
			t.Fatalf("%v; or it rings with nothing finished", errno)
		}
		reap(syscall.EAGAIN)
		end.Send(0x81, []byte("12345678")...)
		if !awaited(func() bool { return rings(t, node) }) {
			t.Fatal("it does not ring")
		}
		reap(0)
		if got := string(p.memory[bufferAt : bufferAt+8]); got != "12345678" || rings(t, node) {
			t.Fatalf("%q; or it rings with all fetched", got)
		}
	}
	if errno := p.submit(0x81); errno != 0 {
		t.Fatal(errno)
	}
	d.Unplug()
	if !awaited(func() bool { return p.ioctl(ioReapNow, reapedAt) == 0 }) {
		t.Fatal("the transfer does not end")
	}
	if got := -int32(binary.NativeEndian.Uint32(p.memory[urbAt+urbStatus:])); syscall.Errno(got) != syscall.ESHUTDOWN {
		t.Errorf("it ends with %d", got)
	}
	late := opened(t, d)
	for range 3 {
		reap(syscall.ENODEV)
		if errno := p.submit(0x81); errno != syscall.ENODEV || !rings(t, node) {
			t.Fatalf("submit: %v; or it does not ring", errno)
		}
		if errno := late.ioctl(ioClaim, interfaceNumber); errno != syscall.ENODEV {
			t.Fatalf("claim: %v", errno)
		}
	}
}
