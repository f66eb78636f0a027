package cmd_test

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"testing"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// TestDeadReceiverOfTags gives the gateway 64 MiB and a million time tags a second
// while its only receiver is dead. All goes to the disk, memory stays flat, and when
// the receiver is back it gets every tag.
func TestDeadReceiverOfTags(t *testing.T) {
	// Not beside others: at its rate they would have no time left on two cores.
	t.Attr("fault", "F09")
	const rate = 1_000_000
	// In a few seconds what is there for a moment of stall is still put to use for the
	// first time: batches of 0.6 MiB in the queue, frames that are encoded side by side,
	// and 2.7 MiB in the journal's memory for each second that a busy disk syncs. After
	// a minute all of that was needed once, and nothing grows any more.
	grow := 12 << 10
	if isLong() {
		grow = 4 << 10
	}
	r := outliveDeadReceiver(t, grow, "tags", "--tags", fmt.Sprint(rate))
	if r.last.gaps > 0 {
		t.Errorf("%d gaps", r.last.gaps)
	}
	tags, bytes := tagsInOrder(t, r.dir, rate)
	if tags < r.last.readings {
		t.Errorf("%d tags in the archive, %d were read", tags, r.last.readings)
	}
	each := float64(bytes) / float64(tags)
	t.Attr("injected", fmt.Sprintf("1,000,000 time tags/s of 4 channels, 1 ps, for %v, memory limit 64 MiB, the only receiver dead", r.length))
	t.Attr("promised", "everything goes to disk, memory flat, and all of it is fetched afterwards")
	t.Attr("seen", fmt.Sprintf("%s tags fetched in order, none missing, %.2f bytes each: 20 GB of journal hold %.0f minutes; resident %d MiB at first, %d past the middle, %d at last, at most %d while it was fetched",
		grouped(int64(tags)), each, 20e9/each/rate/60, r.first.rssKiB>>10, r.middle.rssKiB>>10, r.last.rssKiB>>10, r.peakKiB>>10))
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
