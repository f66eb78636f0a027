//go:build linux || darwin || freebsd || netbsd || openbsd

package main

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/sim/usbip/usbiptest"
)

// patience is how long a test waits for what must come; no test measures it.
const patience = 20 * time.Second

// usbHost is a photonsim with a USB device, and a host on this machine.
type usbHost struct {
	t       *testing.T
	program *program
	address string
	truth   string
	*usbiptest.Client
}

// attach starts an instrument with a truth file and takes its device.
func attach(t *testing.T, args ...string) *usbHost {
	t.Helper()
	h := &usbHost{t: t, truth: filepath.Join(t.TempDir(), "truth.csv")}
	h.program = start(t, append(args, "--usbip", "127.0.0.1:0", "--truth", h.truth, "--seed", "5")...)
	found := regexp.MustCompile(`usbip://(\S+)/1-1`).FindStringSubmatch(h.program.ready)
	if found == nil {
		t.Fatalf("it says %q", h.program.ready)
	}
	h.address = found[1]
	h.Client = h.take()
	return h
}

// dial connects to the server.
func (h *usbHost) dial() net.Conn {
	h.t.Helper()
	conn, err := new(net.Dialer).DialContext(h.t.Context(), "tcp", h.address)
	if err != nil {
		h.t.Fatal(err)
	}
	return conn
}

// take takes the device.
func (h *usbHost) take() *usbiptest.Client {
	h.t.Helper()
	c, err := usbiptest.Import(h.dial(), "1-1")
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { c.Close() })
	return c
}

// ask sends a packet given in hex and returns the answer.
func (h *usbHost) ask(out, in uint8, packet string) []byte {
	h.t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(packet, " ", ""))
	if err != nil {
		h.t.Fatal(err)
	}
	if err := h.Out(out, b, patience); err != nil {
		h.t.Fatal(err)
	}
	answer, err := h.In(in, 64, patience)
	if err != nil {
		h.t.Fatal(err)
	}
	return answer
}

// signal pulls the cable, or puts it back.
func (h *usbHost) signal(s syscall.Signal) {
	h.t.Helper()
	if err := h.program.cmd.Process.Signal(s); err != nil {
		h.t.Fatal(err)
	}
}

// columns ends the program and returns, of each row of truth, the values.
func (h *usbHost) columns(header string) [][]string {
	h.t.Helper()
	return (&session{t: h.t, program: h.program, truth: h.truth}).columns("index,time_ns," + header)
}

func TestLabJack(t *testing.T) {
	h := attach(t, "labjack-u3", "--distinct")
	if d := h.Device; d.Vendor != 0x0CD5 || d.Product != 3 {
		t.Errorf("it is %+v", d)
	}
	if got := hex.EncodeToString(h.ask(1, 0x82, "67 F8 03 0B 60 00 05 00 4C 00 0F 00")); got != "62f8030b5b0000004c000f00" {
		t.Errorf("both enabled: %s", got)
	}
	for i := range uint32(3) {
		answer := h.ask(1, 0x82, "6B F8 03 00 6F 00 00 36 01 37 01 00")
		if n := binary.LittleEndian.Uint32(answer[9:]); n != 1_000_000+i {
			t.Errorf("reading %d is %d", i, n)
		}
	}
	rows := h.columns("Counter0,Counter1")
	if len(rows) != 3 || rows[2][0] != "1000002" {
		t.Errorf("truth %v", rows)
	}
}

func TestNI6501(t *testing.T) {
	h := attach(t, "ni-usb6501", "--running", "--rate", "1M")
	answer := hex.EncodeToString(h.ask(2, 0x81, "00 01 00 0C 00 08 01 0E 02 20 00 00"))
	rest, ok := strings.CutPrefix(answer, "00010010000c010000000002")
	n, err := hex.DecodeString(rest)
	if !ok || err != nil || len(n) != 4 {
		t.Fatalf("answer %s", answer)
	}
	if rows := h.columns("counter"); len(rows) != 1 || rows[0][0] != strconv.FormatUint(uint64(binary.BigEndian.Uint32(n)), 10) {
		t.Errorf("read %s, the truth is %v", rest, rows)
	}
}

