//go:build linux || darwin || freebsd || netbsd || openbsd

package main

import (
	"encoding/binary"
	"encoding/hex"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// detection is one of the truth.
type detection struct {
	Tick    uint64
	Channel byte
}

// readTags reads a truth of tags.
func readTags(t *testing.T, name string) []detection {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if len(b)%9 != 0 {
		t.Fatalf("%d bytes of truth are no records of 9", len(b))
	}
	tags := make([]detection, 0, len(b)/9)
	for r := range slices.Chunk(b, 9) {
		tags = append(tags, detection{binary.LittleEndian.Uint64(r), r[8]})
	}
	return tags
}

// tdc1Tags takes a stream of 4-byte words apart; time begins somewhere.
func tdc1Tags(t *testing.T, words []byte) []detection {
	t.Helper()
	var tags []detection
	wraps, last := uint64(0), uint64(0)
	for w := range slices.Chunk(words, 4) {
		word := uint64(w[0]) | uint64(w[1])<<8 | uint64(w[2])<<16 | uint64(w[3])<<24
		at := word >> 5
		if at < last {
			wraps++
		}
		last = at
		for input := range byte(4) {
			if word&16 == 0 && word>>input&1 == 1 {
				tags = append(tags, detection{wraps<<27 + at, input})
			}
		}
	}
	return tags
}

// Every detection of the truth is in the stream, at whatever speed, and nothing else.
func TestTruthOfTDC1Tags(t *testing.T) {
	for speed, seconds := range map[string]float64{"real": 0.6, "max": 3} {
		t.Run(speed, func(t *testing.T) {
			truth := filepath.Join(t.TempDir(), "tags")
			p := start(t, "tdc1", "--tcp", "127.0.0.1:0", "--speed", speed, "--rate", "100k,20k,50k,1k", "--pairs", "13=10k",
				"--pair-delay", "-14.5ns", "--jitter", "2ns", "--afterpulse", "0.02", "--truth", truth, "--seed", "4")
			address := regexp.MustCompile(`tcp://(\S+),`).FindStringSubmatch(p.ready)
			if address == nil {
				t.Fatalf("it says %q", p.ready)
			}
			conn, err := net.DialTimeout("tcp", address[1], patience)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, "timestamp\r\nINPKT;time 0;counts?;\r\n"); err != nil {
				t.Fatal(err)
			}
			words := make([]byte, 4*int(seconds*170_000))
			if _, err := io.ReadFull(conn, words); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, "abort\r\n"); err != nil {
				t.Fatal(err)
			}
			if err := conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			rest, err := io.ReadAll(conn)
			if err == nil || !os.IsTimeout(err) {
				t.Fatalf("after abort: %v", err)
			}
			if code := p.end(syscall.SIGTERM); code != 0 {
				t.Errorf("exit code %d", code)
			}
			want := readTags(t, truth)
			got := tdc1Tags(t, append(words, rest...))
			offset := want[0].Tick - got[0].Tick
			for i := range got {
				got[i].Tick += offset
			}
			if !slices.Equal(got, want) {
				t.Errorf("%d tags of %d; (-stream +truth):\n%.2000s", len(got), len(want), cmp.Diff(got[:1000], want[:1000]))
			}
			if b, err := os.ReadFile(truth + ".losses"); err != nil || len(b) > 0 {
				t.Errorf("losses %q, %v", b, err)
			}
		})
	}
}

// The same over USB: each of the packets that came is part of the truth.
func TestTruthOfUMassTags(t *testing.T) {
	h := attach(t, "umass", "--rate", "200k,100k,0,1k", "--speed", "max", "--wrap-in", "300ms")
	if d := h.Device; d.Vendor != 0x04B4 || d.Product != 0x1004 {
		t.Errorf("it is %+v", d)
	}
	if _, err := h.Control(0x40, 1, 510, 0, nil, patience); err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(h.ask(2, 0x88, "AA 01 03 00 03 00 00 00")); got != "03000000" {
		t.Errorf("capture control is %s", got)
	}
	var got []detection
	wraps := uint64(0)
	for range 4000 {
		p, err := h.In(0x86, 512, patience)
		if err != nil || len(p) != 510 {
			t.Fatalf("a packet of %d bytes, %v", len(p), err)
		}
		for r := range slices.Chunk(p, 6) {
			word := binary.BigEndian.Uint64(append([]byte{0, 0}, r...))
			if word>>46&1 == 1 {
				wraps++
			}
			for input := range byte(4) {
				if word>>36>>input&1 == 1 {
					got = append(got, detection{wraps<<36 + word&(1<<36-1), input})
				}
			}
		}
	}
	if code := h.program.end(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	want := readTags(t, h.truth)
	if len(want) < len(got) {
		t.Fatalf("%d tags came, %d are in the truth", len(got), len(want))
	}
	offset := want[0].Tick - got[0].Tick
	for i := range got {
		got[i].Tick += offset
	}
	if !slices.Equal(got, want[:len(got)]) || wraps != 1 {
		t.Errorf("%d tags with %d wraps; (-stream +truth):\n%.2000s", len(got), wraps, cmp.Diff(got[:1000], want[:1000]))
	}
}

func TestParseNs(t *testing.T) {
	for text, want := range map[string]float64{"0": 0, "0ns": 0, "350ps": 0.35, "12.5ns": 12.5, "-3us": -3000, "3µs": 3000, "1.5ms": 1.5e6, "2s": 2e9} {
		if got, err := parseNs(text); err != nil || math.Abs(got-want) > 1e-9*math.Abs(want) {
			t.Errorf("%q is %g ns (%v), expected %g", text, got, err, want)
		}
	}
	for _, text := range []string{"", "5", "ns", "5 days", "1e", "5xs"} {
		if got, err := parseNs(text); err == nil {
			t.Errorf("%q was taken for %g ns", text, got)
		}
	}
}

func TestTagFlagsRefused(t *testing.T) {
	for want, flags := range map[string][]string{
		`--speed "fast": expected real or max`: {"--speed", "fast"},
		`--jitter: "3" is no time`:             {"--jitter", "3"},
		`--bursts "5us": expected their`:       {"--bursts", "5us"},
		`than one lasts`:                       {"--bursts", "5us/1us"},
		`a chance of 0 to 0.5`:                 {"--afterpulse", "3"},
		`no reference clock is connected`:      {"--fault", "lostclock@1s"},
	} {
		root := newRoot(io.Discard)
		root.SetArgs(append([]string{"tdc1", "--tcp", "127.0.0.1:0"}, flags...))
		if err := root.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got error %v, expected one with %q", flags, err, want)
		}
	}
}
