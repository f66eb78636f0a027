package usbport

import (
	"errors"
	"testing"

	"photongate/device"
)

// Whatever the machine is like, List answers: devices, none, or why not.
func TestListAnswers(t *testing.T) {
	list, err := List()
	if err != nil && !errors.Is(err, ErrUnavailable) {
		t.Fatal(err)
	}
	t.Logf("%d devices, %v", len(list), err)
	for _, i := range list {
		if i.ID == (device.USBID{}) || i.Socket == "" {
			t.Errorf("device without id or socket: %+v", i)
		}
	}
}

func TestDescribe(t *testing.T) {
	i := device.USBInfo{ID: device.USBID{Vendor: 0x04b4, Product: 0xf232}, Serial: "7", Socket: "1-1.4", Speed: "full", Product: "CD48"}
	if got, want := Describe(i), `usb:04b4:f232:7 usb-path:1-1.4 full speed "CD48"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
