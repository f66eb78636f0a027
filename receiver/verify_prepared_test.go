package receiver

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"photongate/protocol"
	"photongate/protocol/pairing"
)

// preparedFolder is that of the gateway in testdata/prepared, which
// make_prepared.py wrote.
const preparedFolder = "pi-lab3-00010203"

// prepared is a copy of testdata/prepared: verify leaves notes in folders.
func prepared(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "prepared")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "prepared"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// wantLoss is what verify must say of a gap (frames 0) or a hole of the prepared
// archive: part n begins n-1 minutes after 13:30:12.1, a gate is 100 ms, a frame has
// two readings. atMs is from there on, ms and missing are -1 when not known.
type wantLoss struct {
	part     uint32
	cause    string
	from, to protocol.Uint64
	atMs     int64
	ms       int64
	missing  int64
	detail   string
}

// TestVerifyPrepared: each gap and hole of an archive that another program wrote is
// told with its cause, extent and number, and the outcome is as it should be.
func TestVerifyPrepared(t *testing.T) {
	t.Attr("fault", "F13")
	t.Attr("fault", "F14")
	t.Attr("injected", "an archive written by hand with every kind of gap and hole, a flipped bit, a removed file, a cut tail, a foreign file, no end, no clock")
	t.Attr("promised", "each named with cause, extent and count; exit 0, 1, 1 and 3 for its streams")
	told, codes := 0, []int{}
	for _, c := range []struct {
		stream string
		code   int
		sums   string // readings and expected of each part; + where more are missing
		want   []wantLoss
		last   string
	}{
		{"calm", 0, "6/6", nil, "complete: 6 of 6 readings"},
		{"gaps", 1, "6/9+ 2/2", []wantLoss{
			{1, "overrun", 0, 0, 200, 300, 3, ""},
			{1, "stalled", 0, 0, 700, 14400, -1, ""},
			{1, "unplugged", 0, 0, 15300, -1, -1, "no such device"},
		}, "incomplete: 8 of 11 readings, and an unknown number missing in more than 14.4 s (3 gaps), each with its cause above"},
		{"holes", 1, "14/32 2/2", []wantLoss{
			{1, "quota", 3, 4, 200, 400, 4, ""},
			{1, "overrun", 6, 6, 800, 200, 2, ""},
			{1, "damaged", 8, 9, 1200, 400, 4, "payload CRC"},
			{1, "not held", 11, 11, 1800, 200, 2, ""},
			{1, "file missing", 13, 14, 2200, 400, 4, ""},
			{1, "unsynced tail", 16, 16, 2800, 200, 2, ""},
		}, "incomplete: 16 of 34 readings, 0 gaps, 6 holes, each with its cause above"},
		{"broken", 3, "6/8 4/8 4/4+ 2/2 2/2+ 0/0+", []wantLoss{
			{1, "damaged", 3, 3, 200, 200, 2, ""},
			{2, "file missing", 3, 4, 200, 400, 4, ""},
			{3, "unsynced tail", 4, 4, 400, -1, -1, ""},
			{5, "gateway crashed", 0, 0, 0, 30000, -1, ""},
			{5, "file missing", 4, 9, 30200, -1, -1, "journal.json knows of frames up to 9: the file 000005-000000000001.pgs was cut short, or what followed it was removed"},
			{6, "file missing", 1, 7, -1, -1, -1, "journal.json knows of frames up to 7, and no file of it is here"},
		}, "DAMAGED: 18 of 24 readings, and an unknown number missing in more than 30.0 s; what is damaged is listed above, all else is held and checked"},
	} {
		t.Run(c.stream, func(t *testing.T) {
			dir := prepared(t)
			for range 2 { // the second time from what the first left
				r, err := Verify(t.Context(), dir, VerifyOptions{Streams: []string{c.stream}})
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "exit code", r.ExitCode(), c.code)
				sums, got := lossesOf(&r)
				equal(t, "sums", sums, c.sums)
				equal(t, "losses", got, wantLosses(c.want))
				text, _ := verified(t, dir, VerifyOptions{Streams: []string{c.stream}})
				lines := strings.Split(strings.TrimSpace(text), "\n")
				if last := lines[len(lines)-1]; !strings.HasPrefix(last, c.last) {
					t.Errorf("the last line is %s", last)
				}
				repair := "pi-lab3 may still have what this folder lost: photonrecv repair " + dir + " --from ADDRESS, or, if it dials this computer, photonrecv repair " + dir + " --listen :7310 ("
				equal(t, "repair is named", strings.Contains(text, repair), c.stream == "broken")
			}
			told += len(c.want)
			codes = append(codes, c.code)
		})
	}
	t.Attr("seen", fmt.Sprintf("%d gaps and holes as they should be, exit codes %v", told, codes))
}

