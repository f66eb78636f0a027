//go:build linux && (amd64 || arm64)

package mockbus

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
)

// Imported is a device of a USB/IP server that is plugged into this machine's
// kernel.
type Imported struct{ inKernel }

// The request for a device and its answer, which are followed by the device's
// wire: the kernel's Documentation/usb/usbip_protocol.rst.
const (
	importVersion = 0x0111
	importRequest = 0x8003
	importReply   = 0x0003
	importName    = 32       // bytes of a bus id
	importPath    = 256      // bytes of a path, before the bus id in the reply
	importAbout   = 256 + 56 // bytes of the reply behind its head
)

// Import plugs a device of a USB/IP server into this machine's kernel, until the
// test ends, and waits until the kernel has looked at it. The server is at an
// address like "127.0.0.1:3240" and calls the device by a bus id like "1-1".
func Import(t testing.TB, address, busID string) *Imported {
	t.Helper()
	i, err := IntoKernel(address, busID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Unplug)
	return i
}

// IntoKernel is Import for who unplugs the device himself.
func IntoKernel(address, busID string) (*Imported, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }() // the kernel keeps its own
	id, speed, err := ask(conn, busID)
	if err != nil {
		return nil, fmt.Errorf("ask %s for device %s: %w", address, busID, err)
	}
	wire, err := conn.(*net.TCPConn).File()
	if err != nil {
		return nil, err
	}
	defer func() { _ = wire.Close() }()
	i := &Imported{}
	if err := i.attach(wire, id, speed); err != nil {
		i.Unplug()
		return nil, err
	}
	return i, nil
}

// ask asks a server for a device, and returns the device's number there and its
// speed.
func ask(conn io.ReadWriter, busID string) (id, speed uint32, err error) {
	be := binary.BigEndian
	request := binary.BigEndian.AppendUint16(nil, importVersion)
	request = be.AppendUint16(request, importRequest)
	request = append(be.AppendUint32(request, 0), make([]byte, importName)...)
	copy(request[8:8+importName-1], busID)
	if _, err := conn.Write(request); err != nil {
		return 0, 0, err
	}
	var head [8]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return 0, 0, err
	}
	if version, code, status := be.Uint16(head[0:]), be.Uint16(head[2:]), be.Uint32(head[4:]); version != importVersion || code != importReply || status != 0 {
		return 0, 0, fmt.Errorf("refused: version %04x, reply %04x, status %d", version, code, status)
	}
	var about [importAbout]byte
	if _, err := io.ReadFull(conn, about[:]); err != nil {
		return 0, 0, err
	}
	name := about[importPath:][:importName]
	if got := string(bytes.TrimRight(name, "\x00")); got != busID {
		return 0, 0, fmt.Errorf("the server gave device %q", got)
	}
	numbers := about[importPath+importName:]
	return be.Uint32(numbers[0:])<<16 | be.Uint32(numbers[4:]), be.Uint32(numbers[8:]), nil
}

// Unplug takes the device away and waits until the kernel has noticed. A second
// Unplug does nothing.
func (i *Imported) Unplug() { i.once.Do(i.detach) }
