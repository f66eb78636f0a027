package recording

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"photongate/device"
)

// About says what was recorded. A field that is not known is empty.
type About struct {
	Software string            // what made the recording, with its version
	System   string            // operating system and processor
	Driver   string            // name of the driver, "unknown" when there was none
	Port     string            // name of the port
	PortKind string            // what the port is: "TCP", "USB 0403:6001 FT232R USB UART"
	Line     string            // line settings, "19200 8N1"
	Settings map[string]string // what was pushed, by the option's name; see Settings
	Began    time.Time         // by the clock of the computer
	For      time.Duration     // how long it was to read once the instrument was open
}

// fields lists what is written, in this order.
func (a *About) fields() [][2]string {
	list := [][2]string{
		{"software", a.Software}, {"system", a.System}, {"driver", a.Driver},
		{"port", a.Port}, {"port kind", a.PortKind}, {"line", a.Line},
	}
	for _, key := range slices.Sorted(maps.Keys(a.Settings)) {
		list = append(list, [2]string{"set " + key, a.Settings[key]})
	}
	if !a.Began.IsZero() {
		list = append(list, [2]string{"began", a.Began.UTC().Format(time.RFC3339)})
	}
	if a.For != 0 {
		list = append(list, [2]string{"for", a.For.String()})
	}
	return list
}

func (a *About) write(w io.Writer) error {
	oneLine := strings.NewReplacer("\n", " ", "\r", " ")
	for _, f := range a.fields() {
		if f[1] == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "# %s: %s\n", f[0], oneLine.Replace(f[1])); err != nil {
			return err
		}
	}
	return nil
}

// parse takes in a comment. One that is no field is for people.
func (a *About) parse(line string) (err error) {
	key, value, found := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "#")), ": ")
	if !found {
		return nil
	}
	if option, is := strings.CutPrefix(key, "set "); is {
		if a.Settings == nil {
			a.Settings = map[string]string{}
		}
		a.Settings[option] = value
		return nil
	}
	switch key {
	case "software":
		a.Software = value
	case "system":
		a.System = value
	case "driver":
		a.Driver = value
	case "port":
		a.Port = value
	case "port kind":
		a.PortKind = value
	case "line":
		a.Line = value
	case "began":
		a.Began, err = time.Parse(time.RFC3339, value)
	case "for":
		a.For, err = time.ParseDuration(value)
	}
	return err
}

// SettingsText returns settings as About keeps them.
func SettingsText(s device.Settings) map[string]string {
	text := map[string]string{}
	for key, value := range s {
		text[key] = fmt.Sprint(value)
	}
	return text
}

// DeviceSettings returns the settings as a driver's Open takes them. It refuses
// one that is none of the options, or out of its range.
func (a *About) DeviceSettings(options []device.Option) (device.Settings, error) {
	s := device.Settings{}
	for key, text := range a.Settings {
		i := slices.IndexFunc(options, func(o device.Option) bool { return o.Name == key })
		if i < 0 {
			return nil, fmt.Errorf("the recording sets %q, which the driver does not have", key)
		}
		value, number, err := parseSetting(options[i].Kind, text)
		if o := options[i]; err == nil && (o.Min != 0 || o.Max != 0) && (number < o.Min || number > o.Max) {
			err = fmt.Errorf("must be %v to %v", o.Min, o.Max)
		}
		if check := options[i].Check; err == nil && check != nil {
			err = check(value)
		}
		if err != nil {
			return nil, fmt.Errorf("the recording sets %s = %s: %w", key, text, err)
		}
		s[key] = value
	}
	return s, nil
}

// parseSetting returns a value of the option's type, and as a number to compare
// with the option's range.
func parseSetting(kind device.OptionKind, text string) (value any, number float64, err error) {
	switch kind {
	case device.Duration:
		d, err := time.ParseDuration(text)
		return d, float64(d), err
	case device.Integer:
		n, err := strconv.ParseInt(text, 10, 64)
		return n, float64(n), err
	case device.Number:
		v, err := strconv.ParseFloat(text, 64)
		return v, v, err
	case device.Bool:
		b, err := strconv.ParseBool(text)
		return b, 0, err
	default:
		return text, 0, nil
	}
}
