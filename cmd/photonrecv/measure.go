package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"photongate/cmd/internal/asking"
	"photongate/cmd/internal/cli"
	"photongate/protocol"
	"photongate/receiver"
)

// measureFlags are the choices of photonrecv measure.
type measureFlags struct {
	o       receiver.MeasureOptions
	set     []string
	json    bool
	verbose bool
}

func newMeasureCommand() *cobra.Command {
	var f measureFlags
	c := &cobra.Command{
		Use:   "measure ADDRESS",
		Short: "make a measurement: a named folder with counts from now on",
		Long: `measure takes readings for a time or a number of them, and leaves a folder of its
own, named by the local time and the title: DIR/2026-11-21/143012_HWP_22.5/. Nothing
is ever overwritten or appended to.

It begins with the first gate that surely begins after the command was given: no
count in it is from before the mirror stopped moving. --for 60s takes 60 s of gates,
whole ones, from the begin of the first. It ends when the last reading is on the
disk. When the network or the gateway goes away it waits, comes back, and fetches
what it missed. When its time is over, an instrument of which nothing comes any more is
waited for some seconds, and one that is behind the clock and does not catch up for 10 s:
the measurement is incomplete then, and says so. Ctrl-C ends it early; what was
measured is kept.

In the folder:
  bench.csv            the counts, one row per gate; so for each instrument
  bench.gaps.csv       what is missing, and why
  bench.events.csv     what was done to the instrument meanwhile
  bench.json           what the columns are
  measurement.json     who, what, settings, detectors, rates, and whether it is all there
  raw/                 the frames as they came: photonrecv cat, photonrecv verify

Of a stream of time tags the counts are those of the stretches in which tags came, a
few ms each; the tags stand in raw/: photonrecv cat FOLDER --stream tagger shows those
of the measurement. For gates of one length measure the counts made of them.

While a measurement goes on, the gateway refuses changes of settings by others, and
its begin and end stand in the gateway's own record: photonrecv cat RECORD
--measurement 143012 cuts it out of a standing recording later. Without the right
to change, or while somebody else measures, it measures all the same, says that it
is not noted, and anyone may change settings.

It ends with 0 when all is there, 1 when something is missing or it was ended
early (measurement.json says what), 2 for a wrong command line, 3 when what was
written cannot be read back.`,
		Example: `  photonrecv measure pi-lab3 --for 60s --title "HWP 22.5" --sample ppKTP-3 --operator ana --set hwp_deg=22.5
  photonrecv measure localhost --readings 100 --title dark
  for a in 0 22.5 45; do turn-mirror $a; photonrecv measure pi-lab3 --for 10s --title scan --set hwp_deg=$a || break; done
  photonrecv ls photongate-data "hwp_deg=22.5"`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args[0]) },
	}
	flags := c.Flags()
	flags.DurationVar(&f.o.For, "for", 0, "measure for so long, as in 10s, 2m, 1h: whole gates, from the begin of the first")
	flags.Uint64Var(&f.o.Readings, "readings", 0, "measure so many readings of each instrument")
	flags.StringVar(&f.o.Title, "title", "", "what it is; becomes part of the folder's name")
	flags.StringVar(&f.o.Sample, "sample", "", "what is measured")
	flags.StringVar(&f.o.Operator, "operator", "", "who measures")
	flags.StringArrayVar(&f.set, "set", nil, "what was set by hand, name=value, as in hwp_deg=22.5; may be given several times")
	flags.StringArrayVar(&f.o.Streams, "stream", nil, "only instruments that fit this name; * and ? may be used; may be given several times (default: all)")
	listenFlag(c, &f.o.Listen)
	flags.StringVar(&f.o.Dir, "dir", receiver.DefaultDir, "folder for measurements")
	flags.BoolVar(&f.o.NoCSV, "no-csv", false, "write no CSV files: frames and measurement.json only")
	flags.BoolVar(&f.json, "json", false, "print measurement.json, and the folder, instead of a summary")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "say more")
	return c
}

func (f *measureFlags) run(c *cobra.Command, address string) error {
	if _, err := receiver.ParseAddress(address); err != nil {
		return cli.Wrong("%w", err)
	}
	for _, text := range f.set {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return cli.Wrong("--set %s: write name=value, as in hwp_deg=22.5", text)
		}
		f.o.Set = append(f.o.Set, protocol.Parameter{Key: strings.TrimSpace(key), Value: strings.TrimSpace(value)})
	}
	status := newStatusLine(c.ErrOrStderr())
	f.o.Address, f.o.Who, f.o.Software, f.o.Log = address, asking.WhoAmI(), software(), newLog(status, f.verbose)
	f.o.OnProgress = status.show
	if !isTerminal(status) {
		f.o.OnProgress = newProgressLog(f.o.Log).show
	}
	m, folder, err := receiver.Measure(c.Context(), f.o)
	status.end()
	switch {
	case errors.Is(err, receiver.ErrUsage):
		return &cli.Error{Code: cli.Usage, Err: err}
	case err != nil:
		return &cli.Error{Code: cli.Incomplete, Err: err}
	}
	if f.json {
		err = asking.JSON(c.OutOrStdout(), struct {
			receiver.Measurement
			Folder string `json:"folder"`
		}{m, folder})
	} else {
		err = writeMeasured(c.OutOrStdout(), &m, folder)
	}
	switch {
	case err != nil:
		return err
	case m.Damaged:
		return &cli.Error{Code: cli.Damaged}
	case m.State != protocol.MeasurementComplete:
		return &cli.Error{Code: cli.Incomplete}
	}
	return nil
}

