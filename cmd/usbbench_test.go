//go:build linux && (amd64 || arm64)

package cmd_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"photongate/device/usbport/mockbus"
	"photongate/sim/usbip/usbiptest"
)

// usbBench is a bench whose instrument is on the USB bus.
func usbBench(t *testing.T, driver, port, options string, simArgs ...string) *bench {
	t.Helper()
	b := newBench(t, driver, options)
	retarget(t, b.config, b.link, port)
	b.link = freeAddr(t)
	b.sim = append([]string{simArgs[0], "--usbip", b.link, "--truth", b.truth, "--seed", "7"}, simArgs[1:]...)
	return b
}

// pluggedBench is a bench on the USB bus whose simulated instrument is plugged in
// whenever it can be. In a virtual machine of .ci/vm that bus is the kernel's;
// elsewhere it is one that the gateway alone sees, through the real libusb.
type pluggedBench struct {
	*bench
	bus     *mockbus.Bus // nil: the kernel's
	program string       // the gateway
}

func newPluggedBench(t *testing.T, driver, port, options string, simArgs ...string) *pluggedBench {
	t.Helper()
	b := &pluggedBench{program: "photongate"}
	if !mockbus.RealKernel() {
		b.bus = mockbus.New(t)
		b.program = withUSB(t)
	}
	b.bench = usbBench(t, driver, port, options, simArgs...)
	return b
}

// startSim starts the simulator and the hand that plugs the instrument in.
func (b *pluggedBench) startSim() *proc {
	b.t.Helper()
	p := b.bench.startSim()
	ctx, cancel := context.WithCancel(context.Background())
	var hand sync.WaitGroup
	hand.Go(func() { b.keepPlugged(ctx) })
	b.t.Cleanup(func() {
		cancel()
		hand.Wait()
	})
	return p
}

// startGateway starts the gateway on that bus.
func (b *pluggedBench) startGateway() *proc {
	b.t.Helper()
	var enter []string
	if b.bus != nil {
		enter = append([]string{"env"}, b.bus.Env()...)
	}
	p := startAt(b.t, place{enter: enter}, b.program, "run", "-c", b.config)
	p.waitFor("listening", b.addr)
	return p
}

// keepPlugged plugs the instrument in each time its simulator offers it.
func (b *pluggedBench) keepPlugged(ctx context.Context) {
	remove := func() {}
	defer func() { remove() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if offered(b.link) {
			remove()
			plugged, err := b.plug()
			if remove = plugged; err != nil { // it may have been pulled out meanwhile
				b.t.Log(err)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// plug plugs the instrument in. What it returns takes it out.
func (b *pluggedBench) plug() (remove func(), err error) {
	if b.bus == nil {
		plugged, err := mockbus.IntoKernel(b.link, "1-1")
		if err != nil {
			return func() {}, err
		}
		return plugged.Unplug, nil
	}
	plugged, err := b.bus.Import(b.link, "1-1")
	if err != nil {
		return func() {}, err
	}
	return plugged.Unplug, nil
}

// offered reports whether a simulator has its instrument plugged in, and nobody took
// it.
func offered(addr string) bool {
	wire, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	defer func() { _ = wire.Close() }()
	list, err := usbiptest.List(wire)
	return err == nil && len(list) == 1
}

// builtWithUSB builds photongate with libusb, once for all tests.
var builtWithUSB = sync.OnceValues(func() (out []byte, err error) {
	build := exec.Command("go", "build", "-o", usbProgram(), "./photongate")
	build.Env = append(slices.Clone(os.Environ()), "CGO_ENABLED=1")
	return build.CombinedOutput()
})

func usbProgram() string { return filepath.Join(bin, "usb", "photongate") }

// withUSB returns the path of a photongate that has libusb.
func withUSB(t *testing.T) string {
	t.Helper()
	needs(t, "gcc", "gcc")
	if exec.Command(needs(t, "pkg-config", "pkg-config"), "--exists", "libusb-1.0").Run() != nil {
		leftOut(t, "libusb is not installed (Debian: apt-get install libusb-1.0-0-dev)")
	}
	if out, err := builtWithUSB(); err != nil {
		t.Fatalf("build with USB: %v\n%s", err, out)
	}
	return usbProgram()
}
