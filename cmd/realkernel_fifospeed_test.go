//go:build linux && (amd64 || arm64)

package cmd_test

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"photongate/device"
	"photongate/device/ftdi"
	"photongate/device/usbport"
	"photongate/gateway"
)

// longRecords are fifoRecords with fifteen counts.
var longRecords = func() string {
	const counts = 15
	var channels, bytes, readings strings.Builder
	for c := range counts {
		fmt.Fprintf(&channels, "[[channel]]\nname = \"C%d\"\nfrom = %d\n", c, c+1)
	}
	for i := 1; i <= 2; i++ {
		bytes.WriteString("A5 5A F0 0F ")
		var row []string
		for c := range counts {
			n := i * (2*c + 1)
			fmt.Fprintf(&bytes, "%02X %02X 00 00 ", n%256, n/256)
			row = append(row, strconv.Itoa(n))
		}
		readings.WriteString("[" + strings.Join(row, ", ") + "], ")
	}
	head := strings.NewReplacer("repeat = 3", "repeat = 15").Replace(fifoRecords[:strings.Index(fifoRecords, "[[channel]]")])
	return head + channels.String() + "[[example]]\nbytes = 'hex: " + bytes.String() + "'\nreadings = [" + readings.String() + "]\n"
}()

// recordsAsTags takes each of fifoRecords for a time tag: count 0 for its time, and for
// its channel the upper byte of count 2, which is always 0.
const recordsAsTags = `name = "fifo-records-as-tags"
[link]
fifo = true
[record]
sync = "\xA5\x5A\xF0\x0F"
[[record.field]]
name  = "time"
at    = 4
width = 4
[[record.field]]
name  = "channel"
at    = 15
width = 1
[tags]
tick    = "1us"
time    = "time"
channel = "channel"
[[channel]]
name   = "A"
number = 0
[[example]]
bytes = 'hex: A5 5A F0 0F 01 00 00 00 03 00 00 00 05 00 00 00  A5 5A F0 0F 02 00 00 00 06 00 00 00 0A 00 00 00'
tags  = [["A", 1], ["A", 2]]
`

const (
	speedTime = 2 * time.Second // for so long libusb and the port are measured
	pathTime  = 6 * time.Second // and for so long driver and gateway
	pathFirst = 2 * time.Second // when all that may wait on the way does
)

// TestRealKernelFIFOSpeed measures a stream that comes as fast as it is fetched:
// its transfers as libusb has them, the bytes of the port made of these, and what
// driver and gateway bring into a journal. Nothing here is a promise: the machine
// is made of translated code, and most of its processors' time goes to making the
// stream.
func TestRealKernelFIFOSpeed(t *testing.T) {
	needsRealKernel(t)
	for _, stream := range []struct {
		name, file string
		record     int // bytes
		sim        []string
	}{
		{"16 bytes, 3 counts", fifoRecords, fifoRecordBytes, nil},
		{"64 bytes, 15 counts", longRecords, 64, []string{"--counters", "15"}},
		{"16 bytes, a time tag", recordsAsTags, fifoRecordBytes, nil},
	} {
		t.Run(stream.name, func(t *testing.T) {
			b := usbBench(t, counterFile(t, stream.file), "ftdi:0403:6014", "", append([]string{"ftdi", "--chip", "ft232h", "--stream", "--speed", "0"}, stream.sim...)...)
			b.sim = slices.Delete(b.sim, 3, 5) // a truth would take longer to write than the stream
			sim := b.startSim()
			b.plugIn()
			plain := transferSpeed(t)
			asLine, asFIFO := portSpeed(t, false), portSpeed(t, true)
			through, used := b.pathSpeed(stream.record, sim)
			plain = max(plain, transferSpeed(t)) // whatever else the host had to do
			t.Logf("on %d processors; while driver and gateway work, %s of one", runtime.NumCPU(), used)
			for _, way := range []struct {
				what  string
				speed float64
			}{
				{"libusb alone", plain}, {"the port, set for a line", asLine}, {"the port, set for a FIFO", asFIFO},
				{"driver and gateway, records of " + stream.name, through},
			} {
				t.Logf("%s: %.2f MB/s, %.0f %%", way.what, way.speed/1e6, 100*way.speed/plain)
			}
		})
	}
}

