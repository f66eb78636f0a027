package table

import (
	"errors"
	"flag"
	"fmt"
	"time"
)

// Format is a form of text.
type Format string

// The formats of text.
const (
	CSV    Format = "csv"
	NDJSON Format = "ndjson" // one JSON object per line: readings, gaps and events

	// Of tags only, for programs that want numbers: times in ps since the first row,
	// and channels by their place among those of the stream, from 0.
	Raw Format = "raw" // one record of 9 bytes per tag: the time as a little-endian int64, the channel
	NPY Format = "npy" // two files of NumPy's: timestamps (int64) and channels (uint8)
)

// View says which rows there are and how they are shown. The zero value shows
// all rows as CSV, as they were read.
type View struct {
	Format   Format         // empty: CSV
	From, To time.Time      // only gates that begin in [From, To); zero: no such end
	Every    time.Duration  // sum gates into bins of this length; 0: do not
	Merge    bool           // streams side by side, one row for each bin; needs Every
	Rate     bool           // counts per second and their error, instead of counts
	Correct  Correct        // corrected counts beside the raw ones
	Zone     *time.Location // a column time_local in this zone; nil: none
	Excel    Excel          // CSV as Excel takes it; the zero value: CSV as all others do
	Channels []string       // of tags only these channels, by name; none: all
}

// Here is what words of a view mean where they are read.
type Here struct {
	Now   time.Time // and the zone of times without one
	Excel Excel     // what --excel alone means
}

// Flags defines the words of the view as flags: format, from, to, every, merge,
// rate, correct, tz, excel. The view is complete after Check.
func (v *View) Flags(fs *flag.FlagSet, here Here) {
	fs.StringVar((*string)(&v.Format), "format", string(CSV), "`csv` or ndjson; of time tags also raw and npy, see below")
	value(fs, "from", "only gates that begin at this `time` or later: 14:30, \"2026-11-20 14:30:05.5\", \"yesterday 14:00\", -2h; local time, unless a zone stands behind it", func(text string) (err error) {
		v.From, err = ParseTime(text, here.Now)
		return err
	})
	value(fs, "to", "only gates that begin before this `time`", func(text string) (err error) {
		v.To, err = ParseTime(text, here.Now)
		return err
	})
	value(fs, "every", "sum gates into bins of this `length`, as 1s; bins begin at multiples of it in UTC", func(text string) (err error) {
		v.Every, err = ParseBin(text)
		return err
	})
	fs.BoolVar(&v.Merge, "merge", false, "put several streams side by side: one row for each bin, columns as bench_A")
	fs.BoolVar(&v.Rate, "rate", false, "counts per second and one standard deviation, A_cps and A_cps_err, instead of counts")
	value(fs, "correct", "add corrected counts beside the raw ones: `words` of dead, acc, dark with commas between them", func(text string) (err error) {
		v.Correct, err = ParseCorrect(text)
		return err
	})
	value(fs, "tz", "add a column time_local in this `zone`: local, or a name as Europe/Vienna", func(text string) (err error) {
		v.Zone, err = ParseZone(text)
		return err
	})
	fs.Var(&excelValue{v, here.Excel}, "excel", "CSV that Excel opens with a double click, in the form of this computer's country, or of another `locale`: --excel=de")
}

// value defines a flag that is read by a function.
func value(fs *flag.FlagSet, name, usage string, set func(string) error) {
	fs.Var(&funcValue{set: set}, name, usage)
}

// funcValue is a flag that is read by a function.
type funcValue struct {
	text string
	set  func(string) error
}

// String implements flag.Value.
func (f *funcValue) String() string { return f.text }

// Set implements flag.Value.
func (f *funcValue) Set(text string) error {
	f.text = text
	return f.set(text)
}

// excelValue is the flag --excel, which may stand alone.
type excelValue struct {
	v    *View
	here Excel
}

// String implements flag.Value.
func (*excelValue) String() string { return "" }

// IsBoolFlag says that the flag may stand alone.
func (*excelValue) IsBoolFlag() bool { return true }

// Set implements flag.Value.
func (e *excelValue) Set(text string) (err error) {
	e.v.Excel, err = parseExcel(text, e.here)
	return err
}

// Check completes a view, or says what in it does not go together.
func (v *View) Check() error {
	if v.Format == "" {
		v.Format = CSV
	}
	switch {
	case v.Format != CSV && v.Format != NDJSON && v.Format != Raw && v.Format != NPY:
		return fmt.Errorf("--format %s: there are %s and %s, and of time tags %s and %s", v.Format, CSV, NDJSON, Raw, NPY)
	case v.Format != CSV && v.Excel != Excel{}:
		return fmt.Errorf("--excel is a form of CSV: leave out --format %s", v.Format)
	case (v.Format == Raw || v.Format == NPY) && v.counts():
		return fmt.Errorf("--format %s gives single tags, and --every, --merge, --rate and --correct counts of them: leave one or the other out", v.Format)
	case !v.From.IsZero() && !v.To.IsZero() && !v.From.Before(v.To):
		return fmt.Errorf("--from %s is not before --to %s: a time without a day is one of today, say \"yesterday 23:00\" or the day for another",
			v.From.Format(time.RFC3339), v.To.Format(time.RFC3339))
	case v.Every < 0:
		return errors.New("--every: a bin lasts longer than nothing")
	}
	return nil
}

// counts reports whether the view shows what only counts have: tags are counted
// for it.
func (v *View) counts() bool { return v.Every > 0 || v.Merge || v.Rate || v.Correct != 0 }

// Particular reports whether a view may ask for what not every stream gives, so that
// their channels have to be known before the first row.
func (v *View) Particular() bool {
	return v.counts() || v.Format == Raw || v.Format == NPY || len(v.Channels) > 0 || v.Excel != Excel{}
}

// Fits refuses, with ErrNotCounts or ErrNotTags, what a view asks for and a part
// cannot give, its rows being tags or counts.
func (v *View) Fits(p *Part) error {
	switch {
	case len(p.Channels()) == 0:
	case p.IsTags() && v.Excel != Excel{}:
		return fmt.Errorf("%w: %s gives these, of which Excel opens too few; leave out --excel, or count them with --every 1s", ErrNotCounts, p.Name())
	case !p.IsTags() && (v.Format == Raw || v.Format == NPY):
		return fmt.Errorf("%w: --format %s is, and %s gives counts; choose a stream of tags with --stream", ErrNotTags, v.Format, p.Name())
	case !p.IsTags() && len(v.Channels) > 0:
		return fmt.Errorf("%w: --channels chooses among these, and %s gives counts, of which a row has all channels; choose a stream of tags with --stream", ErrNotTags, p.Name())
	}
	return nil
}