// writeMeasured writes what a measurement gave, a line per channel.
func writeMeasured(w io.Writer, m *receiver.Measurement, folder string) error {
	b := &strings.Builder{}
	for i := range m.Streams {
		writeMeasuredStream(b, m.Gateway.Name, &m.Streams[i])
	}
	for _, n := range m.Notes {
		fmt.Fprintf(b, "note by %s: %s\n", n.Who, n.Text)
	}
	for _, r := range m.Remarks {
		fmt.Fprintf(b, "note: %s\n", r)
	}
	if m.NotNoted != "" {
		fmt.Fprintf(b, "note: not in the gateway's own record: %s\n", m.NotNoted)
	}
	for _, why := range m.Why {
		fmt.Fprintf(b, "incomplete: %s\n", why)
	}
	if m.State == protocol.MeasurementComplete {
		fmt.Fprint(b, "complete: ")
	}
	fmt.Fprintln(b, folder)
	for _, s := range m.Streams {
		for _, name := range s.Files {
			fmt.Fprintf(b, "  %s\n", filepath.Join(folder, name))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeMeasuredStream(b *strings.Builder, gateway string, s *receiver.MeasuredStream) {
	fmt.Fprintf(b, "%s/%s: %s, live for %s s, %s\n", gateway, s.Stream, readingsOf(s), seconds(s.LiveS), cli.Count(s.Gaps, "gap"))
	width := 0
	for _, ch := range s.Channels {
		width = max(width, len(ch.Name))
	}
	for _, ch := range s.Channels {
		fmt.Fprintf(b, "  %-*s  %s\n", width, ch.Name, channelText(&ch))
	}
	if len(s.Flags) > 0 {
		var words []string
		for word, n := range s.Flags {
			words = append(words, fmt.Sprintf("%s in %s", word, cli.Count(n, "reading")))
		}
		slices.Sort(words)
		fmt.Fprintf(b, "  flags: %s\n", strings.Join(words, ", "))
	}
	for _, text := range s.Changes {
		fmt.Fprintf(b, "  changed: %s\n", text)
	}
	for _, text := range s.Alarms {
		fmt.Fprintf(b, "  ALARM: %s\n", text)
	}
}

// readingsOf is how many readings a stream gave, or tags.
func readingsOf(s *receiver.MeasuredStream) string {
	if s.Tags > 0 {
		return cli.Count(s.Tags, "tag")
	}
	return cli.Count(s.Readings, "reading")
}

// channelText is the rate of a channel with its error of one sigma, and its
// accidentals.
func channelText(ch *receiver.MeasuredChannel) string {
	switch {
	case ch.Rate != nil && ch.Acc != nil:
		return fmt.Sprintf("%s   accidentals %s, coincidences %.3g times as many", withError(*ch.Rate, ch.RateErr, "/s"), withError(*ch.Acc, ch.AccErr, "/s"), *ch.AccRatio)
	case ch.Rate != nil:
		return withError(*ch.Rate, ch.RateErr, "/s")
	case ch.Mean != nil:
		return strings.TrimSpace(withError(*ch.Mean, ch.MeanErr, "") + " " + ch.Unit)
	}
	return "not known"
}

// withError writes 57120±24/s: the value and its error in the same digits, two of
// the error.
func withError(value float64, sigma *float64, unit string) string {
	if sigma == nil || *sigma <= 0 {
		return fmt.Sprintf("%.6g%s", value, unit)
	}
	digits := errorDigits(*sigma)
	return fmt.Sprintf("%.*f ± %.*f%s", digits, value, digits, *sigma, unit)
}

// errorDigits is how many digits behind the point show two of an error.
func errorDigits(sigma float64) int {
	if sigma >= 10 {
		return 0
	}
	return min(9, 1-int(math.Floor(math.Log10(sigma))))
}

// seconds is a time to the millisecond, without zeros at the end.
func seconds(s float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.3f", s), "0"), ".")
}

// lengthText is a length for a table.
func lengthText(s float64) string {
	if s < 100 {
		return seconds(s) + "s"
	}
	return time.Duration(s * float64(time.Second)).Round(time.Second).String()
}
