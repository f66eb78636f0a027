package all

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"photongate/device"
	"photongate/device/all/internal/listing"
)

func TestListIsFresh(t *testing.T) {
	want, err := listing.Generate("..")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("drivers.go")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("drivers.go is stale: run `go generate ./device/all`\n%s", want)
	}
}

// Every driver says what a user needs to know of it.
func TestDriversAreComplete(t *testing.T) {
	name := regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)
	seen := map[string]bool{}
	for _, d := range Drivers() {
		if !name.MatchString(d.Name) || seen[d.Name] {
			t.Errorf("driver name %q is no name or is taken", d.Name)
		}
		seen[d.Name] = true
		_, folder := os.Stat("../" + d.Name + "/doc.go")
		_, file := os.Stat("../../instrument/presets/" + d.Name + ".toml")
		if (folder == nil) == (file == nil) {
			t.Errorf("driver %s lives neither in a folder nor in a file of its name, or in both: %v, %v", d.Name, folder, file)
		}
		if d.Title == "" || d.Transport == "" || d.Identity == "" || d.Open == nil {
			t.Errorf("driver %s is incomplete", d.Name)
		}
		if d.Transport == device.Serial && d.Line.Baud == 0 {
			t.Errorf("driver %s has no line settings", d.Name)
		}
		for _, o := range d.Options {
			if o.Name == "" || o.Title == "" || o.Default == "" || o.Kind == "" {
				t.Errorf("driver %s: option %q is incomplete", d.Name, o.Name)
			}
			if (o.Kind == device.Enum) != (len(o.Choices) > 0) {
				t.Errorf("driver %s: option %q: choices belong to words and to nothing else", d.Name, o.Name)
			}
		}
	}
}

func TestFind(t *testing.T) {
	for _, d := range Drivers() {
		if got, ok := Find(d.Name); !ok || got.Name != d.Name {
			t.Errorf("Find(%q) = %q, %v", d.Name, got.Name, ok)
		}
	}
	if _, ok := Find("no such driver"); ok || slices.ContainsFunc(Drivers(), func(d device.Driver) bool { return d.Name == "" }) {
		t.Error("found a driver that is not there")
	}
}
