package protocol

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// buildC makes the example program of the decoder in C. With the sanitizers it ends
// at the first access out of bounds and at anything else that C leaves undefined.
func buildC(t *testing.T) string {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler: apt-get install gcc")
	}
	program := filepath.Join(t.TempDir(), "pgtags")
	args := []string{"-std=c99", "-O1", "-g", "-Wall", "-Wextra", "-Wpedantic", "-Wno-parentheses", "-Werror", "-o", program, "c/pgtags.c", "c/photongate_tags.c"}
	sanitizers := []string{"-fsanitize=address,undefined", "-fno-sanitize-recover=all"}
	if out, err := exec.CommandContext(t.Context(), cc, append(sanitizers, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// runC returns what the decoder in C makes of some bytes, frame by frame.
func runC(t *testing.T, program string, data []byte) (stdout, stderr string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "frames")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, file)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		t.Fatalf("%v\n%s", err, said.String())
	}
	return out.String(), said.String()
}

// sayTags says what pgtags says of a frame.
func sayTags(h Header, channels int, t *Tags) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %d tags from index %d, %d channels, until %d\n", len(t.Ticks), h.Index, channels, t.Until)
	for _, l := range t.Losses {
		fmt.Fprintf(&b, "# from %d to %d tags may be missing of channel %d", l.From, l.To, l.Channel)
		if l.Known {
			fmt.Fprintf(&b, ": %d", l.Missing)
		}
		b.WriteByte('\n')
	}
	for i, tick := range t.Ticks {
		fmt.Fprintf(&b, "%d,%d\n", tick, t.Channels[i])
	}
	return b.String()
}

// sayFrames says what pgtags says of frames, by the decoder in Go; not why one is
// refused: where two things are wrong, either may be found first.
func sayFrames(t *testing.T, data []byte) string {
	t.Helper()
	var b strings.Builder
	var d TagsDecoder
	for len(data) > 0 {
		h, payload, rest, err := ParseFrame(data)
		if err != nil {
			t.Fatal(err)
		}
		data = rest
		if h.Type != TypeTags {
			continue
		}
		var tags Tags
		if err := d.Decode(h, payload, &tags); err != nil {
			fmt.Fprintf(&b, "# %d tags from index %d refused\n", h.Count, h.Index)
			continue
		}
		channels, n := binary.Uvarint(payload[2:])
		if n <= 0 {
			t.Fatal("no number of channels")
		}
		b.WriteString(sayTags(h, int(channels), &tags))
	}
	return b.String()
}

// The decoder in C was written from SPEC.md alone. Of what the encoder writes it
// makes what went in; of what was changed on the way, just what the decoder in Go
// makes of it, and it never reads where it must not.
func TestDecoderInC(t *testing.T) {
	program := buildC(t)
	var e TagsEncoder
	var frames, changed []byte
	var said strings.Builder
	random := rand.New(rand.NewPCG(5, 6))
	for seed := range 300 {
		drawn := rapid.Custom(func(t *rapid.T) *Tags {
			tags, _ := tagsOf(t)
			return tags
		}).Example(seed)
		h := Header{Stream: 1, Epoch: 2, Seq: uint64(seed + 2), Index: uint64(seed) * 1000, Time: 5}
		channels := 1
		for _, c := range drawn.Channels {
			channels = max(channels, int(c)+1)
		}
		for _, l := range drawn.Losses {
			channels = max(channels, l.Channel+1)
		}
		start := len(frames)
		var err error
		if frames, err = e.Append(frames, h, channels, drawn); err != nil {
			t.Fatal(err)
		}
		said.WriteString(sayTags(h, channels, drawn))
		for range 20 {
			one := bytes.Clone(frames[start:])
			for range 1 + random.IntN(2) {
				one[HeaderSize+random.IntN(len(one)-HeaderSize)] ^= 1 << random.IntN(8)
			}
			h.Type, h.Count = TypeTags, uint32(len(drawn.Ticks))
			if _, err := SealFrame(one, h); err != nil {
				t.Fatal(err)
			}
			changed = append(changed, one...)
		}
	}
	if out, wrong := runC(t, program, frames); out != said.String() || wrong != "" {
		t.Errorf("of what was encoded: %s", firstDifference(out+wrong, said.String()))
	}
	want := sayFrames(t, changed)
	if n := strings.Count(want, "refused"); n < 1000 {
		t.Errorf("only %d of 6000 changed frames are refused: this test asks nothing", n)
	}
	out, wrong := runC(t, program, changed)
	out = regexp.MustCompile(`(?m) refused: \w+$`).ReplaceAllString(out, " refused")
	if out != want || wrong != "" {
		t.Errorf("of what was changed: %s", firstDifference(out+wrong, want))
	}
}

