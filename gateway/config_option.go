package gateway

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"photongate/device"
)

// Word is the value of an option as it stands on a command line: without type
// and without quotes. It is read as what the option wants.
type Word string

// optionValue turns a value that was configured into what the driver expects, or says
// why it cannot be.
func optionValue(o device.Option, v any) (any, error) {
	value, size, err := typedOption(o, v)
	if err != nil {
		return nil, err
	}
	if (o.Min != 0 || o.Max != 0) && (size < o.Min || size > o.Max) {
		return nil, &rangeError{option: o, value: v}
	}
	if o.Check != nil {
		if err := o.Check(value); err != nil {
			return nil, err
		}
	}
	return value, nil
}

// rangeError says that a value lies outside an option's limits.
type rangeError struct {
	option device.Option
	value  any
}

func (e *rangeError) Error() string {
	return fmt.Sprintf("%s is out of range (%s: %s)", shown(e.value), e.option.Title, e.expected())
}

func (e *rangeError) expected() string {
	return "expected " + bound(e.option, e.option.Min) + " to " + bound(e.option, e.option.Max)
}

// typedOption returns the value with the type of the option's kind and, where
// it has one, its size.
func typedOption(o device.Option, v any) (value any, size float64, err error) {
	wrong := func(expected string) error {
		return fmt.Errorf("%s is %s (%s: expected %s)", shown(v), kindOf(v), o.Title, expected)
	}
	if word, ok := v.(Word); ok {
		if v, err = word.typed(o); err != nil {
			return nil, 0, err
		}
	}
	switch o.Kind {
	case device.Duration:
		d, err := parseDuration(v)
		return d, float64(d), err
	case device.Integer:
		n, ok := v.(int64)
		if !ok {
			return nil, 0, wrong("a whole number" + inUnit(o))
		}
		return n, float64(n), nil
	case device.Number:
		switch n := v.(type) {
		case int64:
			return float64(n), float64(n), nil
		case float64:
			if n-n != 0 { // infinite or not a number
				return nil, 0, wrong("a finite number" + inUnit(o))
			}
			return n, n, nil
		}
		return nil, 0, wrong("a number" + inUnit(o))
	case device.Bool:
		if _, ok := v.(bool); !ok {
			return nil, 0, wrong("true or false")
		}
		return v, 0, nil
	case device.Enum:
		s, _ := v.(string)
		if !slices.Contains(o.Choices, s) {
			return nil, 0, fmt.Errorf("%s is not possible (%s: expected one of %s)", shown(v), o.Title, strings.Join(o.Choices, ", "))
		}
		return s, 0, nil
	}
	if _, ok := v.(string); !ok {
		return nil, 0, wrong("a text in quotes")
	}
	return v, 0, nil
}

// typed gives a word the type that the option has in a file.
func (w Word) typed(o device.Option) (any, error) {
	text := string(w)
	if o.Unit != "" && (o.Kind == device.Integer || o.Kind == device.Number) {
		text = strings.TrimSpace(strings.TrimSuffix(text, o.Unit)) // people write it
	}
	number, err := strconv.ParseFloat(text, 64)
	wrong := func(what string) (any, error) {
		in := ""
		if o.Unit != "" {
			in = " in " + o.Unit
		}
		return nil, fmt.Errorf("%s is no %s (%s: expected a %s%s)", string(w), what, o.Title, what, in)
	}
	switch o.Kind {
	case device.Duration:
		if err == nil {
			return nil, fmt.Errorf("%s has no unit (expected a duration such as 100ms)", text)
		}
		if _, err := parseDuration(text); err != nil {
			return nil, fmt.Errorf("%q is no duration (expected a duration such as 100ms)", text)
		}
	case device.Integer:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return wrong("whole number")
		}
		return n, nil
	case device.Number:
		if err != nil || number-number != 0 {
			return wrong("number")
		}
		return number, nil
	case device.Bool:
		if text != "true" && text != "false" {
			return nil, fmt.Errorf("%s is not possible (%s: expected true or false)", text, o.Title)
		}
		return text == "true", nil
	}
	return text, nil
}

func inUnit(o device.Option) string {
	if o.Unit == "" {
		return " without quotes"
	}
	return " in " + o.Unit + ", without quotes"
}

// bound writes a limit of an option with its unit.
func bound(o device.Option, x float64) string {
	switch {
	case o.Kind == device.Duration && time.Duration(x) >= time.Second:
		return strconv.FormatFloat(time.Duration(x).Seconds(), 'f', -1, 64) + "s"
	case o.Kind == device.Duration:
		return time.Duration(x).String()
	}
	return withUnit(strconv.FormatFloat(x, 'g', -1, 64), o.Unit)
}

func withUnit(number, unit string) string {
	if unit == "" {
		return number
	}
	return number + " " + unit
}
