package de2ccu

import (
	"errors"
	"strings"
	"testing"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
)

// packet writes counters as the board does, by the frame's description: seven
// bits a byte, least significant first.
func packet(counters ...uint64) []byte {
	var p []byte
	for _, c := range counters {
		for range 5 {
			p = append(p, byte(c%128))
			c /= 128
		}
	}
	return append(p, 0xFF)
}

// play is a board with n counters: it sends a packet every 0.1 s, the first of
// them torn, and listens to nothing.
func play(n int) func(*devicetest.End, *devicetest.Truth) {
	return func(end *devicetest.End, truth *devicetest.Truth) {
		end.Write(packet(make([]uint64, n)...)[11:])
		for k := uint64(1); end.Wait(100 * time.Millisecond); k++ {
			var counters []uint64
			for c := range uint64(n) {
				counters = append(counters, k*1_000_003*(c+1)%(1<<32))
			}
			truth.Add(counters...)
			end.Write(packet(counters...))
		}
	}
}

func TestPacketIsTheExample(t *testing.T) {
	if got, want := packet(1000, 2000, 300, 400, 50, 60, 7, 8), hexBytes(t, example8); string(got) != string(want) {
		t.Fatalf("packet % x, want % x", got, want)
	}
}

func TestConformance(t *testing.T) {
	for name, n := range map[string]int{"8 counters": 8, "15 counters": 15} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			devicetest.Run(t, devicetest.Subject{
				Driver: Driver, Play: play(n), Gate: gate, Exact: true, Mute: true,
				Inserts: []byte{0x00, 0x41, 0x80, 0xFF},
				// In 5 packets: bit 0 of each of the n*5 data bytes, and bits 0 to 6 of all but
				// the last of each counter, whose upper half must be clear.
				Unseen: 5 * n * (5 + 4),
			})
		})
	}
}

func TestCountersForced(t *testing.T) {
	run := func(forced int64, n int) error {
		var err error
		devicetest.Bubble(t, play(n), func(p device.Port) {
			var src device.Source
			src, err = Driver.Open(t.Context(), device.OpenRequest{
				Port: p, Clock: devicetest.Clock, Settings: device.Settings{"counters": forced},
			})
			if err != nil {
				return
			}
			if got := len(src.Describe().Channels); got != int(forced) {
				t.Errorf("%d channels, want %d", got, forced)
			}
			if got := src.Describe().Channels[forced-1].Name; got != map[int64]string{8: "C4", 15: "ABCD"}[forced] {
				t.Errorf("last channel is %q", got)
			}
			_ = src.Close()
		})
		return err
	}
	if err := errors.Join(run(8, 8), run(15, 15)); err != nil {
		t.Error(err)
	}
	for _, wrong := range [][2]int{{8, 15}, {15, 8}} {
		err := run(int64(wrong[0]), wrong[1])
		if !errors.Is(err, device.ErrNonsense) || !strings.Contains(err.Error(), "option counters") {
			t.Errorf("forced %d on a board of %d: %v", wrong[0], wrong[1], err)
		}
	}
}

// A board that gets another program while it is read is given up.
func TestAnotherProgram(t *testing.T) {
	board := func(end *devicetest.End, truth *devicetest.Truth) {
		for k := 0; end.Wait(100 * time.Millisecond); k++ {
			if k < 20 {
				end.Write(packet(1, 2, 3, 4, 5, 6, 7, 8))
			} else {
				end.Write(packet(make([]uint64, 15)...))
			}
		}
	}
	devicetest.Bubble(t, board, func(p device.Port) {
		src, err := Driver.Open(t.Context(), device.OpenRequest{Port: p, Clock: devicetest.Clock})
		if err != nil {
			t.Fatal(err)
		}
		b := device.NewBatch(8)
		for begin := time.Now(); err == nil && time.Since(begin) < time.Minute; {
			b.Reset()
			err = src.Read(b)
		}
		if !errors.Is(err, device.ErrNonsense) {
			t.Errorf("read: %v, want ErrNonsense", err)
		}
		_ = src.Close()
	})
}

func TestOptionCheck(t *testing.T) {
	check := Driver.Options[0].Check
	for v, ok := range map[any]bool{int64(8): true, int64(15): true, int64(9): false, "8": false} {
		if err := check(v); (err == nil) != ok {
			t.Errorf("counters = %v: %v", v, err)
		}
	}
}

func TestInputs(t *testing.T) {
	for input, want := range map[string]bool{
		"A": true, "A'": true, "C4": true, "ABCD": true, "counter 0": true, "counter 14": true,
		"": false, "C5": false, "Z": false, "BA": false, "counter 15": false, "counter -1": false, "counter 01": false, "counter ": false,
	} {
		if got := Driver.Inputs.May(input); got != want {
			t.Errorf("%q: %v", input, got)
		}
	}
}