// lossesOf tells a report of one stream in the words of wantLosses.
func lossesOf(r *Report) (sums string, losses []string) {
	for _, p := range r.Streams[0].Parts {
		sums += fmt.Sprintf(" %d/%d%s", p.Readings, p.Expected, strings.Repeat("+", min(p.Unknown, 1)))
		for i, l := range append(append([]LossReport{}, p.Gaps...), p.Holes...) {
			kind := "hole"
			if i < len(p.Gaps) {
				kind = "gap"
			}
			losses = append(losses, fmt.Sprintf("part %d %s %s frames %d-%d at %s for %s missing %s %s", p.Part, kind, l.Cause, l.From, l.To,
				known(l.BeginNs), known(l.DurationNs), known((*protocol.Int64)(signedOf(l.Missing))), l.Detail))
		}
	}
	return strings.TrimSpace(sums), losses
}

func signedOf(n *protocol.Uint64) *protocol.Int64 {
	if n == nil {
		return nil
	}
	return protocol.Ref(protocol.Int64(*n))
}

func known(n *protocol.Int64) string {
	if n == nil {
		return "?"
	}
	return fmt.Sprint(int64(*n))
}

func wantLosses(want []wantLoss) []string {
	var all []string
	number := func(n, scale, from int64) string {
		if n < 0 {
			return "?"
		}
		return fmt.Sprint(from + n*scale)
	}
	for _, w := range want {
		kind := "hole"
		if w.from == 0 {
			kind = "gap"
		}
		all = append(all, fmt.Sprintf("part %d %s %s frames %d-%d at %s for %s missing %s %s", w.part, kind, w.cause, w.from, w.to,
			number(w.atMs, 1_000_000, 1795181412_100000000+int64(w.part-1)*60_000_000_000), number(w.ms, 1_000_000, 0), number(w.missing, 1, 0), w.detail))
	}
	return all
}

