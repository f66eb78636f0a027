package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"photongate/cmd/internal/cli"
	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/pairing"
	"photongate/receiver"
)

// program runs a command line and returns the exit code and what was said.
func program(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = cli.Run(t.Context(), newRootCommand(), args, &out, &errs)
	return code, out.String(), errs.String()
}

// TestUsage: what is wrong on the command line ends with 2 and says what.
func TestUsage(t *testing.T) {
	t.Setenv(pairing.FolderVariable, t.TempDir())
	dir, archive := t.TempDir(), makeArchive(t, false)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"unknown command":     {[]string{"recrod"}, "recrod"},
		"unknown flag":        {[]string{"record", "pi", "--dirr", "x"}, "dirr"},
		"no address":          {[]string{"record"}, "--listen"},
		"bad address":         {[]string{"record", "pi:99999", "--dir", dir}, "99999"},
		"bad duration":        {[]string{"record", "pi", "--for", "10"}, "--for"},
		"negative duration":   {[]string{"record", "pi", "--for", "-1s"}, "less than nothing"},
		"resume by itself":    {[]string{"record", "pi", "--resume"}, "--for or --readings"},
		"bad name":            {[]string{"record", "pi", "--dir", dir, "--name", "My PC"}, "My PC"},
		"bad pattern":         {[]string{"record", "pi", "--dir", dir, "--stream", "["}, "pattern"},
		"no token":            {[]string{"record", "pi", "--dir", dir, "--token-file", filepath.Join(dir, "none")}, "token-file"},
		"cat without source":  {[]string{"cat"}, "arg"},
		"cat of nothing":      {[]string{"cat", dir}, "no recording here"},
		"cat of no folder":    {[]string{"cat", filepath.Join(dir, "none")}, "none"},
		"unknown format":      {[]string{"cat", dir, "--format", "xml"}, "csv and ndjson"},
		"files as NDJSON":     {[]string{"cat", dir, "--format", "ndjson", "--out", "x"}, "CSV"},
		"verify of nothing":   {[]string{"verify", dir}, "no recording here"},
		"verify of no folder": {[]string{"verify", filepath.Join(dir, "none")}, "none"},
		"set by an address":   {[]string{"set", "127.0.0.1:9999", "bench", "threshold=0.9", "--listen", "127.0.0.1:0"}, "127.0.0.1:9999 is an address"},
		"cat by an address":   {[]string{"cat", "localhost:7419", "--listen", "127.0.0.1:0"}, "localhost:7419 is an address"},
		"cat waits":           {[]string{"cat", dir, "--listen", "127.0.0.1:0"}, "is a folder"},
		"watch waits":         {[]string{"watch", dir, "--listen", "127.0.0.1:0"}, "is a folder"},
		"repair of another":   {[]string{"repair", archive, "--from", "pi-play", "--listen", "127.0.0.1:0"}, "the folder holds nothing of pi-play: it is of pi-lab3"},
		"repair by address":   {[]string{"repair", archive, "--from", "localhost", "--listen", "127.0.0.1:0"}, "localhost is an address"},
		"bad time":            {[]string{"verify", dir, "--since", "yesterday"}, "2026-11-20"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := program(t, c.args...)
			if code != cli.Usage || out != "" || !strings.Contains(errs, c.want) {
				t.Errorf("exit %d, wrote %q, said %q; want exit 2 and %q", code, out, errs, c.want)
			}
		})
	}
}

// TestHelp: every command has a description and examples.
func TestHelp(t *testing.T) {
	for _, command := range []string{"record", "cat", "verify"} {
		code, out, _ := program(t, command, "--help")
		if code != cli.Done || !strings.Contains(out, "Examples:") || !strings.Contains(out, "photonrecv "+command) {
			t.Errorf("%s --help: exit %d:\n%s", command, code, out)
		}
	}
	if code, out, _ := program(t, "version"); code != cli.Done || out != "photonrecv "+version+"\n" {
		t.Errorf("version: exit %d, %q", code, out)
	}
}

