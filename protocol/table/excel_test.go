package table

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"

	"photongate/protocol"
)

func TestExcelFor(t *testing.T) {
	for locale, want := range map[string]Excel{
		"de_DE.UTF-8": {';', ','}, "de": {';', ','}, "fr-FR": {';', ','}, "it_IT@euro": {';', ','}, "pt_BR": {';', ','}, "nl_BE.UTF-8": {';', ','}, "en_ZA": {';', ','},
		"en_GB.UTF-8": {',', '.'}, "C": {',', '.'}, "": {',', '.'}, "C.UTF-8": {',', '.'}, "ja_JP": {',', '.'}, "es_MX": {',', '.'},
		"de_CH.UTF-8": {';', '.'}, "fr_CH": {';', '.'}, "es_ES": {';', ','},
	} {
		if got := ExcelFor(locale); got != want {
			t.Errorf("%s: %c %c, want %c %c", locale, got.Separator, got.Point, want.Separator, want.Point)
		}
	}
	env := map[string]string{"LANG": "en_US.UTF-8", "LC_NUMERIC": "de_DE.UTF-8"}
	equal(t, "locale", Locale(func(name string) string { return env[name] }), "de_DE.UTF-8")
	env["LC_ALL"] = "fr_FR"
	equal(t, "locale", Locale(func(name string) string { return env[name] }), "fr_FR")
}

// TestExcelText: decimal signs, times, texts that look like formulae.
func TestExcelText(t *testing.T) {
	use := func(out Sink) {
		r := bench(t, out, count("A"), protocol.Channel{Name: "temp;µ", Kind: protocol.KindAuxiliary, Exponent: -1})
		r.at -= 400_100 // 13:30:12.0995999, to the millisecond .100
		r.gates(100*ms, []uint64{5712, 215})
	}
	equal(t, "german", textOf(t, viewOf(t, "--excel=de"), use), []string{
		"\ufefftime_utc;t_s;gate_s;live_s;stream;part;index;flags;A;\"temp;µ\"",
		"2026-11-20 13:30:12,100;0,000000;0,100000;0,100000;pi-lab3/bench;1;0;;5712;21,5"})
	equal(t, "english", textOf(t, viewOf(t, "--excel=en", "--rate"), use)[1:], []string{
		"2026-11-20 13:30:12.100,0.000000,0.100000,0.100000,pi-lab3/bench,1,0,,57120.000000,755.777745,21.5"})
	equal(t, "german rates in a zone", textOf(t, viewOf(t, "--excel=de_AT", "--rate", "--tz", "Europe/Vienna"), use), []string{
		"\ufefftime_utc;time_local;t_s;gate_s;live_s;stream;part;index;flags;A_cps;A_cps_err;\"temp;µ\"",
		"2026-11-20 13:30:12,100;2026-11-20 14:30:12,100;0,000000;0,100000;0,100000;pi-lab3/bench;1;0;;57120,000000;755,777745;21,5"})
	var notes bytes.Buffer
	n := NewEventsWriter(&notes, NewRowClock(NewClockTable()), &View{Excel: excelComma})
	n.Event(&Part{Epoch: 1}, Event{AtNs: baseNs, Event: protocol.Event{What: "note", Text: "=HYPERLINK(1)", Who: "a;b", New: "-5"}})
	if err := n.Flush(); err != nil {
		t.Fatal(err)
	}
	equal(t, "events", notes.String(), "\ufefftime_utc;t_s;part;index;who;what;old;new;text\n2026-11-20 13:30:12,100;;1;0;\"a;b\";note;;'-5;'=HYPERLINK(1)\n")
}

func TestLocalTime(t *testing.T) {
	use := func(out Sink) { bench(t, out, count("A")).gates(100*ms, []uint64{1}) }
	equal(t, "csv", textOf(t, viewOf(t, "--tz", "Europe/Vienna"), use), []string{"time_utc,time_local,t_s,gate_s,live_s,stream,part,index,flags,A",
		"2026-11-20T13:30:12.100000Z,2026-11-20T14:30:12.100000+01:00,0.000000,0.100000,0.100000,pi-lab3/bench,1,0,,1"})
	equal(t, "ndjson", textOf(t, viewOf(t, "--tz", "Europe/Vienna", "--format", "ndjson"), use), []string{
		`{"type":"reading","time_utc":"2026-11-20T13:30:12.100000Z","time_local":"2026-11-20T14:30:12.100000+01:00","t_s":0.000000,"gate_s":0.100000,"live_s":0.100000,"stream":"pi-lab3/bench","part":1,"index":0,"flags":[],"values":{"A":1}}`})
}

// TestSheetIsFull: Excel's last row is written, and no other.
func TestSheetIsFull(t *testing.T) {
	p := &Part{Desc: protocol.Descriptor{Channels: []protocol.Channel{count("A")}}}
	c := &protocol.Counts{Begin: make([]int64, 1000), Length: make([]int64, 1000), Values: [][]uint64{make([]uint64, 1000)}}
	lines := &lineCounter{}
	w := NewViewWriter(lines, NewRowClock(NewClockTable()), &View{Excel: excelPoint}, p)
	var err error
	for range ExcelRows/1000 + 1 {
		if err = w.Readings(p, 0, c); err != nil {
			break
		}
	}
	if flushed := w.Flush(); !errors.Is(err, ErrSheetFull) || flushed != nil || lines.n != ExcelRows {
		t.Errorf("%d lines, %v, %v; want %d and ErrSheetFull", lines.n, err, flushed, ExcelRows)
	}
}

type lineCounter struct{ n int }

func (l *lineCounter) Write(b []byte) (int, error) {
	l.n += bytes.Count(b, []byte{'\n'})
	return len(b), nil
}

// FuzzExcelCells: what is written is read back, and is no formula.
func FuzzExcelCells(f *testing.F) {
	for _, s := range []string{"", "a;b", "=1", "1,5", "\"", "\n", "+", "@x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := csv.NewReader(strings.NewReader("x;" + string(styleOf(excelComma).cell(nil, s)) + "\n"))
		r.Comma = ';'
		cells, err := r.Read()
		want := strings.ReplaceAll(s, "\r\n", "\n") // as encoding/csv reads it
		if s != "" && strings.ContainsAny(s[:1], "=+-@\t\r") {
			want = strings.ReplaceAll("'"+s, "\r\n", "\n")
		}
		if err != nil || len(cells) != 2 || cells[1] != want {
			t.Errorf("%q is read as %q, %v", s, cells, err)
		}
	})
}

func TestViewRefuses(t *testing.T) {
	for says, v := range map[string]View{
		"there are csv and ndjson":        {Format: "xml"},
		"--excel is a form of CSV":        {Format: NDJSON, Excel: excelComma},
		"is not before --to":              viewOf(t, "--from", "14:30", "--to", "14:30"),
		"say how long they are":           {Merge: true},
		"a bin lasts longer than nothing": {Every: -1},
	} {
		if _, err := NewOutput(io.Discard, v); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
	for says, words := range map[string][2]string{
		"is no correction":  {"--correct", "dark,dim"},
		"is no zone":        {"--tz", "Europe/Nowhere"},
		"is no time":        {"--to", "noon"},
		"with its unit":     {"--every", "5"},
		"or another locale": {"--excel=german", ""},
	} {
		var v View
		fs := flagsOf(&v)
		if err := fs.Parse(words[:]); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v, want %q", words, err, says)
		}
	}
}
