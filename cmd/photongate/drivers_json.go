package main

import (
	"encoding/json"
	"io"

	"photongate/device"
	"photongate/device/page"
)

// driverJSON is a driver as photongate drivers --json prints it.
type driverJSON struct {
	Name      string       `json:"name"`
	Title     string       `json:"title"`
	Transport string       `json:"transport"`
	Line      string       `json:"line,omitempty"` // of a serial one
	Identity  string       `json:"identity"`
	USB       []string     `json:"usb,omitempty"`
	Options   []optionJSON `json:"options"`
	Inputs    string       `json:"inputs,omitempty"`
	Window    string       `json:"window,omitempty"`
	Wiring    []string     `json:"wiring,omitempty"`
	Readings  []string     `json:"readings,omitempty"`
	Quirks    []quirkJSON  `json:"quirks,omitempty"`
	Verified  []string     `json:"verified"`
	Hardware  []string     `json:"hardware"`
	Unknown   []string     `json:"unknown,omitempty"`
	Sources   []string     `json:"sources,omitempty"`
}

type optionJSON struct {
	Name    string   `json:"name"`
	Title   string   `json:"title"`
	Kind    string   `json:"kind"`
	Unit    string   `json:"unit,omitempty"`
	Default string   `json:"default"`
	Choices []string `json:"choices,omitempty"`
	Min     float64  `json:"min,omitempty"`
	Max     float64  `json:"max,omitempty"`
	Live    bool     `json:"live,omitempty"`
	Guarded bool     `json:"guarded,omitempty"`
}

type quirkJSON struct {
	Name   string `json:"name"`
	Title  string `json:"title"`
	Source string `json:"source"`
}

func printDriversJSON(w io.Writer, drivers []device.Driver) error {
	list := make([]driverJSON, 0, len(drivers))
	for _, d := range drivers {
		list = append(list, jsonOf(d, tried(d)))
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(list)
}

func jsonOf(d device.Driver, tried page.Evidence) driverJSON {
	out := driverJSON{
		Name: d.Name, Title: d.Title, Transport: string(d.Transport), Identity: string(d.Identity),
		Options: []optionJSON{}, Inputs: d.Inputs.Title, Window: d.Inputs.Window,
		Wiring: d.About.Wiring, Readings: d.About.Readings, Verified: tried.Sentences(), Hardware: []string{},
		Unknown: d.About.Unknown, Sources: d.About.Sources,
	}
	if d.Transport == device.Serial {
		out.Line = d.Line.String()
	}
	out.Hardware = append(out.Hardware, d.About.Hardware...)
	for _, id := range d.USB {
		out.USB = append(out.USB, id.String())
	}
	for _, o := range d.Options {
		out.Options = append(out.Options, optionJSON{
			o.Name, o.Title, string(o.Kind), o.Unit, o.Default, o.Choices, o.Min, o.Max, o.Live, o.Guarded,
		})
	}
	for _, q := range d.Quirks {
		out.Quirks = append(out.Quirks, quirkJSON{q.Name, q.Title, q.Source})
	}
	return out
}
