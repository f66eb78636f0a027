package homebuilt

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"photongate/instrument"
)

// The examples of the page for users are read as they say.
func TestReadmeExamples(t *testing.T) {
	page, err := os.ReadFile("../../instrument/README.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, m := range regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		if strings.Contains(m[1], "[[device]]") {
			continue // a configuration
		}
		n++
		f, err := instrument.Parse("README.md", []byte(m[1]))
		if err != nil {
			t.Fatal(err)
		}
		if err := Check(f); err != nil {
			t.Errorf("%v\nin\n%s", err, m[1])
		}
	}
	if n < 8 {
		t.Errorf("%d examples", n)
	}
}
