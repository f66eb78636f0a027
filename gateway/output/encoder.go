package output

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
)

// encoder turns readings into the blocks of one output. One goroutine uses it.
type encoder struct {
	kind      string
	mode      int           // of serpy
	typ       string        // of serpy2
	record    *recordFormat // nil: lines of text, or one number
	separator []byte
	perBlock  int

	body     []byte // of the block that is being filled
	readings int    // in it
}

// encoder makes the encoder of a configuration, or says with a keyError what is
// wrong with it.
func (c *Config) encoder() (*encoder, error) {
	e := &encoder{kind: c.Kind, mode: c.Mode, typ: c.Type, separator: []byte(c.Separator), perBlock: max(c.PerBlock, 1)}
	if len(e.separator) == 0 {
		e.separator = []byte{','}
	}
	if e.typ == "" {
		e.typ = TypeText
	}
	bytesOnly := c.Kind == KindStruct || c.Kind == KindSerpy2 && e.typ == TypeBytes
	switch {
	case c.Format == "" && bytesOnly:
		return nil, keyError{"format", errors.New(`is missing (expected a format of Python's struct, as in "!Qd8I")`)}
	case c.Format == "":
		return e, e.checkNumber(c)
	case c.Kind == KindSerpy && !serpyEncoded(c.Mode):
		return nil, keyError{"format", fmt.Errorf("needs mode 2 or 3 (mode %d carries text)", c.Mode)}
	case !bytesOnly && c.Kind != KindSerpy:
		return nil, keyError{"format", fmt.Errorf("needs type = %q", TypeBytes)}
	}
	f, err := parseRecordFormat(c.Format)
	if err != nil {
		return nil, keyError{"format", err}
	}
	e.record = &f
	return e, e.checkRecord(c)
}

// checkNumber checks blocks that carry a single number.
func (e *encoder) checkNumber(c *Config) error {
	if c.Kind != KindSerpy2 || e.typ == TypeText {
		return nil
	}
	switch {
	case len(c.Fields) != 1:
		return keyError{"fields", fmt.Errorf("there are %d, but a block of type %q carries one", len(c.Fields), e.typ)}
	case e.perBlock > 1:
		return keyError{"per_block", fmt.Errorf("is %d, but a block of type %q carries one reading", e.perBlock, e.typ)}
	case kindOfField(c.Fields[0]) == words || e.typ == TypeInteger && kindOfField(c.Fields[0]) == real64:
		return keyError{"fields", fmt.Errorf("%q cannot be an %s", c.Fields[0], e.typ)}
	}
	return nil
}

// checkRecord checks that the fields are those of the record.
func (e *encoder) checkRecord(c *Config) error {
	if len(c.Fields) != e.record.values {
		return keyError{"fields", fmt.Errorf("there are %d, but the format %q carries %d values (expected one field for each; x in the format is a byte without one)",
			len(c.Fields), c.Format, e.record.values)}
	}
	if most := segmentBytes / e.record.size; c.Kind == KindStruct && e.perBlock > most {
		return keyError{"per_block", fmt.Errorf("%d records of %d bytes do not travel in one piece (expected at most %d)", e.perBlock, e.record.size, most)}
	}
	next := 0
	for _, item := range e.record.items {
		if item.code == 'x' {
			continue
		}
		if err := checkCode(c.Fields[next], item); err != nil {
			return keyError{"fields", err}
		}
		next++
	}
	return nil
}

// checkCode refuses a field that never fits a code of a record.
func checkCode(field string, item recordItem) error {
	kind := kindOfField(field)
	switch {
	case item.code == 's':
		if field == fieldTimeUTC && item.size < len("2006-01-02T15:04:05.000000Z") {
			return fmt.Errorf("%q has 27 letters, which do not fit %ds", field, item.size)
		}
		return nil
	case strings.HasPrefix(field, "="):
		if v := constant(field[1:]); !v.fits(item) {
			return fmt.Errorf("%q does not fit code %q", field, item.code)
		}
	case kind == words:
		return fmt.Errorf("%q is a text, which does not fit code %q (expected 27s or the like)", field, item.code)
	case kind == real64 && item.code == 'f' && (field == fieldTime || field == fieldUTC):
		return fmt.Errorf("%q in code 'f' would be right to 7 digits only (expected d)", field)
	case kind == real64 && item.code != 'd' && item.code != 'f':
		return fmt.Errorf("%q is no whole number, which code %q needs (expected d)", field, item.code)
	case field == fieldFlags && item.size < 2:
		return fmt.Errorf("%q has 16 bits, which do not fit code %q (expected H or more)", field, item.code)
	case field == fieldFlags && item.code == 'h':
		return fmt.Errorf("%q has 16 bits, which do not fit code 'h' (expected H or more)", field)
	}
	return nil
}

// errNoNumber says that a value cannot be the number that a block carries.
var errNoNumber = errors.New("the value is not known, or no whole number")

// add adds a reading to the block. On error the block is as it was.
func (e *encoder) add(values []value) error {
	switch {
	case e.record != nil:
		body, err := e.record.pack(e.body, values)
		if err != nil {
			return err
		}
		e.body = body
	case e.kind == KindSerpy2 && e.typ == TypeInteger:
		v := values[0]
		if !v.fits(recordItem{'q', 8}) {
			return errNoNumber
		}
		e.body = binary.LittleEndian.AppendUint64(e.body, v.word())
	case e.kind == KindSerpy2 && e.typ == TypeFloat:
		f := values[0].float()
		if math.IsNaN(f) {
			return errNoNumber
		}
		e.body = appendHexFloat(e.body, f)
	default:
		e.line(values)
	}
	e.readings++
	return nil
}

// line appends a line of text; lines are joined, not ended, by a newline.
func (e *encoder) line(values []value) {
	if e.readings > 0 {
		e.body = append(e.body, '\n')
	}
	for i, v := range values {
		if i > 0 {
			e.body = append(e.body, e.separator...)
		}
		if bytes.Contains(v.text, e.separator) || bytes.IndexByte(v.text, '"') >= 0 {
			e.body = append(e.body, '"')
			e.body = append(e.body, bytes.ReplaceAll(v.text, []byte(`"`), []byte(`""`))...)
			e.body = append(e.body, '"')
			continue
		}
		e.body = append(e.body, v.text...)
	}
}

// full reports whether the block holds as many readings as it may.
func (e *encoder) full() bool { return e.readings >= e.perBlock }

// block returns the bytes of the block and begins a new one; nil when there is
// no reading in it.
func (e *encoder) block() ([]byte, error) {
	if e.readings == 0 {
		return nil, nil
	}
	body := e.body
	e.body, e.readings = e.body[:0], 0
	return e.wrap(body)
}

// wrap makes the block that carries a body.
func (e *encoder) wrap(body []byte) ([]byte, error) {
	switch e.kind {
	case KindSerpy:
		if !serpyEncoded(e.mode) {
			if err := checkSerpyText(body); err != nil {
				return nil, err
			}
		}
		return appendSerpyBlock(make([]byte, 0, len(body)*5/4+8), body, e.mode), nil
	case KindSerpy2:
		return appendSerpy2Block(make([]byte, 0, len(body)+serpy2Header), e.serpy2Type(), body), nil
	}
	return append([]byte(nil), body...), nil
}

func (e *encoder) serpy2Type() byte {
	switch e.typ {
	case TypeInteger:
		return serpy2Integer
	case TypeFloat:
		return serpy2Float
	case TypeBytes:
		return serpy2Bytes
	}
	return serpy2Text
}
