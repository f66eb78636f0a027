package receiver

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"
)

const (
	dayLayout    = "2006-01-02"
	momentLayout = "150405"
	maxTitleName = 60 // characters of a title that a folder's name keeps
	maxSameName  = 1000
)

// makeMeasurementFolder makes DIR/YYYY-MM-DD/HHMMSS_TITLE for a measurement that
// began at a moment, in that moment's time zone. What is there is never used
// again: a second measurement of the same second and title gets _2.
func makeMeasurementFolder(dir string, begin time.Time, title string) (string, error) {
	day := filepath.Join(dir, begin.Format(dayLayout))
	if err := os.MkdirAll(day, 0o755); err != nil {
		return "", err
	}
	stem := begin.Format(momentLayout)
	if name := asciiName(title); name != "" {
		stem += "_" + name
	}
	for n := 1; n <= maxSameName; n++ {
		path := filepath.Join(day, stem)
		if n > 1 {
			path = fmt.Sprintf("%s_%d", path, n)
		}
		err := os.Mkdir(path, 0o755)
		if err == nil || !errors.Is(err, fs.ErrExist) {
			return path, err
		}
	}
	return "", fmt.Errorf("%s holds more than %d measurements called %s", day, maxSameName, stem)
}

// asciiName is a title as part of a folder's name that every system and every
// script takes: letters, digits and + - = . of ASCII, anything else becomes one
// underscore, and letters of other alphabets their usual spelling.
func asciiName(title string) string {
	b := &strings.Builder{}
	gap := false
	for _, r := range title {
		text, ok := spelling(r)
		switch {
		case r == '\u0308' && !gap && endsInUmlaut(b.String()): // u and a combining diaeresis
			b.WriteByte('e')
		case unicode.Is(unicode.Mn, r): // other accents that stand by themselves
		case !ok:
			gap = true
		default:
			if gap && b.Len() > 0 {
				b.WriteByte('_')
			}
			gap = false
			b.WriteString(text)
		}
	}
	name := b.String()
	if len(name) > maxTitleName {
		name = name[:maxTitleName]
	}
	return strings.Trim(name, "_.- ")
}

func endsInUmlaut(s string) bool { return s != "" && strings.ContainsAny(s[len(s)-1:], "aouAOU") }

// spelling is a character in ASCII, if it has a usual spelling.
func spelling(r rune) (string, bool) {
	switch {
	case r < 0x80:
		keep := r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("+-=.", r)
		return string(r), keep
	case r > 0x17f && r < 0x370, r > 0x3ff && r != 0x2212 && r != 0x2126 && r != 0x212b:
		return "", false
	}
	text, ok := spellings[r]
	return text, ok
}

// spellings of what titles are made of in laboratories: Latin letters of Europe,
// Greek ones, and signs.
var spellings = spellOut(map[string]string{
	"ae": "äæ", "oe": "öøœ", "ue": "ü", "Ae": "ÄÆ", "Oe": "ÖØŒ", "Ue": "Ü", "ss": "ß", "th": "þ",
	"a": "àáâãåāăą", "A": "ÀÁÂÃÅĀĂĄ", "c": "çćĉċč", "C": "ÇĆĈĊČ", "d": "ďđð", "D": "ĎĐ",
	"e": "èéêëēĕėęě", "E": "ÈÉÊËĒĔĖĘĚ", "g": "ĝğġģ", "G": "ĜĞĠĢ", "h": "ĥħ", "H": "ĤĦ",
	"i": "ìíîïĩīĭįı", "I": "ÌÍÎÏĨĪĬĮİ", "j": "ĵ", "J": "Ĵ", "k": "ķ", "K": "Ķ", "l": "ĺļľŀł", "L": "ĹĻĽĿŁ",
	"n": "ñńņňŋ", "N": "ÑŃŅŇŊ", "o": "òóôõōŏő", "O": "ÒÓÔÕŌŎŐ", "r": "ŕŗř", "R": "ŔŖŘ", "s": "śŝşš", "S": "ŚŜŞŠ",
	"t": "ţťŧ", "T": "ŢŤŦ", "u": "ùúûũūŭůűųµμ", "U": "ÙÚÛŨŪŬŮŰŲ", "w": "ŵ", "W": "Ŵ", "y": "ýÿŷ", "Y": "ÝŸŶ", "z": "źżž", "Z": "ŹŻŽ",
	"alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ", "eta": "η", "theta": "θϑ", "iota": "ι",
	"kappa": "κ", "lambda": "λ", "nu": "ν", "xi": "ξ", "omicron": "ο", "pi": "π", "rho": "ρ", "sigma": "σς", "tau": "τ", "upsilon": "υ",
	"phi": "φϕ", "chi": "χ", "psi": "ψ", "omega": "ω", "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π",
	"Sigma": "Σ", "Phi": "Φ", "Psi": "Ψ", "Ohm": "Ω\u2126", "Angstrom": "\u212b",
	"deg": "°", "+-": "±", "2": "²", "3": "³", "1": "¹", "-": "\u2212", "x": "×",
})

func spellOut(words map[string]string) map[rune]string {
	all := map[rune]string{}
	for word, letters := range words {
		for _, r := range letters {
			all[r] = word
		}
	}
	return all
}
