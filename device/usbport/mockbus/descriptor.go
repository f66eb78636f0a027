//go:build linux && (amd64 || arm64)

package mockbus

import (
	"encoding/binary"
	"unicode/utf16"

	"photongate/device"
)

// Numbers of the text descriptors.
const (
	textManufacturer = 1
	textProduct      = 2
	textSerial       = 3
)

// descriptors returns the device's descriptor and that of its one configuration,
// as USB 2.0 has them in chapter 9.6.
func descriptors(i device.USBInfo) []byte {
	le := binary.LittleEndian
	number := func(text string, n byte) byte {
		if text == "" {
			return 0
		}
		return n
	}
	b := []byte{18, 1, 0x00, 0x02, 0, 0, 0, 64}
	b = le.AppendUint16(b, i.ID.Vendor)
	b = le.AppendUint16(b, i.ID.Product)
	b = le.AppendUint16(b, i.Release)
	b = append(b, number(i.Manufacturer, textManufacturer), number(i.Product, textProduct), number(i.Serial, textSerial), 1)
	total := 9 + 9 + 7*len(i.Endpoints)
	b = append(b, 9, 2, byte(total), byte(total>>8), 1, 1, 0, 0x80, 50)
	b = append(b, 9, 4, byte(i.Interface), 0, byte(len(i.Endpoints)), 0xFF, 0, 0, 0)
	for _, e := range i.Endpoints {
		kind := map[string]byte{"isochronous": 1, "bulk": 2, "interrupt": 3}[e.Kind]
		b = append(b, 7, 5, e.Address, kind, byte(e.MaxPacket), byte(e.MaxPacket>>8), 1)
	}
	return b
}

// Standard requests and descriptors, as USB 2.0 has them in chapter 9.4.
const (
	getStatus     = 0
	clearFeature  = 1
	getDescriptor = 6
	getConfig     = 8
	setConfig     = 9
	setInterface  = 11

	ofDevice        = 1
	ofConfiguration = 2
	ofText          = 3

	lengthOfDevice = 18 // of its descriptor
)

// standard answers a request that every device answers: nil refuses one that
// wants data. False: it is for the device itself.
func (p *played) standard(setup [8]byte) (data []byte, ok bool) {
	if setup[0]&0x60 != 0 {
		return nil, false
	}
	switch number := setup[2]; {
	case setup[1] == getStatus:
		return []byte{0, 0}, true
	case setup[1] == getConfig:
		return []byte{1}, true
	case setup[1] == setInterface:
		p.setInterface()
	case setup[1] == clearFeature && setup[0]&0x1F == 2: // of an endpoint
		_ = p.usb.ClearHalt(setup[4]) // one that is gone says so by itself
	case setup[1] != getDescriptor:
	case setup[3] == ofDevice:
		return descriptors(p.info)[:lengthOfDevice], true
	case setup[3] == ofConfiguration && number == 0:
		return descriptors(p.info)[lengthOfDevice:], true
	case setup[3] == ofText && number == 0:
		return []byte{4, ofText, 0x09, 0x04}, true // English
	case setup[3] == ofText:
		words := utf16.Encode([]rune(map[byte]string{textManufacturer: p.info.Manufacturer, textProduct: p.info.Product, textSerial: p.info.Serial}[number]))
		data = []byte{byte(2 + 2*len(words)), ofText}
		for _, w := range words {
			data = append(data, byte(w), byte(w>>8))
		}
		return data, true
	}
	return nil, true
}
