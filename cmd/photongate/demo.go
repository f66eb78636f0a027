package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"photongate/cmd/internal/cli"
	"photongate/device/all"
	"photongate/gateway"
	"photongate/receiver"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

// demoFlags are the choices of photongate demo.
type demoFlags struct {
	duration time.Duration
	dir      string
	noPTY    bool
}

func newDemoCommand() *cobra.Command {
	var f demoFlags
	c := &cobra.Command{
		Use:   "demo",
		Short: "see it work without hardware",
		Long: `demo simulates a CD48 and a DE2 coincidence unit on pseudo-terminals, reads them
through the serial drivers, runs a gateway, records over TCP into a folder, and
ends with the report of what is complete and where the files are. What the
instruments really counted is written beside it and compared.`,
		Example: `  photongate demo
  photongate demo --for 1m --dir ~/first-light`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.run(c.Context(), c.OutOrStdout(), software())
		},
	}
	c.Flags().DurationVar(&f.duration, "for", 10*time.Second, "how long to record")
	c.Flags().StringVar(&f.dir, "dir", "", "folder for the files (default: photongate-demo-DATE-TIME in the folder for temporary files)")
	c.Flags().BoolVar(&f.noPTY, "no-pty", false, "use in-memory ports instead of pseudo-terminals")
	return c
}

func (f *demoFlags) run(ctx context.Context, out io.Writer, software string) error {
	dir, err := f.folder()
	if err != nil {
		return err
	}
	bench, err := newDemoBench(dir, f.noPTY)
	if err != nil {
		return err
	}
	for _, i := range bench.instruments {
		fmt.Fprintf(out, "simulated %-7s on %s\n", i.driver, i.where)
	}

	// The instruments outlive the gateway and the gateway the recording, so that
	// each ends in good order.
	sims, stopSims := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSims()
	var running errgroup.Group
	for _, i := range bench.instruments {
		running.Go(func() error { return i.runner.Run(sims) })
	}
	err = f.record(ctx, out, bench, software)
	stopSims()
	return errors.Join(err, running.Wait(), bench.close())
}

// folder makes the folder for the demo's files.
func (f *demoFlags) folder() (string, error) {
	dir := f.dir
	if dir == "" {
		dir = filepath.Join(os.TempDir(), "photongate-demo-"+time.Now().Format("2006-01-02-150405"))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make the demo's folder: %w", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		return "", cli.Wrong("folder %s is not empty: choose another with --dir, or remove it", dir)
	}
	return dir, nil
}

// record runs a gateway on the bench and records from it over TCP.
func (f *demoFlags) record(ctx context.Context, out io.Writer, bench *demoBench, software string) error {
	log := consoleLogger(zerolog.WarnLevel)
	g, err := gateway.New(bench.config(), gateway.Deps{
		Drivers:  all.Drivers(),
		OpenPort: bench.openPort,
		Log:      log,
		Software: software,
	})
	if err != nil {
		return err
	}
	gatewayContext, stopGateway := context.WithCancel(context.WithoutCancel(ctx))
	defer stopGateway()
	var running errgroup.Group
	running.Go(func() error { return g.Run(gatewayContext) })

	summary, err := f.receive(ctx, out, bench, g, log, software)
	stopGateway()
	if err = errors.Join(err, running.Wait()); err != nil {
		return err
	}
	return f.report(ctx, out, bench, summary)
}

// receive waits for the gateway and both instruments, then records.
func (f *demoFlags) receive(ctx context.Context, out io.Writer, bench *demoBench, g *gateway.Gateway, log zerolog.Logger, software string) (receiver.Summary, error) {
	select {
	case <-g.Ready():
	case <-ctx.Done():
		return receiver.Summary{}, &cli.Error{Code: cli.Incomplete, Err: errors.New("interrupted before the gateway was ready")}
	case <-time.After(startLimit):
		return receiver.Summary{}, errors.New("the gateway did not start; see the log above")
	}
	if err := awaitRunning(ctx, g, len(bench.instruments)); err != nil {
		return receiver.Summary{}, err
	}
	fmt.Fprintf(out, "gateway on %s, recording for %v ...\n\n", g.Addr(), f.duration)
	table := newLiveTable(os.Stderr)
	defer table.end()
	return receiver.Record(ctx, receiver.RecordOptions{
		Addresses:  []string{g.Addr().String()},
		Dir:        bench.archive(),
		Name:       "demo",
		For:        f.duration,
		CSV:        true,
		Log:        log,
		Software:   software,
		OnProgress: table.show,
	})
}

// startLimit bounds how long the gateway and the instruments may take to start.
const startLimit = 30 * time.Second

// awaitRunning waits until all devices of the gateway deliver readings.
func awaitRunning(ctx context.Context, g *gateway.Gateway, n int) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(startLimit)
	for {
		running := 0
		for _, d := range g.Status().Devices {
			if d.State == gateway.Running {
				running++
			}
		}
		if running == n {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return &cli.Error{Code: cli.Incomplete, Err: errors.New("interrupted before the instruments were read")}
		case <-limit:
			return fmt.Errorf("%d of %d simulated instruments were read within %v; see the log above", running, n, startLimit)
		}
	}
}
