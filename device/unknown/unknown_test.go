package unknown_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"photongate/device"
	"photongate/device/unknown"
)

const ms = time.Millisecond

// from makes a conversation of what an instrument says and when.
type from struct{ talk []device.Exchange }

func (f *from) says(at time.Duration, b string) {
	f.talk = append(f.talk, device.Exchange{At: at, Bytes: []byte(b)})
}

func (f *from) hears(at time.Duration, b string) {
	f.talk = append(f.talk, device.Exchange{Sent: true, At: at, Bytes: []byte(b)})
}

// must finds each sentence among the findings.
func must(t *testing.T, r unknown.Report, sentences ...string) {
	t.Helper()
	all := strings.Join(r.Findings, "\n")
	for _, s := range sentences {
		if !strings.Contains(all, s) {
			t.Errorf("did not find %q; found:\n%s", s, all)
		}
	}
}

func mustNot(t *testing.T, r unknown.Report, sentences ...string) {
	t.Helper()
	all := strings.Join(r.Findings, "\n")
	for _, s := range sentences {
		if strings.Contains(all, s) {
			t.Errorf("found %q among:\n%s", s, all)
		}
	}
}

func TestSilence(t *testing.T) {
	r := unknown.Examine(nil, 10*time.Second, nil)
	if r.Looks != unknown.Silent || r.Sure != 0 {
		t.Errorf("%+v", r)
	}
	must(t, r, "nothing came in 10s")
	var f from
	f.hears(time.Second, "c\r")
	must(t, unknown.Examine(f.talk, 10*time.Second, nil), "nothing came in 10s")
}

// Forms of home-built counters, as their programs print them.
func TestText(t *testing.T) {
	for name, c := range map[string]struct {
		end  string
		line func(n int) string
		want []string
		not  string
	}{
		"one number": {"\r\n", func(n int) string { return fmt.Sprint(100 + n*37%50) },
			[]string{"lines end in CR LF (20 times)", "one column", "column 1: integers, changing, from 103 to 148"}, "never falls"},
		"index, counts, filtered": {"\r\n", func(n int) string { return fmt.Sprintf("%d, %d, %.3f", n, 2400+n*31%60, 2450+float64(n%7)/8) },
			[]string{"3 columns between commas, in 19 of 19 lines", "column 1: integers, changing, from 1 to 19; never falls: a running total, a time or a number of the line (always 1 more)",
				"column 2: integers, changing", "column 3: decimal fractions, changing, from 2450 to 2450.75"}, "column 4"},
		"label and value": {"\n", func(n int) string { return fmt.Sprintf("CPM: %d", 40+n%3) },
			[]string{"lines end in LF (20 times", `2 columns between blanks`, `column 1: always "CPM:"`, "column 2: integers, changing, from 40 to 42"}, "CR LF ("},
		"pairs of label and value": {"\n", func(n int) string { return fmt.Sprintf("CPS, %d, CPM, %d, uSv/hr, 0.16, SLOW", n%4, 20+n%4) },
			[]string{"7 columns between commas", `column 1: always "CPS"`, "column 6: decimal fractions, always 0.16", `column 7: always "SLOW"`}, ""},
		"a running total": {"\n", func(n int) string { return fmt.Sprintf("%d;%d", 1000+n*n, n%2) },
			[]string{"2 columns between semicolons", "never falls"}, "always 1 more"},
		"old Macintosh": {"\r", func(n int) string { return fmt.Sprintf("%d\t%d", n%5, n%3) },
			[]string{"lines end in CR (20 times; CR LF 0 times)", "2 columns between tabs"}, ""},
		"a mark": {"!", func(n int) string { return fmt.Sprint(500 + n*3%11) },
			[]string{`there is no CR and no LF; '!' comes 20 times`, "column 1: integers"}, ""},
		"a heading": {"\r\n", func(n int) string {
			if n == 1 {
				return "time_ms,rpm,photo"
			}
			return fmt.Sprintf("%d,%d,%d", n*200, 30, n%6)
		}, []string{"3 columns between commas, in 18 of 19 lines", `lines of another form: 1, the first: "time_ms rpm photo"`, "always 200 more", "column 2: integers, always 30"}, ""},
		"chatter": {"\n", func(n int) string {
			if n%7 == 0 {
				return "Counters cleared."
			}
			return fmt.Sprintf("%d,%d,%d", 100+n, 200-n, 33)
		}, []string{"in 17 of 19 lines", `lines of another form: 2, the first: "Counters cleared."`}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var f from
			for n := range 20 {
				f.says(time.Duration(n)*time.Second, c.line(n)+c.end)
			}
			r := unknown.Examine(f.talk, 20*time.Second, nil)
			if r.Looks != unknown.Text || r.Sure < 2.5 || r.Sure > 3 {
				t.Errorf("looks like %s, sure %v", r.Looks, r.Sure)
			}
			must(t, r, append(c.want, "lines come every 1s (median of 18; two thirds within ± 0s, from 1s to 1s")...)
			if c.not != "" {
				mustNot(t, r, c.not)
			}
		})
	}
}

func TestPeriodScattersAndBunches(t *testing.T) {
	var f, g from
	for n := range 41 {
		late := time.Duration(n*7%20) * ms // 0 to 19 ms, evenly
		f.says(time.Duration(n)*100*ms+late, fmt.Sprintf("%d\n", n))
	}
	for n := range 10 {
		g.says(time.Duration(n)*400*ms, "1\n2\n3\n4\n")
	}
	// From one to the next it is 100 + 7 ms or 100 - 13 ms.
	must(t, unknown.Examine(f.talk, 4*time.Second, nil), "lines come every 107ms (median of 39; two thirds within ± 10ms, from 87ms to 107ms")
	must(t, unknown.Examine(g.talk, 4*time.Second, nil), "lines come several at a time (29 of 38 with the one before), on average one every 94.74ms")
}

