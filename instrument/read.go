package instrument

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reader fills the types of the grammar from TOML and gathers problems by path.
type reader struct {
	lines    map[string]int
	problems map[string]Problem
}

// report notes what is wrong at a path; one thing for each is enough.
func (r *reader) report(path, format string, args ...any) {
	if _, ok := r.problems[path]; ok {
		return
	}
	p := Problem{Key: plain(path), Text: fmt.Sprintf(format, args...)}
	for at := path; at != "" && p.Line == 0; at = at[:max(strings.LastIndexAny(at, ".["), 0)] {
		p.Line = r.lines[at]
	}
	r.problems[path] = p
}

// file reads the whole.
func (r *reader) file(root map[string]any, f *File) {
	r.table("", root, reflect.ValueOf(f).Elem())
}

// table reads a table into a struct: each key is that of a field.
func (r *reader) table(path string, values map[string]any, into reflect.Value) {
	fields := map[string]int{}
	for i := range into.NumField() {
		if key := into.Type().Field(i).Tag.Get("toml"); key != "-" {
			fields[key] = i
		}
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		i, ok := fields[key]
		if !ok {
			r.report(join(path, key), "%s", unknownKey(key, slices.Sorted(maps.Keys(fields)), path))
			continue
		}
		r.value(join(path, key), values[key], into.Field(i))
	}
}

// value reads one value.
func (r *reader) value(path string, v any, into reflect.Value) {
	switch p := into.Addr().Interface().(type) {
	case *time.Duration:
		set(r, path, p, v, readDuration)
	case *Bytes:
		set(r, path, p, v, readBytes)
	case *Template:
		set(r, path, p, v, readTemplate)
	case **Pattern:
		set(r, path, p, v, readPattern)
	case *Ref:
		set(r, path, p, v, readRef)
	case *Decimal:
		set(r, path, p, v, readDecimal)
	case *Sentinel:
		set(r, path, p, v, readSentinel)
	case *Span:
		set(r, path, p, v, readSpan)
	case *Value:
		p.V = v
	default:
		r.kind(path, v, into)
	}
}

// set reads one value of a type of its own.
func set[T any](r *reader, path string, into *T, v any, read func(any) (T, error)) {
	t, err := read(v)
	if err != nil {
		r.report(path, "%v", err)
		return
	}
	*into = t
}

// kind reads a value by the kind of its type.
func (r *reader) kind(path string, v any, into reflect.Value) {
	switch into.Kind() {
	case reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		r.value(path, v, into.Elem())
	case reflect.Struct:
		table, ok := v.(map[string]any)
		if !ok {
			r.report(path, "%s is %s (expected a table, [%s])", shown(v), kindOf(v), plain(path))
			return
		}
		r.table(path, table, into)
	case reflect.Slice:
		r.list(path, v, into)
	case reflect.String:
		r.text(path, v, into)
	case reflect.Bool:
		b, ok := v.(bool)
		if !ok {
			r.report(path, "%s is %s (expected true or false)", shown(v), kindOf(v))
		}
		into.SetBool(b)
	case reflect.Int:
		n, ok := v.(int64)
		if !ok || n < math.MinInt32 || n > math.MaxInt32 {
			r.report(path, "%s is %s (expected a whole number)", shown(v), kindOf(v))
			return
		}
		into.SetInt(n)
	case reflect.Uint64:
		n, ok := v.(int64)
		if !ok || n < 0 {
			r.report(path, "%s is %s (expected a whole number from 0 on)", shown(v), kindOf(v))
			return
		}
		into.SetUint(uint64(n))
	}
}

// list reads a list; a value that stands alone is a list of one, but for a table.
func (r *reader) list(path string, v any, into reflect.Value) {
	list, ok := v.([]any)
	switch {
	case ok:
	case into.Type().Elem().Kind() == reflect.Struct && isTable(v):
		r.report(path, "is one table (expected [[%s]], with two brackets)", plain(path))
		return
	default:
		list = []any{v}
	}
	for i, v := range list {
		element := reflect.New(into.Type().Elem()).Elem()
		r.value(index(path, i), v, element)
		into.Set(reflect.Append(into, element))
	}
}

func isTable(v any) bool { _, ok := v.(map[string]any); return ok }

