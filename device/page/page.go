// Package page makes of a driver the page that people read: how its instrument is
// wired, what can be set, what a reading is, how far it is verified and what is not
// known. The same page is Markdown beside the driver and text on a terminal.
package page

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"photongate/device"
)

// Page is what there is to say of a driver.
type Page struct {
	Title    string // "cd48: Red Dog Physics CD48 coincidence counter"
	Facts    [][2]string
	Sections []Section
}

// Section is a part of a page. Items and a table may both be empty: then None says
// what that means.
type Section struct {
	Title string
	Items []string   // sentences without a full stop
	Head  []string   // of the table
	Rows  [][]string // as wide as Head
	None  string     // "none yet"
}

// NoHardware is what a page says of an instrument nobody has tried it with.
const NoHardware = "hardware: none yet"

// Of returns the page of a driver.
func Of(d device.Driver, tried Evidence) Page {
	p := Page{
		Title: d.Name + ": " + d.Title,
		Facts: [][2]string{
			{"driver", d.Name},
			{"link", linkInFull(d)},
			{"USB id", USB(d)},
			{"identity", identity(d.Identity)},
		},
	}
	about := d.About
	checked := tried.Sentences()
	for _, h := range about.Hardware {
		checked = append(checked, "hardware: "+h)
	}
	if len(about.Hardware) == 0 {
		checked = append(checked, NoHardware)
	}
	p.Sections = []Section{
		{Title: "What a reading is", Items: about.Readings, None: "see the channels"},
		settings(d.Options),
		channels(d),
		quirks(d.Quirks),
		{Title: "How far it is verified", Items: checked},
		{Title: "Not known", Items: about.Unknown, None: "not said"},
		{Title: "Sources", Items: about.Sources, None: "not said"},
	}
	if len(about.Wiring) > 0 { // of a home-built one the file has no place for it
		p.Sections = append([]Section{{Title: "Wiring", Items: about.Wiring}}, p.Sections...)
	}
	return p
}

// Link says what the instrument hangs on: "serial, 19200 8N1", or "USB".
func Link(d device.Driver) string {
	if d.Transport == device.USB {
		return "USB"
	}
	return fmt.Sprintf("serial, %s", d.Line)
}

// linkInFull says what may change it, and what is claimed of it.
func linkInFull(d device.Driver) string {
	if d.Transport == device.USB {
		return fmt.Sprintf("USB by libusb, interface %d", d.Interface)
	}
	if slices.ContainsFunc(d.Options, func(o device.Option) bool { return o.Name == "baud" }) {
		return Link(d) + " unless the option baud says otherwise"
	}
	return Link(d)
}

// USB says under which USB ids an instrument is seen.
func USB(d device.Driver) string {
	if len(d.USB) == 0 {
		return "any adapter, or not known"
	}
	words := make([]string, len(d.USB))
	for i, id := range d.USB {
		words[i] = id.String()
		switch {
		case id.Adapter:
			words[i] += " (a serial chip)"
		case id.Shared:
			words[i] += " (also other products)"
		}
	}
	return strings.Join(words, ", ")
}

func identity(i device.Identity) string {
	switch i {
	case device.Confirmed:
		return "confirmed: it answers as only this kind does"
	case device.Assumed:
		return "assumed: it cannot be asked what it is, its bytes have the right form"
	}
	return string(i)
}

const settingsTitle = "Settings"

// settings is the table of the options.
func settings(options []device.Option) Section {
	s := Section{Title: settingsTitle, None: "none: nothing can be set in it from here"}
	if len(options) == 0 {
		return s
	}
	s.Items = []string{"under [device.options] of the configuration; where one is absent, its default holds"}
	s.Head = []string{"setting", "values", "what it is", "default", "changed"}
	for _, o := range options {
		changed := "when opened anew"
		if o.Live {
			changed = "while it is read"
		}
		if o.Guarded {
			changed += ", from afar only where the configuration allows it by name"
		}
		s.Rows = append(s.Rows, []string{o.Name, Values(o), o.Title, o.Default, changed})
	}
	return s
}

// Values says what an option takes: "duration 10ms to 1m5.535s", "50 or high".
func Values(o device.Option) string {
	s := string(o.Kind)
	if len(o.Choices) > 0 {
		s = strings.Join(o.Choices, ", ")
	}
	switch {
	case o.Min == 0 && o.Max == 0:
		return strings.TrimSpace(s + " " + o.Unit)
	case o.Kind == device.Duration:
		return fmt.Sprintf("%s, %s to %s", s, time.Duration(o.Min), time.Duration(o.Max))
	}
	return strings.TrimSpace(fmt.Sprintf("%s, %g to %g %s", s, o.Min, o.Max, o.Unit))
}

// channels says what the instrument counts, as far as that is known without it.
func channels(d device.Driver) Section {
	s := Section{Title: "Channels", None: "those that the open instrument says it has"}
	if d.Inputs.Title != "" {
		s.Items = append(s.Items, "inputs that [[device.channel]] may name: "+d.Inputs.Title)
	}
	if d.Inputs.Window != "" {
		s.Items = append(s.Items, "coincidence window: "+d.Inputs.Window)
	}
	if d.Inputs.Known == nil {
		return s
	}
	for _, c := range d.Inputs.Known(device.Settings{}) {
		width := "not known"
		if c.Width > 0 {
			width = fmt.Sprintf("%d bits", c.Width)
		}
		name := c.Name
		if name == "" {
			name = "by the settings"
		}
		s.Rows = append(s.Rows, []string{name, c.Input, string(c.Kind), width})
	}
	if len(s.Rows) > 0 {
		s.Head = []string{"channel", "input", "kind", "width"}
	}
	return s
}

// quirks lists what may show in a conversation; photongate try says which did.
func quirks(list []device.Quirk) Section {
	s := Section{Title: "Quirks", None: "none documented"}
	for _, q := range list {
		s.Items = append(s.Items, fmt.Sprintf("%s: %s (%s)", q.Name, q.Title, q.Source))
	}
	return s
}
