package cmd_test

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/sim/badline"
)

// TestDeadReceiverOfTags gives the gateway 64 MiB and a million time tags a second
// while its only receiver is dead. All goes to the disk, memory stays flat, and when
// the receiver is back it gets every tag.
func TestDeadReceiverOfTags(t *testing.T) {
	// Not beside others: at its rate they would have no time left on two cores.
	t.Attr("fault", "F09")
	const rate, limitKiB = 1_000_000, 64 << 10
	length := 6 * time.Second
	if isLong() {
		length = 3 * time.Minute
	}
	g := startFast(t, place{enter: []string{"env", "GOMEMLIMIT=64MiB"}}, "--tags", fmt.Sprint(rate))
	line, err := badline.Lay(g.addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close() //nolint:errcheck // at the end of the test
	s := &soak{t: t, gateway: g, dirs: [2]string{t.TempDir()}}
	record := func() *proc {
		return start(t, "photonrecv", "record", line.Addr(), "--dir", s.dirs[0], "--name", "ws-ana")
	}
	dead := record()
	dead.waitFor("recording")
	line.Do(badline.Freeze) // for the gateway it is there and says nothing
	kill(dead)
	line.Unplug(badline.Freeze)
	first := g.ask()
	var middle figures
	for began := time.Now(); time.Since(began) < length; {
		pause(t, length/10)
		f := g.ask()
		if time.Since(began) < length*6/10 {
			middle = f
		}
		progress(t, "%v of %v, %+v", time.Since(began).Round(time.Second), length, f)
	}
	last := g.ask()
	// A fraction of what the tags since then would take: the collector leaves more
	// for later on a busy machine, below the limit.
	if last.rssKiB > middle.rssKiB+12<<10 {
		t.Errorf("the gateway's memory grew: %d KiB after %d tags, %d KiB after %d", middle.rssKiB, middle.readings, last.rssKiB, last.readings)
	}
	if last.gaps > 0 {
		t.Errorf("%d gaps", last.gaps)
	}
	line.Plug()
	again := record()
	again.waitFor("recording")
	s.awaitArchive(0, last.readings)
	peak := statusKiB(t, g.cmd.Process.Pid, "VmHWM:")
	if peak > limitKiB {
		t.Errorf("the gateway took up to %d KiB, more than %d", peak, limitKiB)
	}
	if code := g.stop(); code != 0 {
		t.Errorf("the gateway ended with %d", code)
	}
	if code := again.stop(); code != 0 {
		t.Errorf("record ended with %d", code)
	}
	tags, bytes := tagsInOrder(t, s.dirs[0], rate)
	if tags < last.readings {
		t.Errorf("%d tags in the archive, %d were read", tags, last.readings)
	}
	each := float64(bytes) / float64(tags)
	t.Attr("injected", fmt.Sprintf("1,000,000 time tags/s of 4 channels, 1 ps, for %v, memory limit 64 MiB, the only receiver dead", length))
	t.Attr("promised", "everything goes to disk, memory flat, and all of it is fetched afterwards")
	t.Attr("seen", fmt.Sprintf("%s tags fetched in order, none missing, %.2f bytes each: 20 GB of journal hold %.0f minutes; resident %d MiB at first, %d past the middle, %d at last, at most %d while it was fetched",
		grouped(int64(tags)), each, 20e9/each/rate/60, first.rssKiB>>10, middle.rssKiB>>10, last.rssKiB>>10, peak>>10))
}

// tagsInOrder reads an archive and demands that its tags are those that the tagger of
// fastgate gives, from the first on: number n comes at n x 1 us and as much later as
// the number says. It returns how many there are, and the bytes of their frames.
func tagsInOrder(t *testing.T, dir string, rate uint64) (n, bytes uint64) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "fast-*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("archive folders %q, %v", found, err)
	}
	folder, err := journal.OpenFolder(journal.OS{}, found[0])
	if err != nil {
		t.Fatal(err)
	}
	r := folder.ReaderFrom("bench", journal.Position{})
	defer r.Close()
	var d protocol.TagsDecoder
	var tags protocol.Tags
	for {
		frames, err := r.Next()
		if errors.Is(err, io.EOF) {
			return n, bytes
		}
		if err != nil {
			t.Fatal(err)
		}
		for len(frames) > 0 {
			h, payload, rest, err := protocol.ParseFrame(frames)
			if err != nil {
				t.Fatal(err)
			}
			frames = rest
			switch h.Type {
			case protocol.TypeGap, protocol.TypeHole:
				t.Fatalf("frame %d is a %v: %s", h.Seq, h.Type, payload)
			case protocol.TypeTags:
			default:
				continue
			}
			if err := d.Decode(h, payload, &tags); err != nil {
				t.Fatal(err)
			}
			bytes += uint64(h.FrameLen())
			for i, tick := range tags.Ticks {
				noise := n * 0x9E3779B97F4A7C15
				if want := n*(1e12/rate) + noise>>20%(1e12/rate); tick != want || tags.Channels[i] != uint8(noise>>62) {
					t.Fatalf("tag %d is at %d of channel %d, want %d of %d", n, tick, tags.Channels[i], want, noise>>62)
				}
				n++
			}
		}
	}
}