// TestVerifyPreparedWhole: all streams together are damaged, a foreign file is no
// part of the record, a clock that is not known is told, and causes can be allowed.
func TestVerifyPreparedWhole(t *testing.T) {
	dir := prepared(t)
	text, code := verified(t, dir, VerifyOptions{})
	equal(t, "exit code", code, 3)
	for _, s := range []string{
		"not part of the record: " + filepath.Join(dir, preparedFolder, "broken", "000001-000000000009.pgs") + ": not used: it belongs to journal ffffffffffffffffffffffffffffffff",
		"3000000000 ns (UTC not known)", "part 2: not recorded here: frames 1 to 4", "DAMAGED: 48 of 75 readings, and an unknown number missing",
	} {
		if !strings.Contains(text, s) {
			t.Errorf("no %q in\n%s", s, text)
		}
	}
	for _, c := range []struct {
		streams, allow string
		code           int
		last           string // what is allowed counts in none of the numbers of what is not
	}{
		{"gaps", "overrun,stalled", 1, "incomplete: 8 readings, and an unknown number missing in an unknown time (1 gap), each with its cause above; what was allowed (--allow overrun,stalled) is not counted"},
		{"gaps", "unplugged, overrun ", 1, "incomplete: 8 readings, and an unknown number missing in 14.4 s (1 gap), each with its cause above; what was allowed (--allow overrun,unplugged) is not counted"},
		{"gaps", "stalled,unplugged", 1, "incomplete: 8 of 11 readings, 1 gap, 0 holes, each with its cause above; what was allowed (--allow stalled,unplugged) is not counted"},
		{"gaps", "overrun, stalled , unplugged", 0, "complete but for what was allowed (--allow overrun,stalled,unplugged): 8 of 11 readings, and an unknown number missing in more than 14.4 s"},
		{"broken", "gateway crashed,unsynced tail", 3, "DAMAGED: "}, {"broken", "damaged,file missing", 1, "incomplete: "},
		{"broken", "damaged,file missing,gateway crashed,unsynced tail", 0, "complete but for what was allowed (--allow "},
	} {
		text, code := verified(t, dir, VerifyOptions{Streams: []string{c.streams}, Allow: strings.Split(c.allow, ",")})
		if code != c.code || !strings.HasPrefix(lastLine(text), c.last) {
			t.Errorf("%s with %s allowed: exit code %d\n%s", c.streams, c.allow, code, text)
		}
	}
}

// TestVerifyNamesTheWay: a gateway that cannot be dialled is waited for.
func TestVerifyNamesTheWay(t *testing.T) {
	dir := prepared(t)
	preparedJournal := mustID(t, "000102030405060708090a0b0c0d0e0f")
	_, p, _ := pairedStub(t)
	if err := pairing.Remove(p.Name); err != nil {
		t.Fatal(err)
	}
	listen := "photonrecv repair " + dir + " --listen :7310 (or another port that forward names there)\n"
	both := func(from string) string {
		return "lost: photonrecv repair " + dir + " --from " + from + ", or, if it dials this computer, " + listen
	}
	for _, c := range []struct {
		gateway   string
		journal   protocol.ID
		addresses []string
		want      string
	}{
		{"pi-lab9", protocol.ID{7}, p.Addresses, both("ADDRESS")},
		{"pi-lab3", preparedJournal, p.Addresses, both("table")},
		{"pi-lab3", protocol.ID{}, p.Addresses, both("table")},
		{"pi-lab3", preparedJournal, nil, "lost: " + listen},
		{"renamed", preparedJournal, nil, "lost: " + listen},
		{"pi-lab3", protocol.ID{}, nil, "lost: " + listen},
		{"pi-lab3", protocol.ID{7}, nil, both("ADDRESS")},
	} {
		p.Name, p.Gateway, p.Journal, p.Addresses = "table", c.gateway, c.journal, c.addresses
		save(t, p)
		if text, _ := verified(t, dir, VerifyOptions{}); !strings.Contains(text, c.want) {
			t.Errorf("%s %.8s at %v: no %q in\n%s", c.gateway, c.journal, c.addresses, c.want, text)
		}
	}
}

// spans are the stretches of a good segment file that frames take, by their begin.
func spans(t testing.TB, data []byte) (frames [][2]int) {
	t.Helper()
	_, at, err := protocol.ParsePreamble(data)
	if err != nil {
		t.Fatal(err)
	}
	for at < len(data) {
		n := protocol.MarkSize
		if _, err := protocol.ParseMark(data[at:]); err != nil {
			h, err := protocol.ParseHeader(data[at:])
			if err != nil {
				t.Fatal(err)
			}
			n = h.FrameLen()
			frames = append(frames, [2]int{at, at + n})
		}
		at += n
	}
	return frames
}

