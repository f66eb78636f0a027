//go:build linux || darwin || freebsd || netbsd || openbsd

package main

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// session is a simulated instrument with a host that reads lines of it.
type session struct {
	t       *testing.T
	program *program
	host    *os.File
	reader  *bufio.Reader
	truth   string
}

// plug starts an instrument with a truth file and opens its port.
func plug(t *testing.T, args ...string) *session {
	t.Helper()
	dir := t.TempDir()
	link, truth := filepath.Join(dir, "tty"), filepath.Join(dir, "truth.csv")
	p := start(t, append(args, "--pty", link, "--truth", truth, "--seed", "5")...)
	host := openTTY(t, link)
	return &session{t, p, host, bufio.NewReader(host), truth}
}

func (s *session) write(text string) {
	s.t.Helper()
	if _, err := io.WriteString(s.host, text); err != nil {
		s.t.Fatal(err)
	}
}

// line reads up to end, which is cut off.
func (s *session) line(end byte) string {
	s.t.Helper()
	text, err := s.reader.ReadString(end)
	if err != nil {
		s.t.Fatalf("%v after %q", err, text)
	}
	return strings.TrimSuffix(text, string(end))
}

// bytes reads n bytes.
func (s *session) bytes(n int) string {
	s.t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(s.reader, b); err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// columns ends the program and returns, of each row of truth, the values.
func (s *session) columns(header string) [][]string {
	s.t.Helper()
	if code := s.program.end(syscall.SIGTERM); code != exitDone {
		s.t.Errorf("exit code %d after SIGTERM", code)
	}
	names, rows := readTruth(s.t, s.truth)
	if got := strings.Join(names, ","); got != header {
		s.t.Errorf("the truth has the columns %s, expected %s", got, header)
	}
	for i := range rows {
		rows[i] = rows[i][2:]
	}
	return rows
}

// In start/stop mode a dwell time is one row, whichever counters are asked for.
func TestCC1(t *testing.T) {
	s := plug(t, "cc1", "--acks", "--units", "ms", "--firm-unknown", "1", "--left", ":DWEL 5;:TRIG:MODE STOP", "--distinct")
	s.write(":ACKN OF\n")
	s.write("FIRM?\n")
	s.write("FIRM?\nDWEL?\nTRIG?\n")
	for _, want := range []string{":ACKN OF", "Unknown Command", "Firmware v2.010", "5000 ms", "MODE STOP"} {
		if got := s.line('\n'); got != want {
			t.Errorf("got %q, expected %q", got, want)
		}
	}
	var got [][]string
	s.write(":DWEL 0.1\n")
	for range 3 {
		s.write("CLEA\n")
		// Counters that have stopped give the same twice.
		before := ""
		waitFor(t, "the dwell time to be over", func() bool {
			s.write("COUN:C2?\n")
			again := s.line('\n')
			stopped := again == before && again != "0"
			before = again
			return stopped
		})
		s.write("COUN:C1?\nCOUN:C2?\nCOUN:CO?\n")
		got = append(got, []string{s.line('\n'), s.line('\n'), s.line('\n')})
	}
	for i, want := range []string{"1000002", "1000003", "1000004"} { // power-on, TRIG, then CLEA
		if got[i][0] != want {
			t.Errorf("dwell time %d reads %s, expected %s", i, got[i][0], want)
		}
	}
	var last [][]string
	for _, row := range s.columns("index,time_ns,C1,C2,CO") {
		if n := len(last); n > 0 && last[n-1][0] == row[0] {
			last = last[:n-1]
		}
		last = append(last, row)
	}
	if diff := cmp.Diff(got, last); diff != "" {
		t.Errorf("read and truth differ (-read +truth):\n%s", diff)
	}
}

func TestSR400(t *testing.T) {
	s := plug(t, "sr400", "--garbage", "--left", "NP 7;DT 1E-1")
	s.write(" \r \r CR\r SS\r QA1\r")
	for _, want := range []string{"128", "-1"} { // the noise of power-on was no command
		if got := s.line('\r'); got != want {
			t.Errorf("got %q, expected %q", got, want)
		}
	}
	s.write("NP\rCP2,100")
	s.write("   E3 \rDT 2E-3\rNP 4\rCP2\rCR\rFT\r")
	for _, want := range []string{"7", "1E5"} {
		if got := s.line('\r'); got != want {
			t.Errorf("got %q, expected %q", got, want)
		}
	}
	var got [][]string
	for range 4 {
		got = append(got, []string{s.line('\r'), s.line('\r')})
	}
	s.write("SS\rSS\rET\r")
	if first, second := s.line('\r'), s.line('\r'); first != "6" || second != "0" {
		t.Errorf("status %s, then %s", first, second)
	}
	for i, point := range got {
		for _, want := range point {
			if again := s.line('\r'); again != want {
				t.Errorf("point %d is %s in the buffer, %s when it came", i, again, want)
			}
		}
	}
	if diff := cmp.Diff(got, s.columns("index,time_ns,A,B")); diff != "" {
		t.Errorf("read and truth differ (-read +truth):\n%s", diff)
	}
}

func TestTDC1(t *testing.T) {
	s := plug(t, "tdc1", "--left", "timestamp;time 0;counts?", "--rate", "1k")
	// It was left streaming: the answer lies buried in tags and markers.
	s.write("abort\r\n*IDN?\r\n")
	found := ""
	for !strings.Contains(found, "TDC1") {
		found += s.line('\n')
	}
	s.write("time 40000;time?;time 20;singles;counts?\r\n")
	if got := s.line('\n'); got != "-25536\r" {
		t.Errorf("40000 ms are told as %q", got)
	}
	singles := strings.Fields(s.line('\n'))
	s.write("pairs;mode?;counts?\n")
	if got := s.line('\n'); got != "1\r" {
		t.Errorf("the mode is told as %q", got)
	}
	pairs := strings.Fields(s.line('\n'))
	rows := s.columns("index,time_ns,1,2,3,4,1-3,1-4,2-3,2-4")
	if diff := cmp.Diff([][]string{singles, pairs}, [][]string{rows[0][:4], rows[1]}); diff != "" {
		t.Errorf("read and truth differ (-read +truth):\n%s", diff)
	}
}

func TestGMC(t *testing.T) {
	s := plug(t, "gmc", "--model", "GMC-600+Re 1.14", "--rate", "100k")
	s.write("<HEARTBEAT0>><GETSERIAL>><GETVER>>")
	if got := s.bytes(7 + 15); got != "\xF4\x88\x00\x7E\x05\x12\x34GMC-600+Re 1.14" {
		t.Errorf("serial number and version are % x", got)
	}
	s.write("<HEARTBEAT1>>")
	beat := s.bytes(4)
	s.write("<HEARTBEAT0>><GETCPM>>")
	minute := s.bytes(4)
	number := func(text string) (n int) {
		for _, c := range []byte(text) {
			n = n*256 + int(c)
		}
		return n
	}
	// 1E5 per second and a dead time of 100 us: 9091.
	if n := number(beat); n < 8500 || n > 9500 || number(minute) != n {
		t.Errorf("the first second is %d, the minute so far %d", n, number(minute))
	}
	if rows := s.columns("index,time_ns,cps,cpm"); len(rows) != 2 {
		t.Errorf("the truth has %d rows, expected 2", len(rows))
	}
}

// A pty has another speed at first than 19200 Bd. Of a packet of the DE2 unit one
// byte in 41 has its top bit set, of noise most have.
func TestWrongSpeed(t *testing.T) {
	for baud, noise := range map[string]bool{"0": false, "19200": true} {
		s := plug(t, "de2ccu", "--baud", baud)
		high := 0
		for _, c := range []byte(s.bytes(164)) {
			if c >= 0x80 {
				high++
			}
		}
		if (high > 82) != noise {
			t.Errorf("at %s Bd %d of 164 bytes have their top bit set", baud, high)
		}
		s.program.end(syscall.SIGTERM)
	}
}
