package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"photongate/cmd/internal/cli"
	"photongate/protocol"
	"photongate/protocol/journal"
)

// TestJournalExitCodes: what is wrong on the command line is 2, holes are 1,
// damage is 3.
func TestJournalExitCodes(t *testing.T) {
	dir := t.TempDir()
	whole, holed, spoilt := filepath.Join(dir, "whole"), filepath.Join(dir, "holed"), filepath.Join(dir, "spoilt")
	for path, seqs := range map[string][]uint64{whole: {1, 2, 3}, holed: {1, 3}, spoilt: {1, 2, 3}} {
		makeJournal(t, path, seqs)
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
		{cli.Damaged, []string{"verify", spoilt}},
		{cli.Usage, []string{"verify", filepath.Join(dir, "nowhere")}},
		{cli.Usage, []string{"ls", filepath.Join(dir, "nowhere")}},
		{cli.Usage, []string{"cat", filepath.Join(dir, "nowhere")}},
		{cli.Usage, []string{"cat", "--format", "xml", whole}},
		{cli.Usage, []string{"cat", "--stream", "nobody", whole}},
		{cli.Done, []string{"digest", whole, "bench", "1", "1", "3"}},
		{cli.Usage, []string{"digest", whole, "nobody", "1", "1", "3"}},
		{cli.Usage, []string{"digest", whole, "bench", "1", "3", "1"}},
	} {
		if got := cli.Run(t.Context(), newRootCommand(), append([]string{"journal"}, c.args...), io.Discard, io.Discard); got != c.code {
			t.Errorf("journal %v: exit status %d, want %d", c.args, got, c.code)
		}
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
