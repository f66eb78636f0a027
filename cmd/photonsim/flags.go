package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"photongate/sim"
)

// settings are the flags every instrument has. What of the light is set before
// flags is called is the default of these.
type settings struct {
	pty, tcp, usbip  string
	chip, usbSerial  string // of the USB chip an instrument with a serial line is behind
	rate, pairs      string
	paired           [2]int // the inputs that see pairs when it is not said which
	dark             string
	deadTime, window time.Duration
	seed             uint64
	truth            string
	appendTruth      bool
	distinct         bool
	control          string
	faults           []string
	runFor           time.Duration
	fastPPM          float64
	bytePace         time.Duration
	fast             bool // time goes as fast as the host takes what is sent
	baud             int  // of a port at which other speeds give noise; 0: any will do
}

func (s *settings) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&s.pty, "pty", "", "make a pseudo-terminal behind this symbolic `LINK`")
	f.StringVar(&s.tcp, "tcp", "", "listen on this TCP `ADDR`, such as 127.0.0.1:7400 (port 0: a free one)")
	f.StringVar(&s.usbip, "usbip", "", "be behind a USB adapter of FTDI, which hosts plug in over USB/IP at this TCP `ADDR`, such as 127.0.0.1:3240")
	s.chipFlags(cmd)
	s.commonFlags(cmd)
	cmd.MarkFlagsOneRequired("pty", "tcp", "usbip")
	cmd.MarkFlagsMutuallyExclusive("pty", "tcp", "usbip")
}

// commonFlags are those of every instrument, however it is plugged in.
func (s *settings) commonFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&s.rate, "rate", cmp.Or(s.rate, "50k"), "photons per second and input, one for all or a list: `CPS,...`, such as 50k,48k,20k,20k")
	between := "the first two inputs, or a list AB=3k,AC=1k"
	if s.paired != [2]int{} {
		between = fmt.Sprintf("inputs %d and %d, or a list 13=3k,24=1k", s.paired[0]+1, s.paired[1]+1)
	}
	f.StringVar(&s.pairs, "pairs", "", "photon pairs per second among them: `CPS` for "+between+" (default: 4 % of the lower rate)")
	f.StringVar(&s.dark, "dark", cmp.Or(s.dark, "100"), "dark counts per second and input, one for all or a list: `CPS,...`")
	f.DurationVar(&s.deadTime, "dead-time", cmp.Or(s.deadTime, 30*time.Nanosecond), "dead time of each detector, non-paralyzable")
	f.DurationVar(&s.window, "window", 20*time.Nanosecond, "coincidence window: chance coincidences come at rate x rate x window")
	f.Uint64Var(&s.seed, "seed", 0, "makes counts and faults repeatable (default: drawn, and said)")
	f.StringVar(&s.truth, "truth", "", "write what was really counted to this `FILE` as CSV: index,time_ns (end of the interval),<channel>...")
	f.BoolVar(&s.appendTruth, "append", false, "add to a truth file that exists (the index begins again at 0)")
	f.BoolVar(&s.distinct, "distinct", false, "counter 0 reads 1000000, 1000001, ... instead of its light, so that every reading is known by its value")
	f.StringVar(&s.control, "control", "", "take lines on this TCP `ADDR` that change the light at once: rates 52k,48k,20k,20k or pairs AB=3k; each is answered ok and the time in ns UTC")
	f.StringArrayVar(&s.faults, "fault", nil, "a fault `KIND@TIME[:PARAM]`, TIME after the start or byte=N; may be repeated; photonsim faults explains the kinds: "+strings.Join(sim.FaultKinds(), ", "))
	f.DurationVar(&s.runFor, "for", 0, "stop after this time (default: until interrupted)")
	f.Float64Var(&s.fastPPM, "ppm", 0, "how fast the instrument's crystal runs, in parts per million")
	cmd.PreRun = func(cmd *cobra.Command, _ []string) {
		if !cmd.Flags().Changed("seed") {
			s.seed = uint64(time.Now().UnixNano()) % 1_000_000
		}
	}
}

