package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"photongate/cmd/internal/asking"
	"photongate/cmd/internal/cli"
	"photongate/protocol/table"
	"photongate/receiver"
)

func newDelaysCommand() *cobra.Command {
	var (
		o                receiver.DelaysOptions
		reach, bin, from string
		asJSON           bool
		tokenFile        string
	)
	c := &cobra.Command{
		Use:   "delays FOLDER|ADDRESS A B",
		Short: "by how much the tags of channel B come later than those of A",
		Long: `delays compares the times of the tags of two channels: a histogram of their
differences, B less A, and the peak in it. Where the channels see photons of the same
pairs, the peak tells how much longer the way of B is, cables and all. The lines at the
end go into the gateway's configuration, so that coincidences are counted around it:
the delay, and a window that holds the peak.

ADDRESS is a gateway, of which the next 10 s (--for) are compared; FOLDER is what was
given to record with --dir. It is for aligning: g2 and lifetimes are the business of
your analysis, for which photonrecv cat --format npy writes what it needs.

Pairs of all tags within --range are counted, not of neighbours only. No peak? Try a
longer --range with a longer --bin, or more light.

It ends with 0 when a peak was found, 1 when none stands out of the background.`,
		Example: `  photonrecv delays pi-lab3 A B
  photonrecv delays pi-lab3 A B --range 5us --bin 10ns
  photonrecv delays counts A B --stream tagger --from 14:30 --for 60s --json`,
		Args: cobra.ExactArgs(3),
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if o.RangePs, err = receiver.ParsePs(reach); err != nil {
				return cli.Wrong("--range: %w", err)
			}
			if o.BinPs, err = receiver.ParsePs(bin); err != nil {
				return cli.Wrong("--bin: %w", err)
			}
			if from != "" {
				if o.From, err = table.ParseTime(from, time.Now()); err != nil {
					return cli.Wrong("--from: %w", err)
				}
			}
			if o.For < 0 {
				return cli.Wrong("--for %v: nothing is shorter than no time", o.For)
			}
			if o.Connect.Token, err = readToken(tokenFile); err != nil {
				return err
			}
			o.Source, o.A, o.B = args[0], args[1], args[2]
			o.Connect.Software, o.Connect.Log = software(), newLog(c.ErrOrStderr(), false)
			return findDelays(c, o, asJSON)
		},
	}
	flags := c.Flags()
	flags.StringVar(&o.Stream, "stream", "", "the stream of tags, as NAME or gateway/NAME, where there are several")
	flags.StringVar(&reach, "range", "100ns", "compare tags that are up to this `time` apart, either way: 100ns, 5us")
	flags.StringVar(&bin, "bin", "100ps", "width of a bin of the histogram; whole ticks, at least one")
	flags.DurationVar(&o.For, "for", 0, "compare so long of tags (default: of a gateway 10s, of a folder all)")
	flags.StringVar(&from, "from", "", "of a FOLDER: begin at this `time`: 14:30, -2h")
	flags.BoolVar(&asJSON, "json", false, "print all of it as JSON, with every bin")
	listenFlag(c, &o.Connect.Listen)
	flags.StringVar(&tokenFile, "token-file", "", "file with the gateway's token")
	return c
}

func findDelays(c *cobra.Command, o receiver.DelaysOptions, asJSON bool) error {
	d, err := receiver.FindDelays(c.Context(), o)
	switch {
	case errors.Is(err, receiver.ErrUsage), errors.Is(err, os.ErrNotExist), errors.Is(err, receiver.ErrNoArchive):
		return &cli.Error{Code: cli.Usage, Err: err}
	case err != nil:
		return err
	}
	if asJSON {
		err = asking.JSON(c.OutOrStdout(), d)
	} else {
		err = writeDelays(c.OutOrStdout(), &d)
	}
	if err == nil && d.Peak == nil {
		return &cli.Error{Code: cli.Incomplete, Err: fmt.Errorf("no peak stands out of %.4g pairs in each bin of %s", d.Background, receiver.PsText(d.BinPs))}
	}
	return err
}

