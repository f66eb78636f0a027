//go:build linux && (amd64 || arm64)

package cmd_test

import (
	"context"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"photongate/device/hotplug"
)

// noticed is within how long it is noticed that something was plugged in or out.
const noticed = time.Second

// TestRealKernelReplug pulls the plug of an H11890, many of whose transfers are under
// way, and puts it back, on a real kernel: that is heard within a second, as
// `photongate devices` sees it, and the gateway reads on, with a gap between.
func TestRealKernelReplug(t *testing.T) {
	needsRealKernel(t)
	x := usbBoxes["h11890"]
	b := usbBench(t, x.driver, x.port, x.options, append(x.sim[:1:1], "--distinct")...)
	head := b.startSim()
	gateways := b.startGateway()
	record := b.startRecord("--csv")
	changes := watchPlugs(t)
	const rounds = 3
	var arrived, removed, running, gone []time.Duration
	for n := 1; n <= rounds; n++ {
		changed, before := changes.Changed(), time.Now()
		plugged := b.plugIn()
		there := time.Now()
		arrived = append(arrived, after(t, changed, there))
		listed(t, "0661:3705", true)
		running = append(running, gateways.saidSince(before, "INF running", "device=bench", "model=").Sub(there))
		b.awaitRows(20)
		if n == rounds {
			break
		}
		changed, before = changes.Changed(), time.Now()
		signal(t, head, syscall.SIGUSR1) // its server tells the kernel
		plugged.Unplug()
		away := time.Now()
		removed = append(removed, after(t, changed, away))
		listed(t, "0661:3705", false)
		gone = append(gone, gateways.saidSince(before, "gone", "device=bench").Sub(away))
		signal(t, head, syscall.SIGUSR2)
	}
	if code := gateways.stop(); code != 0 {
		t.Errorf("the gateway ended with %d", code)
	}
	record.stop()
	t.Logf("heard %v after it arrived and %v after it was gone; the gateway read it after %v and missed it after %v", arrived, removed, running, gone)
	for what, took := range map[string][]time.Duration{"arrival": arrived, "removal": removed, "gone": gone} {
		if fastest(took) > noticed {
			t.Errorf("%s: noticed after %v", what, took)
		}
	}
	rows, gaps := b.cat(), b.gaps()
	seen := b.compare(x.box, rows, gaps, false)
	if seen.never > 0 || seen.parts < rounds {
		t.Errorf("%+v; gaps %+v", seen, gaps)
	}
	between := 0
	for _, g := range gaps {
		if g.cause == "unplugged" {
			between++
		}
	}
	if between != rounds-1 {
		t.Errorf("gaps %+v, want %d for the unplugged times", gaps, rounds-1)
	}
}

// watchPlugs notices what is plugged in and out, as the gateway does, until the test
// ends.
func watchPlugs(t *testing.T) *hotplug.Watcher {
	w := hotplug.New(hotplug.Sysfs)
	ctx, stop := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { w.Run(ctx) })
	t.Cleanup(func() {
		stop()
		watching.Wait()
	})
	return w
}

// after waits for a change and returns how long after a time it was told.
func after(t *testing.T, changed <-chan struct{}, since time.Time) time.Duration {
	t.Helper()
	select {
	case <-changed:
		return time.Since(since)
	case <-time.After(patience):
		t.Fatal("nothing was noticed")
		return 0
	}
}

// fastest is how long it took at best: the machine has one processor for all of it.
func fastest(took []time.Duration) time.Duration {
	least := took[0]
	for _, d := range took {
		least = min(least, d)
	}
	return least
}

// listed demands that photongate lists a device, or does not.
func listed(t *testing.T, id string, there bool) {
	t.Helper()
	code, out, stderr := run(t, "photongate", "devices", "--json")
	if code != 0 || strings.Contains(out, id) != there {
		t.Errorf("devices: exit %d\n%s%s\nwant %s listed: %v", code, out, stderr, id, there)
	}
}

// saidSince waits until a program says something after a time, and returns when that
// was read.
func (p *proc) saidSince(since time.Time, words ...string) time.Time {
	p.t.Helper()
	deadline := time.After(patience)
	for {
		p.mu.Lock()
		more := p.more
		for i, line := range p.lines {
			if at := p.at[i]; at.After(since) && containsAll(line, words) {
				p.mu.Unlock()
				return at
			}
		}
		p.mu.Unlock()
		select {
		case <-more:
		case <-deadline:
			p.t.Fatalf("%s did not say %q after %v; it said:\n%s", p.name, words, since, p.stderr())
		}
	}
}
