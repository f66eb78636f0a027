package gateway

import (
	"os"
	"path/filepath"
	"testing"
)

// Where the id of the boot cannot be read, no two processes are of one boot.
func TestBootID(t *testing.T) {
	file := filepath.Join(t.TempDir(), "boot_id")
	if a, b := bootID(file), bootID(file); a == "" || a == b {
		t.Errorf("without the file: %q and %q, want two that differ", a, b)
	}
	for _, text := range []string{"", "0f1e2d3c\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := bootID(file); got == "" || text != "" && got != "0f1e2d3c" {
			t.Errorf("of %q: %q", text, got)
		}
	}
}
