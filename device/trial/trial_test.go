package trial_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
	"photongate/device/devicetest"
	"photongate/device/recording"
	"photongate/device/trial"
)

// The instrument of these tests says a number and a line end every 0.1 s, and
// "hello" when it is sent "?".
const gate = 100 * time.Millisecond

// number is its driver, with mistakes to order.
type number struct {
	port     device.Port
	clock    device.Clock
	line     []byte
	read     int
	begin    int64
	skip     int // leaves this reading out
	invent   int // changes this one
	flags    map[int]device.ReadingFlags
	suspects int
	talks    bool   // its bytes can be cut in a conversation only
	bye      string // it says when it is closed
}

func cut(b []byte) device.Piece {
	line, _, found := bytes.Cut(b, []byte("\n"))
	if !found {
		return device.Piece{}
	}
	p := device.Piece{Length: len(line) + 1, What: "no number"}
	if n, err := strconv.ParseUint(string(line), 10, 64); err == nil {
		p.Kind, p.What, p.Values = device.Reading, "number", []uint64{n}
	} else if string(line) == "hello" {
		p.Kind, p.What = device.Other, "greeting"
	}
	return p
}

func (s *number) driver() device.Driver {
	d := s.plain()
	if s.talks {
		d.Cut = func(b []byte) device.Piece { return device.Piece{Length: len(b), What: "bytes"} }
		d.CutTalk = func(talk []device.Exchange, _ time.Duration) []device.Piece {
			return device.Pieces(cut, device.Received(talk))
		}
	}
	return d
}

func (s *number) plain() device.Driver {
	return device.Driver{
		Name: "number", Title: "a counter that counts", Cut: cut,
		Quirks: []device.Quirk{
			{Name: "greeting", Title: "it may greet", Source: "its manual", Met: func(talk []device.Exchange) string {
				if !bytes.Contains(device.Received(talk), []byte("hello")) {
					return ""
				}
				return "it said hello"
			}},
			{Name: "smell", Title: "it may smell", Source: "hearsay", Met: func([]device.Exchange) string { return "" }},
		},
		Open: func(_ context.Context, req device.OpenRequest) (device.Source, error) {
			s.port, s.clock = req.Port, req.Clock
			if _, err := s.port.Write([]byte("?")); err != nil {
				return nil, err
			}
			for {
				line, err := s.next(time.Second)
				if err != nil {
					return nil, &device.Error{Op: "identify", Port: s.port.Name(), Err: err}
				}
				if string(line) == "hello" {
					s.begin = s.clock()
					return s, nil
				}
			}
		},
	}
}

func (s *number) next(wait time.Duration) ([]byte, error) {
	buf := make([]byte, 64)
	for {
		if line, rest, found := bytes.Cut(s.line, []byte("\n")); found {
			s.line = bytes.Clone(rest)
			return line, nil
		}
		n, _, err := s.port.Read(buf, wait)
		if err != nil {
			return nil, err
		}
		s.line = append(s.line, buf[:n]...)
	}
}

func (s *number) Describe() device.Description {
	return device.Description{
		Model: "number", Identity: device.Confirmed, Gate: gate, Timing: device.ByDevice,
		Channels: []device.Channel{{Name: "A", Input: "counter 0", Kind: device.Count}},
		Settings: []device.Setting{{Key: "gate", Value: "100ms", How: "fixed"}},
		Blind:    "there is no checksum",
	}
}

func (s *number) Read(b *device.Batch) error {
	line, err := s.next(device.MaxWait)
	if errors.Is(err, device.ErrTimeout) {
		return nil
	}
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(string(line), 10, 64)
	if err != nil {
		b.Notes = append(b.Notes, device.Note{Gap: &device.Gap{Cause: device.CauseDamaged, Detail: "line " + string(line), Missing: 1, Known: true}})
		return nil
	}
	if s.read++; s.read == s.skip {
		return nil
	}
	if s.read == s.invent {
		n++
	}
	b.Begin, b.Length = append(b.Begin, s.begin), append(b.Length, s.clock()-s.begin)
	s.begin = s.clock()
	b.Flags = append(b.Flags, s.flags[s.read])
	var suspect device.ChannelFlags
	if s.read == s.suspects {
		suspect = device.Suspect
	}
	b.Values[0], b.ValueFlags[0] = append(b.Values[0], n), append(b.ValueFlags[0], suspect)
	return nil
}

func (s *number) Close() error {
	if s.bye != "" {
		_, _ = s.port.Write([]byte(s.bye))
	}
	return s.port.Close()
}

// instrument says its numbers from 101 on; instead of number n it says what says
// holds for it, and "unplug" unplugs it.
func instrument(says map[int]string) func(*devicetest.End, *devicetest.Truth) {
	return func(end *devicetest.End, _ *devicetest.Truth) {
		end.Write([]byte("00\n")) // the rest of something
		buf := make([]byte, 8)
		if k, err := end.Read(buf, time.Second); err != nil || string(buf[:k]) != "?" || !end.Wait(time.Millisecond) {
			return
		}
		end.Write([]byte("hello\n"))
		for n := 1; end.Wait(gate); n++ {
			text, ok := says[n]
			switch {
			case !ok:
				text = fmt.Sprintf("%d\n", 100+n)
			case text == "unplug":
				end.Unplug()
				return
			}
			if !end.Write([]byte(text)) {
				return
			}
		}
	}
}

