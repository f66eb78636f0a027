package cmd_test

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestHostileBytes sends what scanners, wrong programs and attackers send to
// the gateway's port. All of it is refused, memory stays flat, and a receiver
// that records meanwhile misses nothing.
func TestHostileBytes(t *testing.T) {
	b := newBench(t, "de2ccu", "")
	b.startSim()
	gateway := b.startGateway()
	gateway.waitFor("bench", "running")
	record := b.startRecord("--for", "8s")
	record.waitFor("recording")
	before := statusKiB(t, gateway.cmd.Process.Pid, "VmRSS:")

	rng := rand.New(rand.NewPCG(1, 2))
	random := make([]byte, 64<<10)
	for i := range random {
		random[i] = byte(rng.Uint32())
	}
	header := func(change func(h []byte)) []byte {
		h := make([]byte, 56)
		copy(h, "\xF5PG\x01\x0E")
		change(h)
		return h
	}
	unfinished := map[string]bool{"half a header": true, "half a hello": true} // refused when their time is up
	for name, bytes := range map[string][]byte{
		"random":               random,
		"zeros":                make([]byte, 4096),
		"an HTTP request":      []byte("GET / HTTP/1.1\r\nHost: pi-lab3\r\n\r\n"),
		"a TLS hello":          {0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc},
		"half a header":        header(func([]byte) {})[:23],
		"a header without CRC": header(func([]byte) {}),
		"a huge length":        sealed(header(func(h []byte) { h[5] = 32; binary.LittleEndian.PutUint32(h[8:], 1<<31) })),
		"2^32 readings":        sealed(header(func(h []byte) { h[5] = 2; binary.LittleEndian.PutUint32(h[28:], 1<<32-1) })),
		"a future version":     sealed(header(func(h []byte) { h[3] = 9; h[5] = 32 })),
		"half a hello":         append(sealed(header(func(h []byte) { h[5] = 32; binary.LittleEndian.PutUint32(h[8:], 200) })), `{"format":[1,1],"ro`...),
		"nothing at all":       nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			times := 20
			if unfinished[name] {
				times = 1
			}
			for range times {
				provoke(t, b.addr, bytes)
			}
		})
	}
	t.Run("many at once", func(t *testing.T) {
		t.Parallel()
		var conns []net.Conn
		for range 200 {
			c, err := net.Dial("tcp", b.addr)
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
		}
		for _, c := range conns {
			c.Close()
		}
	})
	t.Cleanup(func() {
		if code := record.exit(); code != 0 {
			t.Errorf("record: exit %d", code)
		}
		checkAgainstTruth(t, b.cat(), b.truthRows(), 0.1)
		if after := statusKiB(t, gateway.cmd.Process.Pid, "VmRSS:"); after > before+32<<10 {
			t.Errorf("the gateway grew from %d to %d KiB", before, after)
		}
		if n := strings.Count(gateway.stderr(), "\n"); n > 200 {
			t.Errorf("the gateway logged %d lines", n)
		}
	})
}

// provoke sends bytes and expects the gateway to close the connection.
func provoke(t *testing.T, addr string, bytes []byte) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(bytes); err != nil {
		return // closed while we wrote: refused
	}
	if len(bytes) == 0 {
		return
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, c); err != nil && os.IsTimeout(err) {
		t.Errorf("the gateway neither answered nor closed (%d bytes came)", n)
	}
}

// statusKiB reads an amount of memory from what Linux tells of a process.
func statusKiB(tb testing.TB, pid int, key string) int {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				tb.Fatal(err)
			}
			return kib
		}
	}
	tb.Fatalf("no %s in /proc", key)
	return 0
}

// sealed gives a hand-made header its CRC, as SPEC.md section 3 says.
func sealed(header []byte) []byte {
	clear(header[12:16])
	binary.LittleEndian.PutUint32(header[12:], crc32.Checksum(header, crc32.MakeTable(crc32.Castagnoli)))
	return header
}
