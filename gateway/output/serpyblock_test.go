package output

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What Python 3.11 answers to base64.b85encode.
func TestBase85IsPythons(t *testing.T) {
	for data, want := range map[string]string{
		"":                         "",
		"\xff":                     "{{",
		"\x00\x00\x00\x00":         "00000",
		"A=1,B=2\n":                "K|L`nLOn7H",
		"\xff\xff\xff\xff\xff\xff": "|NsC0|Nj",
	} {
		if got := string(appendBase85(nil, []byte(data))); got != want {
			t.Errorf("%q: got %q, want %q", data, got, want)
		}
	}
}

// Blocks as the notes on the protocol describe them, written by hand.
func TestSerpyBlocks(t *testing.T) {
	for _, c := range []struct {
		mode int
		data string
		want string
	}{
		{0, "12,5", "12,5\x1f"},
		{1, "12,5", "12,5\x04\x1f"},
		{2, "A=1,B=2\n", "K|L`nLOn7H\x1f"},
		{3, "A=1,B=2\n", "K|L`nLOn7H\x04\x1f"},
	} {
		if got := string(appendSerpyBlock(nil, []byte(c.data), c.mode)); got != c.want {
			t.Errorf("mode %d: got %q, want %q", c.mode, got, c.want)
		}
	}
	if got := string(serpySetMode(3)); got != "\x01SETMODE3\x1f" {
		t.Errorf("mode set: got %q", got)
	}
	for text, good := range map[string]bool{"": true, "a\nb": true, "a\x01": true, "\x01a": false, "a\x1fb": false, "a\x04": false} {
		if err := checkSerpyText([]byte(text)); (err == nil) != good {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

func TestSerpyReader(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want serpyWords
		mode int
	}{
		"nothing":                  {in: "\x1f\x1f\x1f"},
		"text in mode 0":           {in: "hello\x1fyou\x1f"},
		"a message not acked":      {in: "hello\x04\x1f"},
		"mode 1":                   {in: "\x01SETMODE1\x1fhi\x04\x1fyou\x04\x1f", want: serpyWords{answers: []byte("\x01ACKMODCG\x1f\x01ACKEOT!!\x1f\x01ACKEOT!!\x1f")}, mode: 1},
		"a message in two blocks":  {in: "\x01SETMODE3\x1fK|L\x1f`n\x04\x1f", want: serpyWords{answers: []byte("\x01ACKMODCG\x1f\x01ACKEOT!!\x1f")}, mode: 3},
		"base85":                   {in: "\x01SETMODE2\x1fK|L`n\x1f", want: serpyWords{answers: []byte("\x01ACKMODCG\x1f")}, mode: 2},
		"back to mode 0":           {in: "\x01SETMODE1\x1f\x01SETMODE0\x1fa\x04\x1f", want: serpyWords{answers: []byte("\x01ACKMODCG\x1f\x01ACKMODCG\x1f")}},
		"acks":                     {in: "\x01ACKMODCG\x1f\x01ACKEOT!!\x1f", want: serpyWords{modeSet: true, released: true}},
		"pickle":                   {in: "\x01SETMODE4\x1f", want: serpyWords{refused: "pickled objects (mode 4): they are never read, as reading one runs whatever program is in it"}},
		"pickle, acked":            {in: "\x01SETMODE5\x1fgASVCg\x04\x1f", want: serpyWords{refused: "pickled objects (mode 5): they are never read, as reading one runs whatever program is in it"}},
		"pickle after mode 1":      {in: "\x01SETMODE1\x1f\x01SETMODE4\x1f", want: serpyWords{answers: []byte("\x01ACKMODCG\x1f"), refused: "pickled objects (mode 4): they are never read, as reading one runs whatever program is in it"}, mode: 1},
		"a mode nobody knows":      {in: "\x01SETMODE9\x1f", want: serpyWords{refused: `mode "9", which serpy does not have`}},
		"two digits":               {in: "\x01SETMODE11\x1f", want: serpyWords{refused: `"SETMODE11", which serpy does not have`}},
		"no end yet":               {in: "\x01ACKMODCG"},
		"a block that is too long": {in: strings.Repeat("x", serpyBlockMax) + "y\x1f\x01ACKEOT!!\x1f", want: serpyWords{released: true}},
	} {
		for _, piece := range []int{1, 2, 7, 1 << 20} {
			if len(c.in) > 1000 && piece < 7 {
				continue
			}
			var r serpyReader
			var got serpyWords
			for rest := []byte(c.in); len(rest) > 0; {
				n := min(piece, len(rest))
				w := r.take(rest[:n])
				got.answers = append(got.answers, w.answers...)
				got.modeSet, got.released = got.modeSet || w.modeSet, got.released || w.released
				if w.refused != "" {
					got.refused = w.refused
				}
				rest = rest[n:]
			}
			if d := cmp.Diff(got, c.want, cmp.AllowUnexported(serpyWords{})); d != "" {
				t.Errorf("%s, in pieces of %d (-got +want):\n%s", name, piece, d)
			}
			if r.mode != c.mode {
				t.Errorf("%s: got mode %d, want %d", name, r.mode, c.mode)
			}
		}
	}
}

func FuzzSerpyReader(f *testing.F) {
	f.Add([]byte("\x01SETMODE1\x1fhi\x04\x1f\x01ACKEOT!!\x1f"), uint8(3))
	f.Add([]byte("\x01SETMODE5\x1fgASVCg\x04\x1f"), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, piece uint8) {
		var whole, torn serpyReader
		want := whole.take(data)
		var got []byte
		for rest := data; len(rest) > 0; {
			n := min(int(piece)+1, len(rest))
			got = append(got, torn.take(rest[:n]).answers...)
			rest = rest[n:]
		}
		if !bytes.Equal(got, want.answers) || whole.mode != torn.mode {
			t.Errorf("in pieces %q and mode %d, at once %q and mode %d", got, torn.mode, want.answers, whole.mode)
		}
		if torn.mode < 0 || torn.mode > 3 {
			t.Errorf("mode %d", torn.mode)
		}
		if len(torn.buf) > serpyBlockMax {
			t.Errorf("%d bytes are kept", len(torn.buf))
		}
		for _, a := range strings.SplitAfter(string(got), "\x1f") {
			if a != "" && a != "\x01ACKMODCG\x1f" && a != "\x01ACKEOT!!\x1f" {
				t.Errorf("answer %q", a)
			}
		}
	})
}
