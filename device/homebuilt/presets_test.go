package homebuilt

import (
	"testing"

	"photongate/instrument"
)

// Every preset reads its own bytes: those of its row in the published survey.
func TestPresets(t *testing.T) {
	list := instrument.Presets()
	if len(list) < 23 {
		t.Errorf("%d presets, want all 23 rows", len(list))
	}
	for _, f := range list {
		t.Run(f.Name, func(t *testing.T) {
			if err := Check(f); err != nil {
				t.Error(err)
			}
			if f.Source == "" || f.Simulate == nil {
				t.Error("a preset says where its format is from, and how it is simulated")
			}
			d := Driver(f)
			for _, o := range d.Options {
				if o.Name == "" || o.Title == "" || o.Default == "" || o.Kind == "" {
					t.Errorf("option %+v is incomplete", o)
				}
			}
		})
	}
}