// try runs a trial of a second, records it, and tries the recording as well.
func try(t *testing.T, s number, others []device.Driver, play func(*devicetest.End, *devicetest.Truth)) (trial.Report, string) {
	t.Helper()
	var shown, file bytes.Buffer
	var report trial.Report
	about := recording.About{Software: "photongate 1", System: "linux/arm64", Driver: "number", Port: "/dev/ttyACM7", For: time.Second}
	devicetest.Bubble(t, play, func(p device.Port) {
		live := s
		var err error
		report, err = trial.Trial{
			Driver: live.driver(), Port: p, Clock: devicetest.Clock, About: about, Others: others, Out: &shown, Save: &file,
		}.Run(context.Background()) // the test's own belongs to no bubble
		if err != nil {
			t.Error(err)
		}
	})
	rec, err := recording.Parse(&file)
	if err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	replayed, port := s, rec.Play()
	second, err := trial.Trial{
		Driver: replayed.driver(), Port: port, Clock: port.Clock, About: rec.About, Others: others, Out: &again,
	}.Run(t.Context())
	if d := cmp.Diff(second, report); d != "" || err != nil {
		t.Errorf("report of the recording, %v (-got +want):\n%s", err, d)
	}
	if d := cmp.Diff(again.String(), shown.String()); d != "" {
		t.Errorf("shown of the recording (-got +want):\n%s", d)
	}
	return report, shown.String()
}

func TestWorksAsDocumented(t *testing.T) {
	report, shown := try(t, number{flags: map[int]device.ReadingFlags{1: device.First, 2: device.Late | device.Unverified}}, nil, instrument(nil))
	if report.Surprise != "" || report.Readings != 10 || report.Rows[0][0] != 101 || report.Quirks["greeting"] != "it said hello" {
		t.Errorf("report %+v", report)
	}
	for _, want := range []string{
		"number: a counter that counts, on /dev/ttyACM7",
		"settings to push: none",
		"    0.000 > 3f \"?\"\n",
		"    0.000 < 30 30 0a \"00\\n\"\n",
		"    0.001 < 68 65 6c 6c 6f 0a \"hello\\n\"\n",
		"= bytes 3 to 8: greeting\n",
		"open after 0.001 s: number, identity confirmed, gate 100ms timed by device\n  gate = 100ms (fixed)\n  channel A: counter 0\n",
		"not visible in this instrument's bytes: there is no checksum",
		"= bytes 9 to 12: number\n",
		"reading 1, bytes 9 to 12, 100.000 ms, flagged first:  A 101\n",
		"reading 2, bytes 13 to 16, 100.000 ms, flagged unverified|late:  A 102\n",
		"what was read:\n  A: 10 values, 101 to 110, mean 105.5\n",
		"documented quirks that showed:\n  greeting: it said hello\n    (it may greet; source: its manual)\n",
		"documented quirks that did not show: smell\n",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not in\n%s", want, shown)
		}
	}
	if !strings.HasSuffix(shown, "\nworks as documented: 10 readings\n") {
		t.Errorf("ends with %q", shown[len(shown)-60:])
	}
}

// Where only the conversation tells what bytes are, they are shown as soon as it does.
func TestConversation(t *testing.T) {
	play := func(end *devicetest.End, _ *devicetest.Truth) {
		end.Write([]byte("hello\n"))
		for n := 1; end.Wait(2 * device.MaxWait); n++ {
			end.Write(fmt.Appendf(nil, "%d\n", 100+n))
		}
	}
	var driver number
	driver.talks, driver.bye = true, "bye"
	report, shown := try(t, driver, nil, play)
	if report.Surprise != "" || report.Readings == 0 {
		t.Errorf("report %+v", report)
	}
	for _, want := range []string{
		"= bytes 0 to 5: greeting\n",
		"= bytes 6 to 9: number\n",
		" > 62 79 65 \"bye\"\n", // and so in the recording
	} {
		if strings.Count(shown, want) != 1 {
			t.Errorf("%q is not once in\n%s", want, shown)
		}
	}
}

