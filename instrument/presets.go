package instrument

import (
	"embed"
	"path"
	"slices"
	"strings"
)

//go:embed presets/*.toml
var presets embed.FS

// Presets returns the instrument files that come with the program, in the order of
// their names. Each call parses them anew.
func Presets() []*File {
	entries, err := presets.ReadDir("presets")
	if err != nil {
		panic(err) // they are embedded
	}
	var list []*File
	for _, e := range entries {
		text, err := presets.ReadFile(path.Join("presets", e.Name()))
		if err != nil {
			panic(err)
		}
		f, err := Parse(path.Join("presets", e.Name()), text)
		if err != nil {
			panic(err) // a test parses them
		}
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b *File) int { return strings.Compare(a.Name, b.Name) })
	return list
}
