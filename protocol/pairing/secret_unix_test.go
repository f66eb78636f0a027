//go:build unix

package pairing

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestRenewedByRoot: sudo photongate pair --renew leaves the token to the
// gateway's own user, who could not read it any more otherwise.
func TestRenewedByRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can write files for others")
	}
	const uid, gid = 12345, 12346
	dir := t.TempDir()
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	id, err := LoadIdentity(dir) // sudo photongate, the first time
	if err != nil {
		t.Fatal(err)
	}
	check := func(when, name string) {
		t.Helper()
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if s := info.Sys().(*syscall.Stat_t); s.Uid != uid || s.Gid != gid || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %s belongs to %d:%d with mode %04o, want %d:%d with 0600", when, name, s.Uid, s.Gid, info.Mode().Perm(), uid, gid)
		}
	}
	check("made", KeyFile)
	check("made", TokenFile)
	if err := id.Renew(time.Now()); err != nil {
		t.Fatal(err)
	}
	check("renewed", TokenFile)
}
