package receiver

import (
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"photongate/protocol"
	"photongate/protocol/table"
)

// TestCatEvents: what the gateway did, as what it dropped, is printed when its
// stream is asked for by name, and by no pattern.
func TestCatEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStub(t).withBench(2)
		g.streams[0].frames = (&frameMaker{t: t, stream: 1, epoch: 1, time: baseNs}).describe(g.base, gatewayStream).clock(0, protocol.SyncSynchronised).
			json(protocol.TypeEvent, &protocol.Event{What: "dropped", Who: "gateway", Text: "oldest 3 min of bench, more than quota"}).out
		dir := t.TempDir()
		recordTo(t, g, dir)
		for _, source := range []string{dir, filepath.Join(dir, labFolder)} {
			text := catText(t, CatOptions{Source: source, Streams: []string{"gateway"}})
			if !strings.HasPrefix(text, table.EventsHeader) || !strings.Contains(text, `,gateway,dropped,,,"oldest 3 min of bench, more than quota"`+"\n") || !strings.Contains(text, "2026-11-20T13:30:12.") {
				t.Errorf("%s:\n%s", source, text)
			}
		}
		lines := catText(t, CatOptions{Source: dir, Streams: []string{"gateway", "bench"}, View: table.View{Format: table.NDJSON}})
		if !strings.Contains(lines, "dropped") || !strings.Contains(lines, `"type":"reading"`) {
			t.Errorf("events among readings:\n%s", lines)
		}
		for _, patterns := range [][]string{nil, {"*"}, {"g*", "bench"}} {
			if text := catText(t, CatOptions{Source: dir, Streams: patterns}); strings.Contains(text, "dropped") {
				t.Errorf("streams %q:\n%s", patterns, text)
			}
		}
		for _, o := range []CatOptions{{Streams: []string{"gateway", "bench"}}, {Streams: []string{"gateway"}, Folder: "tables"}, {Streams: []string{"pi-lab3/gateway"}, View: table.View{Merge: true}}} {
			o.Source = dir
			if _, err := Cat(t.Context(), io.Discard, o); !errors.Is(err, ErrUsage) {
				t.Errorf("%q: %v", o.Streams, err)
			}
		}
	})
}
