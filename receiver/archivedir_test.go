package receiver

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"photongate/protocol/journal/journaltest"
)

// TestWaitForAFolder: who waits for a folder of one gateway goes on when that is
// free, also if it was freed before, and not when another one is.
func TestWaitForAFolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, err := openArchiveDir(journaltest.New(), "arch", "ws-ana", zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		defer dir.close()
		lab3, lab4 := mustID(t, "00112233445566778899aabbccddeeff"), mustID(t, "ffeeddccbbaa99887766554433221100")
		path, err := dir.folderFor("pi-lab3", lab3, false)
		if err != nil {
			t.Fatal(err)
		}
		other, err := dir.folderFor("pi-lab4", lab4, false)
		if err != nil {
			t.Fatal(err)
		}
		dir.release(path)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		dir.waitReleased(ctx, "pi-lab3", lab3)
		if ctx.Err() != nil {
			t.Error("what was free before is waited for")
		}
		if path, err = dir.folderFor("pi-lab3", lab3, false); err != nil {
			t.Fatal(err)
		}
		dir.release(other)
		free := make(chan struct{})
		go func() { dir.waitReleased(t.Context(), "pi-lab3", lab3); close(free) }()
		synctest.Wait()
		select {
		case <-free:
			t.Error("another folder is taken for it")
		default:
		}
		dir.release(path)
		<-free
	})
}
