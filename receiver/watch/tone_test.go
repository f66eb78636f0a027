//go:build !windows

package watch

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestPitch(t *testing.T) {
	for _, c := range []struct{ rate, middle, want float64 }{
		{1000, 1000, 440}, {2000, 1000, 880}, {500, 1000, 220}, {1100, 1000, 484}, {1, 1e6, 80}, {1e9, 1, 4000}, {0, 1000, 0}, {10, 0, 0},
	} {
		if got := pitch(c.rate, c.middle); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("rate %v, middle %v: %v Hz, want %v", c.rate, c.middle, got, c.want)
		}
	}
}

// crossings counts upward zero crossings, one for each period.
func crossings(samples []byte) int {
	n, last := 0, int16(0)
	for i := 0; i+1 < len(samples); i += 2 {
		s := int16(binary.LittleEndian.Uint16(samples[i:]))
		if last < 0 && s >= 0 {
			n++
		}
		last = s
	}
	return n
}

func TestOscillator(t *testing.T) {
	var o oscillator
	second := make([]byte, 2*sampleRate)
	o.fill(second, 880)
	o.fill(second, 880)
	if n := crossings(second); n < 878 || n > 882 {
		t.Errorf("%d periods in a second of 880 Hz", n)
	}
	o.fill(second, 0)
	for _, i := range []int{len(second) - 2, len(second) - 200} {
		if s := int16(binary.LittleEndian.Uint16(second[i:])); s < -3 || s > 3 {
			t.Errorf("sample %d at the end of a second of silence", s)
		}
	}
}

// A program that plays is one that reads samples: this one keeps them.
func TestPlayer(t *testing.T) {
	dir := t.TempDir()
	heard, begin := filepath.Join(dir, "heard"), filepath.Join(dir, "begin")
	// What a pipe holds, and more, may have been made before the tone was set.
	script := "#!/bin/sh\nuntil [ -e " + begin + " ]; do sleep 0.01; done\nhead -c 300000 >/dev/null\nhead -c 44100 > " + heard + ".part && mv " + heard + ".part " + heard + "\n"
	if err := os.WriteFile(filepath.Join(dir, "aplay"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	look := func(name string) (string, error) {
		path := filepath.Join(dir, name)
		_, err := os.Stat(path)
		return path, err
	}
	tone := startPlayer(look)
	if tone == nil {
		t.Fatal("no player")
	}
	tone.set(440)
	if err := os.WriteFile(begin, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for tick := time.NewTicker(10 * time.Millisecond); ; <-tick.C {
		if _, err := os.Stat(heard); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the player got no second of samples")
		}
	}
	tone.close()
	samples, err := os.ReadFile(heard)
	if err != nil {
		t.Fatal(err)
	}
	if n := crossings(samples); n < 400 || n > 445 {
		t.Errorf("%d periods in a second of 440 Hz", n)
	}
	if startPlayer(func(string) (string, error) { return "", errors.New("none") }) != nil {
		t.Error("a player where there is none")
	}
}

func TestBell(t *testing.T) {
	now, rings := start, 0
	bell := &bellTone{ring: func() error { rings++; return nil }, now: func() time.Time { return now }}
	count := func(hz float64) int {
		rings = 0
		for range 100 { // 10 s
			now = now.Add(drawEvery)
			bell.set(hz)
		}
		return rings
	}
	if slow, fast, none := count(440), count(880), count(0); slow != 10 || fast != 20 || none != 0 {
		t.Errorf("in 10 s %d rings at 440 Hz, %d at 880, %d in silence; want 10, 20, 0", slow, fast, none)
	}
}
