package unknown_test

import (
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"
	"time"

	"photongate/device"
	"photongate/device/unknown"
)

// wire is the level of a line at 8N1: one start bit (low), eight bits, the least
// significant first, one stop bit, and high while nothing is sent.
type wire struct {
	baud  float64
	edges []byteOnWire
}

type byteOnWire struct {
	at float64 // s
	b  byte
}

func (w *wire) send(at time.Duration, text string) {
	for i := range len(text) {
		w.edges = append(w.edges, byteOnWire{at.Seconds() + float64(i)*10/w.baud, text[i]})
	}
}

// level returns the level at a time.
func (w *wire) level(at float64) bool {
	next := sort.Search(len(w.edges), func(i int) bool { return w.edges[i].at > at })
	if next == 0 {
		return true
	}
	e := w.edges[next-1]
	bit := int((at - e.at) * w.baud)
	return bit >= 9 || bit > 0 && e.b>>(bit-1)&1 != 0
}

// receive is what a receiver set to another rate makes of it: it waits for a low
// level and samples in the middle of what it takes for the bits.
func (w *wire) receive(baud int) []device.Exchange {
	var talk []device.Exchange
	step := 1 / float64(baud)
	end := w.edges[len(w.edges)-1].at + 20/w.baud
	next := 0.0
	for _, e := range w.edges {
		for at := max(e.at, next); at < e.at+10/w.baud; at += step / 8 {
			if at < next || w.level(at) {
				continue
			}
			var b byte
			for i := range 8 {
				if w.level(at + (1.5+float64(i))*step) {
					b |= 1 << i
				}
			}
			next = at + 9.5*step
			talk = append(talk, device.Exchange{At: time.Duration(next * 1e9), Bytes: []byte{b}})
		}
		if next > end {
			break
		}
	}
	return talk
}

// attempts listens to a wire at all rates, as is done on a port.
func attempts(w *wire, drivers ...device.Driver) (list []unknown.Attempt) {
	for _, baud := range unknown.BaudRates {
		talk := w.receive(baud)
		a := unknown.Attempt{Baud: baud, Talk: talk, Report: unknown.Examine(talk, 10*time.Second, drivers)}
		if list = append(list, a); a.Enough() {
			break
		}
	}
	return list
}

func TestReceiverReadsItsOwnRate(t *testing.T) {
	w := &wire{baud: 19200}
	w.send(time.Second, "57012 27003\r\n")
	if got := string(device.Received(w.receive(19200))); got != "57012 27003\r\n" {
		t.Errorf("received %q", got)
	}
	if got := string(device.Received(w.receive(9600))); strings.Contains(got, "57012") || got == "" {
		t.Errorf("received %q at half the rate", got)
	}
}

// Text stands out at its own rate, whichever of the usual ones that is.
func TestBaudRateOfText(t *testing.T) {
	for _, baud := range unknown.BaudRates {
		t.Run(fmt.Sprint(baud), func(t *testing.T) {
			w := &wire{baud: float64(baud)}
			for n := range 10 {
				w.send(time.Duration(n)*time.Second, fmt.Sprintf("%d,%d,%d\r\n", 5000+n*37%90, 4900+n*31%70, 200+n*7%30))
			}
			best, clearly := unknown.Best(attempts(w))
			if best.Baud != baud || !clearly || best.Report.Looks != unknown.Text {
				t.Errorf("%d, clearly %v, looks like %s: %v", best.Baud, clearly, best.Report.Looks, best.Report.Findings)
			}
		})
	}
}

// Noise has no rate, and binary records alone are not enough to be sure of one.
func TestBaudRateOfNoise(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	w := &wire{baud: 31250}
	for n := range 10 {
		var b [20]byte
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		w.send(time.Duration(n)*time.Second, string(b[:]))
	}
	list := attempts(w)
	if best, clearly := unknown.Best(list); clearly || len(list) != len(unknown.BaudRates) {
		t.Errorf("%d tried; clearly %d: %v", len(list), best.Baud, best.Report.Findings)
	}
	silent := unknown.Attempt{Baud: 9600, Report: unknown.Examine(nil, time.Second, nil)}
	if !silent.Enough() {
		t.Error("silence is listened to at other rates as well")
	}
}
