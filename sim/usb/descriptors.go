package usb

import "unicode/utf16"

// Speed is how fast a device signals, as USB/IP numbers it.
type Speed uint32

// The speeds: 12 and 480 Mbit/s.
const (
	Full Speed = 2
	High Speed = 3
)

// Endpoint is one pipe of a device.
type Endpoint struct {
	Address   uint8 // bit 7: to the host
	Interrupt bool  // otherwise bulk
	MaxPacket int   // bytes
}

// Descriptors are what a device says of itself: one configuration with one
// interface of its maker's own class.
type Descriptors struct {
	Speed           Speed
	Vendor, Product uint16
	Release         uint16 // bcdDevice
	Maker, Title    string
	Serial          string // empty: it has none
	Endpoints       []Endpoint
}

// Numbers of USB 2.0, tables 9-4 to 9-6.
const (
	directionIn = 0x80

	typeDevice        = 1
	typeConfiguration = 2
	typeString        = 3
	typeInterface     = 4
	typeEndpoint      = 5

	classVendor       = 0xFF
	transferBulk      = 2
	transferInterrupt = 3
)

// Which string is which.
const (
	stringMaker = 1 + iota
	stringTitle
	stringSerial
)

// endpoint finds an endpoint by its address.
func (d Descriptors) endpoint(address uint8) (Endpoint, bool) {
	for _, e := range d.Endpoints {
		if e.Address == address {
			return e, true
		}
	}
	return Endpoint{}, false
}

// device is the device descriptor.
func (d Descriptors) device() []byte {
	const usb20lo, usb20hi, control = 0x00, 0x02, 64
	serial := byte(stringSerial)
	if d.Serial == "" {
		serial = 0
	}
	return []byte{18, typeDevice, usb20lo, usb20hi, 0, 0, 0, control,
		byte(d.Vendor), byte(d.Vendor >> 8), byte(d.Product), byte(d.Product >> 8),
		byte(d.Release), byte(d.Release >> 8), stringMaker, stringTitle, serial, 1}
}

// configuration is the configuration descriptor and all that belongs to it.
func (d Descriptors) configuration() []byte {
	const busPowered, milliamperes = 0x80, 100
	total := 9 + 9 + 7*len(d.Endpoints)
	b := []byte{9, typeConfiguration, byte(total), byte(total >> 8), 1, 1, 0, busPowered, milliamperes / 2,
		9, typeInterface, 0, 0, byte(len(d.Endpoints)), classVendor, classVendor, classVendor, stringTitle}
	for _, e := range d.Endpoints {
		kind, interval := byte(transferBulk), byte(0)
		if e.Interrupt {
			kind, interval = transferInterrupt, 1
		}
		b = append(b, 7, typeEndpoint, e.Address, kind, byte(e.MaxPacket), byte(e.MaxPacket>>8), interval)
	}
	return b
}

// text is a string descriptor; nil if there is none of this number.
func (d Descriptors) text(index uint8) []byte {
	const englishUS = 0x0409
	var s string
	switch index {
	case 0:
		return []byte{4, typeString, englishUS & 0xFF, englishUS >> 8}
	case stringMaker:
		s = d.Maker
	case stringTitle:
		s = d.Title
	case stringSerial:
		s = d.Serial
	}
	if s == "" {
		return nil
	}
	units := utf16.Encode([]rune(s))
	const most = (255 - 2) / 2
	units = units[:min(len(units), most)]
	b := []byte{byte(2 + 2*len(units)), typeString}
	for _, u := range units {
		b = append(b, byte(u), byte(u>>8))
	}
	return b
}
