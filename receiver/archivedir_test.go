package receiver

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"photongate/protocol"
	"photongate/protocol/journal"
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
		dir.await(ctx, func() bool { return !dir.uses("pi-lab3", lab3) })
		if ctx.Err() != nil {
			t.Error("what was free before is waited for")
		}
		if path, err = dir.folderFor("pi-lab3", lab3, false); err != nil {
			t.Fatal(err)
		}
		dir.release(other)
		free := make(chan struct{})
		go func() { dir.await(t.Context(), func() bool { return !dir.uses("pi-lab3", lab3) }); close(free) }()
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

// TestIdentityMadeAnew: without archive.json the folders tell who the receiver is.
// Nothing is written where they contradict each other.
func TestIdentityMadeAnew(t *testing.T) {
	const file = "arch/" + archiveFile
	open := func(fsys journal.FS, name string) (protocol.ID, string, error) {
		dir, err := openArchiveDir(fsys, "arch", name, zerolog.Nop())
		if err != nil {
			return protocol.ID{}, "", err
		}
		return dir.id, dir.name, dir.close()
	}
	fsys := journaltest.New()
	id, name, err := open(fsys, "")
	if err != nil {
		t.Fatal(err)
	}
	folder := func(path string, archive protocol.ID) {
		t.Helper()
		j, err := journal.Open(path, journal.Options{FS: fsys, Place: journal.InArchive, Journal: protocol.ID{7}, Gateway: "pi-lab3", Archive: archive, WaitWhenFull: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	folder("arch/pi-lab3-07000000", id)
	fsys.Put(file, []byte("{rubbish"))
	if _, _, err := open(fsys, ""); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "delete it, and it is made anew") {
		t.Errorf("rubbish: %v", err)
	}
	if err := fsys.Remove(file); err != nil {
		t.Fatal(err)
	}
	again, nameAgain, err := open(fsys, "")
	if err != nil || again != id || nameAgain != name {
		t.Errorf("made anew: %v %s, %v; it was %v %s", again, nameAgain, err, id, name)
	}
	if err := fsys.Remove(file); err != nil {
		t.Fatal(err)
	}
	if again, nameAgain, err = open(fsys, "ws-ana"); err != nil || again != id || nameAgain != "ws-ana" {
		t.Errorf("made anew with a name: %v %s, %v", again, nameAgain, err)
	}
	dir, err := openArchiveDir(fsys, "arch", "", zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	folder("arch/pi-lab4-07000000", protocol.ID{9})
	_, err = openStore(dir, "arch/pi-lab4-07000000", &protocol.Hello{Name: "pi-lab3", ID: protocol.ID{7}}, zerolog.Nop())
	if !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "restore that file") || strings.Contains(err.Error(), "another journal") {
		t.Errorf("a folder of another archive: %v", err)
	}
	if err := dir.close(); err != nil {
		t.Fatal(err)
	}
	if err := fsys.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, _, err := open(fsys, ""); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "of several archives") {
		t.Errorf("folders of two archives: %v", err)
	}
	if fsys.Data(file) != nil {
		t.Error("an identity was written that folders contradict")
	}
}

// TestVerifyTellsOfAMissingIdentity: archive.json is one of the files that record
// made, and verify tells when it is gone; a folder of a gateway that somebody put
// elsewhere never had one.
func TestVerifyTellsOfAMissingIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, dir := newStub(t).threeParts(), t.TempDir()
		recordTo(t, g, dir)
		if err := os.Remove(filepath.Join(dir, archiveFile)); err != nil {
			t.Fatal(err)
		}
		for _, at := range []string{dir, filepath.Join(dir, labFolder)} {
			if text, code := verified(t, at, VerifyOptions{}); code != 3 || !strings.Contains(text, filepath.Join(dir, archiveFile)+" is missing: ") {
				t.Errorf("verify %s: %d\n%s", at, code, text)
			}
		}
		elsewhere := t.TempDir()
		if err := os.Rename(filepath.Join(dir, labFolder), filepath.Join(elsewhere, labFolder)); err != nil {
			t.Fatal(err)
		}
		if text, code := verified(t, elsewhere, VerifyOptions{}); code != 0 {
			t.Errorf("verify elsewhere: %d\n%s", code, text)
		}
	})
}
