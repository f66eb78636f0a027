package gateway

import (
	"bytes"
	"testing"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/journal/journaltest"
)

// TestFlippedBitInTheListOfArchives: a list in which a bit has changed is put aside
// and not believed. It could say that an archive has what it has not.
func TestFlippedBitInTheListOfArchives(t *testing.T) {
	memory := journaltest.New()
	if err := memory.MkdirAll("/j"); err != nil {
		t.Fatal(err)
	}
	a, err := loadArchives(memory, "/j", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	id := protocol.NewID()
	if err := a.seen("ws-ana", id, false, nil); err != nil {
		t.Fatal(err)
	}
	a.ack(id, "bench", journal.Position{Epoch: 3, Seq: 812})
	if err := a.save(); err != nil {
		t.Fatal(err)
	}
	good := bytes.Clone(memory.Data("/j/archives.json"))
	for at := range good {
		bad := bytes.Clone(good)
		bad[at] ^= 1 << (at % 8)
		memory.Put("/j/archives.json", bad)
		got, err := loadArchives(memory, "/j", time.Now)
		if err != nil || got.aside == "" || len(got.list) > 0 {
			t.Errorf("byte %d: %v, aside %q, %d archives", at, err, got.aside, len(got.list))
		}
	}
}