// run makes the instrument, plugs it in and serves it until ctx or its time ends.
func (s *settings) run(ctx context.Context, notices io.Writer, inputs []string, newInstrument func(*sim.Light) (sim.Instrument, error)) error {
	return s.serve(ctx, notices, inputs, func(light *sim.Light) (sim.Instrument, sim.Conn, error) {
		instrument, err := newInstrument(light)
		if err != nil {
			return nil, nil, err
		}
		if s.usbip != "" {
			return s.behindChip(instrument)
		}
		conn, err := s.open()
		return instrument, conn, err
	})
}

// serve runs what plug makes of the light until ctx or its time ends.
func (s *settings) serve(ctx context.Context, notices io.Writer, inputs []string, plug func(*sim.Light) (sim.Instrument, sim.Conn, error)) (err error) {
	light, err := s.light(inputs)
	if err != nil {
		return err
	}
	options := sim.Options{
		Seed:     s.seed,
		Light:    light,
		BytePace: s.bytePace,
		Baud:     s.baud,
		OnFault:  func(f sim.Fired) { fmt.Fprintln(notices, f) },
		Fast:     s.fast,
		For:      s.runFor,
		Notice:   func(text string) { fmt.Fprintln(notices, text) },
	}
	if options.Faults, err = sim.ParseFaults(s.faults); err != nil {
		return err
	}
	if s.truth != "" {
		file, continues, err := openTruth(s.truth, s.appendTruth)
		if err != nil {
			return err
		}
		defer file.Close()
		losses := &lossesFile{name: s.truth + ".losses"}
		defer losses.Close()
		options.Truth, options.TruthContinues, options.Losses = file, continues, losses
	}
	instrument, conn, err := plug(light)
	if err != nil {
		return err
	}
	runner, err := sim.NewRunner(instrument, conn, options)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	if s.control != "" {
		c, err := openControl(s.control, light, inputs)
		if err != nil {
			return errors.Join(err, conn.Close())
		}
		defer c.close()
	}
	defer watchCable(runner, notices)()
	fmt.Fprintf(notices, "%s on %s, seed %d\n", instrument.Name(), conn.Where(), s.seed)
	if err := runner.Run(ctx); err != nil {
		return &runError{err}
	}
	return nil
}

func (s *settings) open() (sim.Conn, error) {
	if s.tcp != "" {
		return sim.OpenTCP(s.tcp)
	}
	return sim.OpenPTY(s.pty)
}

// openTruth opens the file for the truth; continues says that it has a header.
func openTruth(name string, appendTo bool) (file *os.File, continues bool, err error) {
	file, err = os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return nil, false, fmt.Errorf("open truth file: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, false, errors.Join(fmt.Errorf("open truth file: %w", err), file.Close())
	}
	// A pipe or a device has no size and takes the header each time.
	continues = info.Size() > 0
	if continues && !appendTo {
		return nil, false, errors.Join(fmt.Errorf("truth file %s is not empty: choose another name, remove it, or say --append", name), file.Close())
	}
	return file, continues, nil
}

// parseIgnore reads LETTER or LETTER=TIMES.
func parseIgnore(list []string) (map[byte]int, error) {
	ignores := map[byte]int{}
	for _, item := range list {
		letter, times, limited := strings.Cut(item, "=")
		n := -1
		if limited {
			var err error
			if n, err = strconv.Atoi(times); err != nil || n < 1 {
				return nil, fmt.Errorf("--ignore %s: expected how often, from 1, behind =", item)
			}
		}
		if len(letter) != 1 || !strings.Contains("SLVrRTZz", letter) {
			return nil, fmt.Errorf("--ignore %s: expected one of the set commands S L V r R T Z z", item)
		}
		ignores[letter[0]] = n
	}
	return ignores, nil
}

// either reads a choice between two words and reports whether it is the second.
func either(flag, word, first, second string) (bool, error) {
	if word != first && word != second {
		return false, fmt.Errorf("--%s %q: expected %s or %s", flag, word, first, second)
	}
	return word == second, nil
}

// baudFlag lets the speed of the port matter.
func (s *settings) baudFlag(cmd *cobra.Command, usual int) {
	cmd.Flags().IntVar(&s.baud, "baud", 0, fmt.Sprintf("speed of its port in `Bd`, %d with most: a host that opens the pty at another speed gets noise (default: any speed will do)", usual))
}