// text reads a text, or one of the words of its type.
func (r *reader) text(path string, v any, into reflect.Value) {
	s, ok := v.(string)
	if !ok {
		r.report(path, "%s is %s (expected a text in quotes)", shown(v), kindOf(v))
		return
	}
	if words := wordsOf[into.Type()]; len(words) > 0 && !slices.Contains(words, s) {
		r.report(path, "%q is not known (expected one of %s)", s, strings.Join(words, ", "))
		return
	}
	into.SetString(s)
}

// wordsOf lists what a text of some types may be.
var wordsOf = map[reflect.Type][]string{
	reflect.TypeFor[Parity]():      {"none", "even", "odd"},
	reflect.TypeFor[Order]():       {"little", "big"},
	reflect.TypeFor[Checksum]():    {"none", "sum8", "xor8"},
	reflect.TypeFor[GateBy]():      {"instrument", "poll", "answer", "arrival"},
	reflect.TypeFor[Kind]():        {"count", "total", "rate", "event", "auxiliary", "tag", "marker"},
	reflect.TypeFor[PulseEdge]():   {"rising", "falling"},
	reflect.TypeFor[Switch]():      {"on", "off"},
	reflect.TypeFor[Meaning]():     {"wrap", "lost", "time", "ignore", "end"},
	reflect.TypeFor[SettingKind](): {"duration", "integer", "number", "word", "boolean"},
}

func readDuration(v any) (time.Duration, error) {
	const expected = `expected a time with its unit, in quotes: "100ms", "1.5s"`
	s, ok := v.(string)
	if !ok {
		return 0, fmt.Errorf("%s is %s (%s)", shown(v), kindOf(v), expected)
	}
	d, err := time.ParseDuration(strings.ReplaceAll(s, " ", ""))
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no time (%s)", s, expected)
	}
	if d > maxTime {
		return 0, fmt.Errorf("%q is too long (expected at most %v)", s, maxTime)
	}
	return d, nil
}

// maxTime is the longest time that a file may name.
const maxTime = 24 * time.Hour

func readTemplate(v any) (Template, error) {
	b, err := readBytes(v)
	if err != nil {
		return Template{}, err
	}
	return parseTemplate(b)
}

func readPattern(v any) (*Pattern, error) {
	s, ok := v.(string)
	if !ok {
		return nil, fmt.Errorf("%s is %s (expected a pattern in single quotes: '^#')", shown(v), kindOf(v))
	}
	re, err := regexp.Compile(s)
	if err != nil {
		return nil, fmt.Errorf("%q is no pattern: %w (expected a regular expression in single quotes: '^#')", s, err)
	}
	return &Pattern{re}, nil
}

func readRef(v any) (Ref, error) {
	switch v := v.(type) {
	case int64:
		if v >= 1 && v <= maxValues {
			return Ref{Index: int(v)}, nil
		}
	case string:
		if v != "" {
			return Ref{Name: v}, nil
		}
	}
	return Ref{}, fmt.Errorf("%s is no value's (expected its number, from 1 to %d, or its name in quotes)", shown(v), maxValues)
}

// maxValues bounds the values of a line or record.
const maxValues = 1024

func readDecimal(v any) (Decimal, error) {
	const expected = "expected a number above 0, as in 0.1 or 16"
	var text string
	switch v := v.(type) {
	case int64:
		text = strconv.FormatInt(v, 10) + "e+00"
	case float64:
		text = strconv.FormatFloat(v, 'e', -1, 64)
	default:
		return Decimal{}, fmt.Errorf("%s is %s (%s)", shown(v), kindOf(v), expected)
	}
	digits, exponent, _ := strings.Cut(text, "e")
	whole, fraction, _ := strings.Cut(digits, ".")
	m, err := strconv.ParseUint(whole+fraction, 10, 64)
	e, err2 := strconv.Atoi(exponent)
	if err != nil || err2 != nil || m == 0 {
		return Decimal{}, fmt.Errorf("%s (%s)", shown(v), expected)
	}
	d := Decimal{Mantissa: m, Exponent: e - len(fraction)}
	for d.Mantissa%10 == 0 && d.Exponent < 0 {
		d.Mantissa /= 10
		d.Exponent++
	}
	return d, nil
}

func readSentinel(v any) (Sentinel, error) {
	switch v := v.(type) {
	case string:
		return Sentinel{Word: v}, nil
	case int64:
		return Sentinel{Number: float64(v), Bits: uint64(max(v, 0))}, nil
	case float64:
		return Sentinel{Number: v}, nil
	}
	return Sentinel{}, fmt.Errorf("%s is %s (expected a number, or a word in quotes)", shown(v), kindOf(v))
}
