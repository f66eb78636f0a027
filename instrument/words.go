package instrument

import (
	"fmt"
	"strconv"
	"strings"
)

// usual are words that people write, and what the grammar calls them.
var usual = map[string]string{
	"baudrate": `"baud" under [link]`, "baud_rate": `"baud" under [link]`, "bits": `"data_bits" under [link]`, "bytesize": `"data_bits" under [link]`,
	"separator": `"split" under [text]`, "delimiter": `"split" under [text]`, "sep": `"split" under [text]`,
	"regex": `"pattern" under [text]`, "regexp": `"pattern" under [text]`, "match": `"pattern" under [text]`,
	"terminator": `"ends" under [text]`, "eol": `"ends" under [text]`, "end": `"ends" under [text]`, "line_end": `"ends" under [text]`, "newline": `"ends" under [text]`,
	"ignore": `"skip" under [text]`, "comment": `"skip" under [text]`,
	"interval": `"time" under [gate]`, "dwell": `"time" under [gate]`, "period": `"every" under [poll]`, "integration_time": `"time" under [gate]`,
	"query": `"send" under [poll]`, "command": `"send" under [poll], or "command" under [[setting]]`, "init": `"send" under [open]`,
	"struct": `"format" under [record]`, "size": `"length" under [record]`, "offset": `"at" under [[record.field]]`, "endian": `"order" under [record]`,
	"byteorder": `"order" under [record]`, "count": `"repeat" under [[record.field]], or "count" under [text]`,
	"type": `"kind" under [[channel]]`, "column": `"from" under [[channel]]`, "index": `"from" under [[channel]]`, "field": `"from" under [[channel]]`, "group": `"from" under [[channel]]`, "key": `"from" under [[channel]]`,
	"factor": `"scale" under [[channel]]`, "multiplier": `"scale" under [[channel]]`, "channels": "[[channel]]", "examples": "[[example]]", "settings": "[[setting]]",
	"delay": `"settle" under [open]`, "wait": `"settle" under [open]`, "description": `"title"`,
}

// unknownKey says what is wrong with a key that does not exist; known are those
// that do.
func unknownKey(key string, known []string, path string) string {
	where := "here"
	if path != "" {
		where = "under [" + plain(path) + "]"
	}
	if hint := usual[strings.ReplaceAll(strings.ToLower(key), "-", "_")]; hint != "" {
		return "unknown key (did you mean " + hint + "?)"
	}
	if best := nearest(key, known); best != "" {
		return fmt.Sprintf("unknown key (did you mean %q?)", best)
	}
	return fmt.Sprintf("unknown key (expected %s one of %s)", where, strings.Join(known, ", "))
}

// nearest returns the word that differs in the fewest letters, "" when none is near.
func nearest(word string, known []string) string {
	best, least := "", len(word)/3+2
	for _, k := range known {
		if d := distance(strings.ToLower(word), k); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is the number of letters to insert, delete or replace to turn a into b
// (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := diagonal
			if a[i-1] != b[j-1] {
				change++
			}
			diagonal = row[j]
			row[j] = min(row[j]+1, row[j-1]+1, change)
		}
	}
	return row[len(b)]
}

// kindOf names the TOML type of a value.
func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "a text"
	case int64:
		return "a whole number"
	case float64:
		return "a number"
	case bool:
		return "true or false"
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	}
	return "a date or time"
}

// shown writes a value as it stood in the file, or nearly so.
func shown(v any) string {
	switch v := v.(type) {
	case string:
		return strconv.Quote(v)
	case []any:
		return "[...]"
	case map[string]any:
		return "{...}"
	}
	return fmt.Sprint(v)
}