// tagsVector is what the JSON of a golden vector says of frames of tags.
type tagsVector struct {
	Error  string
	Frames []struct {
		Header struct {
			Type  int
			Count int
			Index Uint64
		}
		Tags struct {
			Ticks    tagsColumn
			Channels tagsColumn
			Until    Uint64
			Totals   []Uint64
			Losses   []struct {
				From, To Uint64
				Channel  int
				Missing  *Uint64
			}
		}
	}
}

// tagsColumn is a list, {"from":"a","step":"b"}, or {"cycle":[a,b,...]}.
type tagsColumn struct {
	list       []Uint64
	from, step Uint64
}

func (c *tagsColumn) UnmarshalJSON(text []byte) error {
	if text[0] == '{' {
		var short struct {
			From, Step Uint64
			Cycle      json.RawMessage
		}
		if err := json.Unmarshal(text, &short); err != nil || short.Cycle != nil {
			return errors.Join(err, c.UnmarshalJSON(short.Cycle))
		}
		c.from, c.step = short.From, short.Step
		return nil
	}
	var words []json.RawMessage // ticks are texts, channels are numbers
	if err := json.Unmarshal(text, &words); err != nil {
		return err
	}
	for _, w := range words {
		v, err := strconv.ParseUint(strings.Trim(string(w), `"`), 10, 64)
		if err != nil {
			return err
		}
		c.list = append(c.list, Uint64(v))
	}
	return nil
}

func (c *tagsColumn) at(i int) uint64 {
	if c.list != nil {
		return uint64(c.list[i%len(c.list)])
	}
	return uint64(c.from) + uint64(i)*uint64(c.step)
}

func TestUsageInC(t *testing.T) {
	program := buildC(t)
	for _, args := range [][]string{nil, {"--help"}} {
		var said bytes.Buffer
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Stderr = &said
		if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != 2 || !strings.HasPrefix(said.String(), "usage: pgtags FILE...\n") {
			t.Errorf("%q: %v, %q", args, err, said.String())
		}
	}
}

// The golden vectors of tags.
func TestVectorsInC(t *testing.T) {
	program := buildC(t)
	names, err := filepath.Glob("testdata/vectors/tags-*.json")
	if err != nil || len(names) < 20 {
		t.Fatalf("%d vectors of tags, %v", len(names), err)
	}
	for _, name := range names {
		if strings.Contains(name, "other-channels") {
			continue // other than the descriptor, which is JSON and the caller's to read
		}
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var v tagsVector
			if err := json.Unmarshal(text, &v); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(strings.TrimSuffix(name, "json") + "bin")
			if err != nil {
				t.Fatal(err)
			}
			out, wrong := runC(t, program, data)
			if v.Error != "" {
				if !strings.HasSuffix(out+wrong, ": "+v.Error+"\n") {
					t.Errorf("%q, want %s", out+wrong, v.Error)
				}
				return
			}
			if want := v.say(t); out+wrong != want {
				t.Error(firstDifference(out+wrong, want))
			}
		})
	}
}

func (v *tagsVector) say(t *testing.T) string {
	var b strings.Builder
	for _, f := range v.Frames {
		if f.Header.Type != int(TypeTags) {
			continue
		}
		tags := Tags{Until: uint64(f.Tags.Until)}
		for i := range int(f.Header.Count) {
			tags.Ticks = append(tags.Ticks, f.Tags.Ticks.at(i))
			tags.Channels = append(tags.Channels, uint8(f.Tags.Channels.at(i)))
		}
		for _, l := range f.Tags.Losses {
			loss := TagLoss{From: uint64(l.From), To: uint64(l.To), Channel: l.Channel, Known: l.Missing != nil}
			if loss.Known {
				loss.Missing = uint64(*l.Missing)
			}
			tags.Losses = append(tags.Losses, loss)
		}
		b.WriteString(sayTags(Header{Index: uint64(f.Header.Index)}, len(f.Tags.Totals), &tags))
	}
	if b.Len() == 0 {
		t.Fatal("no tags in it")
	}
	return b.String()
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d: %q, want %q", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}
