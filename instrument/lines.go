package instrument

import (
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// keyLines returns the line of every key and table of a valid text, by its path
// with indices: "channel[0].name".
func keyLines(text []byte) map[string]int {
	k := keys{lines: map[string]int{}, counts: map[string]int{}}
	k.p.Reset(text)
	prefix := ""
	for k.p.NextExpression() {
		e := k.p.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			prefix = k.header(e)
		case unstable.KeyValue:
			k.keyValue(e, prefix)
		}
	}
	return k.lines
}

type keys struct {
	p      unstable.Parser
	lines  map[string]int
	counts map[string]int // elements seen of each array of tables
}

// header notes a table header and returns its path.
func (k *keys) header(e *unstable.Node) string {
	path := ""
	for it := e.Key(); it.Next(); {
		key := it.Node()
		path = join(path, string(key.Data))
		if it.IsLast() && e.Kind == unstable.ArrayTable {
			k.counts[path]++
		}
		if k.lines[path] == 0 {
			k.lines[path] = k.line(key)
		}
		if n := k.counts[path]; n > 0 {
			path = index(path, n-1)
		}
		if it.IsLast() {
			k.lines[path] = k.line(key)
		}
	}
	return path
}

func (k *keys) line(key *unstable.Node) int { return k.p.Shape(k.p.Range(key.Data)).Start.Line }

// keyValue notes a key and what stands in its inline tables and arrays.
func (k *keys) keyValue(e *unstable.Node, prefix string) {
	path := prefix
	for it := e.Key(); it.Next(); {
		key := it.Node()
		path = join(path, string(key.Data))
		k.lines[path] = k.line(key)
	}
	k.value(e.Value(), path)
}

func (k *keys) value(v *unstable.Node, path string) {
	switch v.Kind {
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			k.keyValue(it.Node(), path)
		}
	case unstable.Array:
		n := 0
		for it := v.Children(); it.Next(); {
			if it.Node().Kind != unstable.Comment {
				k.lines[index(path, n)] = k.lines[path]
				k.value(it.Node(), index(path, n))
				n++
			}
		}
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func index(path string, n int) string { return path + "[" + strconv.Itoa(n) + "]" }

// plain turns "channel[0].name" into "channel.name".
func plain(path string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(path, "[") {
		if _, rest, ok := strings.Cut(part, "]"); ok {
			part = rest
		}
		b.WriteString(part)
	}
	return b.String()
}
