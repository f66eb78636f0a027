package cli_test

import (
	"testing"

	"photongate/cmd/internal/cli"
)

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 gaps", 1: "1 gap", 2: "2 gaps"} {
		if got := cli.Count(n, "gap"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