// de2 is a packet of eight counters as the board's description has it.
func de2(counters ...int) string {
	var b []byte
	for _, c := range counters {
		for range 5 {
			b = append(b, byte(c&0x7f))
			c >>= 7
		}
	}
	return string(append(b, 0xff))
}

func TestRecordsWithAMark(t *testing.T) {
	var f from
	f.says(20*ms, de2(1, 2, 3, 4, 5, 6, 7, 8)[17:])
	for n := range 30 {
		p := de2(5000+n*131%200, 4900+n*77%200, 3000+n, 2000-n, 100+n%9, n%5, n%3, n%2)
		at := time.Duration(120+100*n) * ms
		f.says(at, p[:20]) // as a line of 19200 baud gives them
		f.says(at+10*ms, p[20:])
	}
	r := unknown.Examine(f.talk, 3*time.Second, nil)
	if r.Looks != unknown.Binary || r.Sure < 1.5 || r.Sure > 2 {
		t.Errorf("looks like %s, sure %v", r.Looks, r.Sure)
	}
	must(t, r, "byte ff comes every 41 bytes (100 % of the times it comes)",
		"bit 7 is set in no byte but ff", "bytes come 41 at a time with a pause behind (100 % of 29)",
		"groups of bytes come every 100ms (median of 30", "of 41 bytes of a record")
}

// Records of four bytes without any mark, of which one never changes.
func TestRecordsWithoutAMark(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	var f from
	for n := range 200 {
		f.says(time.Duration(n)*5*ms, string([]byte{byte(rng.Uint32()), byte(rng.Uint32()), 0x91, 0x00}))
	}
	r := unknown.Examine(f.talk, time.Second, nil)
	must(t, r, "before them", "looks like records of 4 bytes, or a whole number of them")
	var noise from
	for n := range 200 {
		var b [7]byte
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		noise.says(time.Duration(n)*5*ms, string(b[:1+n%7]))
	}
	r = unknown.Examine(noise.talk, time.Second, nil)
	if r.Sure >= 1 {
		t.Errorf("noise: sure %v", r.Sure)
	}
	must(t, r, "looks like binary, or like another baud rate", "no record length stands out")
	var constant from
	for n := range 40 {
		constant.says(time.Duration(n)*100*ms, "\x00\x80")
	}
	must(t, unknown.Examine(constant.talk, 4*time.Second, nil), "byte", "records are all alike")
}

func TestAnswer(t *testing.T) {
	var asked, unasked from
	asked.hears(time.Second, "?")
	asked.says(1004*ms, "PhotonCounter\r\n")
	must(t, unknown.Examine(asked.talk, 2*time.Second, nil),
		`looks like an answer: nothing came before 3f "?" was sent, 15 bytes after it, the first 4ms later`)
	unasked.says(0, "12\n")
	unasked.hears(time.Second, "?")
	unasked.says(1100*ms, "13\n")
	must(t, unknown.Examine(unasked.talk, 2*time.Second, nil), `3 bytes came before 3f "?" was sent, 3 after it: it sends unasked`)
}

// A driver that knows the bytes is named.
func TestDriverThatKnows(t *testing.T) {
	d := device.Driver{Name: "pairs", Title: "a counter of pairs", Cut: func(b []byte) device.Piece {
		switch {
		case len(b) < 2:
			return device.Piece{}
		case b[1] == '\n':
			return device.Piece{Length: 2, Kind: device.Reading, What: "pair"}
		}
		return device.Piece{Length: 1, What: "no pair"}
	}}
	var f from
	for n := range 10 {
		f.says(time.Duration(n)*time.Second, "7\n")
	}
	r := unknown.Examine(f.talk, 10*time.Second, []device.Driver{d})
	if r.Driver != "pairs" || r.Sure < 3 {
		t.Errorf("%q, sure %v", r.Driver, r.Sure)
	}
	must(t, r, "looks like the instrument of driver pairs (a counter of pairs): 10 of its readings are in it, 100 % of the bytes")
	var g from
	for n := range 10 {
		g.says(time.Duration(n)*time.Second, "12345\n")
	}
	if r := unknown.Examine(g.talk, 10*time.Second, []device.Driver{d}); r.Driver != "" {
		t.Errorf("found %q in other bytes: %v", r.Driver, r.Findings)
	}
}

func FuzzExamine(f *testing.F) {
	f.Add([]byte("1,2,3\r\n4,5,6\r\n"), 3)
	f.Add([]byte("\xff\x00\x01\xff\x00\x02\xff\x00\x03\xff\x00\x04\xff"), 5)
	f.Add([]byte("!!;;!"), 1)
	f.Fuzz(func(t *testing.T, b []byte, step int) {
		var talk []device.Exchange
		step = 1 + (step&0x7fffffff)%40
		for i := 0; i < len(b); i += step {
			talk = append(talk, device.Exchange{At: time.Duration(i) * ms, Bytes: b[i:min(len(b), i+step)], Sent: i%17 == 3})
		}
		r := unknown.Examine(talk, time.Second, nil)
		if len(r.Findings) == 0 || r.Sure < 0 || r.Sure > 3 {
			t.Fatalf("%+v", r)
		}
	})
}
