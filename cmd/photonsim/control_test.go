package main

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"photongate/sim"
)

// TestControl: lines on the control port change the light from the moment they
// are answered with, and only if they can be obeyed.
func TestControl(t *testing.T) {
	light, err := sim.NewLight(sim.LightSettings{Inputs: []string{"A", "B"}, RatesHz: []float64{1e6, 1e6}, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	c, err := openControl("127.0.0.1:0", light, []string{"A", "B"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	conn, err := net.Dial("tcp", c.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	ask := func(line string) string {
		t.Helper()
		if _, err := fmt.Fprintln(conn, line); err != nil {
			t.Fatal(err)
		}
		answer, err := answers.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(answer)
	}
	for line, want := range map[string]string{
		"":           "error: \"\": expected a line",
		"dim":        "error: \"dim\": expected a line",
		"rates":      "error: --control",
		"rates 1,2,": "error: --control",
		"rates -1":   "error: --control",
		"pairs AC=1": "error: --pairs",
		"pairs AB=x": "error: --pairs",
		"pairs 9M":   "error: light: input A takes part in 9e+06 pairs",
	} {
		if got := ask(line); !strings.HasPrefix(got, want) {
			t.Errorf("%q was answered %q, expected %q...", line, got, want)
		}
	}
	before := time.Now()
	answer := ask("rates 0,2k")
	ns, err := strconv.ParseInt(strings.TrimPrefix(answer, "ok "), 10, 64)
	if at := time.Unix(0, ns); err != nil || at.Before(before.Round(0)) || at.After(time.Now()) {
		t.Fatalf("answered %q, expected ok and a time within the call", answer)
	}
	step := time.Unix(0, ns)
	patterns := make([]int64, light.Patterns())
	light.Draw(step.Add(-time.Second), step.Add(100*time.Second), patterns)
	if a, b := sim.Together(patterns, 1), sim.Together(patterns, 2); a < 900_000 || a > 1_100_000 || b < 1_150_000 || b > 1_250_000 {
		t.Errorf("A counted %d and B %d, expected about 1 s of 1e6 for A, and 100 s of 2000 more for B", a, b)
	}
}
