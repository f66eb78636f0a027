package receiver

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol"
)

// TestArchiveOfAGatewayPastItsQuota: what a gateway had dropped before the archive
// began is nothing that it lacks; what it drops later is.
func TestArchiveOfAGatewayPastItsQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Unix(0, baseNs+3600*second))) // the readings are an hour old
		dir := t.TempDir()
		g := newStub(t).withBench(4)
		twoParts(t, g, 1, 5)
		all := g.streams[1].frames
		// Of part 1 nothing is left, of part 2 the begin is gone.
		g.streams[1].frames = [][]byte{hole(t, 1, 1, 5, protocol.CauseQuota), hole(t, 2, 1, 1, protocol.CauseQuota), all[6]}
		summary := recordTo(t, g, dir)
		if !summary.Complete {
			t.Errorf("record says %q", summary.Why)
		}
		text, code := verified(t, dir, VerifyOptions{})
		if code != 0 || !strings.Contains(text, "part 1: not recorded here: frames 1 to 5") || !strings.Contains(text, "part 2: not recorded here: frames 1 to 1") {
			t.Errorf("exit code %d\n%s", code, text)
		}
		third := thirdPart(t, g)
		g.streams[1].frames = slices.Concat(g.streams[1].frames, [][]byte{hole(t, 3, 1, 1, protocol.CauseQuota)}, third[1:])
		recordTo(t, g, dir)
		if text, code = verified(t, dir, VerifyOptions{}); code != 1 || !strings.Contains(text, "part 3: hole: quota") {
			t.Errorf("with a hole of later: exit code %d\n%s", code, text)
		}
	})
}

// TestHoleOfWhatWasMeasuredMeanwhile: a stream of which the archive never got the
// begin, since it was away when that was dropped, lacks it.
func TestHoleOfWhatWasMeasuredMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Unix(0, baseNs-3600*second)))
		dir := t.TempDir()
		g := newStub(t).withBench(4)
		g.nowNs = time.Now().UnixNano()
		g.streams[1].frames = slices.Concat([][]byte{hole(t, 1, 1, 2, protocol.CauseQuota)}, g.streams[1].frames[2:])
		recordTo(t, g, dir) // an archive that is an hour older than the first reading
		if text, code := verified(t, dir, VerifyOptions{}); code != 1 || !strings.Contains(text, "part 1: hole: quota") {
			t.Errorf("exit code %d\n%s", code, text)
		}
	})
}
