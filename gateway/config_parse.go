package gateway

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// source is what is known of the file a Config came from: the line of each
// key, by its path with indices ("device[0].port"), and the problems found
// while reading it.
type source struct {
	lines    map[string]int
	problems map[string]Problem // by path; one for each path is enough
}

// ParseConfig is LoadConfig for a text in memory; file is used in messages.
func ParseConfig(file string, text []byte) (Config, error) {
	var root map[string]any
	if err := toml.Unmarshal(text, &root); err != nil {
		return Config{}, tomlError(file, string(text), err)
	}
	c := Config{File: file, source: source{lines: keyLines(text), problems: map[string]Problem{}}}
	top := table{values: root, src: &c.source, used: map[string]bool{}, words: wordsTop}
	if gw := top.table("gateway", wordsGateway); gw != nil {
		c.Name = gw.text("name")
		c.Listen = gw.texts("listen")
		c.Forward = gw.texts("forward")
		c.Journal = gw.text("journal")
		c.Control = gw.text("control")
		c.OnAlarm = gw.texts("on_alarm")
		c.Quota = gw.amount("quota")
		c.KeepFree = gw.amount("keep_free")
		c.ForgetAfter = gw.long("forget_after")
		gw.finish()
	}
	for _, t := range top.tables("device", wordsDevice) {
		c.Devices = append(c.Devices, parseDevice(t))
	}
	for _, t := range top.tables("output", wordsOutput) {
		c.Outputs = append(c.Outputs, parseOutput(t))
	}
	top.finish()
	return c, nil
}

func parseDevice(t *table) DeviceConfig {
	d := DeviceConfig{
		Name:    t.text("name"),
		Driver:  t.text("driver"),
		Port:    t.text("port"),
		Batch:   t.duration("batch"),
		Options: map[string]any{},
		Allow:   t.texts("allow"),
		Share:   t.weight("share"),
	}
	if o := t.table("options", nil); o != nil {
		d.Options = o.values
	}
	for _, ch := range t.tables("channel", wordsChannel) {
		d.Channels = append(d.Channels, ChannelConfig{
			Input:    ch.text("input"),
			Name:     ch.text("name"),
			Detector: ch.text("detector"),
			DeadTime: ch.duration("dead_time"),
			DarkCPS:  ch.rate("dark"),
			Of:       ch.texts("of"),
			Window:   ch.duration("window"),

			WarnAboveCPS: ch.limit("warn_above"),
			WarnBelowCPS: ch.limit("warn_below"),
			WarnFor:      ch.duration("warn_for"),
		})
		ch.finish()
	}
	for _, c := range t.tables("counts", wordsCounts) {
		d.Counts = append(d.Counts, parseCounts(c))
	}
	t.finish()
	return d
}

// tomlError says where a text is no TOML, and what its author probably meant.
func tomlError(file, text string, err error) error {
	var de *toml.DecodeError
	if !errors.As(err, &de) {
		return fmt.Errorf("%s: %w", file, err)
	}
	line, _ := de.Position()
	says := strings.TrimPrefix(de.Error(), "toml: ")
	if lines := strings.Split(text, "\n"); line > 0 && line <= len(lines) {
		if hint := lineHint(lines[line-1]); hint != "" {
			says += " (" + hint + ")"
		}
	}
	return &ConfigError{File: file, Problems: []Problem{{
		Line: line, Key: strings.Join(de.Key(), "."), Text: says,
	}}}
}

// keyLines returns the line of every key and table header of a valid text.
func keyLines(text []byte) map[string]int {
	lines := map[string]int{}
	counts := map[string]int{} // elements seen of each array of tables
	var p unstable.Parser
	p.Reset(text)
	prefix := ""
	for p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			prefix = headerPath(&p, e, counts, lines)
		case unstable.KeyValue:
			noteKeyValue(&p, e, prefix, lines)
		}
	}
	return lines
}

// headerPath returns the path of a table header, with the index of the last
// element for every array of tables on the way.
func headerPath(p *unstable.Parser, e *unstable.Node, counts, lines map[string]int) string {
	path, line := "", 0
	for it := e.Key(); it.Next(); {
		key := it.Node()
		path = join(path, string(key.Data))
		line = p.Shape(p.Range(key.Data)).Start.Line
		if lines[path] == 0 { // [device.channel] where there is no [[device]]
			lines[path] = line
		}
		if it.IsLast() && e.Kind == unstable.ArrayTable {
			lines[path] = line
			counts[path]++
		}
		if n := counts[path]; n > 0 {
			path += "[" + strconv.Itoa(n-1) + "]"
		}
	}
	lines[path] = line
	return path
}

// noteKeyValue notes the line of a key and of what stands in its inline
// tables.
func noteKeyValue(p *unstable.Parser, e *unstable.Node, prefix string, lines map[string]int) {
	path := prefix
	for it := e.Key(); it.Next(); {
		key := it.Node()
		path = join(path, string(key.Data))
		lines[path] = p.Shape(p.Range(key.Data)).Start.Line
	}
	noteValue(p, e.Value(), path, lines)
}

