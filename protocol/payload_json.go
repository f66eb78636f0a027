package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"
)

// AppendJSON appends a whole frame to dst whose payload is v, one of the
// payload types of this package, as JSON. On error dst comes back as it was.
func AppendJSON(dst []byte, h Header, v any) ([]byte, error) {
	payload, err := EncodeJSON(v)
	if err != nil {
		return dst, fmt.Errorf("%v frame: %w", h.Type, err)
	}
	return AppendFrame(dst, h, payload)
}

// EncodeJSON is the JSON payload of v alone. A hello is sent as these bytes and
// signed as these bytes.
func EncodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	text := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if len(text) > MaxJSON {
		return nil, fmt.Errorf("%w: JSON of %d bytes, at most %d", ErrLimit, len(text), MaxJSON)
	}
	return text, nil
}

// requirer is a payload that knows which of its fields must be present.
type requirer interface{ required() []string }

// DecodeJSON reads a JSON payload into v, a pointer to one of the payload types
// of this package. It checks size, nesting, that the payload is one object in
// UTF-8 whose keys are plain and different, and, for those types, that the fields
// which are always present are. Unknown fields are ignored.
func DecodeJSON(payload []byte, v any) error {
	if len(payload) > MaxJSON {
		return fmt.Errorf("%w: JSON of %d bytes, at most %d", ErrLimit, len(payload), MaxJSON)
	}
	present, err := scanJSON(payload)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(payload, v); err != nil {
		return fmt.Errorf("%w: JSON: %w", ErrFormat, err)
	}
	r, ok := v.(requirer)
	if !ok {
		return nil
	}
	for _, key := range r.required() {
		if !slices.Contains(present, key) {
			return fmt.Errorf("%w: JSON: %q is missing", ErrFormat, key)
		}
	}
	return nil
}

// scanJSON checks what encoding/json lets pass: nesting, plain and different
// keys (encoding/json takes "Cause" for "cause", and the last of two), valid UTF-8, one
// object and nothing after it. It returns the outermost keys whose value is not null.
func scanJSON(payload []byte) (present []string, err error) {
	if !utf8.Valid(payload) {
		return nil, fmt.Errorf("%w: JSON is not UTF-8", ErrFormat)
	}
	dec := json.NewDecoder(bytes.NewReader(payload))
	dec.UseNumber()
	s := keyScan{}
	for {
		token, err := dec.Token()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, fmt.Errorf("%w: JSON: %v", ErrFormat, err)
		}
		if err := s.token(token); err != nil {
			return nil, err
		}
		if len(s.levels) == 0 {
			break
		}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: JSON: more behind the object, from byte %d on", ErrFormat, dec.InputOffset())
	}
	return s.present, nil
}

// keyScan follows the tokens of a JSON text.
type keyScan struct {
	levels  []jsonLevel // of objects and arrays around the next token
	present []string    // outermost keys so far
}

type jsonLevel struct {
	keys map[string]bool // nil in an array
	key  string          // whose value is next; "" when a key is next
}

func (s *keyScan) token(token json.Token) error {
	top := len(s.levels) - 1
	delim, isDelim := token.(json.Delim)
	if isDelim && (delim == '}' || delim == ']') {
		s.levels = s.levels[:top]
		s.valueEnded(false)
		return nil
	}
	if top < 0 && (!isDelim || delim != '{') {
		return fmt.Errorf("%w: JSON: not an object", ErrFormat)
	}
	if top >= 0 && s.levels[top].keys != nil && s.levels[top].key == "" {
		return s.newKey(token)
	}
	if !isDelim {
		s.valueEnded(token == nil)
		return nil
	}
	if len(s.levels) == MaxNesting {
		return fmt.Errorf("%w: JSON nested deeper than %d", ErrLimit, MaxNesting)
	}
	level := jsonLevel{}
	if delim == '{' {
		level.keys = map[string]bool{}
	}
	s.levels = append(s.levels, level)
	return nil
}

func (s *keyScan) newKey(token json.Token) error {
	level := &s.levels[len(s.levels)-1]
	key, _ := token.(string) // encoding/json lets nothing else pass here
	if !plainKey(key) {
		return fmt.Errorf("%w: JSON: key %.40q, keys are made of a-z, 0-9 and _", ErrFormat, key)
	}
	if level.keys[key] {
		return fmt.Errorf("%w: JSON: key %q stands twice in one object", ErrFormat, key)
	}
	level.keys[key] = true
	level.key = key
	return nil
}

// valueEnded notes that the value of the innermost open key is complete.
func (s *keyScan) valueEnded(null bool) {
	if len(s.levels) == 0 {
		return
	}
	level := &s.levels[len(s.levels)-1]
	if len(s.levels) == 1 && !null {
		s.present = append(s.present, level.key)
	}
	level.key = ""
}

func plainKey(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return s != ""
}
