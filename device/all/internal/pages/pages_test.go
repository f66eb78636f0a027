package pages

import (
	"os"
	"path/filepath"
	"testing"
)

func TestPagesAreFresh(t *testing.T) {
	all := All()
	if len(all) < 10 {
		t.Errorf("%d pages", len(all))
	}
	for path, want := range all {
		got, err := os.ReadFile(filepath.Join("../../../..", path))
		if err != nil {
			t.Errorf("%v: run `go generate ./device/all`", err)
		} else if string(got) != want {
			t.Errorf("%s is stale: run `go generate ./device/all`", path)
		}
	}
}