// calmOnly is a copy of the prepared archive without what is missing in it.
func calmOnly(t testing.TB) string {
	t.Helper()
	dir := prepared(t)
	for _, stream := range []string{"gaps", "holes", "broken"} {
		if err := os.RemoveAll(filepath.Join(dir, preparedFolder, stream)); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, preparedFolder, journalFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ = bytes.Cut(text, []byte(`,{"name":"gaps"`))
	if err := os.WriteFile(path, append(text, "]}"...), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestVerifyFindsEveryBit: whichever byte of a frame changes, the record is damaged
// and exactly that frame is missing.
func TestVerifyFindsEveryBit(t *testing.T) {
	t.Attr("fault", "F13")
	t.Attr("injected", "one flipped bit in each byte of the frames of a whole archive")
	t.Attr("promised", "verify ends with 3 and tells exactly the hit frame, all else is held")
	dir := calmOnly(t)
	if text, code := verified(t, dir, VerifyOptions{}); code != 0 {
		t.Fatalf("untouched: exit code %d\n%s", code, text)
	}
	path := filepath.Join(dir, preparedFolder, "calm", "000001-000000000001.pgs")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tried, found := 0, 0
	for i, span := range spans(t, good) {
		for at := span[0]; at < span[1]; at++ {
			bad := bytes.Clone(good)
			bad[at] ^= 1 << (at % 8)
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := Verify(t.Context(), dir, VerifyOptions{Full: true, Streams: []string{"calm"}})
			if err != nil {
				t.Fatal(err)
			}
			tried++
			p := r.Streams[0].Parts[0]
			if r.ExitCode() != 3 || len(p.Holes) != 1 || p.Holes[0].From != protocol.Uint64(i+1) || p.Holes[0].To != protocol.Uint64(i+1) || p.Holes[0].Cause != protocol.CauseDamaged {
				t.Errorf("byte %d, in frame %d: exit code %d, %+v", at, i+1, r.ExitCode(), p.Holes)
				continue
			}
			found++
		}
	}
	t.Attr("seen", fmt.Sprintf("%d of %d: one hole each", found, tried))
}

// FuzzVerify: whatever is done to the files of a whole archive, verify neither
// panics nor hangs, and never calls it whole when a byte of a frame is another one.
func FuzzVerify(f *testing.F) {
	f.Add(uint8(0), uint8(0), uint16(500), uint8(1), []byte{})
	f.Add(uint8(1), uint8(1), uint16(700), uint8(0), []byte{})
	f.Add(uint8(2), uint8(2), uint16(10), uint8(0), []byte("\xf5PG\x01"))
	f.Add(uint8(0), uint8(3), uint16(0), uint8(0), []byte{})
	f.Fuzz(func(t *testing.T, file, how uint8, at uint16, mask uint8, insert []byte) {
		dir := calmOnly(t)
		names := []string{"calm/000001-000000000001.pgs", "gateway/000001-000000000001.pgs", journalFile}
		path := filepath.Join(dir, preparedFolder, filepath.FromSlash(names[int(file)%len(names)]))
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		good := bytes.Clone(data)
		place := int(at) % len(data)
		hit := false
		switch how % 4 {
		case 0:
			data[place] ^= mask
			for _, span := range spansOf(t, path, good) {
				hit = hit || mask != 0 && place >= span[0] && place < span[1]
			}
		case 1:
			data = data[:place]
		case 2:
			data = append(data[:place:place], append(bytes.Clone(insert), good[place:]...)...)
		case 3:
			data = append(data[:place:place], insert...)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Verify(t.Context(), dir, VerifyOptions{})
		if err != nil {
			if hit {
				t.Errorf("a frame that changed is an error of the whole: %v", err)
			}
			return
		}
		if hit && r.State != Damaged {
			t.Errorf("byte %d of %s is another one, and the record is %s", place, path, r.State)
		}
		if err := r.WriteText(&bytes.Buffer{}); err != nil {
			t.Error(err)
		}
	})
}

// spansOf is spans of a file that may be no segment.
func spansOf(t testing.TB, path string, data []byte) [][2]int {
	t.Helper()
	if !strings.HasSuffix(path, segmentExt) {
		return nil
	}
	return spans(t, data)
}
