package homebuilt

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
	"photongate/device/recording"
	"photongate/device/trial"
)

const pacedText = head + `
[gate]
time = "GATE"
NUMBER
[text]
columns = 2
[[channel]]
name = "n"
from = 2
[[example]]
bytes = "1, 7\r\n"
readings = [[7]]
`

// Lines come every 200 ms, whatever the file says of the gate.
func TestWrongGate(t *testing.T) {
	all := func(int) bool { return true }
	for _, c := range []struct {
		name, gate string
		numbered   bool
		sent       func(k int) bool
		scatter    time.Duration // every third line is that late
		hold       func(k int) bool
		wrong      bool
	}{
		{"twice too long", "400ms", false, all, 0, nil, true},
		{"twice too long, numbered", "400ms", true, all, 0, nil, true},
		{"half as long", "100ms", false, all, 0, nil, true},
		{"half as long, numbered", "100ms", true, all, 0, nil, true},
		{"a little too long", "210ms", false, all, 3 * time.Millisecond, nil, true},
		{"a quarter too long", "250ms", true, all, 3 * time.Millisecond, nil, true},
		{"a little too short", "190ms", false, all, 3 * time.Millisecond, nil, true},
		{"too short, and some are lost, which the numbers tell", "100ms", true, func(k int) bool { return k%7 != 0 }, 0, nil, true},
		{"right", "200ms", false, all, 15 * time.Millisecond, nil, false},
		{"a resonator", "201ms", false, all, 3 * time.Millisecond, nil, false},
		{"every fifth is lost", "200ms", false, func(k int) bool { return k%5 != 0 }, 0, nil, false},
		{"every fifth is lost, numbered", "200ms", true, func(k int) bool { return k%5 != 0 }, 0, nil, false},
		{"the host is held up for 3 s now and then", "200ms", false, all, 0, func(k int) bool { return k%40 >= 20 && k%40 < 35 }, false},
		{"the host is held up for 16 s", "200ms", false, all, 0, func(k int) bool { return k >= 20 && k < 100 }, false},
		{"the host is held up at first", "200ms", false, all, 0, func(k int) bool { return k < 14 }, false},
		{"the host is held up most of the time", "200ms", true, all, 0, func(k int) bool { return k%9 != 0 }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			number := ""
			if c.numbered {
				number = "number = 1"
			}
			g := session(t, strings.NewReplacer("GATE", c.gate, "NUMBER", number).Replace(pacedText), nil, 80*time.Second,
				func(end *devicetest.End, _ *devicetest.Truth) {
					begin, held := time.Now(), ""
					for k := 1; ; k++ {
						at := time.Duration(k) * 200 * time.Millisecond
						if k%3 == 0 {
							at += c.scatter
						}
						if !end.Wait(at - time.Since(begin)) {
							return
						}
						if c.sent(k) {
							held += fmt.Sprintf("%d, %d\r\n", k, 100+k)
						}
						if c.hold == nil || !c.hold(k) {
							for line := range strings.Lines(held) {
								if !end.Wait(time.Millisecond) {
									return
								}
								end.Write([]byte(line))
							}
							held = ""
						}
					}
				}, nil)
			switch {
			case g.openErr != nil:
				t.Fatal(g.openErr)
			case !c.wrong && g.readErr != nil:
				t.Errorf("it was refused: %v", g.readErr)
			case c.wrong && !errors.Is(g.readErr, device.ErrNonsense):
				t.Errorf("%v after %d readings, want ErrNonsense", g.readErr, len(g.rows))
			case c.wrong:
				text := g.readErr.Error()
				if !strings.Contains(text, "lines come every 20") && !strings.Contains(text, "lines come every 199") || !strings.Contains(text, "gate.time says "+c.gate) ||
					!strings.Contains(text, "correct it in the instrument file") {
					t.Error(text)
				}
				if len(g.rows) > 60 {
					t.Errorf("it took %d readings", len(g.rows))
				}
			}
		})
	}
}

// A trial names the gate first, whatever it made look wrong before.
func TestTrialOfWrongGate(t *testing.T) {
	for _, gate := range []string{"100ms", "400ms"} {
		f := parse(t, strings.NewReplacer("GATE", gate, "NUMBER", "number = 1").Replace(pacedText))
		devicetest.Bubble(t, func(end *devicetest.End, _ *devicetest.Truth) {
			for k := 1; end.Wait(200 * time.Millisecond); k++ {
				end.Write(fmt.Appendf(nil, "%d, 7\r\n", k))
			}
		}, func(p device.Port) {
			report, err := trial.Trial{
				Driver: Driver(f), Port: p, Clock: devicetest.Clock, About: recording.About{For: 10 * time.Second},
			}.Run(context.Background()) // the test's own belongs to no bubble
			if want := "lines come every 200ms, gate.time says " + gate; err != nil || !strings.Contains(report.Surprise, want) {
				t.Errorf("%v, first surprise %q, want %q", err, report.Surprise, want)
			}
		})
	}
}