// pathSpeed runs the gateway and returns how many bytes of records it brings into its
// journal each second, and what of a processor simulator and gateway use.
func (b *bench) pathSpeed(record int, sim *proc) (bytesPerSecond float64, used string) {
	t := b.t
	gateways := b.startGateway()
	gateways.waitFor("running", "device=bench")
	b.awaitState(gateway.Running)
	pause(t, pathFirst)
	_, first := b.status()
	began, simulator, itself := time.Now(), sim.processorTime(), gateways.processorTime()
	pause(t, pathTime)
	_, last := b.status()
	passed := time.Since(began)
	simulator, itself = sim.processorTime()-simulator, gateways.processorTime()-itself
	from, to := first.Devices[0], last.Devices[0]
	if to.Readings <= from.Readings {
		t.Fatalf("%d readings, then %d", from.Readings, to.Readings)
	}
	if to.Gaps > 0 {
		t.Logf("%d gaps", to.Gaps)
	}
	// Killed with transfers under way at that speed it would take this kernel's USB/IP
	// with it.
	if code := gateways.stop(); code != 0 {
		t.Errorf("the gateway ended with %d", code)
	}
	percent := func(d time.Duration) string { return fmt.Sprintf("%.0f %%", 100*d.Seconds()/passed.Seconds()) }
	return float64(to.Readings-from.Readings) * float64(record) / passed.Seconds(),
		"the simulator uses " + percent(simulator) + " and the gateway " + percent(itself)
}

// processorTime is what a process has had of the processors, by /proc/PID/stat
// (proc(5)): utime and stime are the 12th and 13th field behind the name.
func (p *proc) processorTime() time.Duration {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndex(string(text), ")")+1:]))
	var ticks time.Duration
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			p.t.Fatal(err)
		}
		ticks += time.Duration(n)
	}
	const perSecond = 100 // what Linux has programs see, whatever it has itself
	return ticks * time.Second / perSecond
}

// sinceStart is a clock.
func sinceStart() device.Clock {
	began := time.Now()
	return func() int64 { return int64(time.Since(began)) }
}

// transferSpeed fetches the stream and returns the bytes of data per second, without
// the two of status in each packet.
func transferSpeed(t *testing.T) float64 {
	t.Helper()
	chip, err := usbport.Open(t.Context(), "usb:0403:6014", 0, sinceStart())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = chip.Close() }()
	const packet, status, size = 512, 2, 64 << 10
	stream, err := chip.Stream(0x81, size, 32)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, size)
	return speedOf(t, func() (int, int64, error) {
		n, at, err := stream.Read(buf, time.Second)
		return n - status*((n+packet-1)/packet), at, err
	})
}

// portSpeed reads the stream from the port and returns the bytes per second.
func portSpeed(t *testing.T, fifo bool) float64 {
	t.Helper()
	opened, err := ftdi.Open(t.Context(), usbport.Open, "ftdi:0403:6014", device.Line{DataBits: 8}, sinceStart())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = opened.Close() }()
	if fifo {
		if err := opened.(device.FIFO).SetFIFO(true); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 64<<10)
	return speedOf(t, func() (int, int64, error) { return opened.Read(buf, time.Second) })
}

// speedOf reads for some time and returns the bytes per second.
func speedOf(t *testing.T, read func() (n int, at int64, err error)) float64 {
	t.Helper()
	sum, first := 0, int64(-1)
	for {
		n, at, err := read()
		if err != nil {
			t.Fatal(err)
		}
		if first < 0 {
			first = at
			continue
		}
		sum += n
		if took := at - first; took >= int64(speedTime) {
			return float64(sum) / time.Duration(took).Seconds()
		}
	}
}
