package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"photongate/cmd/internal/cli"
	"photongate/receiver"
)

// recordFlags are the choices of photonrecv record.
type recordFlags struct {
	dir, name string
	duration  time.Duration
	readings  uint64
	resume    bool
	takeOver  bool
	csv       bool
	streams   []string
	listen    []string
	tokenFile string
	verbose   bool
}

func newRecordCommand() *cobra.Command {
	var f recordFlags
	c := &cobra.Command{
		Use:   "record [ADDRESS]... [--listen ADDRESS]...",
		Short: "record from gateways into a folder",
		Long: `record fetches what gateways measure and stores it in a folder, every reading
once and in order. If the network or a gateway goes away it waits, comes back and
fetches what it missed. Ctrl-C ends it in good order.

Without --for or --readings it goes on until it is ended, begins where the folder
ends, and a new folder begins with the oldest that the gateway still holds. With
--for or --readings it begins now, unless --resume is given; the time runs from
the moment the gateway answers. One that is not there yet is waited for: with --for
no longer than that time (at least a minute), otherwise for ever.

When the disk here is full, the gateway keeps what comes, and for how long it can is
told; recording goes on by itself when there is room again.

A gateway behind a firewall cannot be reached, but dials: with --listen this
computer waits for it, for any number of gateways, and for others to be dialled at
the same time if there are addresses. Set forward = ["THIS-COMPUTER:7310"] there,
run photongate pair there, and keep the line here with photonrecv pair --unreached
LINE. Gateways on this computer need no pairing; one that is paired must prove who
it is from everywhere. With --for or --readings the run of each gateway begins when
it dials in; the recording ends when at least one has come and all have ended. A port
that records does nothing else: measure, note, get, set, repair and others take
--listen with another port, which is named in forward there as well.

Of a tagger both its time tags and the counts made of them are recorded, each a stream
of its own: --stream '*.counts' leaves the tags at the gateway. --csv writes no rows of
tags, of which there are too many; the counts have theirs. photonrecv cat DIR --stream
tagger --format npy --out tags makes arrays of them, also while DIR is recorded into.

It ends with 0 when nothing is missing in what was recorded, 1 when something
is, 2 for a wrong command line.

An ADDRESS is a name or number, with a port if it is not 7310: pi-lab3,
192.168.1.5, pi-lab3:7311, [fe80::1%eth0]:7310. To listen, :7310 is every address
of this computer.`,
		Example: `  photonrecv record localhost --dir counts
  photonrecv record pi-lab3 --dir run7 --for 10m --csv
  photonrecv record pi-lab3 pi-lab4 --dir counts --stream 'bench*'
  photonrecv record localhost --readings 1000 --csv
  photonrecv record --listen :7310 --dir counts`,
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args) },
	}
	flags := c.Flags()
	flags.StringVar(&f.dir, "dir", "", "folder to record into (default: "+receiver.DefaultDir+" in the present folder)")
	flags.StringVar(&f.name, "name", "", "name of this receiver, as gateways know it (default: made from this computer's name, and kept in the folder)")
	flags.DurationVar(&f.duration, "for", 0, "end after this time by the gateway's clock, as in 90s, 10m, 2h")
	flags.Uint64Var(&f.readings, "readings", 0, "end when every stream that counts has given at least so many readings")
	flags.BoolVar(&f.resume, "resume", false, "with --for or --readings: begin where the folder ends instead of now")
	flags.BoolVar(&f.takeOver, "take-over", false, "take the name over from the archive that had it before, which is given up: the gateway keeps nothing for that one any more")
	flags.BoolVar(&f.csv, "csv", false, "write CSV files as it goes, beside the recording; none of time tags, see above")
	flags.StringArrayVar(&f.streams, "stream", nil, "record only streams that fit this name; * and ? may be used; may be given several times")
	flags.StringArrayVar(&f.listen, "listen", nil, "wait at this `ADDRESS` of this computer for gateways that dial in; may be given several times")
	flags.StringVar(&f.tokenFile, "token-file", "", "file with the gateway's token")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "say more")
	return c
}

