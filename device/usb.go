package device

import (
	"errors"
	"fmt"
	"time"
)

// USB covers instruments that are no stream of bytes: control requests, and
// endpoints that keep the borders of packets.
const USB Transport = "USB"

// USBDevice is an open USB device whose configuration is chosen and one of whose
// interfaces is claimed. One goroutine uses it; Close may be called from another
// and frees a blocked call.
//
// Timeouts are how long a call waits at most; less than a millisecond is taken
// for one. Calls that moved bytes return the time base when they returned.
//
// Errors: ErrTimeout when nothing came, or nothing was taken, in time; ErrStall;
// ErrGone when the device was unplugged; ErrClosed after Close; ErrBus when
// the transfer failed on its way. A wrong endpoint or buffer is an error that is
// none of these.
type USBDevice interface {
	// Info says what the device is and which endpoints it has. It does not change.
	Info() USBInfo

	// Control does one control transfer: data is read into when bit 7 of
	// requestType is set and written from otherwise; its length is the length asked
	// for. It returns how many bytes were moved, which may be fewer. Close frees it
	// only when the timeout has passed.
	Control(requestType, request uint8, value, index uint16, data []byte, timeout time.Duration) (n int, err error)

	// In reads one transfer of at most len(p) bytes from an IN endpoint (address
	// with bit 7 set). It ends when p is full or a packet shorter than the
	// endpoint's MaxPacket has come, so that borders are kept; n may be 0 with a nil
	// error, which is an empty packet. When the time is up after some whole packets
	// it returns these without an error. A packet that p has no room for is
	// an error that is ErrNonsense: make len(p) a multiple of MaxPacket.
	In(endpoint uint8, p []byte, timeout time.Duration) (n int, at int64, err error)

	// Out writes one transfer to an OUT endpoint, all of p or an error.
	Out(endpoint uint8, p []byte, timeout time.Duration) (at int64, err error)

	// Stream keeps count transfers of size bytes (a multiple of MaxPacket) under
	// way on an IN endpoint, for instruments that do not wait to be asked. While it
	// is open In is not used on that endpoint.
	Stream(endpoint uint8, size, count int) (USBStream, error)

	// ClearHalt makes an endpoint usable again that answered ErrStall.
	ClearHalt(endpoint uint8) error

	// Name says which device it is, for people and as a configuration has it:
	// "usb:0cd5:0003:320012345".
	Name() string

	// Close ends what is under way, waits for it and gives the device back. A
	// second Close does nothing and returns nil.
	Close() error
}

// USBStream is a stream of IN transfers. One goroutine reads it, which need not be
// the one that uses the device; Close may be called from another.
type USBStream interface {
	// Read hands out one finished transfer, oldest first, and the time base when it
	// had finished. len(p) is at least the size of the stream's transfers. n may be
	// 0 with a nil error. When none has finished in time it returns ErrTimeout,
	// and nothing is lost by that. Whatever finished before an error is handed out
	// before it; after any other error than ErrTimeout the stream is over, and it
	// returns that error again.
	Read(p []byte, timeout time.Duration) (n int, at int64, err error)

	// Close takes back the transfers under way; what they hold is lost. A second
	// Close does nothing and returns nil. Closing the device closes its stream.
	Close() error
}

// Kinds of trouble that only USB devices have.
var (
	// ErrStall: the device refuses a request, or halted an endpoint.
	ErrStall = errors.New("request refused (stall)")
	// ErrBus: a transfer failed electrically. Just before a device is seen to be
	// unplugged this may come first.
	ErrBus = errors.New("transfer failed on the USB bus")
	// ErrReenumerated is what a Driver's Open returns when it made the device
	// restart: the caller closes it and opens it anew, soon.
	ErrReenumerated = errors.New("the device restarts under another address: look again")
)

// USBInfo is what a USB device says of itself before it is spoken to.
type USBInfo struct {
	ID           USBID  // vendor and product id; Shared is not set
	Release      uint16 // bcdDevice: release of the device, 0x0700 is 7.00
	Serial       string // serial number; empty when it has none
	Manufacturer string
	Product      string // product text
	Socket       string // where it is plugged in, as in usb-path: "1-1.4"
	Speed        string // "low", "full", "high", "super"; empty when not known
	Interface    int    // number of the interface that is claimed
	Endpoints    []USBEndpoint
}

// USBEndpoint is one endpoint of the claimed interface.
type USBEndpoint struct {
	Address   uint8  // with bit 7 set for IN
	Kind      string // "bulk", "interrupt", "isochronous"
	MaxPacket int    // bytes of its largest packet
}

// In reports whether the endpoint goes to the host.
func (e USBEndpoint) In() bool { return e.Address&0x80 != 0 }

// Name returns the device as a configuration names it: "usb:0cd5:0003:SERIAL", or
// "usb:0cd5:0003" when it has no serial number.
func (i USBInfo) Name() string {
	if i.Serial == "" {
		return "usb:" + i.ID.String()
	}
	return "usb:" + i.ID.String() + ":" + i.Serial
}

// Endpoint returns the endpoint of an address.
func (i USBInfo) Endpoint(address uint8) (USBEndpoint, error) {
	for _, e := range i.Endpoints {
		if e.Address == address {
			return e, nil
		}
	}
	return USBEndpoint{}, fmt.Errorf("%s has no endpoint %#02x; it has %s", i.Name(), address, i.endpoints())
}

// First returns the endpoint of the lowest address in one direction that is not
// isochronous, for instruments whose description does not number them.
func (i USBInfo) First(in bool) (USBEndpoint, error) {
	found := USBEndpoint{}
	for _, e := range i.Endpoints {
		if e.In() == in && e.Kind != "isochronous" && (found.Address == 0 || e.Address < found.Address) {
			found = e
		}
	}
	if found.Address == 0 {
		return found, fmt.Errorf("%s has no endpoint to %s; it has %s", i.Name(), map[bool]string{true: "read from", false: "write to"}[in], i.endpoints())
	}
	return found, nil
}

// endpoints lists the endpoints for people.
func (i USBInfo) endpoints() string {
	text := ""
	for _, e := range i.Endpoints {
		text += fmt.Sprintf(", %#02x %s of %d bytes", e.Address, e.Kind, e.MaxPacket)
	}
	if text == "" {
		return "none"
	}
	return text[2:]
}