func noteValue(p *unstable.Parser, v *unstable.Node, path string, lines map[string]int) {
	switch v.Kind {
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			noteKeyValue(p, it.Node(), path, lines)
		}
	case unstable.Array:
		i := 0
		for it := v.Children(); it.Next(); {
			if it.Node().Kind == unstable.Comment {
				continue
			}
			element := fmt.Sprintf("%s[%d]", path, i)
			lines[element] = lines[path]
			noteValue(p, it.Node(), element, lines)
			i++
		}
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// line returns the line of path, or of the nearest table around it.
func (s *source) line(path string) int {
	for path != "" {
		if n := s.lines[path]; n > 0 {
			return n
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 0
}

// report remembers a problem, unless the same place has one already.
func (s *source) report(path, format string, args ...any) {
	if _, ok := s.problems[path]; ok {
		return
	}
	if s.problems == nil {
		s.problems = map[string]Problem{}
	}
	s.problems[path] = Problem{Line: s.line(path), Key: withoutIndices(path), Text: fmt.Sprintf(format, args...)}
}

// sorted returns all problems by line.
func (s *source) sorted() []Problem {
	paths := slices.Sorted(maps.Keys(s.problems))
	list := make([]Problem, len(paths))
	for i, path := range paths {
		list[i] = s.problems[path]
	}
	slices.SortStableFunc(list, func(a, b Problem) int { return a.Line - b.Line })
	return list
}

// withoutIndices turns "device[0].port" into "device.port".
func withoutIndices(path string) string {
	for {
		open := strings.IndexByte(path, '[')
		if open < 0 {
			return path
		}
		end := strings.IndexByte(path[open:], ']')
		if end < 0 {
			return path
		}
		path = path[:open] + path[open+end+1:]
	}
}

// table is one TOML table while it is being read: it remembers which keys were
// asked for, so that the others can be called unknown.
type table struct {
	path   string
	values map[string]any
	src    *source
	used   map[string]bool
	words  map[string]string
}

func (t *table) take(key string) (v any, path string, ok bool) {
	t.used[key] = true
	v, ok = t.values[key]
	return v, join(t.path, key), ok
}

func (t *table) wrongType(path string, v any, expected string) {
	t.src.report(path, "%s is %s (expected %s)", shown(v), kindOf(v), expected)
}

func (t *table) text(key string) string {
	v, path, ok := t.take(key)
	if !ok {
		return ""
	}
	s, ok := v.(string)
	if !ok {
		t.wrongType(path, v, "a text in quotes")
	} else if s == "" {
		t.src.report(path, "is empty (leave the key out, or give a value)")
	}
	return s
}

func (t *table) texts(key string) []string {
	v, path, ok := t.take(key)
	if !ok {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	if len(list) == 0 {
		t.src.report(path, "is an empty list (leave the key out, or give a value)")
	}
	var out []string
	for i, v := range list {
		s, ok := v.(string)
		if !ok {
			t.wrongType(fmt.Sprintf("%s[%d]", path, i), v, "a text in quotes, or a list of them")
			continue
		}
		out = append(out, s)
	}
	return out
}

func (t *table) duration(key string) time.Duration {
	v, path, ok := t.take(key)
	if !ok {
		return 0
	}
	d, err := parseDuration(v)
	if err != nil {
		t.src.report(path, "%v", err)
	} else if d <= 0 {
		t.src.report(path, "%s is impossible (expected more than 0)", shown(v))
	}
	return d
}

func (t *table) rate(key string) float64 {
	v, path, ok := t.take(key)
	if !ok {
		return 0
	}
	r, err := parseRate(v)
	if err != nil {
		t.src.report(path, "%v", err)
	}
	return r
}

// limit is a rate that may be left out, and that is more than 0.
func (t *table) limit(key string) *float64 {
	v, named := t.values[key]
	r := t.rate(key)
	if !named {
		return nil
	}
	if _, err := parseRate(v); err == nil && r == 0 {
		t.src.report(join(t.path, key), "%s is impossible (expected more than 0)", shown(v))
	}
	return &r
}

func (t *table) table(key string, words map[string]string) *table {
	v, path, ok := t.take(key)
	if !ok {
		return nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		t.wrongType(path, v, "a table, written ["+withoutIndices(path)+"]")
		return nil
	}
	return &table{path: path, values: m, src: t.src, used: map[string]bool{}, words: words}
}

func (t *table) tables(key string, words map[string]string) []*table {
	v, path, ok := t.take(key)
	if !ok {
		return nil
	}
	expected := "tables, each beginning [[" + withoutIndices(path) + "]]"
	list, ok := v.([]any)
	if _, one := v.(map[string]any); one {
		t.src.report(path, "is written as a single table (%s)", headerHints[withoutIndices(path)])
		return nil
	}
	if !ok {
		t.wrongType(path, v, expected)
		return nil
	}
	var out []*table
	for i, v := range list {
		element := fmt.Sprintf("%s[%d]", path, i)
		m, ok := v.(map[string]any)
		if !ok {
			t.wrongType(element, v, expected)
			continue
		}
		out = append(out, &table{path: element, values: m, src: t.src, used: map[string]bool{}, words: words})
	}
	return out
}

// finish reports the keys that nobody asked for.
func (t *table) finish() {
	known := slices.Sorted(maps.Keys(t.used))
	for key := range t.values {
		if !t.used[key] {
			t.src.report(join(t.path, key), "%s", unknownKey(key, known, t.words, ""))
		}
	}
}
