package homebuilt

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"photongate/sim"
)

// hear plays a preset on a port in memory with a fault, opens the port, asks every
// half second, and returns what came before and in each of those, for eight times.
func hear(t *testing.T, name, ask, fault string, baud, hostBaud int) (heard []string) {
	synctest.Test(t, func(t *testing.T) {
		f := preset(t, name)
		o := sim.Options{Seed: 3, Baud: baud}
		if fault != "" {
			parsed, err := sim.ParseFault(fault)
			if err != nil {
				t.Fatal(err)
			}
			o.Faults = []sim.Fault{parsed}
		}
		memory := sim.NewMemory()
		runner, err := sim.NewRunner(newCounter(t, f, 0, Options{Distinct: true}), memory, o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- runner.Run(ctx) }()
		synctest.Wait()
		port, err := memory.Open()
		if err != nil {
			t.Fatal(err)
		}
		port.SetBaud(hostBaud)
		heard = append(heard, readFor(t, port, 10*time.Millisecond)) // so that nothing comes on the stroke
		for range 8 {
			if _, err := port.Write([]byte(ask)); err != nil {
				t.Fatal(err)
			}
			heard = append(heard, readFor(t, port, 500*time.Millisecond))
		}
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	})
	return heard
}

func readFor(t *testing.T, port *sim.MemoryPort, d time.Duration) string {
	t.Helper()
	if err := port.SetReadDeadline(time.Now().Add(d)); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	b := make([]byte, 4096)
	for {
		n, err := port.Read(b)
		text.Write(b[:n])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return text.String()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// The faults that the survey asks of every simulated counter, as a host hears them.
func TestAsAHostHearsIt(t *testing.T) {
	for what, c := range map[string]struct {
		name, ask, fault string
		want             []string
	}{
		"restart at opening": {"freqcount", "", "", []string{"", "", "", "", "", "", "1000000\r\n", "", "1000001\r\n"}},
		"half a line, then silence": {"silab-freqcount", "C:\n", "stall@byte=13:1s",
			[]string{"", "", "", "", "", "1000000\r\n", "1000", "", "1000003\r\n"}},
		"stuck":   {"moltech-fss", "?!", "stall@1900ms:1s", []string{"", "FSS!", "FSS!", "FSS!", "FSS!", "", "", "FSS!", "FSS!"}},
		"chatter": {"moltech-fss", "?!", "junk@900ms", []string{"", "FSS!", "FSS!", "busy\r\nFSS!", "FSS!", "FSS!", "FSS!", "FSS!", "FSS!"}},
	} {
		t.Run(what, func(t *testing.T) {
			got := hear(t, c.name, c.ask, c.fault, 0, 0)
			if strings.Join(got, "|") != strings.Join(c.want, "|") {
				t.Errorf("heard %q, expected %q", got, c.want)
			}
		})
	}
}

// At a wrong speed a host hears noise, most of it with the top bit set.
func TestWrongSpeed(t *testing.T) {
	for baud, noise := range map[int]bool{57600: false, 9600: true} {
		text := strings.Join(hear(t, "freqcount", "", "", 57600, baud), "")
		high := 0
		for _, b := range []byte(text) {
			if b >= 0x80 {
				high++
			}
		}
		if (2*high > len(text)) != noise || text == "" {
			t.Errorf("at %d Bd the host hears %q", baud, text)
		}
	}
}
