package homebuilt

import (
	"slices"
	"testing"
	"time"

	"photongate/instrument"
	"photongate/sim/bench"
)

// However what the host sends is cut, and whatever it is, the answers are the
// same, and no row of truth is without its message.
func FuzzHost(f *testing.F) {
	names := []string{"silab-freqcount", "teensy-photon-counter", "rotgradpsi", "rp2040-pmt", "dist-board", "moltech-fss"}
	files := []*instrument.File{parse(f, asked)}
	for _, name := range names {
		files = append(files, preset(f, name))
	}
	f.Add([]byte("READ low\nTHR 2.5\nTHR?\nHV\x01GAIN low2ms\n"), 7, 0)
	f.Add([]byte("g:500:\nG:\nC:\nF:\nwhat\n"), 3, 1)
	f.Add([]byte("?e0.4re9z"), 5, 2)
	f.Add([]byte{0, 0, 7, 0xD0, 1, 2}, 2, 3)
	f.Add([]byte("GETALL\rGETAL\r"), 9, 4)
	f.Add([]byte{0x0A, 0, 7, 0x0A}, 1, 5)
	f.Add([]byte("!?!I!M!x!"), 4, 6)
	f.Fuzz(func(t *testing.T, data []byte, cut, which int) {
		if cut < 0 || cut > len(data) || which < 0 || which >= len(files) || len(data) > inboxBytes {
			return
		}
		play := func(pieces ...[]byte) (string, []bench.Row) {
			b := newBench(t, files[which], 1e4, Options{})
			b.Step(2 * time.Second)
			b.Text()
			for _, p := range pieces {
				b.Write(string(p))
			}
			b.Step(30 * time.Second)
			return b.Text(), b.Rows
		}
		whole, rows := play(data)
		pieces, again := play(data[:cut], data[cut:])
		if files[which].Text == nil || !files[which].Text.Echo { // an echo comes with its piece
			if whole != pieces {
				t.Errorf("%s: %q is answered %q, and %q in pieces", files[which].Name, data, whole, pieces)
			}
		}
		if !slices.EqualFunc(rows, again, func(a, b bench.Row) bool { return slices.Equal(a.Values, b.Values) }) {
			t.Errorf("%s: %q gives the truth %v, and %v in pieces", files[which].Name, data, rows, again)
		}
	})
}

// Whatever a file says, what plays it neither panics nor sends without end.
func FuzzFile(f *testing.F) {
	f.Add("[[channel]]\nname = \"A\"\n[gate]\ntime = \"1s\"\n[[example]]\nbytes = \"1\\n\"\nreadings = [[1]]", "x\n")
	f.Add("[[channel]]\nname = \"A\"\nkind = \"event\"\n[record]\nlength = 1\n[[example]]\nbytes = \"1\"\nreadings = [[1]]", "")
	f.Add(asked, "READ low\n")
	f.Fuzz(func(t *testing.T, text, ask string) {
		file, err := instrument.Parse("fuzz.toml", []byte("name = \"fuzz\"\n"+text))
		if err != nil || len(file.Channels) > 40 {
			return
		}
		rates := slices.Repeat([]float64{min(UsualRateHz(file), 1000)}, len(Inputs(file)))
		light, err := bench.Light(Inputs(file), rates)
		if err != nil {
			t.Fatal(err)
		}
		c, err := New(Options{File: file, Light: light})
		if err != nil {
			return
		}
		if c.runs() && c.gateTime() < time.Millisecond {
			return // right, but long
		}
		for _, chat := range c.play.Chatter {
			if chat.Every < time.Millisecond {
				t.Fatal("chatter without end")
			}
		}
		b := bench.New(c)
		b.Step(300 * time.Millisecond)
		b.Write(ask)
		b.Step(300 * time.Millisecond)
		if f := len(b.Sent); f > 10_000 {
			t.Errorf("%d messages in 600 ms", f)
		}
	})
}
