package recording_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
	"photongate/device/devicetest"
	"photongate/device/recording"
)

const sample = `photongate recording 1
# a CD48 on the bench
> 0.000000000 63 0d
< 0.004000000 35 37 20
< 0.250000000 31 0d 0a
> 1.000000000 76 0d
`

func parse(t *testing.T, text string) *recording.Recording {
	t.Helper()
	r, err := recording.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPlaybackKeepsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := parse(t, sample).Port(devicetest.Clock, false)
		buf := make([]byte, 2)
		if _, _, err := p.Read(buf, 50*time.Millisecond); !errors.Is(err, device.ErrTimeout) {
			t.Errorf("before the question: %v", err)
		}
		begin := time.Now()
		if _, err := p.Write([]byte("c\r")); err != nil {
			t.Fatal(err)
		}
		for _, want := range []struct {
			bytes string
			at    time.Duration
		}{{"57", 4e6}, {" ", 4e6}, {"1\r", 250e6}, {"\n", 250e6}} {
			n, _, err := p.Read(buf, time.Second)
			if err != nil || string(buf[:n]) != want.bytes || time.Since(begin) != want.at {
				t.Errorf("read %q after %v, %v, want %q after %v", buf[:n], time.Since(begin), err, want.bytes, want.at)
			}
		}
		if p.Left() != 1 {
			t.Errorf("%d left, want 1", p.Left())
		}
		if _, err := p.Write([]byte("p\r")); !errors.Is(err, recording.ErrDeviation) {
			t.Errorf("another question: %v", err)
		}
		if _, err := p.Write([]byte("v\r")); err != nil {
			t.Error(err)
		}
		if _, _, err := p.Read(buf, time.Second); !errors.Is(err, device.ErrGone) {
			t.Errorf("after the end: %v", err)
		}
		if err := errors.Join(p.Close(), p.Close()); err != nil {
			t.Error(err)
		}
		if _, _, err := p.Read(buf, time.Second); !errors.Is(err, device.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestCloseFreesRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := parse(t, sample).Port(devicetest.Clock, true)
		done := make(chan error)
		go func() {
			_, _, err := p.Read(make([]byte, 1), time.Hour)
			done <- err
		}()
		synctest.Wait()
		_ = p.Close()
		if err := <-done; !errors.Is(err, device.ErrClosed) {
			t.Errorf("Read ended by Close: %v", err)
		}
	})
}

// What a driver does on a recording is what it did when it was made.
func TestRecordAndPlay(t *testing.T) {
	var file bytes.Buffer
	answer := func(end *devicetest.End, _ *devicetest.Truth) {
		buf := make([]byte, 8)
		for {
			n, err := end.Read(buf, time.Hour)
			if err != nil || !end.Wait(3*time.Millisecond) {
				return
			}
			end.Write(bytes.ToUpper(buf[:n]))
		}
	}
	talk := func(p device.Port) (got string) {
		buf := make([]byte, 8)
		for _, q := range []string{"a", "bc", "\x00\xff"} {
			if _, err := p.Write([]byte(q)); err != nil {
				t.Error(err)
			}
			n, _, err := p.Read(buf, time.Second)
			if err != nil {
				t.Error(err)
			}
			got += string(buf[:n])
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		return got
	}
	var first string
	devicetest.Bubble(t, answer, func(p device.Port) { first = talk(recording.Record(p, &file, devicetest.Clock)) })
	if want := "photongate recording 1\n# memory\n> 0.000000000 61\n< 0.003000000 41\n"; !strings.HasPrefix(file.String(), want) {
		t.Errorf("recording is\n%s", file.String())
	}
	again := parse(t, file.String()).Port(devicetest.Clock, true)
	if d := cmp.Diff(talk(again), first); d != "" {
		t.Errorf("played back (-got +want):\n%s", d)
	}
	if again.Left() != 0 {
		t.Errorf("%d left", again.Left())
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestRecordingThatCannotBeWritten(t *testing.T) {
	port, end := devicetest.NewPair(devicetest.Clock)
	p := recording.Record(port, fullDisk{}, devicetest.Clock)
	end.Write([]byte("x"))
	if n, _, err := p.Read(make([]byte, 4), time.Second); n != 1 || err != nil {
		t.Errorf("the port itself: %d, %v", n, err)
	}
	if err := p.Close(); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("Close: %v", err)
	}
}

func TestParseErrors(t *testing.T) {
	for text, says := range map[string]string{
		"hello\n": "line 1",
		"photongate recording 1\n! 0.000000000 61\n":                        "line 2: expected a direction",
		"photongate recording 1\n< 0.0 61\n":                                "nine decimals",
		"photongate recording 1\n< 0.000000000 6\n":                         "hexadecimal",
		"photongate recording 1\n< 1.000000000 61\n\n< 0.000000000 61\n":    "line 4: time runs backwards",
		"photongate recording 1\n< 99999999999999.000000000 61\n":           "nine decimals",
		"photongate recording 1\n< 0.000000000 " + strings.Repeat("z", 300): "expected pairs",
	} {
		if _, err := recording.Parse(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.50q: %v, want %q", text, err, says)
		}
	}
}
