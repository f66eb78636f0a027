//go:build linux && (amd64 || arm64)

package cmd_test

import (
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"photongate/device"
	"photongate/device/devicetest"
	"photongate/device/usbport/mockbus"
	"photongate/gateway"
)

// A program without USB says so before anything runs, and what to do about it.
func TestUSBIsNotInTheProgram(t *testing.T) {
	t.Parallel()
	b := newBench(t, "cd48", "")
	retarget(t, b.config, b.link, "ftdi:0403:6001")
	for _, command := range []string{"check", "run"} {
		code, _, stderr := run(t, "photongate", command, "-c", b.config)
		if code != 2 || !containsAll(stderr, []string{b.config, "device bench on port ftdi:0403:6001", "built without it", "apt-get install", "make build"}) {
			t.Errorf("%s: exit %d, said %q; want exit 2, the device, and what to install", command, code, stderr)
		}
	}
}

// adapter is an FT232R on a USB bus, between an instrument and the gateway.
type adapter struct {
	wire net.Conn

	mu      sync.Mutex
	plugged *mockbus.Device
	end     *devicetest.USBEnd
	baud    []uint16 // values of the requests that set a rate
}

// newAdapter connects an adapter to an instrument, not yet to a computer. What the
// instrument sends meanwhile is lost.
func newAdapter(t *testing.T, instrument string) *adapter {
	t.Helper()
	wire, err := net.Dial("tcp", instrument)
	if err != nil {
		t.Fatal(err)
	}
	a := &adapter{wire: wire}
	var moving sync.WaitGroup
	moving.Go(a.toComputer)
	t.Cleanup(func() {
		_ = wire.Close()
		moving.Wait()
	})
	return a
}

// toComputer puts what the instrument sends into packets, two bytes of status
// before the 62 of data that fit.
func (a *adapter) toComputer() {
	buf := make([]byte, 62)
	for {
		n, err := a.wire.Read(buf)
		if err != nil {
			return
		}
		a.mu.Lock()
		if a.end != nil {
			a.end.Send(0x81, append([]byte{0x01, 0x60}, buf[:n]...)...)
		}
		a.mu.Unlock()
	}
}

// plug plugs the adapter into a computer.
func (a *adapter) plug(t *testing.T, bus *mockbus.Bus) {
	t.Helper()
	plugged, end := bus.Plug(t, device.USBInfo{
		ID: device.USBID{Vendor: 0x0403, Product: 0x6001}, Serial: "A50285BI", Product: "FT232R USB UART", Release: 0x0600,
		Endpoints: []device.USBEndpoint{{Address: 0x81, Kind: "bulk", MaxPacket: 64}, {Address: 0x02, Kind: "bulk", MaxPacket: 64}},
	})
	plugged.BindDriver("ftdi_sio")
	a.mu.Lock()
	a.plugged, a.end = plugged, end
	a.mu.Unlock()
	go end.Serve(func(r *devicetest.USBRequest) {
		if r.Endpoint != 0 {
			_, _ = a.wire.Write(r.Data)
			return
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if r.Request == 0x03 {
			a.baud = append(a.baud, r.Value)
		}
		r.Reply()
	})
}

func (a *adapter) unplug() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.plugged.Unplug()
	a.end = nil
}

// TestFTDIThroughLibusb is the main job over USB: an instrument on an FTDI chip
// that no driver of the system has, unplugged while it counts and plugged in
// again. gousb and libusb are the real ones; the kernel is not.
func TestFTDIThroughLibusb(t *testing.T) {
	t.Parallel()
	bus := mockbus.New(t)
	program := withUSB(t)
	b := newBench(t, "cd48", `gate = "100ms"`)
	retarget(t, b.config, b.link, "ftdi:0403:6001:A50285BI")
	b.link = freeAddr(t)
	b.sim[1], b.sim[2] = "--tcp", b.link
	b.startSim()
	a := newAdapter(t, b.link)
	a.plug(t, bus)

	gateways := startAt(t, place{enter: append([]string{"env"}, bus.Env()...)}, program, "run", "-c", b.config)
	gateways.waitFor("listening", b.addr)
	record := b.startRecord()
	record.waitFor("recording")
	b.awaitState(gateway.Running)
	b.awaitRows(10)
	a.mu.Lock()
	if !slices.Equal(a.baud, []uint16{0x001A}) { // 115200
		t.Errorf("baud rates asked for: %04x", a.baud)
	}
	a.mu.Unlock()
	if d := a.plugged.Driver(); d != "" {
		t.Errorf("driver %s has the interface while it is read", d)
	}
	a.unplug()
	b.awaitState(gateway.Gone)
	a.plug(t, bus)
	b.awaitState(gateway.Running)
	b.awaitRows(20)
	if code := gateways.stop(); code != 0 {
		t.Errorf("the gateway ended with %d", code)
	}
	if d := a.plugged.Driver(); d != "ftdi_sio" {
		t.Errorf("driver %q has the interface after the end", d)
	}
	record.stop()

	rows, truth := b.cat(), b.truthRows()
	at, parts := -1, map[string]int{}
	for i, r := range rows {
		k := slices.Index(truth, r.values)
		if k <= at || i > 0 && r.part == rows[i-1].part && k != at+1 {
			t.Fatalf("row %d %s of part %s is reading %d of the instrument, after reading %d", i, r.values, r.part, k, at)
		}
		at = k
		parts[r.part]++
	}
	if len(parts) != 2 {
		t.Errorf("rows of parts %v, want two parts", parts)
	}
	code, out := b.verifyJSON()
	if code != 1 || !strings.Contains(out, "unplugged") {
		t.Errorf("verify: exit %d, want 1 and a gap for the unplugged time\n%s", code, out)
	}
}