// histogramRows is how many rows the text has, and barWidth how long the longest bar.
const (
	histogramRows = 25
	barWidth      = 50
)

func writeDelays(w io.Writer, d *receiver.Delays) error {
	b := &strings.Builder{}
	fmt.Fprintf(b, "%s: %s less %s in %.3g s: %s of %s, %s of %s", d.Stream, d.B, d.A, d.Seconds, cli.Count(d.TagsA, "tag"), d.A, cli.Count(d.TagsB, "tag"), d.B)
	if d.Losses > 0 {
		fmt.Fprintf(b, ", %s", cli.Count(d.Losses, "gap"))
	}
	fmt.Fprintln(b)
	if d.OutOfOrder > 0 {
		fmt.Fprintf(b, "%s left out: out of order by more than the range\n", cli.Count(d.OutOfOrder, "tag"))
	}
	if d.Early != "" {
		fmt.Fprintf(b, "less than was asked for: %s\n", d.Early)
	}
	writeBars(b, d)
	if p := d.Peak; p != nil {
		later, amount := "later than", p.AtPs
		if amount < 0 {
			later, amount = "earlier than", -amount
		}
		fmt.Fprintf(b, "peak: %s comes %s %s %s, %s wide at half height; %.0f pairs, highest bin (%s) %s the background of %.3g\n", d.B,
			receiver.PsError(amount, p.ErrorPs), later, d.A, widthText(p.WidthPs), p.Pairs, receiver.PsText(d.BinPs), times(p.Height, d.Background), d.Background)
		fmt.Fprintf(b, "to count them, in the gateway's configuration, below the tagger's [[device]]:\n  [[device.counts]]\n  %s\n  coincidences = [{ of = [%q, %q], window = %q }]\n", p.Delay, d.A, d.B, p.Window)
		fmt.Fprintf(b, "that window is %s wide, %s of %s, and holds %.3g %% of the peak; a wider one counts more accidental coincidences\n",
			receiver.PsText(p.WindowPs), cli.Count(p.WindowTicks, "tick"), receiver.PsText(d.TickPs), 100*p.InWindow)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// widthText is a width to two digits: more make no sense.
func widthText(ps float64) string {
	grain := math.Pow10(max(0, int(math.Floor(math.Log10(max(ps, 1))))-1))
	return receiver.PsText(math.Round(ps/grain) * grain)
}

// times is how far a peak stands above its background.
func times(height, background float64) string {
	if background < 0.01 {
		return fmt.Sprintf("%.0f above", height)
	}
	return fmt.Sprintf("%.3g times", (height+background)/background)
}

// writeBars draws the peak and what lies around it, or all where there is none.
func writeBars(b *strings.Builder, d *receiver.Delays) {
	const rows = histogramRows
	first, last := 0, len(d.Counts)-1
	if p := d.Peak; p != nil {
		middle := int(math.Round((p.AtPs - d.FirstPs) / d.BinPs))
		side := max(int(3*p.WidthPs/d.BinPs), rows/2)
		first, last = max(first, middle-side), min(last, middle+side)
	}
	per := (last - first + rows) / rows // bins in a row
	var sums []uint64
	most := uint64(1)
	for i := first; i <= last; i += per {
		var sum uint64
		for _, n := range d.Counts[i:min(i+per, last+1)] {
			sum += n
		}
		sums, most = append(sums, sum), max(most, sum)
	}
	for i, sum := range sums {
		n := min(per, last+1-first-i*per)
		at := d.FirstPs + d.BinPs*(float64(first+i*per)+float64(n-1)/2)
		bar := int(math.Round(float64(sum) / float64(most) * barWidth))
		line := fmt.Sprintf("%12s %s%s %d", receiver.PsText(at), strings.Repeat("█", bar), strings.Repeat(" ", barWidth-bar), sum)
		fmt.Fprintln(b, strings.TrimRight(line, " "))
	}
}
