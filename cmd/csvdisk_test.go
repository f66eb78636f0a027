package cmd_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestCSVAfterAFullDisk fills the disk of a recording that writes CSV files: when
// there is room again they go on, and have each row that was recorded once.
func TestCSVAfterAFullDisk(t *testing.T) {
	t.Parallel()
	disk := newSmallDisk(t, 2048)
	b := newBench(t, "cd48", `gate = "100ms"`)
	b.archive = filepath.Join(disk.dir, "archive")
	b.startSim()
	gateway := b.startGateway()
	record := startAt(t, disk.place(), "photonrecv", "record", b.addr, "--dir", b.archive, "--name", "ws-ana", "--csv")
	record.waitFor("recording")
	gateway.waitFor("bench", "running")
	b.awaitRows(20)
	disk.fill()
	record.waitFor("the archive's disk is full:")
	record.waitFor("the disk has no room for CSV files")
	b.awaitRows(10)
	disk.free()
	record.waitFor("the archive's disk takes what comes again")
	record.waitFor("the CSV files of bench go on, written anew from the recording")
	b.awaitRows(20)
	if code := record.stop(); code != 0 {
		t.Errorf("record: exit %d\n%s", code, record.stdout.String())
	}
	b.archive = filepath.Join(b.dir, "copy")
	if err := os.CopyFS(b.archive, os.DirFS(disk.outside("archive"))); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(b.gatewayFolder(), "bench*.csv"))
	if err != nil {
		t.Fatal(err)
	}
	var written []string
	for _, name := range slices.DeleteFunc(files, func(n string) bool { return strings.Count(filepath.Base(n), ".") > 1 }) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range parseCSV(t, string(text))[1:] {
			written = append(written, strings.Join(row[8:], ","))
		}
	}
	var recorded []string
	for _, r := range b.cat() {
		recorded = append(recorded, r.values)
	}
	if len(recorded) < 50 || !slices.Equal(written, recorded) {
		t.Errorf("%d rows in %q, %d recorded", len(written), files, len(recorded))
	}
}