func (f *recordFlags) run(c *cobra.Command, args []string) error {
	if err := f.check(args); err != nil {
		return err
	}
	token, err := readToken(f.tokenFile)
	if err != nil {
		return err
	}
	status := newStatusLine(c.ErrOrStderr())
	log := newLog(status, f.verbose)
	dir := f.dir
	if dir == "" {
		dir = receiver.DefaultDir
		log.Info().Msg("recording into the folder " + dir + " (choose another with --dir)")
	}
	progress := status.show
	if !isTerminal(status) {
		progress = newProgressLog(log).show
	}
	summary, err := receiver.Record(c.Context(), receiver.RecordOptions{
		Addresses: args, Listen: f.listen, Dir: dir, Name: f.name, Streams: f.streams,
		For: f.duration, Readings: f.readings, Resume: f.resume, TakeOver: f.takeOver, CSV: f.csv,
		Token: token, Software: software(), Log: log, OnProgress: progress,
	})
	status.end()
	if err != nil {
		return recordError(err)
	}
	if err := writeSummary(c.OutOrStdout(), &summary); err != nil {
		return err
	}
	if !summary.Complete {
		return &cli.Error{Code: cli.Incomplete}
	}
	return nil
}

// check refuses wrong flags before anything is made.
func (f *recordFlags) check(args []string) error {
	if len(args)+len(f.listen) == 0 {
		return cli.Wrong("name the gateway to record from, as in photonrecv record pi-lab3, or where gateways dial in, as in photonrecv record --listen :7310")
	}
	for _, a := range args {
		if _, err := receiver.ParseAddress(a); err != nil {
			return cli.Wrong("%w", err)
		}
	}
	for _, a := range f.listen {
		if _, err := receiver.ParseListen(a); err != nil {
			return cli.Wrong("--listen: %w", err)
		}
	}
	switch {
	case f.duration < 0:
		return cli.Wrong("--for %v: a recording cannot last less than nothing", f.duration)
	case f.resume && f.duration == 0 && f.readings == 0:
		return cli.Wrong("--resume goes with --for or --readings; without them record always goes on where the folder ends")
	}
	return nil
}

// recordError gives an error of Record its exit code: what the user can mend
// on the command line is usage.
func recordError(err error) error {
	if errors.Is(err, receiver.ErrUsage) {
		return &cli.Error{Code: cli.Usage, Err: err}
	}
	return &cli.Error{Code: cli.Incomplete, Err: err}
}

// writeSummary writes what a recording gave.
func writeSummary(w io.Writer, s *receiver.Summary) error {
	b := &strings.Builder{}
	for _, one := range s.Streams {
		fmt.Fprintf(b, "%s/%s: %s", one.Gateway, one.Stream, cli.Count(one.Readings, one.Unit()))
		if one.Missing > 0 {
			fmt.Fprintf(b, " of %d", one.Expected)
		}
		if one.Unknown > 0 {
			fmt.Fprint(b, ", and an unknown number missing")
		}
		if one.Gaps+one.Holes > 0 {
			fmt.Fprintf(b, ", %s, %s", cli.Count(one.Gaps, "gap"), cli.Count(one.Holes, "hole"))
		}
		fmt.Fprintf(b, ", in %s\n", one.Folder)
		for _, name := range one.CSV {
			fmt.Fprintf(b, "  %s\n", name)
		}
	}
	for _, note := range s.Notes {
		fmt.Fprintf(b, "note: %s\n", note)
	}
	for _, why := range s.Why {
		fmt.Fprintf(b, "incomplete: %s\n", why)
	}
	switch {
	case s.Complete && s.Earlier:
		fmt.Fprintf(b, "complete: nothing is missing of what came in this run; what %s held before was not checked: photonrecv verify %s does\n", s.Dir, s.Dir)
	case s.Complete:
		fmt.Fprintln(b, "complete: nothing is missing in this recording")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// progressLog writes progress as plain lines, more and more rarely.
type progressLog struct {
	log   zerolog.Logger
	last  time.Time
	every time.Duration
}

func newProgressLog(log zerolog.Logger) *progressLog {
	return &progressLog{log: log, last: time.Now(), every: 10 * time.Second}
}

func (p *progressLog) show(progress receiver.Progress) {
	if time.Since(p.last) < p.every {
		return
	}
	p.last = time.Now()
	p.every = min(2*p.every, 10*time.Minute)
	var waiting []string
	for _, s := range progress.Streams {
		name := s.Gateway + "/" + s.Stream
		if s.State == receiver.StateNotKept {
			waiting = append(waiting, name)
			continue
		}
		line := p.log.Info().Uint64(s.Unit()+"s", s.Readings).Int("gaps", s.Gaps).Int("holes", s.Holes)
		if standing := s.Standing(); standing != "" {
			line.Msg(name + ": " + standing)
			continue
		}
		line.Str("lag", lagText(s.Lag)).Msg(name + " " + ratesText(s.Channels))
	}
	if progress.Trouble != "" {
		what := "what comes"
		if len(waiting) > 0 {
			what += " of " + strings.Join(waiting, ", ")
		}
		p.log.Warn().Msg(what + " is not kept here at present: " + progress.Waiting)
	}
}