// makeArchive writes a small recording: two readings, and a gap if asked for.
func makeArchive(t *testing.T, gap bool) string {
	t.Helper()
	dir := t.TempDir()
	j, err := journal.Open(filepath.Join(dir, "pi-lab3-00112233"), journal.Options{Place: journal.InArchive, Journal: protocol.NewID(), Gateway: "pi-lab3"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := j.Stream("bench", 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Begin(1, 1); err != nil {
		t.Fatal(err)
	}
	const at = 1795181412_100000000
	appendFrame := func(frame []byte, err error) {
		t.Helper()
		if err == nil {
			err = s.Append(frame)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	h := protocol.Header{Type: protocol.TypeDescriptor, Stream: 1, Epoch: 1, Seq: 1, Time: at}
	appendFrame(protocol.AppendJSON(nil, h, &protocol.Descriptor{Stream: "bench", Base: protocol.NewID(), Software: "test", Cause: "gateway started",
		Channels: []protocol.Channel{{Name: "A", Kind: protocol.KindCount}}}))
	h = protocol.Header{Type: protocol.TypeCounts, Stream: 1, Epoch: 1, Seq: 2, Time: at}
	appendFrame(new(protocol.CountsEncoder).Append(nil, h, &protocol.Counts{Begin: []int64{at, at + 100_000_000}, Length: []int64{100_000_000, 100_000_000}, Values: [][]uint64{{1, 2}}}))
	if gap {
		h = protocol.Header{Type: protocol.TypeGap, Stream: 1, Epoch: 1, Seq: 3, Index: 2, Time: at + 200_000_000}
		appendFrame(protocol.AppendJSON(nil, h, &protocol.Gap{Cause: protocol.CauseUnplugged, Missing: protocol.Ref(protocol.Uint64(7))}))
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestCatAndVerify(t *testing.T) {
	whole, gapped := makeArchive(t, false), makeArchive(t, true)
	code, out, _ := program(t, "cat", whole)
	want := "time_utc,t_s,gate_s,live_s,stream,part,index,flags,A\n" +
		"2026-11-20T13:30:12.100000Z,0.000000,0.100000,0.100000,pi-lab3/bench,1,0,,1\n" +
		"2026-11-20T13:30:12.200000Z,0.100000,0.100000,0.100000,pi-lab3/bench,1,1,,2\n"
	if code != cli.Done || out != want {
		t.Errorf("cat: exit %d:\n%s", code, out)
	}
	tables := filepath.Join(t.TempDir(), "tables")
	if code, out, errs := program(t, "cat", gapped, "--out", tables); code != cli.Done || out != filepath.Join(tables, "bench.csv")+"\n" || !strings.Contains(errs, "2 rows; 1 gap lies between them") {
		t.Errorf("cat --out: exit %d, %q, %q", code, out, errs)
	}
	if text, err := os.ReadFile(filepath.Join(tables, "bench.csv")); err != nil || string(text) != want {
		t.Errorf("bench.csv: %v\n%s", err, text)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"verify", whole}, cli.Done, "complete: 2 of 2 readings\n"},
		{[]string{"verify", gapped}, cli.Incomplete, "incomplete: 2 of 9 readings"},
		{[]string{"verify", gapped, "--allow", "stalled,unplugged"}, cli.Done, "complete but for what was allowed"},
		{[]string{"verify", gapped, "--since", "2026-11-20T13:30:11Z"}, cli.Incomplete, "incomplete"},
		{[]string{"verify", whole, "--json"}, cli.Done, `"state": "whole"`},
	} {
		if code, out, errs := program(t, c.args...); code != c.code || !strings.Contains(out, c.want) || errs != "" {
			t.Errorf("%v: exit %d, said %q:\n%s", c.args, code, errs, out)
		}
	}
}

// TestDamage: cat writes the rows that are good and ends as verify does.
func TestDamage(t *testing.T) {
	dir := makeArchive(t, true)
	files, err := filepath.Glob(filepath.Join(dir, "*", "bench", "*.pgs"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], text[:len(text)-protocol.MarkSize-1], 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := program(t, "cat", dir)
	if code != cli.Damaged || strings.Count(out, "\n") != 3 || !strings.Contains(errs, "2 rows written, and all of them are good; but bytes that were in") {
		t.Errorf("cat: exit %d, %q\n%s", code, errs, out)
	}
	if code, out, _ := program(t, "verify", dir); code != cli.Damaged || !strings.Contains(out, "hole: file missing") || !strings.Contains(out, "frames 3 to 3") {
		t.Errorf("verify: exit %d\n%s", code, out)
	}
	for want, args := range map[string][]string{
		"is a file, not a folder of recordings":                             {"verify", files[0]},
		"no stream fits bnech: there are pi-lab3/bench":                     {"verify", dir, "--stream", "bnech"},
		`no gap or hole has the cause "foo": there are bytes lost, damaged`: {"verify", dir, "--allow", "foo"},
	} {
		if code, _, errs := program(t, args...); code != cli.Usage || !strings.Contains(errs, want) {
			t.Errorf("%v: exit %d, %q", args, code, errs)
		}
	}
}

// TestRecordReachesNobody: the sentence is said, and ends with 1.
func TestRecordReachesNobody(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	log := &waitingWriter{want: "no gateway listens on 127.0.0.1:1: is photongate running?", then: cancel}
	code := cli.Run(ctx, newRootCommand(), []string{"record", "127.0.0.1:1", "--dir", t.TempDir()}, &out, log)
	if code != cli.Incomplete || !strings.Contains(out.String(), "was never reached") {
		t.Errorf("exit %d, %q", code, out.String())
	}
}

func TestParseSince(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Time{
		"":                     {},
		"36h":                  now.Add(-36 * time.Hour),
		"2026-11-20T13:30:00Z": time.Date(2026, 11, 20, 13, 30, 0, 0, time.UTC),
		"2026-11-20":           time.Date(2026, 11, 20, 0, 0, 0, 0, time.Local),
		"2026-11-20 13:30":     time.Date(2026, 11, 20, 13, 30, 0, 0, time.Local),
	} {
		if got, err := parseSince(in, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: got %v, %v, want %v", in, got, err, want)
		}
	}
}

func TestRateText(t *testing.T) {
	for want, ch := range map[string]receiver.ChannelProgress{
		"-":               {},
		"57120±239/s":     {Known: true, Unit: "1/s", Value: 57120, Sigma: 239},
		"30.0±5.5/s":      {Known: true, Unit: "1/s", Value: 30, Sigma: 5.48},
		"0.250±0.050/s":   {Known: true, Unit: "1/s", Value: 0.25, Sigma: 0.05},
		"21.5degC":        {Known: true, Unit: "degC", Value: 21.5},
		"0.0010±0.0010/s": {Known: true, Unit: "1/s", Value: 0.001, Sigma: 0.001},
	} {
		if got := rateText(ch); got != want {
			t.Errorf("%+v: got %s, want %s", ch, got, want)
		}
	}
}

// TestStatusLine: the log goes above the line, and on anything but a terminal
// there are no escapes as long as nothing is shown.
func TestStatusLine(t *testing.T) {
	var b bytes.Buffer
	s := newStatusLine(&b)
	io.WriteString(s, "one\n")
	s.show(receiver.Progress{Disconnected: 1, Streams: []receiver.StreamProgress{{Stream: "bench", Readings: 5}}})
	io.WriteString(s, "two\n")
	s.end()
	line := "NOT CONNECTED (1)  |  bench 5 readings, 0 gaps, lag 0s: "
	if want := "one\n" + eraseLine + line + eraseLine + "two\n" + line + "\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

// TestStandingInTheLine: rates are shown of readings that come and are kept, and of
// no others.
func TestStandingInTheLine(t *testing.T) {
	rates := []receiver.ChannelProgress{{Name: "A", Known: true, Unit: "1/s", Value: 57120, Sigma: 239}}
	for want, s := range map[string]receiver.StreamProgress{
		"bench 5 readings, 0 gaps, lag 200ms: A 57120±239/s":        {State: receiver.StateComing, Lag: 200 * time.Millisecond},
		"bench 5 readings, 0 gaps, no reading for 12 s (unplugged)": {State: receiver.StateSilent, Lag: 12 * time.Second, Cause: "unplugged"},
		"bench 5 readings, 0 gaps, no reading for 2.1 s":            {State: receiver.StateSilent, Lag: 2100 * time.Millisecond},
		"bench 5 readings, 0 gaps, no reading for 4 min 2 s":        {State: receiver.StateAway, Lag: 242 * time.Second},
		"bench 5 readings, 0 gaps, no reading yet":                  {State: receiver.StateAway},
		"bench 5 readings, 0 gaps, catching up, 2 d 4 h behind":     {State: receiver.StateBehind, Lag: 52 * time.Hour},
		"bench NOT KEPT AT PRESENT":                                 {State: receiver.StateNotKept, Lag: time.Second, Cause: "the archive's disk is full"},
	} {
		s.Stream, s.Readings, s.Channels = "bench", 5, rates
		if got := streamText(&s); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		var b bytes.Buffer
		p := newProgressLog(zerolog.New(&b))
		p.every = 0
		s.Gateway = "pi-lab3"
		progress := receiver.Progress{Streams: []receiver.StreamProgress{s}}
		if s.State == receiver.StateNotKept {
			progress.Trouble, progress.Waiting = s.Cause, "312 MB wait at pi-lab3"
		}
		p.show(progress)
		said := b.String()
		switch s.State {
		case receiver.StateComing:
			if !strings.Contains(said, "A 57120") {
				t.Errorf("said %s", said)
			}
		case receiver.StateNotKept:
			if strings.Contains(said, `"readings"`) || strings.Contains(said, "57120") || !strings.Contains(said, "what comes of pi-lab3/bench is not kept here at present: 312 MB wait at pi-lab3") {
				t.Errorf("said %s", said)
			}
		default:
			if strings.Contains(said, "57120") || strings.Contains(said, `"lag"`) || !strings.Contains(said, s.Standing()) {
				t.Errorf("said %s", said)
			}
		}
	}
}

// waitingWriter calls then when what it was given holds want.
type waitingWriter struct {
	want string
	then func()

	mu   sync.Mutex
	text strings.Builder
}

func (w *waitingWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(b)
	if strings.Contains(w.text.String(), w.want) {
		w.then()
	}
	return len(b), nil
}
