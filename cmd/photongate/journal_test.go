package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"photongate/cmd/internal/cli"
	"photongate/protocol"
	"photongate/protocol/journal"
)

// TestJournalExitCodes: what is wrong on the command line is 2, gaps and holes
// are 1, damage is 3, and so is what was removed.
func TestJournalExitCodes(t *testing.T) {
	dir := t.TempDir()
	whole, holed, spoilt := filepath.Join(dir, "whole"), filepath.Join(dir, "holed"), filepath.Join(dir, "spoilt")
	for path, seqs := range map[string][]uint64{whole: {1, 2, 3}, holed: {1, 3}, spoilt: {1, 2, 3}} {
		makeJournal(t, path, seqs)
	}
	gapped, shorter := filepath.Join(dir, "gapped"), filepath.Join(dir, "shorter")
	makeJournal(t, gapped, []uint64{1})
	addGap(t, gapped)
	makeJournal(t, shorter, []uint64{1, 2, 3})
	addGap(t, shorter)
	if err := os.Remove(filepath.Join(shorter, "bench", "000002-000000000001.pgs")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(spoilt, "bench", "000001-000000000001.pgs")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2+50] ^= 1
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		code int
		args []string
	}{
		{cli.Done, []string{"verify", whole}},
		{cli.Done, []string{"verify", "--json", whole}},
		{cli.Incomplete, []string{"verify", holed}},
		{cli.Incomplete, []string{"verify", gapped}},
		{cli.Incomplete, []string{"verify", "--json", gapped}},
		{cli.Damaged, []string{"verify", spoilt}},
		{cli.Damaged, []string{"verify", shorter}},
		{cli.Damaged, []string{"verify", "--json", shorter}},
		{cli.Damaged, []string{"cat", "--format", "ndjson", shorter}},
		{cli.Usage, []string{"verify", file}},
		{cli.Usage, []string{"verify", filepath.Join(dir, "nowhere")}},
		{cli.Usage, []string{"ls", filepath.Join(dir, "nowhere")}},
		{cli.Usage, []string{"cat", filepath.Join(dir, "nowhere")}},
		{cli.Usage, []string{"cat", "--format", "xml", whole}},
		{cli.Usage, []string{"cat", "--stream", "nobody", whole}},
		{cli.Done, []string{"digest", whole, "bench", "1", "1", "3"}},
		{cli.Usage, []string{"digest", whole, "nobody", "1", "1", "3"}},
		{cli.Usage, []string{"digest", whole, "bench", "1", "3", "1"}},
		{cli.Usage, []string{"digest", whole, "bench", "1", "1", "4"}},
		{cli.Usage, []string{"digest", whole, "bench", "2", "1", "1"}},
		{cli.Usage, []string{"digest", holed, "bench", "1", "1", "3"}},
	} {
		if got := cli.Run(t.Context(), newRootCommand(), append([]string{"journal"}, c.args...), io.Discard, io.Discard); got != c.code {
			t.Errorf("journal %v: exit status %d, want %d", c.args, got, c.code)
		}
	}
}

// addGap begins another epoch, which holds a gap.
func addGap(t *testing.T, dir string) {
	t.Helper()
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := j.Streams()[0]
	if _, err := s.Begin(0, 1); err != nil {
		t.Fatal(err)
	}
	frame, err := protocol.AppendJSON(nil, protocol.Header{Type: protocol.TypeGap, Stream: s.ID(), Epoch: 2, Seq: 1}, &protocol.Gap{Cause: protocol.CauseUnplugged})
	if err == nil {
		err = s.Append(frame)
	}
	if err := errors.Join(err, j.Close()); err != nil {
		t.Fatal(err)
	}
}

// makeJournal makes a journal of one stream with frames of these sequences.
func makeJournal(t *testing.T, dir string, seqs []uint64) {
	t.Helper()
	j, err := journal.Open(dir, journal.Options{Gateway: "pi-lab3"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := j.Stream("bench", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Begin(0, 1); err != nil {
		t.Fatal(err)
	}
	for _, seq := range seqs {
		frame, err := protocol.AppendFrame(nil, protocol.Header{Type: protocol.TypeTags, Stream: s.ID(), Epoch: 1, Seq: seq}, make([]byte, 200))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Append(frame); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}
