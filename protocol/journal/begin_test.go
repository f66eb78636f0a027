package journal_test

import (
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"photongate/protocol/journal"
	"photongate/protocol/journal/journaltest"
)

// A disk that has room for a file but not for the list of epochs has Begin fail,
// each time it is asked. Nothing of it is left: whoever asks each second for hours
// finds a name when there is room.
func TestBeginThatFailsLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := journaltest.New()
		j := open(t, fsys, journal.Options{})
		defer func() {
			fsys.Limit(-1)
			if err := j.Close(); err != nil {
				t.Error(err)
			}
		}()
		s := stream(t, j, "bench")
		failed := 0
		for room := range int64(3000) { // at some of them the file has room and the list has none
			fsys.Limit(room)
			if _, err := s.Begin(1, 1); err == nil {
				break
			}
			failed++
		}
		fsys.Limit(-1)
		if failed < 100 {
			t.Fatalf("Begin failed %d times: the test proves nothing", failed)
		}
		if s.Epoch() != 1 {
			t.Fatalf("epoch %d", s.Epoch())
		}
		var left []string
		for _, name := range fsys.Files() {
			if strings.HasPrefix(name, filepath.Join(j.Dir(), "bench")) {
				left = append(left, filepath.Base(name))
			}
		}
		if len(left) != 1 || left[0] != "000001-000000000001.pgs" {
			t.Errorf("after %d tries the folder holds %d files: %.200q", failed, len(left), left)
		}
	})
}
