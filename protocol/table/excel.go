package table

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ExcelRows is how many rows a sheet of Excel holds, the header among them.
const ExcelRows = 1 << 20

// ErrSheetFull says that Excel would not open more rows.
var ErrSheetFull = errors.New("a sheet of Excel holds 1,048,576 rows and no more")

// Excel is the form of CSV that Excel opens with a double click, which depends
// on the country: what stands between cells, and in decimal fractions. The zero
// value is none of it.
type Excel struct{ Separator, Point byte }

// The forms of Excel there are.
var (
	excelComma = Excel{';', ','} // most of Europe and South America
	excelSwiss = Excel{';', '.'} // Switzerland
	excelPoint = Excel{',', '.'} // English-speaking countries, Asia, Mexico
)

// commaLanguages write 0,5.
var commaLanguages = []string{
	"af", "az", "be", "bg", "bs", "ca", "cs", "da", "de", "el", "es", "et", "eu", "fi", "fr", "gl", "hr", "hu", "hy", "id", "is", "it", "ka", "kk", "lt",
	"lv", "mk", "nb", "nl", "nn", "no", "pl", "pt", "ro", "ru", "sk", "sl", "sq", "sr", "sv", "tr", "uk", "uz", "vi",
}

// pointCountries write 0.5, though their language elsewhere does not.
var pointCountries = []string{"MX", "US", "GT", "HN", "NI", "PA", "PE", "PR", "SV", "DO"}

// ExcelFor returns the form for a locale: de, de_DE.UTF-8, en-GB. One that is
// not known, C and the empty one get that of English.
func ExcelFor(locale string) Excel {
	locale, _, _ = strings.Cut(locale, ".")
	locale, _, _ = strings.Cut(locale, "@")
	language, country, _ := strings.Cut(strings.ReplaceAll(locale, "-", "_"), "_")
	language, country = strings.ToLower(language), strings.ToUpper(country)
	switch {
	case country == "CH" || country == "LI":
		return excelSwiss
	case country == "ZA", slices.Contains(commaLanguages, language) && !slices.Contains(pointCountries, country):
		return excelComma
	}
	return excelPoint
}

// Locale finds the locale for numbers in the environment, as POSIX says.
func Locale(getenv func(string) string) string {
	for _, name := range []string{"LC_ALL", "LC_NUMERIC", "LANG"} {
		if v := getenv(name); v != "" {
			return v
		}
	}
	return ""
}

// parseExcel reads the value of --excel; here is the form where it is read.
func parseExcel(text string, here Excel) (Excel, error) {
	switch strings.ToLower(text) {
	case "", "true", "here":
		if here == (Excel{}) {
			here = excelPoint
		}
		return here, nil
	case "false":
		return Excel{}, nil
	case "de":
		return excelComma, nil
	case "en":
		return excelPoint, nil
	}
	language, _, _ := strings.Cut(strings.ReplaceAll(text, "-", "_"), "_")
	if len(language) != 2 && len(language) != 3 {
		return Excel{}, fmt.Errorf("%q: --excel alone takes the form of this computer's country; or say de (1,5 and semicolons), en (1.5 and commas), or another locale as fr or de_CH", text)
	}
	return ExcelFor(text), nil
}

// style is how CSV looks.
type style struct {
	sep, point byte
	excel      bool
}

func styleOf(e Excel) style {
	if e == (Excel{}) {
		return style{',', '.', false}
	}
	return style{e.Separator, e.Point, true}
}

// cell appends a cell of text, quoted where RFC 4180 asks for it. For Excel,
// text is no formula.
func (s style) cell(dst []byte, text string) []byte {
	if s.excel && text != "" && strings.IndexByte("=+-@\t\r", text[0]) >= 0 {
		text = "'" + text
	}
	if s.sep != ',' && strings.IndexByte(text, s.sep) >= 0 {
		return appendQuoted(dst, text)
	}
	return appendCell(dst, text)
}

// seconds appends microseconds as seconds with six decimals.
func (s style) seconds(dst []byte, micros int64) []byte {
	at := len(dst)
	dst = appendSeconds(dst, micros)
	if s.point != '.' {
		s.comma(dst[at:])
	}
	return dst
}

// comma puts the decimal sign into a number.
func (s style) comma(number []byte) {
	for i := range number {
		if number[i] == '.' {
			number[i] = s.point
		}
	}
}

// byteOrderMark tells Excel that a file is UTF-8.
const byteOrderMark = "\uFEFF"

// header turns a header with commas into one of the style.
func (s style) header(text string) []byte {
	if !s.excel {
		return []byte(text)
	}
	return append([]byte(byteOrderMark), strings.ReplaceAll(text, ",", string(rune(s.sep)))...)
}