func TestH11890(t *testing.T) {
	h := attach(t, "h11890", "--high-voltage", "--set-silent")
	for _, command := range []string{"I\x00\x00\x00\xE8\x03\x00\x00", "C"} { // 10 ms
		if err := h.Out(1, []byte(command), patience); err != nil {
			t.Fatal(err)
		}
	}
	var counts [][]string
	for i := range uint32(5) {
		p, err := h.In(0x81, 64, patience)
		if err != nil || len(p) != 64 || binary.LittleEndian.Uint32(p) != i {
			t.Fatalf("packet %d: % x, %v", i, p, err)
		}
		counts = append(counts, []string{strconv.FormatUint(uint64(binary.LittleEndian.Uint32(p[4:])), 10)})
	}
	rows := h.columns("count")
	if diff := cmp.Diff(counts, rows[:min(len(rows), 5)]); diff != "" {
		t.Errorf("(-read +truth):\n%s", diff)
	}
}

func TestMCC(t *testing.T) {
	h := attach(t, "mcc-ctr04", "--configured", "--distinct")
	list := append([]byte{0, 8, 16, 24}, make([]byte, 29)...)
	start := []byte{0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xA5, 0x0E, 0x00, 3, 0} // 100 Hz
	if _, err := h.Control(0x40, 0x20, 0, 3, list, patience); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Control(0x40, 0x21, 0, 0, start, patience); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(5) {
		p, err := h.In(0x86, 512, patience)
		if err != nil || len(p) != 8 || binary.LittleEndian.Uint64(p) != 1_000_000+i {
			t.Errorf("scan %d: % x, %v", i, p, err)
		}
	}
	if rows := h.columns("C0,C1,C2,C3"); len(rows) < 5 || rows[4][0] != "1000004" {
		t.Errorf("truth %v", rows)
	}
}

// An instrument with a serial line hangs on a chip, and is unplugged by a signal.
func TestSerialInstrumentBehindChip(t *testing.T) {
	h := attach(t, "cd48", "--chip", "ft232h", "--usb-serial", "FT0X1")
	if d := h.Device; d.Vendor != 0x0403 || d.Product != 0x6014 || d.Speed != 3 {
		t.Errorf("it is %+v", d)
	}
	if err := h.Out(2, []byte("c\r"), patience); err != nil {
		t.Fatal(err)
	}
	var line string
	for !strings.Contains(line, "\n") {
		p, err := h.In(0x81, 512, patience)
		if err != nil {
			t.Fatal(err)
		}
		line += string(p[2:])
	}
	if len(strings.Fields(line)) != 9 {
		t.Errorf("it says %q", line)
	}
	h.signal(syscall.SIGUSR1)
	<-h.Gone()
	if _, err := usbiptest.Import(h.dial(), "1-1"); !errors.Is(err, usbiptest.ErrRefused) {
		t.Errorf("unplugged: %v", err)
	}
	h.signal(syscall.SIGUSR2)
	for again := false; !again; { // told of it before it happens
		list, err := usbiptest.List(h.dial())
		if err != nil {
			t.Fatal(err)
		}
		again = len(list) == 1
	}
	if d := h.take().Device; d.Number != 2 {
		t.Errorf("it returned as %+v", d)
	}
}

// Known content, the status bytes taken out.
func TestFIFOStream(t *testing.T) {
	h := attach(t, "ftdi", "--chip", "ft232h", "--stream", "--speed", "1M")
	var data []byte
	for len(data) < 100_000 {
		p, err := h.In(0x81, 16384, patience)
		if err != nil {
			t.Fatal(err)
		}
		for ; len(p) > 0; p = p[min(512, len(p)):] {
			data = append(data, p[2:min(512, len(p))]...)
		}
	}
	from := strings.Index(string(data), "\xA5\x5A\xF0\x0F")
	first := binary.LittleEndian.Uint32(data[from+4:])
	for i := uint32(0); from+16 <= len(data); i++ {
		r := data[from : from+16]
		n := first + i
		if a, b, c := binary.LittleEndian.Uint32(r[4:]), binary.LittleEndian.Uint32(r[8:]), binary.LittleEndian.Uint32(r[12:]); a != n || b != 3*n || c != 5*n {
			t.Fatalf("record %d is %d %d %d", n, a, b, c)
		}
		from += 16
	}
	if rows := h.columns("C0,C1,C2"); len(rows) < 6000 || rows[100][1] != "300" {
		t.Errorf("%d rows of truth", len(rows))
	}
}
