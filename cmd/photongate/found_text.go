package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"photongate/device"
	"photongate/gateway"
)

// printFound writes the list for people, with what to paste into a configuration.
// unavailable says why this program cannot open USB devices, nil when it can.
func printFound(w io.Writer, list []found, unavailable error) error {
	var b strings.Builder
	if len(list) == 0 {
		b.WriteString("no serial port and no USB device is present\n")
	}
	var named []gateway.DeviceConfig
	needsUSB := false
	for i := range list {
		named = list[i].print(&b, named)
		for _, d := range list[i].Drivers {
			needsUSB = needsUSB || d.driver.Transport == device.USB || strings.HasPrefix(d.Config, "ftdi:")
		}
	}
	if needsUSB && unavailable != nil {
		fmt.Fprintf(&b, "\n%v\n", unavailable)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// print writes one device; named are the names given so far.
func (f *found) print(b *strings.Builder, named []gateway.DeviceConfig) []gateway.DeviceConfig {
	b.WriteString(f.heading())
	say := func(format string, args ...any) { fmt.Fprintf(b, "    "+format+"\n", args...) }
	if who := f.heldBy(); who != "" {
		say("in use by %s", who)
	}
	if f.Note != "" {
		say("%s", f.Note)
	}
	for _, a := range f.Probes {
		say("%s", a.text())
	}
	var maybe []string
	for _, d := range f.Drivers {
		if f.Adapter && d.Sure != string(device.Confirmed) {
			maybe = append(maybe, d.Driver+" ("+d.Sure+")")
			continue
		}
		name := freeName(d.Driver, named)
		named = append(named, gateway.DeviceConfig{Name: name})
		say("[[device]]  # %s", sureText(d))
		say("name   = %q", name)
		say("driver = %q", d.Driver)
		say("port   = %q", d.Config)
	}
	switch {
	case f.Adapter && len(maybe) > 0:
		say("an adapter: what hangs on it only you know. %s, or any other serial instrument", strings.Join(maybe, ", "))
		say("port   = %q", f.adapterConfig())
	case f.Kind == "serial" && len(f.Drivers) == 0:
		say("any serial instrument may hang on it")
		say("port   = %q", f.Config)
	}
	return named
}

// adapterConfig is the name for drivers of serial instruments.
func (f *found) adapterConfig() string {
	for _, d := range f.Drivers {
		if d.driver.Transport != device.USB {
			return d.Config
		}
	}
	return f.Config
}

// heading is one line that says what it is.
func (f *found) heading() string {
	text := f.Port
	if f.Kind == "usb" || text == "" {
		text = "USB device"
	}
	for _, word := range []string{f.USB, printable(f.Product)} {
		if word != "" {
			text += "  " + word
		}
	}
	if f.Serial != "" {
		text += "  serial number " + printable(f.Serial)
	}
	if f.Socket != "" {
		text += "  in socket " + f.Socket
	}
	return text + "\n"
}

// printable is a text of a device without what would move the cursor.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}

func sureText(d fit) string {
	switch d.Sure {
	case possible:
		return "possible: other products carry this USB id too"
	case string(device.Assumed):
		return "assumed: it cannot say what it is"
	case likely:
		return "likely: the USB id is its own"
	}
	return d.Sure
}

// text says what came of a probe, and what was sent for it.
func (a answered) text() string {
	sent := "; sent nothing"
	if len(a.Sent) > 0 {
		sent = "; sent " + strings.Join(a.Sent, ", ")
	}
	switch a.Result {
	case notAsked:
		return "not asked whether it is a " + a.Driver + ": " + a.Error
	case notIt:
		return "not a " + a.Driver + ": " + a.Error + sent
	}
	text := a.Result + ": " + a.Driver
	for _, of := range [][2]string{{"", a.Model}, {"serial number ", a.Serial}, {"firmware ", a.Firmware}} {
		if of[1] != "" {
			text += ", " + of[0] + printable(of[1])
		}
	}
	return text + sent
}