func TestFirstSurprise(t *testing.T) {
	silent := func(end *devicetest.End, _ *devicetest.Truth) { end.Wait(time.Hour) }
	mute := func(end *devicetest.End, _ *devicetest.Truth) {
		end.Write([]byte("hello\n"))
		end.Wait(time.Hour)
	}
	stalls := func(end *devicetest.End, _ *devicetest.Truth) {
		end.Write([]byte("hello\n1\n"))
		if end.Wait(100 * time.Millisecond) {
			end.Write([]byte("2\n"))
		}
		end.Wait(time.Hour)
	}
	for name, c := range map[string]struct {
		driver number
		play   func(*devicetest.End, *devicetest.Truth)
		want   string // the surprise begins so
	}{
		"damaged":    {number{}, instrument(map[int]string{3: "1x3\n", 5: "y\n"}), `after 0.301 s, bytes 17 to 20: no number: 31 78 33 0a "1x3\n"`},
		"unplugged":  {number{}, instrument(map[int]string{4: "unplug"}), "after 0.401 s: device went away"},
		"silent":     {number{}, silent, "identify /dev/ttyACM7: no answer in time"},
		"no reading": {number{}, mute, "no reading in 1s: is the instrument counting"},
		"stalls":     {number{}, stalls, "silence: nothing came for the last 1.0"},
		"flagged":    {number{flags: map[int]device.ReadingFlags{4: device.Implausible | device.Late}}, instrument(nil), "reading 4 is flagged implausible"},
		"too large":  {number{suspects: 2}, instrument(nil), "reading 2: channel A reads 102, which its counter cannot hold"},
		"left out":   {number{skip: 3}, instrument(nil), "before reading 3 the driver left out 1 that are whole"},
		"invented":   {number{invent: 3}, instrument(nil), "reading 3 is not among the bytes that came: a mistake in the driver"},
	} {
		t.Run(name, func(t *testing.T) {
			report, shown := try(t, c.driver, nil, c.play)
			if !strings.HasPrefix(report.Surprise, c.want) {
				t.Errorf("surprise %q, want %q", report.Surprise, c.want)
			}
			last := shown[strings.LastIndex(strings.TrimSpace(shown), "\n")+1:]
			if last != "first surprise: "+report.Surprise+"\n" {
				t.Errorf("ends with %q", last)
			}
		})
	}
}

// What is unfit while opening is a surprise when the driver opens nevertheless;
// the first piece may be torn.
func TestUnfitWhileOpening(t *testing.T) {
	play := func(end *devicetest.End, _ *devicetest.Truth) {
		end.Write([]byte("torn\nbanner\nhello\n"))
		for n := 1; end.Wait(gate); n++ {
			end.Write(fmt.Appendf(nil, "%d\n", n))
		}
	}
	report, shown := try(t, number{}, nil, play)
	if want := `after 0.000 s, bytes 5 to 11: no number: 62 61 6e 6e 65 72 0a "banner\n"`; report.Surprise != want {
		t.Errorf("surprise %q, want %q", report.Surprise, want)
	}
	if !strings.Contains(shown, "bytes 0 to 4: no number (the first bytes may be the rest of something)") {
		t.Errorf("shown\n%s", shown)
	}
}

// A driver that knows the bytes is named when the one that was asked for does
// not.
func TestAlike(t *testing.T) {
	letters := device.Driver{Name: "letters", Title: "a counter of letters", Cut: func(b []byte) device.Piece {
		if len(b) < 2 {
			return device.Piece{}
		}
		return device.Piece{Length: 2, Kind: device.Reading, What: "letter", Values: []uint64{uint64(b[0])}}
	}}
	self := new(number)
	_, shown := try(t, number{}, []device.Driver{self.driver(), letters}, func(end *devicetest.End, _ *devicetest.Truth) {
		for end.Wait(gate) {
			end.Write([]byte("a\n"))
			if !end.Wait(10 * gate) {
				return
			}
		}
	})
	if !strings.Contains(shown, "what came looks like a counter of letters: 1 of its readings make 100 % of the bytes; try: photongate try letters --port /dev/ttyACM7\n") ||
		strings.Contains(shown, "looks like a counter that counts") || strings.Contains(shown, "quirks") {
		t.Errorf("shown\n%s", shown)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWhatCannotBeKept(t *testing.T) {
	for name, set := range map[string]func(*trial.Trial){
		"shown":    func(t *trial.Trial) { t.Out = fullDisk{} },
		"recorded": func(t *trial.Trial) { t.Save = fullDisk{} },
	} {
		t.Run(name, func(t *testing.T) {
			devicetest.Bubble(t, instrument(nil), func(p device.Port) {
				tr := trial.Trial{Driver: new(number).driver(), Port: p, Clock: devicetest.Clock, About: recording.About{For: time.Second}}
				set(&tr)
				if report, err := tr.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "disk full") || report.Surprise != "" {
					t.Errorf("%v, %+v", err, report)
				}
			})
		})
	}
}

func TestInterrupted(t *testing.T) {
	var shown bytes.Buffer
	var stop func()
	play := func(end *devicetest.End, _ *devicetest.Truth) {
		end.Write([]byte("hello\n"))
		for n := 1; end.Wait(gate); n++ {
			if end.Write(fmt.Appendf(nil, "%d\n", n)); n == 3 {
				stop()
			}
		}
	}
	devicetest.Bubble(t, play, func(p device.Port) {
		ctx, cancel := context.WithCancel(context.Background())
		stop = cancel
		report, err := trial.Trial{
			Driver: new(number).driver(), Port: p, Clock: devicetest.Clock, About: recording.About{For: time.Hour}, Out: &shown,
		}.Run(ctx)
		if err != nil || report.Surprise != "" || report.Readings > 4 {
			t.Errorf("%v, %+v", err, report)
		}
	})
	if !strings.Contains(shown.String(), "interrupted\n") {
		t.Errorf("shown\n%s", shown.String())
	}
}
